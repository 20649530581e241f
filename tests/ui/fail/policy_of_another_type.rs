#[derive(nam::Tracked, Clone)]
struct Stats {
    #[nam(add)]
    owner: String,
    #[nam(union)]
    tags: Vec<u32>,
    #[nam(append)]
    total: f64,
}

fn main() {}

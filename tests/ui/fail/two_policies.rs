#[derive(nam::Tracked, Clone)]
struct Stats {
    #[nam(add, max)]
    requests: u64,
}

fn main() {}

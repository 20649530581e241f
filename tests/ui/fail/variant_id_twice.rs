#[derive(nam::Tracked, Clone)]
enum Status {
    New,
    #[nam(id = 0)]
    Filled,
}

fn main() {}

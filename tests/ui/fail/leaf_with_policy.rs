#[derive(nam::Tracked, Clone)]
struct Stats {
    #[nam(leaf, max)]
    opened: std::time::SystemTime,
}

fn main() {}

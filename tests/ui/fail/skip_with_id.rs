#[derive(nam::Tracked, Clone)]
struct Order {
    #[nam(skip, id = 3)]
    cache: u8,
}

fn main() {}

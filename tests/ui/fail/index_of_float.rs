#[derive(nam::Tracked, Clone)]
struct Order {
    #[nam(index)]
    price: f64,
}

fn main() {}

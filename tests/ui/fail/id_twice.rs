#[derive(nam::Tracked, Clone)]
struct Order {
    price: f64,
    #[nam(id = 1)]
    quantity: u64,
}

fn main() {}

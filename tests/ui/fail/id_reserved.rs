#[derive(nam::Tracked, Clone)]
#[nam(reserved(2, 3))]
struct Order {
    price: f64,
    quantity: u64,
}

fn main() {}

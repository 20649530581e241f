#[derive(nam::Tracked, Clone)]
struct Order {
    #[nam(id = 0)]
    price: f64,
}

fn main() {}

#[derive(nam::Tracked, Clone)]
struct Order {
    price: f64,
    #[nam(alias = "price")]
    limit: f64,
}

fn main() {}

#[derive(nam::Tracked, Clone)]
#[nam(reservd(4))]
struct Order {
    #[nam(indx)]
    symbol: String,
    #[nam(flatten)]
    price: f64,
    #[nam(rename = "q")]
    #[nam(name = "quantity")]
    quantity: u64,
}

fn main() {}

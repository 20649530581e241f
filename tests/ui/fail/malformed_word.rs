#[derive(nam::Tracked, Clone)]
#[nam(reserved = 4, bound = "P")]
struct Order<P> {
    #[nam(id = "1")]
    symbol: String,
    #[nam(leaf = true)]
    price: P,
    #[nam(alias)]
    quantity: u64,
    #[nam(default = "no path")]
    #[nam(id = 4, id = 5)]
    side: u8,
}

fn main() {}

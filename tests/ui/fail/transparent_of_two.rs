#[derive(nam::Tracked, Clone)]
#[nam(transparent)]
struct Price {
    amount: f64,
    currency: String,
}

fn main() {}

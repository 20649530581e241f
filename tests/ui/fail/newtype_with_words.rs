#[derive(nam::Tracked, Clone)]
struct Price(#[nam(id = 1, add)] f64);

fn main() {}

#[derive(nam::Tracked, Clone)]
struct Pair(#[nam(index)] String, u8);

fn main() {}

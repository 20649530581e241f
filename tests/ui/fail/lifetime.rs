#[derive(nam::Tracked, Clone)]
struct Order<'a> {
    symbol: std::borrow::Cow<'a, str>,
}

fn main() {}

#[derive(nam::Tracked, Clone)]
enum Unit {
    Mm(f64),
    MM(f64),
}

fn main() {}

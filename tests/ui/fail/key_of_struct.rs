#[derive(nam::Tracked, Clone, PartialEq, Eq, Hash)]
#[nam(key)]
struct Place {
    row: u32,
    column: u32,
}

fn main() {}

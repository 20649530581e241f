#[derive(nam::Tracked, Clone, Copy)]
union Bits {
    float: f64,
    bits: u64,
}

fn main() {}

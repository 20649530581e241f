use std::cell::Cell;

use nam::tracked::{Opaque, Tracking};

type Count = Cell<u32>;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Inner {
    seen: Count,
}

// What the derive asks of a field under `leaf`, whatever its type is called.
fn leaf<T>()
where
    Opaque: Tracking<T>,
{
}

fn main() {
    leaf::<Inner>();
}

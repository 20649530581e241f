#[derive(Clone)]
struct Plain {
    cash: f64,
}

#[derive(nam::Tracked, Clone)]
enum Side {
    Buy(u32),
    Sell,
}

// What `create`, `open` and all that has to do with objects ask of a type.
fn object<T: nam::tracked::Class>() {}

fn main() {
    object::<Plain>();
    object::<Vec<u32>>();
    object::<Side>();
}

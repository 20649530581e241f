#[derive(Clone)]
struct Clock(u32);

#[derive(nam::Tracked, Clone)]
struct Desk {
    cash: f64,
    #[nam(leaf)]
    opened: Clock,
}

fn main() {}

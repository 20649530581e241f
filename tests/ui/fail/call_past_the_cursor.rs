#[derive(nam::Tracked, Clone)]
struct Desk {
    fills: Vec<u64>,
}

fn fill(desk: &mut DeskMut<'_>) {
    desk.fills.push(7);
}

fn main() {}

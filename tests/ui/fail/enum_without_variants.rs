#[derive(nam::Tracked, Clone)]
enum Never {}

fn main() {}

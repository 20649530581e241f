#[derive(nam::Tracked, Clone)]
struct Form {
    fields: Vec<String>,
}

fn main() {}

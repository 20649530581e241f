#[derive(nam::Tracked, Clone)]
struct Portfolio {
    cash: f64,
}

fn withdraw(p: &mut PortfolioMut<'_>) {
    p.cash = 5.0;
}

fn main() {}

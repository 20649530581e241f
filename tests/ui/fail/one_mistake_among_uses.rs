#[derive(nam::Tracked, Clone)]
struct Portfolio {
    cash: f64,
    #[nam(id = 1)]
    requests: u64,
    #[nam(leafy)]
    fee: f64,
}

#[derive(nam::Tracked, Clone)]
struct Desk {
    main: Portfolio,
    others: Vec<Portfolio>,
}

fn withdraw(mut desk: DeskMut<'_>) {
    *desk.main_mut().cash_mut() -= 1.0;
    *desk.main_mut().requests_mut() += 1;
    *desk.main_mut().fee_mut() += 1.0;
    let _ = desk.others.len();
}

fn main() {}

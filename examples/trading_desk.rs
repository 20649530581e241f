//! "A large session, a small change": a desk with 20,000 instruments, of which one price moves.
//!
//! Run it with `cargo run --example trading_desk`; no daemon is needed.

use std::collections::HashMap;
use std::time::Instant;

use nam::{InProcess, Tracked};

#[derive(Tracked, Clone, Default)]
#[nam(name = "desk.Portfolio")]
struct Portfolio {
    cash: f64,
    instruments: HashMap<String, Instrument>,
    fills: Vec<Fill>,
}

#[derive(Tracked, Clone, Default)]
struct Instrument {
    name: String,
    price: f64,
    held: i64,
}

#[derive(Tracked, Clone, Default)]
struct Fill {
    symbol: String,
    count: i64,
    price: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no instrument {0}")]
struct NoSuchInstrument(String);

/// Buys at a price: three places of the session change, and nothing else of it travels.
fn buy(desk: &mut PortfolioMut<'_>, symbol: &str, count: i64, price: f64) -> Result<(), NoSuchInstrument> {
    let mut instruments = desk.instruments_mut();
    let mut instrument = instruments.get_mut(symbol).ok_or_else(|| NoSuchInstrument(symbol.to_owned()))?;
    *instrument.price_mut() = price;
    *instrument.held_mut() += count;
    *desk.cash_mut() -= price * count as f64;
    desk.fills_mut().push(Fill { symbol: symbol.to_owned(), count, price });
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instruments = (0..20_000).map(|i| {
        let name = format!("The instrument with the number {i}, ordinary shares");
        (format!("SYM{i:05}"), Instrument { name, price: 100.0, held: 0 })
    });
    let portfolio = Portfolio { cash: 1e6, instruments: instruments.collect(), fills: Vec::new() };

    let delta = nam::testing::delta_of(&portfolio, |mut desk| {
        if let Some(mut instrument) = desk.instruments_mut().get_mut("SYM00042") {
            *instrument.price_mut() = 101.25;
        }
    });
    println!("one price of 20,000 instruments is {} bytes of change", delta.len());

    let repository = InProcess::new()?;
    let (london, tokyo) = (repository.node().await?, repository.node().await?);
    let desk = london.create("desk-7", portfolio).await?;
    let began = Instant::now();
    let replica = tokyo.open::<Portfolio>("desk-7").await?;
    println!("tokyo opened the session in {:?}", began.elapsed());

    let before = replica.read().await?;
    let done = desk.update(|desk| buy(desk, "SYM00042", 10, 101.25)).await?;
    let began = Instant::now();
    let after = replica.fresh().await?;
    println!("tokyo saw version {} after {:?}", after.version(), began.elapsed());
    assert_eq!(done.version, after.version());
    assert_eq!((after.cash, after.instruments["SYM00042"].held, after.fills.len()), (998_987.5, 10, 1));
    assert_eq!(before.instruments["SYM00042"].held, 0, "a guard keeps the version it was made with");

    if let Err(refused) = desk.update(|desk| buy(desk, "SYM99999", 1, 1.0)).await {
        println!("an update that fails leaves no trace: {refused}");
    }
    Ok(())
}

//! The application: what is kept of a trader, what the handlers do, and what the pages look like.

#[allow(dead_code, reason = "the demo's catalogue, of which this takes the instruments")]
#[path = "../../../src/bin/nam/demo/catalogue.rs"]
mod catalogue;
mod handlers;
mod live;
mod pages;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use nam::Tracked;
use nam::web::SessionLayer;

use crate::site::{Instance, shipped, spoken};
use catalogue::Instrument;

/// What a trader begins with.
const CASH: f64 = 1_000_000.0;

/// How many pieces a button buys or sells.
const LOT: i64 = 10;

/// The session: all that a trader works with, in memory on every instance.
#[derive(Tracked, Clone, Default)]
#[nam(name = "desk.Trader")]
pub(crate) struct Trader {
    cash: f64,
    /// Pieces by symbol.
    held: BTreeMap<String, i64>,
    fills: Vec<Fill>,
    /// Everything there is to trade, each at this trader's price: 15 MB.
    instruments: HashMap<String, Instrument>,
}

/// A trade.
#[derive(Tracked, Clone, Default)]
#[nam(name = "desk.Fill")]
pub(crate) struct Fill {
    symbol: String,
    count: i64,
    price: f64,
    /// The instance that did it.
    instance: String,
}

/// Why a trade is not done.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("There is no such instrument.")]
    Unknown,
    #[error("That costs more than you have.")]
    TooDear,
    #[error("You do not have so many.")]
    TooFew,
}

impl Trader {
    /// What the instruments are worth that are held.
    fn holdings(&self) -> f64 {
        self.held.iter().filter_map(|(symbol, count)| Some(self.instruments.get(symbol)?.price * *count as f64)).sum()
    }
}

impl TraderMut<'_> {
    /// Buys so many, or sells if `count` is below zero: three places of the session change.
    fn trade(&mut self, symbol: &str, count: i64, instance: &str) -> Result<(), Refusal> {
        let price = self.instruments.get(symbol).ok_or(Refusal::Unknown)?.price;
        let cash = self.cash - price * count as f64;
        let left = self.held.get(symbol).copied().unwrap_or_default() + count;
        if cash < 0.0 {
            return Err(Refusal::TooDear);
        }
        if left < 0 {
            return Err(Refusal::TooFew);
        }
        *self.cash_mut() = cash;
        if left == 0 {
            self.held_mut().remove(symbol);
        } else {
            self.held_mut().insert(symbol.to_owned(), left);
        }
        self.fills_mut().push(Fill { symbol: symbol.to_owned(), count, price, instance: instance.to_owned() });
        Ok(())
    }
}

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Desk {
    instance: Instance,
    /// What a trader's instruments are at first.
    instruments: Arc<HashMap<String, Instrument>>,
}

impl Desk {
    /// The instruments are those of a file, or made up.
    pub(crate) fn open(instance: Instance, file: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        Ok(Self { instance, instruments: Arc::new(catalogue::load(file)?.instruments) })
    }
}

impl AsRef<Instance> for Desk {
    fn as_ref(&self) -> &Instance {
        &self.instance
    }
}

/// One instance of the desk.
pub(crate) fn app(desk: Desk, sessions: SessionLayer<Trader>) -> Router {
    Router::new()
        .route("/", get(handlers::desk))
        .route("/blotter", get(handlers::blotter))
        .route("/live", get(live::live))
        .route("/open", post(handlers::open))
        .route("/trade", post(handlers::trade))
        .route("/close", post(handlers::close))
        .layer(sessions)
        .layer(from_fn_with_state((desk.instance.clone(), pages::BRAND), spoken))
        .layer(from_fn_with_state(desk.instance.clone(), shipped))
        .with_state(desk)
}

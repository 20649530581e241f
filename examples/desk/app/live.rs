//! Live prices: server-sent events from a watch of the session.
//!
//! Whoever looks at a desk has a market: the stream moves prices of what its page shows, by writes of the session after the
//! response has begun. The changes that it tells of are those of every instance: trades, and the markets of other pages.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use nam::web::{LateWriter, SessionError, Stored};
use nam::{Change, Watch};
use serde::Deserialize;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::handlers::Visit;
use super::pages::money;
use super::{Desk, Trader};

/// Between two moves of the market.
const PACE: Duration = Duration::from_millis(700);

/// Instruments of one page.
const SYMBOLS_MAX: usize = 20;

#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    symbols: String,
}

/// The events of one page, until it is left.
struct Events(Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

pub(super) async fn live(
    State(desk): State<Desk>,
    visit: Visit,
    Query(Shown { symbols }): Query<Shown>,
) -> Result<Response, SessionError> {
    // A browser does not come back after 204.
    let Some(changes) = visit.watch().await? else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let symbols = symbols.split(',').take(SYMBOLS_MAX).map(str::to_owned).collect();
    let market =
        Market { visit: visit.write_later().await?, symbols, instance: desk.instance.name.to_string(), moves: 0 };
    let (events, received) = mpsc::channel(4);
    tokio::spawn(async move {
        tokio::select! {
            () = events.closed() => {}
            () = market.run(changes, &events) => {}
        }
    });
    Ok(Sse::new(Events(received)).into_response())
}

/// What moves the prices of one page.
struct Market {
    visit: LateWriter<Trader>,
    symbols: Vec<String>,
    instance: String,
    moves: u64,
}

impl Market {
    async fn run(mut self, mut changes: Watch<Stored<Trader>>, events: &Sender<Event>) {
        let mut pace = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                // While the repository is away nothing moves.
                _ = pace.tick() => if let Err(SessionError::Ended) = self.shift().await { break },
                change = changes.next() => {
                    let Some(event) = self.event(change).await else { break };
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
            }
        }
        drop(events.send(Event::default().event("closed").data("the desk was closed")).await);
    }

    /// Moves one price by half a percent at most.
    async fn shift(&mut self) -> Result<(), SessionError> {
        self.moves += 1;
        let draw = self.moves.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let Some(symbol) = self.symbols.get(draw as usize % self.symbols.len().max(1)).cloned() else { return Ok(()) };
        let factor = 0.995 + ((draw >> 8) % 101) as f64 / 10_000.0;
        let moved = self.visit.update(move |trader| {
            if let Some(mut instrument) = trader.instruments_mut().get_mut(&symbol) {
                let cents = (instrument.price * factor * 100.0).round();
                *instrument.price_mut() = cents.max(1.0) / 100.0;
            }
        });
        moved.await
    }

    /// What a change means for a page; `None` if the session has ended.
    async fn event(&self, change: Change<Stored<Trader>>) -> Option<Event> {
        let touched: Vec<String> = match &change {
            Change::Applied { changes, .. } => {
                changes.data.instruments.iter().map(|(symbol, _)| symbol.clone()).collect()
            }
            Change::Ended(_) => return None,
            // Some were missed: all that the page shows.
            _ => self.symbols.clone(),
        };
        let trader = self.visit.newest().await.ok()?;
        let price = |symbol: String| Some((money(trader.instruments.get(&symbol)?.price), symbol));
        let prices = touched.into_iter().filter_map(price).map(|(price, symbol)| (symbol, price.into()));
        let totals = trader.totals().map(|(name, _, sum)| (name.to_owned(), money(sum).into()));
        let told = serde_json::json!({
            "instance": self.instance,
            "prices": prices.collect::<serde_json::Map<_, _>>(),
            "totals": serde_json::Map::from_iter(totals),
        });
        Some(Event::default().data(told.to_string()))
    }
}

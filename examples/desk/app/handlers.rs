//! What happens at each address: reads are memory reads in 15 MB, a trade changes three places of them.

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use nam::web::{Session, SessionError};
use serde::Deserialize;

use super::catalogue::Instrument;
use super::pages::{self, Row};
use super::{CASH, Desk, LOT, Trader};
use crate::site::Figures;

pub(super) type Visit = Session<Trader>;

/// Instruments of a page.
const ROWS: usize = 8;

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize)]
pub(super) struct Order {
    symbol: String,
    side: Side,
    #[serde(default)]
    q: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Buy,
    Sell,
}

pub(super) async fn desk(
    visit: Visit,
    Query(Search { q }): Query<Search>,
    mut figures: Figures,
) -> Result<Html<String>, SessionError> {
    let trader = visit.read().await?;
    figures.session_bytes = trader.memory_bytes();
    if trader.instruments.is_empty() {
        return Ok(pages::entrance(&figures));
    }
    Ok(pages::desk(&figures, &trader, &q, &found(&trader, &q)))
}

/// The first instruments whose symbol or name has the text, those before others that are held.
fn found<'t>(trader: &'t Trader, text: &str) -> Vec<Row<'t>> {
    let text = text.trim().to_lowercase();
    let is_wanted = |(symbol, instrument): &(&String, &Instrument)| {
        text.is_empty() || symbol.to_lowercase().contains(&text) || instrument.name.to_lowercase().contains(&text)
    };
    let rows = trader.instruments.iter().filter(is_wanted).map(|(symbol, instrument)| {
        let held = trader.held.get(symbol).copied().unwrap_or_default();
        Row { symbol, instrument, held }
    });
    let mut rows: Vec<Row<'t>> = rows.collect();
    rows.sort_unstable_by_key(|row| (row.held == 0, row.symbol));
    rows.truncate(ROWS);
    rows
}

pub(super) async fn blotter(visit: Visit, mut figures: Figures) -> Result<Html<String>, SessionError> {
    let trader = visit.read().await?;
    figures.session_bytes = trader.memory_bytes();
    Ok(pages::blotter(&figures, &trader))
}

/// The first write makes the session.
pub(super) async fn open(State(desk): State<Desk>, visit: Visit) -> Result<Redirect, SessionError> {
    let opened = visit.update(move |trader| {
        if trader.instruments.is_empty() {
            *trader.cash_mut() = CASH;
            trader.instruments_mut().set(desk.instruments.as_ref().clone());
        }
    });
    opened.await?;
    Ok(Redirect::to("/"))
}

pub(super) async fn trade(
    State(desk): State<Desk>,
    visit: Visit,
    mut figures: Figures,
    Form(Order { symbol, side, q }): Form<Order>,
) -> Result<Response, SessionError> {
    let count = match side {
        Side::Buy => LOT,
        Side::Sell => -LOT,
    };
    let traded = visit.try_update(move |trader| trader.trade(&symbol, count, &desk.instance.name)).await?;
    let Err(refusal) = traded else { return Ok(Redirect::to(&pages::address_of(&q)).into_response()) };
    figures.session_bytes = visit.read().await?.memory_bytes();
    Ok((StatusCode::CONFLICT, pages::refused(&figures, refusal, &q)).into_response())
}

pub(super) async fn close(visit: Visit) -> Result<Redirect, SessionError> {
    visit.destroy().await?;
    Ok(Redirect::to("/"))
}

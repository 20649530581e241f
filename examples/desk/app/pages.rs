//! What the pages look like. They work without their one script, which follows the prices.

use std::fmt::Write as _;

use axum::response::Html;

use super::catalogue::Instrument;
use super::{LOT, Refusal, Trader};
use crate::site::{Brand, Figures, Page, plain};

pub(super) const BRAND: Brand = Brand {
    name: "Desk",
    style: "
:root { --mark: #0b5a7a; --on: #fff; --up: #cdebd8; --face: system-ui, sans-serif; --paper: #f4f6f8; --line: #d8dfe5 }
@media (prefers-color-scheme: dark) {
  :root { --mark: #7cc7e8; --on: #04222f; --up: #1d4a34; --paper: #14181b; --card: #1e2428; --line: #333c42 } }
.totals { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); margin: 0 0 1rem }
.totals dt { color: var(--soft); font-size: .9rem }
.totals dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums }
ul.rows { list-style: none; margin: 0; padding: 0 1rem }
ul.rows li { display: grid; grid-template-columns: 1fr 7rem 6rem auto; gap: .25rem 1rem; align-items: center;
  padding: .75rem 0; border-bottom: 1px solid var(--line) }
ul.rows li:last-child { border-bottom: 0 }
ul.rows div { min-width: 0 }
ul.rows div .soft { display: block; font-size: .9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.price { border-radius: .3rem; padding: .1rem .3rem; transition: background 1.2s }
.price.moved { background: var(--up); transition: none }
.deal { display: flex; gap: .5rem }
.deal .quiet { margin: 0 }
@media (max-width: 40rem) {
  .totals { grid-template-columns: 1fr }
  .totals .card { display: flex; justify-content: space-between; align-items: baseline; padding: .5rem 1rem }
  ul.rows li { grid-template: 'name name price' auto 'held deal deal' auto / minmax(0, 1fr) auto auto }
  ul.rows div { grid-area: name }
  ul.rows .sum { grid-area: price }
  ul.rows .held { grid-area: held; text-align: left }
  .deal { grid-area: deal }
  .each { display: none }
}
",
};

/// Follows the prices that the page shows; where an instance has ended the stream goes on from another one.
const SCRIPT: &str = "
const cells = new Map([...document.querySelectorAll('[data-symbol]')].map(cell => [cell.dataset.symbol, cell]));
const stream = new EventSource('/live?symbols=' + encodeURIComponent([...cells.keys()].join(',')));
const live = document.getElementById('live');
// It is read out to who does not see it: not again with each price.
const say = text => { if (live.textContent !== text) live.textContent = text };
stream.onmessage = ({ data }) => {
  const { instance, prices, totals } = JSON.parse(data);
  for (const [symbol, price] of Object.entries(prices)) {
    const cell = cells.get(symbol);
    if (!cell) continue;
    cell.textContent = price;
    cell.classList.add('moved');
    requestAnimationFrame(() => requestAnimationFrame(() => cell.classList.remove('moved')));
  }
  for (const [name, sum] of Object.entries(totals)) document.getElementById(name).textContent = sum;
  say('live prices from instance ' + instance);
};
stream.onerror = () => say('waiting for prices');
stream.addEventListener('closed', () => { stream.close(); location.reload() });
";

/// An instrument on a page.
pub(super) struct Row<'t> {
    pub(super) symbol: &'t String,
    pub(super) instrument: &'t Instrument,
    pub(super) held: i64,
}

impl Trader {
    /// The sums above the prices, each with its name in the page and what it is called.
    pub(super) fn totals(&self) -> [(&'static str, &'static str, f64); 3] {
        let holdings = self.holdings();
        [("cash", "Cash", self.cash), ("holdings", "Held", holdings), ("worth", "Together", self.cash + holdings)]
    }
}

/// A sum with its thousands apart.
pub(super) fn money(sum: f64) -> String {
    let text = format!("{:.2}", sum.abs());
    let whole = text.len() - 3;
    let mut out = if sum < 0.0 { "-".to_owned() } else { String::new() };
    for (at, letter) in text.char_indices() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 {
            out.push(',');
        }
        out.push(letter);
    }
    out
}

/// The page that searches for a text.
pub(super) fn address_of(text: &str) -> String {
    let mut out = String::from("/?q=");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => out.push(char::from(byte)),
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

fn page(figures: &Figures, title: &'static str, main: String) -> Html<String> {
    let nav = match figures.session_bytes {
        0 => String::new(),
        _ => "<a href=/>Prices</a><a href=/blotter>Blotter</a>\
              <form method=post action=/close><button class=quiet>Close the desk</button></form>"
            .to_owned(),
    };
    BRAND.page(figures, &Page { title, nav, main })
}

pub(super) fn entrance(figures: &Figures) -> Html<String> {
    let main = "<p>A desk is a session of forty thousand instruments with their descriptions and prices. Sent whole, as it is \
                now once, it is 15 MB; every instance then has it in memory, where it takes 25 MB. What you change is a few \
                bytes on the way to the others.</p>\
                <form method=post action=/open><button id=open>Open a desk</button></form>";
    page(figures, "Good morning", main.to_owned())
}

pub(super) fn desk(figures: &Figures, trader: &Trader, text: &str, rows: &[Row<'_>]) -> Html<String> {
    let mut totals = String::new();
    for (name, title, sum) in trader.totals() {
        let _ = write!(totals, "<div class=card><dt>{title}<dd id={name}>{}</div>", money(sum));
    }
    let text = plain(text);
    let mut list = String::new();
    for Row { symbol, instrument, held } in rows {
        let (symbol, name, family) = (plain(symbol), plain(&instrument.name), plain(&instrument.family));
        let price = money(instrument.price);
        let _ = write!(
            list,
            "<li><div><b>{symbol}</b><span class=soft>{name} · {family}</span></div>\
             <span class=sum><span class=price data-symbol=\"{symbol}\">{price}</span></span>\
             <span class=\"sum soft held\">{held} held</span>\
             <form class=deal method=post action=/trade><input type=hidden name=symbol value=\"{symbol}\">\
             <input type=hidden name=q value=\"{text}\">\
             <button name=side value=buy aria-label=\"Buy {LOT} of {symbol}\">Buy {LOT}</button>\
             <button name=side value=sell aria-label=\"Sell {LOT} of {symbol}\" class=quiet>Sell {LOT}</button></form>"
        );
    }
    if rows.is_empty() {
        list.push_str("<li>Nothing has that in its symbol or name.");
    }
    let count = trader.instruments.len();
    let main = format!(
        "<dl class=totals>{totals}</dl><form class=line role=search>\
         <input name=q value=\"{text}\" placeholder=\"Search {count} instruments\" aria-label=\"Symbol or name\">\
         <button>Search</button></form><ul class=\"rows card\">{list}</ul>\
         <p class=soft id=live role=status>prices as of now</p><script>{SCRIPT}</script>"
    );
    page(figures, "Prices", main)
}

pub(super) fn blotter(figures: &Figures, trader: &Trader) -> Html<String> {
    if trader.fills.is_empty() {
        return page(figures, "Blotter", "<p>No trades yet. <a href=/>What is there?</a></p>".to_owned());
    }
    let mut rows = String::new();
    for fill in trader.fills.iter().rev().take(50) {
        let side = if fill.count > 0 { "bought" } else { "sold" };
        let (count, price, sum) = (fill.count.abs(), money(fill.price), money(fill.price * fill.count as f64));
        let (symbol, instance) = (plain(&fill.symbol), plain(&fill.instance));
        let _ = write!(
            rows,
            "<tr><td>{symbol}<td>{side} {count}<td class=\"sum each\">{price}<td class=sum>{sum}<td class=sum>{instance}"
        );
    }
    let head = "<tr><th>Instrument<th>Trade<th class=\"sum each\">Price<th class=sum>Paid<th class=sum>Instance";
    page(figures, "Blotter", format!("<div class=card><table>{head}{rows}</table></div>"))
}

pub(super) fn refused(figures: &Figures, refusal: Refusal, text: &str) -> Html<String> {
    let back = plain(&address_of(text));
    let main = format!("<p>{refusal} Nothing has changed. <a href=\"{back}\">Back to the prices</a></p>");
    page(figures, "Not done", main)
}

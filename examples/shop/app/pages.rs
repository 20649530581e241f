//! What the pages look like: HTML from the server, one style sheet, no script.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::response::Html;
use nam::Guard;

use super::{Catalogue, Order};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #23201c; --paper: #faf7f2; --card: #fff; --line: #e2dacd; --warm: #9a3b12; --on: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee7dc; --paper: #1b1917; --card: #252220; --line: #3a3531; --warm: #f0a47c; --on: #2a1206 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.05rem/1.5 Georgia, serif }
header, main, footer { max-width: 60rem; margin: auto; padding: 1rem }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; border-bottom: 1px solid var(--line) }
header strong { font-size: 1.5rem; margin-right: auto }
h1 { font-weight: normal; margin: .5rem 0 1rem }
a { color: var(--warm) }
ul.goods { list-style: none; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
ul.goods li, .order { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem }
ul.goods h2 { margin: 0; font-size: 1.2rem }
.order { margin-bottom: 1rem }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: .5rem .25rem; border-bottom: 1px solid var(--line) }
td.sum, th.sum { text-align: right; font-variant-numeric: tabular-nums }
form { display: inline }
button, input { font: inherit; padding: .5rem 1rem; border-radius: .4rem; border: 1px solid var(--warm) }
button { background: var(--warm); color: var(--on); cursor: pointer }
button.quiet { background: none; color: var(--warm); padding: .2rem .6rem }
:focus-visible { outline: 3px solid var(--warm); outline-offset: 2px }
footer { color: color-mix(in srgb, var(--ink) 70%, transparent); font-size: .9rem; border-top: 1px solid var(--line) }
";

/// What every page shows.
pub(super) struct Frame {
    pub(super) instance: String,
    pub(super) account: Option<String>,
    pub(super) count: u32,
}

/// A text as HTML.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

fn price(cents: u64) -> String {
    format!("{}.{:02} €", cents / 100, cents % 100)
}

fn button(action: &str, article: &str, class: &str, text: &str) -> String {
    let (article, text) = (plain(article), plain(text));
    format!(
        "<form method=post action=\"{action}\"><input type=hidden name=article value=\"{article}\">\
         <button class=\"{class}\">{text}</button></form>"
    )
}

impl Frame {
    fn page(&self, title: &str, main: &str) -> Html<String> {
        let account = match &self.account {
            Some(name) => format!(
                "<a href=/orders>{}</a> <form method=post action=/sign-out><button class=quiet>Sign out</button></form>",
                plain(name)
            ),
            None => "<a href=/sign-in>Sign in</a>".to_owned(),
        };
        let (count, instance) = (self.count, plain(&self.instance));
        Html(format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>{title} · Afternoon</title><style>{STYLE}</style>\
             <header><strong>Afternoon</strong><nav><a href=/>Shop</a> · <a href=/cart>Cart ({count})</a></nav>\
             <span>{account}</span></header><main><h1>{title}</h1>{main}</main>\
             <footer>Served by instance <b id=instance>{instance}</b>. Every instance has your cart.</footer></html>"
        ))
    }
}

pub(super) fn catalogue(frame: &Frame, catalogue: &Catalogue) -> Html<String> {
    let mut goods = String::new();
    for (id, article) in &catalogue.articles {
        let (name, words, price) = (plain(&article.name), plain(&article.words), price(article.cents));
        let put = button("/cart", id, "", &format!("Add {}", article.name));
        let _ = write!(goods, "<li><h2>{name}</h2><p>{words}</p><p>{price}</p>{put}</li>");
    }
    frame.page("For the afternoon", &format!("<ul class=goods>{goods}</ul>"))
}

/// A table of what costs what.
fn table(lines: impl Iterator<Item = (String, u32, u64, String)>) -> String {
    let (mut rows, mut sum) = (String::new(), 0);
    for (name, count, cents, last) in lines {
        let all = cents * u64::from(count);
        sum += all;
        let (name, all) = (plain(&name), price(all));
        let _ = write!(rows, "<tr><td>{name}<td class=sum>{count}<td class=sum>{all}<td class=sum>{last}");
    }
    let sum = price(sum);
    format!(
        "<table><tr><th>Article<th class=sum>Count<th class=sum>Price<th>{rows}\
         <tr><th>Together<th><th class=sum>{sum}<th></table>"
    )
}

pub(super) fn cart(frame: &Frame, cart: &BTreeMap<String, u32>, catalogue: &Catalogue) -> Html<String> {
    if cart.is_empty() {
        return frame.page("Your cart", "<p>Nothing in it yet. <a href=/>Have a look around.</a>");
    }
    let lines = cart.iter().filter_map(|(id, count)| {
        let article = catalogue.articles.get(id)?;
        Some((article.name.clone(), *count, article.cents, button("/cart/remove", id, "quiet", "Remove")))
    });
    let end = match frame.account {
        Some(_) => "<form method=post action=/checkout><button>Order now</button></form>",
        None => "<p><a href=/sign-in>Sign in to order</a>",
    };
    frame.page("Your cart", &(table(lines) + end))
}

pub(super) fn orders(frame: &Frame, orders: &[(String, Guard<Order>)]) -> Html<String> {
    let mut all = String::new();
    for (number, order) in orders {
        let lines = order.lines.iter().map(|line| (line.name.clone(), line.count, line.cents, String::new()));
        let (number, sum, lines) = (plain(number), price(order.cents()), table(lines));
        let _ = write!(all, "<section class=order><h2>Order {number}: {sum}</h2>{lines}</section>");
    }
    if orders.is_empty() {
        all.push_str("<p>None yet. <a href=/cart>What is in the cart?</a>");
    }
    all.push_str(
        "<form method=post action=/sign-out/everywhere><button class=quiet>Sign out on all my devices</button></form>",
    );
    frame.page("Your orders", &all)
}

pub(super) fn entrance(frame: &Frame) -> Html<String> {
    frame.page(
        "Sign in",
        "<p>Any name will do: this shop sells nothing, and asks for no password.\
         <form method=post><label>Name <input name=name required maxlength=64 autocomplete=username autofocus></label> \
         <button>Sign in</button></form>",
    )
}

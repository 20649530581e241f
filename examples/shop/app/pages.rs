//! What the pages look like.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::response::Html;
use nam::Guard;

use super::{Catalogue, Order};
use crate::site::{Brand, Figures, Page, plain};

pub(super) const BRAND: Brand = Brand {
    name: "Afternoon",
    style: "
:root { --mark: #9a3b12; --on: #fff; --face: Georgia, serif }
@media (prefers-color-scheme: dark) { :root { --mark: #f0a47c; --on: #2a1206 } }
ul.goods { list-style: none; padding: 0; margin: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
ul.goods li { display: flex; flex-direction: column }
ul.goods p { margin: .25rem 0 .75rem }
ul.goods .end { display: flex; justify-content: space-between; align-items: center; margin-top: auto }
ul.goods h2, .order h2 { margin: 0; font-size: 1.2rem }
.order { margin-bottom: 1rem }
.end { margin-top: 1rem }
",
};

/// What every page shows.
pub(super) struct Frame {
    pub(super) figures: Figures,
    pub(super) account: Option<String>,
    pub(super) count: u32,
}

fn price(cents: u64) -> String {
    format!("{}.{:02} €", cents / 100, cents % 100)
}

/// A button that does something with an article, whose name is said where it is not seen.
fn button(action: &str, id: &str, class: &str, (verb, name): (&str, &str)) -> String {
    let (id, name) = (plain(id), plain(name));
    let (label, text) = match class {
        "" => (String::new(), format!("{verb} {name}")),
        _ => (format!(" aria-label=\"{verb} {name}\""), verb.to_owned()),
    };
    format!(
        "<form method=post action=\"{action}\"><input type=hidden name=article value=\"{id}\">\
         <button class=\"{class}\"{label}>{text}</button></form>"
    )
}

impl Frame {
    fn page(&self, title: &'static str, main: String) -> Html<String> {
        let account = match &self.account {
            Some(name) => format!(
                "<a href=/orders>{}</a><form method=post action=/sign-out><button class=quiet>Sign out</button></form>",
                plain(name)
            ),
            None => "<a href=/sign-in>Sign in</a>".to_owned(),
        };
        let nav = format!("<a href=/>Shop</a><a href=/cart>Cart ({})</a>{account}", self.count);
        BRAND.page(&self.figures, &Page { title, nav, main })
    }
}

pub(super) fn catalogue(frame: &Frame, catalogue: &Catalogue) -> Html<String> {
    let mut goods = String::new();
    for (id, article) in &catalogue.articles {
        let (name, words, price) = (plain(&article.name), plain(&article.words), price(article.cents));
        let put = button("/cart", id, "", ("Add", &article.name));
        let end = format!("<div class=end><span>{price}</span>{put}</div>");
        let _ = write!(goods, "<li class=card><h2>{name}</h2><p>{words}</p>{end}</li>");
    }
    frame.page("For the afternoon", format!("<ul class=goods>{goods}</ul>"))
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
         <tr><td>Together<td><td class=sum><b>{sum}</b><td></table>"
    )
}

pub(super) fn cart(frame: &Frame, cart: &BTreeMap<String, u32>, catalogue: &Catalogue) -> Html<String> {
    if cart.is_empty() {
        return frame.page("Your cart", "<p>Nothing in it yet. <a href=/>Have a look around.</a>".to_owned());
    }
    let lines = cart.iter().filter_map(|(id, count)| {
        let article = catalogue.articles.get(id)?;
        let remove = button("/cart/remove", id, "quiet", ("Remove", &article.name));
        Some((article.name.clone(), *count, article.cents, remove))
    });
    let end = match frame.account {
        Some(_) => "<form method=post action=/checkout><button id=order>Order now</button></form>",
        None => "<a href=/sign-in>Sign in to order</a>",
    };
    frame.page("Your cart", format!("<div class=card>{}</div><div class=end>{end}</div>", table(lines)))
}

pub(super) fn orders(frame: &Frame, orders: &[(String, Guard<Order>)]) -> Html<String> {
    let mut all = String::new();
    for (number, order) in orders {
        let lines = order.lines.iter().map(|line| (line.name.clone(), line.count, line.cents, String::new()));
        let (number, sum, lines) = (plain(number), price(order.cents()), table(lines));
        let _ = write!(all, "<section class=\"order card\"><h2>Order {number}: {sum}</h2>{lines}</section>");
    }
    if orders.is_empty() {
        all.push_str("<p>None yet. <a href=/cart>What is in the cart?</a>");
    }
    all.push_str(
        "<form method=post action=/sign-out/everywhere><button class=quiet>Sign out on all my devices</button></form>",
    );
    frame.page("Your orders", all)
}

pub(super) fn entrance(frame: &Frame) -> Html<String> {
    frame.page(
        "Sign in",
        "<p>Any name will do: this shop sells nothing, and asks for no password.\
         <form method=post class=line><label for=name>Name</label>\
         <input id=name name=name required maxlength=64 autocomplete=username autofocus>\
         <button>Sign in</button></form>"
            .to_owned(),
    )
}

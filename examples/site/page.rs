//! What is around a page: HTML from the server, one style sheet.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::{Figures, Instance};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #23201c; --paper: #faf7f2; --card: #fff; --line: #e2dacd; --soft: #6d655b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee7dc; --paper: #1b1917; --card: #252220; --line: #3a3531; --soft: #a99f92 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.5 var(--face); overflow-wrap: anywhere }
header, main, footer { width: 100%; max-width: 64rem; margin: 0 auto; padding: 1rem }
main { flex: 1 }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; border-bottom: 1px solid var(--line) }
header strong { font-size: 1.5rem; margin-right: auto }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center }
h1 { font-weight: normal; margin: .5rem 0 1rem }
a { color: var(--mark) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem }
.soft { color: var(--soft) }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: .5rem .25rem; border-bottom: 1px solid var(--line); overflow-wrap: break-word }
td:first-child { overflow-wrap: anywhere }
th { font-weight: normal; color: var(--soft); font-size: .9rem }
tr:last-child > td, tr:last-child > th { border-bottom: 0 }
th:first-child, td:first-child { padding-left: 0 }
th:last-child, td:last-child { padding-right: 0 }
.sum { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
form { display: inline }
.line { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; max-width: 40rem; margin-bottom: 1rem }
.line input { flex: 1; min-width: 10rem }
button, input { font: inherit; min-height: 2.75rem; padding: .4rem 1rem; border-radius: .4rem; border: 1px solid var(--mark) }
input { background: var(--card); color: var(--ink) }
button { background: var(--mark); color: var(--on); cursor: pointer }
button.quiet { background: none; color: var(--mark); border-color: transparent; padding: .2rem .6rem; margin: 0 -.6rem;
  text-decoration: underline }
button.quiet:hover { border-color: var(--mark) }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
footer { color: var(--soft); font-size: .9rem; border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .25rem 1.5rem }
footer b { color: var(--ink) }
@media (max-width: 22rem) {
  header, main, footer { padding: .75rem }
  .card { padding: .6rem }
  th, td { padding: .5rem .15rem; font-size: .95rem }
}
";

/// How the pages of one application look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brand {
    pub(crate) name: &'static str,
    /// What its style sheet adds to the one of all.
    pub(crate) style: &'static str,
}

/// A page without its frame.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) title: &'static str,
    /// Where one can go, as HTML.
    pub(crate) nav: String,
    /// What it says, as HTML.
    pub(crate) main: String,
}

impl Brand {
    pub(crate) fn page(self, figures: &Figures, page: &Page) -> Html<String> {
        let session = match figures.session_bytes {
            0 => "no session yet".to_owned(),
            bytes => format!("session <b id=session>{}</b> in memory", size(bytes as f64)),
        };
        let shipped = match figures.shipped_bytes {
            None => "nothing changed yet".to_owned(),
            Some(bytes) => format!("your last change sent <b id=shipped>{}</b>", size(bytes as f64)),
        };
        self.frame(&format!("{}<span>{session}</span><span>{shipped}</span>", served_by(&figures.instance)), page)
    }

    /// Around a page: what it is called, where one can go, and what stands below.
    fn frame(self, below: &str, Page { title, nav, main }: &Page) -> Html<String> {
        let Self { name, style } = self;
        Html(format!(
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\
             <title>{title} · {name}</title><style>{STYLE}{style}</style>\
             <header><strong>{name}</strong><nav>{nav}</nav></header><main><h1>{title}</h1>{main}</main>\
             <footer>{below}</footer></html>"
        ))
    }
}

fn served_by(instance: &str) -> String {
    format!("<span>served by instance <b id=instance>{}</b></span>", plain(instance))
}

/// Says as a page what a handler or the layer of the sessions answered in plain words, and what the router refused without any:
/// a layer around both.
pub(crate) async fn spoken(
    State((instance, brand)): State<(Instance, Brand)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = next.run(request).await.into_parts();
    let is_plain = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    let said = match head.headers.get(CONTENT_TYPE).map(is_plain) {
        Some(true) => String::from_utf8_lossy(&to_bytes(body, 1_000).await.unwrap_or_default()).into_owned(),
        None if head.status.as_u16() >= 400 => {
            head.status.canonical_reason().unwrap_or("no reason").to_ascii_lowercase()
        }
        _ => return Response::from_parts(head, body),
    };
    let said = plain(&said);
    let main = format!("<p>It says: {said}.</p><p><a href=/>To the first page</a>");
    let page = Page { title: "That did not work", nav: String::new(), main };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(CONTENT_TYPE);
    (head.status, head.headers, brand.frame(&served_by(&instance.name), &page)).into_response()
}

/// Bytes as people say it.
fn size(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes} bytes"),
        ..1e6 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{:.1} MB", bytes / 1e6),
    }
}

/// A text as HTML.
pub(crate) fn plain(text: &str) -> String {
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

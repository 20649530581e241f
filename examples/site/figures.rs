//! What every page says about itself: who served it, how large the session is, and what the browser's last change sent.
//!
//! A change is answered by a redirect, and the page behind it may come from another instance; so what was counted travels
//! in a cookie. What is counted are bytes of UDP, headers of QUIC included, that the node sent while the request ran.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::convert::Infallible;

use super::Instance;

/// The cookie's name.
const SHIPPED: &str = "shipped";

/// For a page's footer.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) instance: String,
    /// Bytes that the session takes in the memory of the instance.
    pub(crate) session_bytes: usize,
    /// Bytes that the browser's last change sent.
    pub(crate) shipped_bytes: Option<u64>,
}

impl<S: Sync + AsRef<Instance>> FromRequestParts<S> for Figures {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let instance = state.as_ref().name.to_string();
        Ok(Self { instance, session_bytes: 0, shipped_bytes: told(&parts.headers) })
    }
}

fn told(headers: &HeaderMap) -> Option<u64> {
    let mut pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(SHIPPED)?.strip_prefix('=')?.parse().ok())
}

/// Counts what a change sends, and has the browser bring that along: a layer around the one of the sessions.
pub(crate) async fn shipped(State(instance): State<Instance>, request: Request, next: Next) -> Response {
    let (is_change, before) = (request.method() == Method::POST, instance.node.traffic().sent_bytes);
    let mut response = next.run(request).await;
    if is_change && response.status().as_u16() < 400 {
        let bytes = instance.node.traffic().sent_bytes.saturating_sub(before);
        let cookie = format!("{SHIPPED}={bytes}; Path=/; HttpOnly; SameSite=Lax");
        response.headers_mut().extend(HeaderValue::from_str(&cookie).ok().map(|value| (SET_COOKIE, value)));
    }
    response
}

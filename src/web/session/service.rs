//! Around each request: its cookie in, the new cookie out.
//!
//! Invariants: what the request wrote is committed before the head of the response leaves, or discarded: by a status from
//! 400, an error of the service, a panic, and if the request ends without a response; a response that promises what could
//! not be committed is replaced. Source: own reasoning (S1, S4).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::BoxError;
use axum_core::body::Body;
use axum_core::response::IntoResponse;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, COOKIE, HeaderValue, SET_COOKIE, VARY};
use http::{Extensions, HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::error::{SameCookie, SessionError};
use super::layer::Settings;
use super::request::Verdict;
use super::{Session, request};
use crate::error::Error;
use crate::tracked::Class;

/// The service that [`SessionLayer`](super::SessionLayer) puts around another.
pub struct SessionService<S, T: Class> {
    inner: S,
    settings: Arc<Settings>,
    sessions: std::marker::PhantomData<fn() -> T>,
}

impl<S, T: Class> SessionService<S, T> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings, sessions: std::marker::PhantomData }
    }
}

impl<S: Clone, T: Class> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings))
    }
}

impl<S, T: Class> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").finish_non_exhaustive()
    }
}

impl<S, T, B, R> Service<Request<B>> for SessionService<S, T>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    T: Class + Default,
    B: Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = Arc::clone(&self.settings);
        if let Err(same) = settle(request.extensions_mut(), &settings) {
            return Box::pin(async { Ok(same.into_response()) });
        }
        let cookies = request.headers().get_all(COOKIE).iter().cloned().collect();
        let session = Arc::new(request::Request::<T>::new(Arc::clone(&settings), cookies));
        request.extensions_mut().insert(Session { request: Arc::clone(&session), is_late: false });
        // What was ready is used; its copy is made ready for the next call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let running = Running(Some(Arc::clone(&session)));
            let mut response = inner.call(request).await?.map(Body::new);
            if session.is_to_commit(response.status()).await
                && let Err(error) = running.commit().await
            {
                response = error.into_response();
            }
            tell(&settings, session.verdict().await, response.headers_mut());
            Ok(response)
        })
    }
}

/// The layers that a request has passed.
#[derive(Clone, Default)]
struct Passed(Vec<Arc<Settings>>);

/// Adds a layer to those that the request has passed, unless one of them has a cookie of the same name.
fn settle(extensions: &mut Extensions, settings: &Arc<Settings>) -> Result<(), SameCookie> {
    let Passed(passed) = extensions.get_or_insert_default();
    let names = settings.names.both();
    if let Some(name) = passed.iter().flat_map(|other| other.names.both()).find(|name| names.contains(name)) {
        return Err(SameCookie { name: name.to_owned() });
    }
    passed.push(Arc::clone(settings));
    Ok(())
}

/// A request that has no answer yet; dropping it is the end of what it gathered.
struct Running<T: Class>(Option<Arc<request::Request<T>>>);

impl<T: Class + Default> Running<T> {
    /// Commits on a task that goes on if the browser has gone.
    async fn commit(mut self) -> Result<(), SessionError> {
        let Some(session) = self.0.take() else { return Ok(()) };
        match tokio::spawn(async move { session.commit().await }).await {
            Ok(outcome) => outcome,
            Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
            Err(_) => Err(SessionError::Unavailable(Error::Closed)),
        }
    }
}

impl<T: Class> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.iter().for_each(|session| session.end());
    }
}

/// Says in the response's head what the browser and caches are to know.
fn tell(settings: &Settings, verdict: Verdict, headers: &mut HeaderMap) {
    let cookies = match verdict {
        Verdict::Unused => return,
        Verdict::Keep => Vec::new(),
        Verdict::Session { ticket, floor, now } => {
            let ticket = ticket.map(|ticket| settings.ticket(&ticket, now));
            ticket.into_iter().chain(floor.map(|floor| settings.floor(&floor, now))).collect()
        }
        Verdict::Remove => settings.removals().to_vec(),
    };
    headers.append(VARY, HeaderValue::from_static("Cookie"));
    let values = cookies.iter().filter_map(|cookie| HeaderValue::from_str(&cookie.to_string()).ok());
    for value in values {
        headers.append(SET_COOKIE, value);
    }
    if cookies.is_empty() {
        return;
    }
    let said: Vec<&str> = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).collect();
    if let Some(value) = not_shared(&said.join(",")).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CACHE_CONTROL, value);
    }
}

/// What `Cache-Control` says of a response that no shared cache may keep; `None` if it says so already. What else the
/// application said of it stays.
fn not_shared(said: &str) -> Option<String> {
    let directives = said.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let is = |directive: &str, names: &[&str]| {
        let name = directive.split('=').next().unwrap_or_default().trim();
        names.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    if directives.clone().any(|directive| is(directive, &["no-store"]) || directive.eq_ignore_ascii_case("private")) {
        return None;
    }
    let kept = directives.filter(|directive| !is(directive, &["public", "s-maxage"]));
    Some(kept.chain(["private"]).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::not_shared;

    #[test]
    fn what_sets_a_cookie_is_private_and_else_what_the_application_said() {
        for (said, told) in [
            ("", "private"),
            ("no-cache", "no-cache, private"),
            ("max-age=0, must-revalidate", "max-age=0, must-revalidate, private"),
            ("public, max-age=60, s-maxage=9", "max-age=60, private"),
            ("Public", "private"),
            ("private=\"x-other\"", "private=\"x-other\", private"),
        ] {
            assert_eq!(not_shared(said).as_deref(), Some(told), "{said}");
        }
        for said in ["private", "no-store", "max-age=5, Private", "No-Store,public"] {
            assert_eq!(not_shared(said), None, "{said}");
        }
    }
}

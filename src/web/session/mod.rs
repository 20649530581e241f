//! The session of a request: an application's struct that every instance has in memory.
//!
//! ```text
//!  request ─▶ layer: cookie ─▶ ticket      handler: Session<T> ─ read ─▶ memory
//!                                                    │ update: runs at once, waits for the response
//!                                                    └ update_now: a commit at once ─▶ repository
//!  response ◀─ layer: new cookie ◀─ repository ◀─ one commit of all updates, if the status is below 400
//! ```
//! A session is one object, its key a hash of the id in the cookie. One cookie has the id and how often the session was
//! renewed, another what the browser has seen. Invariants: nothing is created before the first write, and nothing by a
//! request that fails; a ticket is accepted for the newest rotation only, or for the one before if the request was under way
//! when the session was renewed or signs in who is signed in by then, and no id that a client chose is ever adopted; a response carries the newest token that
//! the instance knows, and for [`VALIDATE`] after a write every instance asks the repository, so that responses that race
//! to set the cookie hide nothing; no lock is held while a handler waits. Source: own reasoning (S1–S5).

mod error;
mod everywhere;
mod first;
mod gathered;
mod lasting;
mod late;
mod layer;
mod notices;
mod opened;
mod renewal;
mod request;
mod service;
mod stored;
mod ticket;
mod view;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

pub use cookie::{Key, SameSite};
pub use error::{MissingLayer, SessionError};
pub use late::LateWriter;
pub use layer::{Away, BuildError, SessionLayer, SessionLayerBuilder};
pub use service::SessionService;
pub use stored::Stored;
pub use view::View;

use crate::client::Watch;
use crate::tracked::Class;
use request::Request;

/// How long after a write every instance asks the repository: longer than responses are on their way.
const VALIDATE: Duration = Duration::from_secs(5);

/// The session of one request, for handlers. Nothing is read before the first use, nothing is made before the first
/// write; clones are the same session, and may be kept by streams and sockets that outlive the request.
///
/// As an argument of a handler it is always there; `Option<Session<T>>` is there only if the browser has one. On a route without
/// a layer of this type both are answered 500.
///
/// ```
/// # use axum_core::{body::Body, extract::FromRequestParts};
/// # use tower_service::Service;
/// use nam::web::{Key, Session, SessionError, SessionLayer};
///
/// #[derive(nam::Tracked, Clone, Default)]
/// struct Cart { items: Vec<String>, total: u64 }
///
/// async fn add(cart: Session<Cart>) -> Result<String, SessionError> {
///     cart.update(|cart| cart.items_mut().push("tea".to_owned())).await?;
///     Ok(format!("{} in the cart", cart.read().await?.items.len()))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let node = nam::Node::in_process().await.expect("a repository in this process");
/// let layer = SessionLayer::<Cart>::builder(node).with_signed(Key::generate()).build().expect("a layer that can work");
/// # let app = tower_layer::Layer::layer(&layer, Handler);
/// # let response = { let mut app = app; app.call(http::Request::new(Body::empty())).await.expect("an answer") };
/// # assert!(response.headers()["set-cookie"].to_str().expect("text").starts_with("__Host-session="));
/// # }
/// # #[derive(Clone)]
/// # struct Handler;
/// # impl Service<http::Request<Body>> for Handler {
/// #     type Response = http::Response<Body>;
/// #     type Error = std::convert::Infallible;
/// #     type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
/// #         std::task::Poll::Ready(Ok(()))
/// #     }
/// #     fn call(&mut self, request: http::Request<Body>) -> Self::Future {
/// #         Box::pin(async {
/// #             let mut parts = request.into_parts().0;
/// #             let cart = <Session<Cart> as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
/// #             let text = add(cart.expect("the layer is there")).await.expect("a first write");
/// #             Ok(http::Response::new(text.into()))
/// #         })
/// #     }
/// # }
/// ```
pub struct Session<T: Class> {
    request: Arc<Request<T>>,
    /// Whether it writes without regard to the response.
    is_late: bool,
}

impl<T: Class + Default> Session<T> {
    /// Reads the session: one version for the whole request until it writes, then the newest with its own writes; before the
    /// first write, what `T::default()` says.
    ///
    /// Cost: a memory read if this instance has what the browser has seen. After an [`update`](Self::update) of this request a
    /// private copy of the whole session, made once and kept until the next write: what an update is asked for is cheaper
    /// given back by its closure. Drop the view before the request writes: an update changes the session in place, and copies
    /// it whole first while somebody looks.
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Lost`, `Renewed`, `Ended`; `Conflict` if what the request wrote cannot be committed.
    pub async fn read(&self) -> Result<View<T>, SessionError> {
        self.request.read().await
    }

    /// Reads the newest version that this instance has, for streams and sockets, which outlive the one version of their
    /// request: after a change that a [`watch`](Self::watch) told of it shows that change. The request keeps nothing of it,
    /// so once the view is dropped the session is changed in place.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn newest(&self) -> Result<View<T>, SessionError> {
        self.request.newest().await
    }

    /// Whether the browser has a session that exists, or this request has written the first one.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn exists(&self) -> Result<bool, SessionError> {
        self.request.exists().await
    }

    /// Changes the session, if the response is a success. `closure` runs at once, on the newest that this instance has and
    /// what the request wrote before, and its value is answered; reads of this request show it. Before the head of the
    /// response leaves the layer commits all updates of the request as one, also if the browser has gone; the first one
    /// creates the session. A status from 400, an error of the service or a panic discards them. If they cannot be committed
    /// the layer answers a [`SessionError`] in place of the response.
    ///
    /// Requests that change other fields at the same time are not in the way. If another changed the same ones, all closures
    /// of the request run again: they are to do nothing but write. That is so if none gave anything back; a value that the
    /// handler may have used would be wrong by then, and the answer is `Conflict` and nothing is written. So give back
    /// nothing that is not needed, or use [`update_now`](Self::update_now).
    ///
    /// After the head of the response has left, and by a [`LateWriter`], an update is a commit of its own at once. A session
    /// that does not exist by then cannot be made any more: no cookie could tell the browser of it.
    ///
    /// ```
    /// # use nam::web::{Session, SessionError};
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # #[nam(name = "shop.Visit")]
    /// # struct Visit { items: Vec<String>, orders: u32 }
    /// async fn put(visit: Session<Visit>, item: String) -> Result<&'static str, SessionError> {
    ///     visit.update(move |visit| visit.items_mut().push(item.clone())).await?;
    ///     Ok("it is in the cart")
    /// }
    /// ```
    ///
    /// Whether a closure gives something back its type says, also if nobody looks at it: without the semicolon behind
    /// `insert` or `remove` the value is their answer, and a request that is overtaken is answered 409 instead of being run
    /// again.
    ///
    /// ```
    /// # use std::collections::BTreeSet;
    /// # use nam::web::{Session, SessionError};
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # #[nam(name = "shop.Visit")]
    /// # struct Visit { seen: BTreeSet<u64>, orders: u32 }
    /// async fn see(visit: Session<Visit>, article: u64) -> Result<(), SessionError> {
    ///     let seen = visit.update(move |visit| {
    ///         visit.seen_mut().insert(article); // this semicolon
    ///     });
    ///     seen.await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SessionError`]: `Conflict`, `Unavailable`, `Ended`, `Renewed`, `Lost`, `TooLarge`, `Answered`.
    pub async fn update<V>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> V + Send + 'static,
    ) -> Result<V, SessionError> {
        let Ok(value) = self.try_update(move |data| Ok::<V, Infallible>(closure(data))).await?;
        Ok(value)
    }

    /// As [`update`](Self::update), by a closure that may refuse: then it changes nothing, and creates nothing. What was
    /// written before it stays. One that refuses only when it runs again is a `Conflict`, since the handler was told
    /// otherwise.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn try_update<V, E>(
        &self,
        closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<Result<V, E>, SessionError> {
        if self.is_late { self.request.update_alone(closure).await } else { self.request.update(closure).await }
    }

    /// Changes the session at once, whatever the response will be: commits what the request wrote before and `closure`
    /// together, and answers what `closure` gave in the run that took effect. It runs again if another request changed the
    /// same fields: it is to do nothing but write.
    ///
    /// For what must happen exactly once before the handler goes on, such as taking the cart for an order, and for what stays
    /// although the response is an error, such as counting a failed sign-in.
    ///
    /// ```
    /// # use nam::web::{Session, SessionError};
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # #[nam(name = "shop.Visit")]
    /// # struct Visit { items: Vec<String>, failures: u32 }
    /// async fn refuse(visit: Session<Visit>) -> Result<String, SessionError> {
    ///     let failures = visit.update_now(|visit| {
    ///         *visit.failures_mut() += 1;
    ///         visit.failures
    ///     });
    ///     Ok(format!("wrong for the {}. time", failures.await?)) // counted once in each number, whatever comes at the same time
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update). Then nothing of the request was written, or with `Unavailable` perhaps all of it. If updates
    /// before it, which had succeeded, are discarded by that, or the session could not be made, the layer answers this error
    /// when the handler passes over it.
    pub async fn update_now<V>(&self, mut closure: impl FnMut(&mut T::Mut<'_>) -> V) -> Result<V, SessionError> {
        if self.is_late {
            let Ok(value) = self.request.update_alone(|data| Ok::<V, Infallible>(closure(data))).await?;
            return Ok(value);
        }
        self.request.update_now(|stored| closure(&mut stored.data_mut())).await
    }

    /// Says who signed in, and gives the session a new name as [`rotate`](Self::rotate) does, with the response. What is in
    /// the session stays; if there is no session yet one is made. By the principal all sessions of somebody are found, see
    /// [`sign_out_everywhere`](Self::sign_out_everywhere); use what names an account for good, not what it can change. An
    /// empty text is nobody: so a session stays when its user leaves, and none is made.
    ///
    /// A form that is sent twice signs in once: for a minute also a request with the name from before gets the new one, if it
    /// says who is signed in by then.
    ///
    /// # Errors
    /// As [`update`](Self::update); `TooLarge` beyond 256 bytes, `Renewed` if another request gave the session a new name and
    /// somebody else signed in with it, `Answered` after the head of the response.
    pub async fn sign_in(&self, principal: &str) -> Result<(), SessionError> {
        self.request.sign_in(principal).await
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn principal(&self) -> Result<Option<String>, SessionError> {
        self.request.principal().await
    }

    /// Ends every session that the principal of this one is signed in with, this one included, at once, and takes the cookie
    /// back. What the request wrote is discarded. Costs a search and, for each session that this instance does not have,
    /// loading it.
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Renewed`; some may have ended then. See
    /// [`SessionLayer::sign_out_everywhere`] for anybody else.
    pub async fn sign_out_everywhere(&self) -> Result<(), SessionError> {
        self.request.sign_out_everywhere().await
    }

    /// Gives the session a new name, if the response is a success: in the commit with everything else that the request wrote,
    /// before the head leaves, and from then on the cookie so far is worth nothing. A status from 400, a panic, or a browser
    /// that goes away before leave the session its name. [`update_now`](Self::update_now) commits it at once. Nothing of the
    /// data moves; requests under way, open streams and sockets go on. Two at once are one.
    ///
    /// # Errors
    /// As [`update`](Self::update); `Renewed` if this request was under way when another gave the session a new name, of which
    /// only [`sign_in`](Self::sign_in) may hear then; `Answered` after the head of the response.
    pub async fn rotate(&self) -> Result<(), SessionError> {
        self.request.rotate().await
    }

    /// Ends the session on every instance at once, and takes the cookie back. What the request wrote is discarded, and it can
    /// write no more: the next request begins anew. For a visitor who goes on as somebody else, or as nobody, see
    /// [`sign_in`](Self::sign_in).
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Renewed`. A session that has ended already is no error.
    pub async fn destroy(&self) -> Result<(), SessionError> {
        self.request.destroy().await
    }

    /// Says that this session will be written after the head of the response, by a stream or a socket: from this commit on,
    /// and for as long as the writer lives, every instance asks the repository before it shows the session, because no
    /// cookie can tell the browser of those writes. The commit is at once, and takes with it what the request wrote before:
    /// so the writer's updates come behind that.
    ///
    /// # Errors
    /// As [`update_now`](Self::update_now).
    pub async fn write_later(&self) -> Result<LateWriter<T>, SessionError> {
        LateWriter::start(self.clone()).await
    }

    /// Watches the session from now on: every change of every instance, typed, as `changes.data`. `None` if there is none yet;
    /// what this request wrote comes with its commit.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn watch(&self) -> Result<Option<Watch<Stored<T>>>, SessionError> {
        self.request.watch().await
    }
}

impl<T: Class> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { request: Arc::clone(&self.request), is_late: self.is_late }
    }
}

impl<T: Class> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl<S: Sync, T: Class> FromRequestParts<S> for Session<T> {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer { session: T::NAME })
    }
}

impl<S: Sync, T: Class + Default> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, SessionError> {
        let session = parts.extensions.get::<Self>().ok_or(MissingLayer { session: T::NAME })?;
        Ok(session.exists().await?.then(|| session.clone()))
    }
}

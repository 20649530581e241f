//! The session of a request: an application's struct that every instance has in memory.
//!
//! ```text
//!  request ─▶ layer: cookie ─▶ ticket      handler: Session<T> ─ read ─▶ memory      layer ─▶ response, new cookie
//!                                                    │ update: a commit of its own ─▶ repository
//!                                                    └ on_success: waits for the response ─▶ one commit
//! ```
//! A session is one object, its key a hash of the id in the cookie. One cookie has the id and how often the session was
//! renewed, another what the browser has seen. Invariants: nothing is created before the first write; a ticket is accepted
//! for the newest rotation only, and no id that a client chose is ever adopted; a response carries the newest token that
//! the instance knows, and for [`VALIDATE`] after a write every instance asks the repository, so that responses that race
//! to set the cookie hide nothing; no lock is held while a handler waits. Source: own reasoning (S1–S5).

mod error;
mod everywhere;
mod late;
mod layer;
mod opened;
mod request;
mod service;
mod stored;
mod succeeding;
mod ticket;

use std::fmt;
use std::ops::Deref;
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

use crate::client::{Guard, Watch};
use crate::tracked::Class;
use request::Request;

/// How long after a write every instance asks the repository: longer than responses are on their way.
const VALIDATE: Duration = Duration::from_secs(5);

/// The session of one request, for handlers. Nothing is read before the first use, nothing is made before the first
/// write; clones are the same session, and may be kept by streams and sockets that outlive the request.
///
/// As an argument of a handler it is always there; `Option<Session<T>>` is there only if the browser has one.
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
///     let count = cart.update(|cart| { cart.items_mut().push("tea".to_owned()); cart.items.len() }).await?;
///     Ok(format!("{count} in the cart"))
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
}

impl<T: Class + Default> Session<T> {
    /// Reads the session: one version for the whole request, its own updates included; before the first write, what
    /// `T::default()` says. A memory read if this instance has what the browser has seen. Drop the view before the request
    /// writes: an update changes the session in place, and copies it whole first while somebody looks.
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Lost`, `Renewed`, `Ended`.
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

    /// Whether the browser has a session that exists.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn exists(&self) -> Result<bool, SessionError> {
        self.request.exists().await
    }

    /// Changes the session; the first change creates it. Answers when the change is committed, whatever the handler
    /// answers later; requests that change other fields at the same time are not in the way.
    ///
    /// `closure` runs again if another request changed the same fields: it is to do nothing but write. For what is right
    /// only if the whole request succeeds there is [`on_success`](Self::on_success).
    ///
    /// # Errors
    /// [`SessionError`]: `Conflict`, `Unavailable`, `Ended`, `Renewed`, `Lost`, `TooLarge`.
    pub async fn update<V>(&self, mut closure: impl FnMut(&mut T::Mut<'_>) -> V) -> Result<V, SessionError> {
        match self.try_update(|data| Ok::<V, std::convert::Infallible>(closure(data))).await? {
            Ok(value) => Ok(value),
            Err(never) => match never {},
        }
    }

    /// As [`update`](Self::update), by a closure that may refuse: then nothing is changed, and nothing is created.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn try_update<V, E>(
        &self,
        closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        self.request.update(closure).await
    }

    /// Changes the session if the response is a success: `closure` runs when the handler has answered with a status below
    /// 400, and the layer commits what it wrote, all such changes of a request at once, before the head of the response
    /// leaves; also if the browser has gone. Another status, an error of the service or a panic discards it.
    ///
    /// The layer answers a [`SessionError`] in place of the response if that cannot be committed. Reads of this request do
    /// not show it; what must be known by the handler is an [`update`](Self::update). `closure` runs again if another
    /// request changed the same fields. After the response has begun nothing is written, and the log says so.
    pub fn on_success(&self, closure: impl for<'a, 'b> FnMut(&'a mut T::Mut<'b>) + Send + 'static) {
        self.request.succeeding.push(closure);
    }

    /// Says who signed in, and gives the session a new name as [`rotate`](Self::rotate) does, in one commit. What is in the
    /// session stays. By the principal all sessions of somebody are found, see
    /// [`sign_out_everywhere`](Self::sign_out_everywhere); use what names an account for good, not what it can change. An
    /// empty text is nobody: so a session stays when its user leaves.
    ///
    /// # Errors
    /// As [`update`](Self::update); `TooLarge` beyond 256 bytes, `Renewed` if another request gave the session a new name and
    /// somebody else signed in with it.
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

    /// Ends every session that the principal of this one is signed in with, this one included, and takes the cookie back.
    /// Costs a search and, for each session that this instance does not have, loading it.
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Renewed`; some may have ended then. See
    /// [`SessionLayer::sign_out_everywhere`] for anybody else.
    pub async fn sign_out_everywhere(&self) -> Result<(), SessionError> {
        self.request.sign_out_everywhere().await
    }

    /// Gives the session a new name, at sign-in and sign-out: the cookie so far is worth nothing from then on. Nothing of
    /// the data moves; requests under way, open streams and sockets go on. Two at once are one.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn rotate(&self) -> Result<(), SessionError> {
        self.request.rotate(None).await
    }

    /// Ends the session on every instance, and takes the cookie back.
    ///
    /// # Errors
    /// [`SessionError`]: `Unavailable`, `Renewed`. A session that has ended already is no error.
    pub async fn destroy(&self) -> Result<(), SessionError> {
        self.request.destroy().await
    }

    /// Says that this session will be written after the head of the response, by a stream or a socket: from this commit on,
    /// and for as long as the writer lives, every instance asks the repository before it shows the session, because no
    /// cookie can tell the browser of those writes.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn write_later(&self) -> Result<LateWriter<T>, SessionError> {
        LateWriter::start(self.clone()).await
    }

    /// Watches the session from now on: every change of every instance, typed, as `changes.data`. `None` if there is none yet.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn watch(&self) -> Result<Option<Watch<Stored<T>>>, SessionError> {
        self.request.watch().await
    }
}

impl<T: Class> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { request: Arc::clone(&self.request) }
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
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

impl<S: Sync, T: Class + Default> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, SessionError> {
        let Some(session) = parts.extensions.get::<Self>() else { return Ok(None) };
        Ok(session.exists().await?.then(|| session.clone()))
    }
}

/// One version of a session; reads as the application's struct. Blocks nobody, and may be kept as long as it is needed.
pub struct View<T: Class> {
    seen: Seen<T>,
}

enum Seen<T: Class> {
    /// Nothing was written yet.
    First(Box<T>),
    Stored(Guard<Stored<T>>),
}

impl<T: Class> View<T> {
    /// Bytes that this version of the session takes in the memory of the instance, roughly; 0 before the first write. Walks
    /// nothing.
    ///
    /// ```
    /// # use nam::web::{Session, SessionError};
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # #[nam(name = "shop.Visit")]
    /// # struct Visit { items: Vec<String>, orders: u32 }
    /// async fn size(visit: Session<Visit>) -> Result<String, SessionError> {
    ///     Ok(format!("{} bytes", visit.read().await?.memory_bytes()))
    /// }
    /// ```
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match &self.seen {
            Seen::First(_) => 0,
            Seen::Stored(guard) => guard.memory_bytes(),
        }
    }
}

impl<T: Class> Deref for View<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.seen {
            Seen::First(data) => data,
            Seen::Stored(guard) => &guard.data,
        }
    }
}

impl<T: Class> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

//! What one request knows of its session, from its cookie to the cookie of its response.
//!
//! ```text
//!              first use                     update              destroy
//!   Untouched ───────────▶ Nothing ──────────────────▶ Open ────────────────▶ Ended
//!        │                    │    (created)            ▲
//!        └───────────────────────────────────────────────┘  or Renewed: the ticket is of an earlier rotation
//! ```
//! What is to be written with the response waits here until the handler has answered. Invariants: of the requests with a
//! ticket of an earlier rotation none reads, writes or gets a cookie; the state's lock is held while the object is opened or
//! made, never while a handler waits; a request that writes pins no version meanwhile. Source: own reasoning (S2–S4, R1).

use std::convert::Infallible;
use std::sync::Arc;

use http::StatusCode;
use tokio::sync::{Mutex, MutexGuard};

use super::error::SessionError;
use super::everywhere::sign_out_everywhere;
use super::layer::Settings;
use super::opened::{Found, Opened, now_s, open};
use super::stored::{PublicId, Stored, StoredMut};
use super::succeeding::Succeeding;
use super::ticket::{Floor, Presented, Ticket};
use super::{Seen, VALIDATE, View};
use crate::client::{Guard, Object, Watch};
use crate::error::{Error, UpdateError};
use crate::limits::INDEXED_BYTES_MAX;
use crate::tracked::Class;

/// How a request's session stands.
enum State<T: Class> {
    Untouched,
    /// The browser has none, or the one it had has ended.
    Nothing,
    Open(Opened<T>),
    Renewed,
    /// This request ended it.
    Ended,
}

/// What the layer is to do with the browser's cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, and nothing of the response depends on a cookie.
    Unused,
    /// To set those that changed.
    Session {
        id: PublicId,
        ticket: Option<Ticket>,
        floor: Option<Floor>,
    },
    Keep,
    Remove,
}

/// The session of a request.
pub(super) struct Request<T: Class> {
    settings: Arc<Settings>,
    presented: Option<Presented>,
    state: Mutex<State<T>>,
    pub(super) succeeding: Succeeding<T>,
}

impl<T: Class> Request<T> {
    pub(super) fn new(settings: Arc<Settings>, presented: Option<Presented>) -> Self {
        Self { settings, presented, state: Mutex::new(State::Untouched), succeeding: Succeeding::default() }
    }

    /// The state, once it is known whether there is a session.
    async fn known(&self) -> Result<MutexGuard<'_, State<T>>, SessionError> {
        let mut state = self.state.lock().await;
        if matches!(*state, State::Untouched) {
            *state = match &self.presented {
                None => State::Nothing,
                Some(presented) => match open(&self.settings, presented).await? {
                    Found::Session(opened) => State::Open(opened),
                    Found::Lost(opened) => {
                        // Said once: the response brings a floor that there is.
                        *state = State::Open(opened);
                        return Err(SessionError::Lost);
                    }
                    Found::Renewed => State::Renewed,
                    Found::Nothing => State::Nothing,
                },
            };
        }
        match *state {
            State::Renewed => Err(SessionError::Renewed),
            State::Ended => Err(SessionError::Ended),
            _ => Ok(state),
        }
    }

    pub(super) async fn exists(&self) -> Result<bool, SessionError> {
        match self.known().await {
            Ok(state) => Ok(matches!(*state, State::Open(_))),
            Err(SessionError::Renewed | SessionError::Ended) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this request ended the session.
    async fn is_ended(&self) -> bool {
        matches!(*self.state.lock().await, State::Ended)
    }

    /// The object, if the session exists.
    async fn object(&self) -> Result<Option<Object<Stored<T>>>, SessionError> {
        Ok(match &*self.known().await? {
            State::Open(opened) => Some(opened.object.clone()),
            _ => None,
        })
    }

    pub(super) async fn is_open(&self) -> Result<bool, SessionError> {
        Ok(self.object().await?.is_some())
    }

    pub(super) async fn watch(&self) -> Result<Option<Watch<Stored<T>>>, SessionError> {
        Ok(self.object().await?.map(|object| object.watch()))
    }

    /// The object, if the session exists; what this request has shown is let go.
    async fn object_to_write(&self) -> Result<Option<Object<Stored<T>>>, SessionError> {
        Ok(match &mut *self.known().await? {
            State::Open(opened) => {
                opened.let_go();
                Some(opened.object.clone())
            }
            _ => None,
        })
    }

    /// Shows what this request wrote from now on.
    async fn follow(&self) {
        if let State::Open(opened) = &mut *self.state.lock().await {
            opened.let_go();
        }
    }

    /// What this request reads, if the session exists.
    async fn shown(&self) -> Result<Option<Guard<Stored<T>>>, SessionError> {
        Ok(match &mut *self.known().await? {
            State::Open(opened) => Some(opened.shown().await?.clone()),
            _ => None,
        })
    }

    /// Marks the session as written after its response: until then every instance asks the repository.
    pub(super) async fn mark_late(&self, until: u64) -> Result<(), SessionError> {
        let Some(object) = self.object_to_write().await? else { return Ok(()) };
        commit(&object, |stored| stored.written_late_until_mut().max(until)).await?;
        self.follow().await;
        Ok(())
    }

    pub(super) async fn principal(&self) -> Result<Option<String>, SessionError> {
        let shown = self.shown().await?;
        Ok(shown.map(|shown| shown.principal.clone()).filter(|principal| !principal.is_empty()))
    }

    /// Ends all sessions of who is signed in here, and this one if nobody is.
    pub(super) async fn sign_out_everywhere(&self) -> Result<(), SessionError> {
        if let Some(principal) = self.principal().await? {
            sign_out_everywhere::<T>(&self.settings.node, &principal).await?;
        }
        self.destroy().await
    }

    /// Ends the session. A ticket of an earlier rotation ends nothing.
    pub(super) async fn destroy(&self) -> Result<(), SessionError> {
        let mut state = self.known().await?;
        if let State::Open(opened) = &*state {
            match self.settings.node.destroy::<Stored<T>>(opened.object.key()).await {
                Ok(()) | Err(Error::Gone { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        *state = State::Ended;
        Ok(())
    }

    /// What the browser is to be told, when the handler has answered.
    pub(super) async fn verdict(&self) -> Verdict {
        let state = self.state.lock().await;
        match &*state {
            State::Untouched => Verdict::Unused,
            // A cookie of a session that is no more stays: another response may have brought a new one meanwhile.
            State::Renewed | State::Nothing => Verdict::Keep,
            State::Ended => Verdict::Remove,
            State::Open(opened) => self.verdict_of(opened),
        }
    }

    fn verdict_of(&self, opened: &Opened<T>) -> Verdict {
        let ticket = &opened.ticket;
        // Another request ended it meanwhile.
        let Ok(token) = opened.token() else { return Verdict::Keep };
        let is_known = |presented: &Presented| presented.ticket == *ticket && !presented.is_of_former_key;
        let is_seen = |presented: &Presented| presented.floor.is_some_and(|floor| floor.token == token);
        let floor = Floor { validate_until: now_s() + VALIDATE.as_secs(), token };
        Verdict::Session {
            id: ticket.id,
            ticket: (!self.presented.as_ref().is_some_and(is_known)).then_some(*ticket),
            floor: (!self.presented.as_ref().is_some_and(is_seen)).then_some(floor),
        }
    }
}

impl<T: Class + Default> Request<T> {
    pub(super) async fn read(&self) -> Result<View<T>, SessionError> {
        let seen = self.shown().await?.map_or_else(|| Seen::First(Box::default()), Seen::Stored);
        Ok(View { seen })
    }

    pub(super) async fn newest(&self) -> Result<View<T>, SessionError> {
        self.follow().await;
        let view = self.read().await?;
        self.follow().await;
        Ok(view)
    }

    pub(super) async fn update<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        let Some(object) = self.object_to_write().await? else {
            return self.create(closure).await;
        };
        let outcome = object.update(|stored| closure(&mut stored.data_mut())).await;
        self.follow().await;
        match outcome {
            Ok(done) => Ok(Ok(done.value)),
            Err(UpdateError::Aborted(error)) => Ok(Err(error)),
            Err(UpdateError::Failed(error)) => Err(error.into()),
        }
    }

    /// Makes the session with what its first write says.
    async fn create<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        let mut state = self.known().await?;
        if matches!(*state, State::Open(_)) {
            // Another task of this request made it meanwhile.
            drop(state);
            return Box::pin(self.update(closure)).await;
        }
        let mut stored = Stored::<T>::default();
        let value = match closure(&mut stored.data.track(&mut T::Changes::default())) {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        };
        let id = PublicId::draw().ok_or_else(|| {
            SessionError::Internal(Error::Internal { why: "the system has no random bytes to give".to_owned() })
        })?;
        let node = self.settings.node.expiring(self.settings.expiry);
        let object = node.create(&id.key(), stored).await?;
        let shown = object.peek()?;
        *state = State::Open(Opened::new(object, Ticket { id, rotation: 0 }, shown));
        Ok(Ok(value))
    }

    /// Commits what was to be written if `status` is a success, and discards it otherwise. A browser that has gone does not
    /// stop it.
    pub(super) async fn succeed(self: &Arc<Self>, status: StatusCode) -> Result<(), SessionError> {
        let mut changes = self.succeeding.close();
        if changes.is_empty() || status.as_u16() >= 400 || self.is_ended().await {
            return Ok(());
        }
        let this = Arc::clone(self);
        let commit = tokio::spawn(async move {
            let change = |data: &mut T::Mut<'_>| {
                changes.iter_mut().for_each(|change| change(data));
                Ok::<(), Infallible>(())
            };
            this.update(change).await
        });
        match commit.await {
            Ok(outcome) => outcome.map(|_| ()),
            Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
            Err(_) => Err(SessionError::Unavailable(Error::Closed)),
        }
    }

    /// A new name, unless another request gave one already; with it who is signed in, if that is said.
    pub(super) async fn rotate(&self, principal: Option<&str>) -> Result<(), SessionError> {
        let (object, rotation) = match &mut *self.known().await? {
            State::Open(opened) => {
                opened.let_go();
                (opened.object.clone(), opened.ticket.rotation)
            }
            _ => return Ok(()),
        };
        let renew = |stored: &mut StoredMut<'_, T>| {
            if stored.rotation == rotation {
                *stored.rotation_mut() += 1;
                *stored.renewed_at_mut() = now_s();
                if let Some(principal) = principal {
                    stored.principal_mut().set(principal);
                }
            }
            let is_signed_in = principal.is_none_or(|principal| *stored.principal == *principal);
            is_signed_in.then_some(stored.rotation)
        };
        let Some(renewed) = commit(&object, renew).await? else { return Err(SessionError::Renewed) };
        if let State::Open(opened) = &mut *self.state.lock().await {
            opened.ticket.rotation = renewed;
        }
        self.follow().await;
        Ok(())
    }

    pub(super) async fn sign_in(&self, principal: &str) -> Result<(), SessionError> {
        if principal.len() > INDEXED_BYTES_MAX {
            return Err(SessionError::TooLarge);
        }
        // What is not there has no name to exchange: this is its first write.
        if !self.is_open().await? {
            let _ = self.update(|_| Ok::<(), Infallible>(())).await?;
        }
        self.rotate(Some(principal)).await
    }
}

/// Changes what the layer itself keeps.
async fn commit<T: Class, V>(
    object: &Object<Stored<T>>,
    mut change: impl FnMut(&mut StoredMut<'_, T>) -> V,
) -> Result<V, SessionError> {
    match object.update(|stored| Ok::<V, Error>(change(stored))).await {
        Ok(done) => Ok(done.value),
        Err(UpdateError::Aborted(error) | UpdateError::Failed(error)) => Err(error.into()),
    }
}

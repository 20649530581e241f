//! What one request knows of its session, from its cookie to the cookie of its response.
//!
//! ```text
//!              first use                  first write, response          destroy
//!   Untouched ───────────▶ Absent ─────────────────────────────▶ Open ────────────────▶ Ended
//!        │                 (what it is to be made of)             ▲ (what is to be written)
//!        └────────────────────────────────────────────────────────┘  or Renewed: the ticket is of an earlier rotation
//! ```
//! Invariants: of the requests that came with a ticket of an earlier rotation none reads, writes or gets a cookie, unless it
//! was under way at the renewal or signs in who is signed in by then; what was gathered is committed once, or discarded, and nothing is gathered after that; once
//! the response is known no name is given to a session any more; the state's lock is held while the object is opened or
//! made, while a closure runs and while an `update_now` takes with it what was gathered, never while a handler waits for
//! anything else; a request that writes or commits pins no version meanwhile. Source: own reasoning (S2–S4, R1).

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::{HeaderValue, StatusCode};
use tokio::sync::{Mutex, MutexGuard};

use super::error::SessionError;
use super::everywhere::sign_out_everywhere;
use super::first::First;
use super::gathered::Gathered;
use super::layer::Settings;
use super::opened::{Found, Opened, now_s, open};
use super::renewal::conclude;
use super::stored::{PublicId, Stored, StoredMut};
use super::ticket::{Floor, Presented, Ticket};
use super::view::{Seen, View};
use crate::client::{Object, Watch};
use crate::error::{Error, UpdateError};
use crate::limits::INDEXED_BYTES_MAX;
use crate::tracked::Class;

/// How a request's session stands.
enum State<T: Class> {
    Untouched,
    /// The browser has none, or the one it had has ended.
    Absent(First<T>),
    Open(Box<Opened<T>>),
    /// The session that there is under a newer name.
    Renewed(Box<Opened<T>>),
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
        ticket: Option<Ticket>,
        floor: Option<Floor>,
        now: u64,
    },
    Keep,
    Remove,
}

/// The session of a request.
pub(super) struct Request<T: Class> {
    settings: Arc<Settings>,
    /// What came in the headers of this name; sealed, until somebody asks.
    cookies: Vec<HeaderValue>,
    presented: OnceLock<Option<Presented>>,
    arrived: Instant,
    state: Mutex<State<T>>,
    /// Whether nothing is gathered any more: the response is known, or there will be none.
    is_over: AtomicBool,
}

impl<T: Class> State<T> {
    /// Forgets what was gathered.
    fn discard(&mut self) {
        match self {
            Self::Absent(first) => *first = First::Nothing,
            Self::Open(opened) => opened.gathered = Gathered::default(),
            _ => {}
        }
    }

    /// Whether there is something to commit, or to say that it cannot be.
    fn has_gathered(&self) -> bool {
        match self {
            Self::Absent(first) => !matches!(first, First::Nothing),
            Self::Open(opened) => !opened.gathered.is_empty(),
            _ => false,
        }
    }
}

impl<T: Class> Request<T> {
    pub(super) fn new(settings: Arc<Settings>, cookies: Vec<HeaderValue>) -> Self {
        let (presented, state) = (OnceLock::new(), Mutex::new(State::Untouched));
        Self { settings, cookies, presented, arrived: Instant::now(), state, is_over: AtomicBool::new(false) }
    }

    /// What the browser's cookies say. Costs checking their seals, the first time.
    fn presented(&self) -> Option<&Presented> {
        let Settings { seal, names, notices, .. } = &*self.settings;
        let find = || seal.find(names, &self.cookies, notices);
        self.presented.get_or_init(find).as_ref()
    }

    /// Nothing is gathered any more, and what was is discarded if it is not taken already.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Whether what was gathered is to be committed, since the response is a success; otherwise it is discarded.
    pub(super) async fn is_to_commit(&self, status: StatusCode) -> bool {
        let mut state = self.state.lock().await;
        if status.as_u16() >= 400 {
            state.discard();
        }
        let is_to_commit = state.has_gathered();
        if !is_to_commit {
            self.end();
        }
        is_to_commit
    }

    /// The state, once it is known whether there is a session.
    async fn known(&self) -> Result<MutexGuard<'_, State<T>>, SessionError> {
        let mut state = self.state.lock().await;
        if self.is_over() {
            state.discard();
        }
        if matches!(*state, State::Untouched) {
            *state = match self.presented() {
                None => State::Absent(First::Nothing),
                Some(presented) => match open(&self.settings, presented, self.arrived).await? {
                    Found::Session(opened) => State::Open(Box::new(opened)),
                    Found::Lost(opened) => {
                        // Said once: the response brings a floor that there is.
                        *state = State::Open(Box::new(opened));
                        return Err(SessionError::Lost);
                    }
                    Found::Renewed(opened) => State::Renewed(Box::new(opened)),
                    Found::Nothing => State::Absent(First::Nothing),
                },
            };
        }
        match *state {
            State::Renewed(_) => Err(SessionError::Renewed),
            State::Ended => Err(SessionError::Ended),
            _ => Ok(state),
        }
    }

    pub(super) async fn exists(&self) -> Result<bool, SessionError> {
        match self.known().await {
            Ok(state) => Ok(matches!(*state, State::Open(_) | State::Absent(First::Written { .. }))),
            Err(SessionError::Renewed | SessionError::Ended) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn watch(&self) -> Result<Option<Watch<Stored<T>>>, SessionError> {
        Ok(match &*self.known().await? {
            State::Open(opened) => Some(opened.object.watch()),
            _ => None,
        })
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

    /// Marks the session as written after its response: until then every instance asks the repository.
    pub(super) async fn mark_late(&self, until: u64) -> Result<(), SessionError> {
        let Some(object) = self.object_to_write().await? else { return Ok(()) };
        commit(&object, |stored| stored.written_late_until_mut().max(until)).await?;
        self.follow().await;
        Ok(())
    }

    pub(super) async fn principal(&self) -> Result<Option<String>, SessionError> {
        let principal = match &mut *self.known().await? {
            State::Open(opened) => opened.principal().await?,
            State::Absent(first) => first.principal(),
            _ => return Ok(None),
        };
        Ok(Some(principal).filter(|principal| !principal.is_empty()))
    }

    /// Ends all sessions of who is signed in here, and this one if nobody is.
    pub(super) async fn sign_out_everywhere(&self) -> Result<(), SessionError> {
        if let Some(principal) = self.principal().await? {
            sign_out_everywhere::<T>(&self.settings.node, &principal).await?;
        }
        self.destroy().await
    }

    /// Ends the session, and discards what was gathered. A ticket of an earlier rotation ends nothing.
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
            State::Renewed(_) | State::Absent(_) => Verdict::Keep,
            State::Ended => Verdict::Remove,
            State::Open(opened) => self.verdict_of(opened),
        }
    }

    fn verdict_of(&self, opened: &Opened<T>) -> Verdict {
        let ticket = &opened.ticket;
        // Another request ended it meanwhile.
        let Ok(token) = opened.token() else { return Verdict::Keep };
        let (presented, now) = (self.presented(), now_s());
        let is_known = presented.is_some_and(|presented| presented.ticket == *ticket);
        let floor = Presented::floor_to_set(presented, *ticket, token, self.settings.lasting, now);
        Verdict::Session { ticket: (!is_known).then_some(*ticket), floor, now }
    }
}

impl<T: Class + Default> Request<T> {
    pub(super) async fn read(&self) -> Result<View<T>, SessionError> {
        let seen = match &mut *self.known().await? {
            State::Open(opened) => opened.read().await?,
            State::Absent(first) => Seen::Private(first.read()?),
            _ => return Err(SessionError::Ended),
        };
        Ok(View { seen })
    }

    pub(super) async fn newest(&self) -> Result<View<T>, SessionError> {
        self.follow().await;
        let view = self.read().await;
        self.follow().await;
        view
    }

    /// Writes, to be committed with the response; at once if that has left.
    pub(super) async fn update<V, E>(
        &self,
        closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<Result<V, E>, SessionError> {
        let mut state = self.known().await?;
        if self.is_over() {
            drop(state);
            return self.update_alone(closure).await;
        }
        match &mut *state {
            State::Open(opened) => {
                opened.let_go();
                opened.gathered.add(&opened.object, closure).await
            }
            State::Absent(first) => {
                let mut closure = closure;
                Ok(first.write(|stored| closure(&mut stored.data_mut()))?)
            }
            _ => Err(SessionError::Ended),
        }
    }

    /// Writes in one commit of its own, at once.
    pub(super) async fn update_alone<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        let mut write = |stored: &mut StoredMut<'_, T>| closure(&mut stored.data_mut());
        if let Some(answer) = self.create(&mut write).await? {
            return Ok(answer);
        }
        let Some(object) = self.object_to_write().await? else { return Err(SessionError::Ended) };
        let outcome = object.update(write).await;
        self.follow().await;
        match outcome {
            Ok(done) => Ok(Ok(done.value)),
            Err(UpdateError::Aborted(error)) => Ok(Err(error)),
            Err(UpdateError::Failed(error)) => Err(error.into()),
        }
    }

    /// Commits what was gathered and what `closure` writes, in one commit at once.
    pub(super) async fn update_now<V>(
        &self,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> V,
    ) -> Result<V, SessionError> {
        if let Some(Ok(value)) = self.create(&mut |stored| Ok::<V, Infallible>(closure(stored))).await? {
            return Ok(value);
        }
        let mut state = self.known().await?;
        let State::Open(opened) = &mut *state else { return Err(SessionError::Ended) };
        opened.let_go();
        if opened.gathered.is_empty() {
            let object = opened.object.clone();
            drop(state);
            return commit(&object, closure).await;
        }
        // If nobody waits for the answer any more, nobody knows what became of it.
        let unknown = Error::Unavailable { why: "nobody waited for a commit, which may have taken effect".to_owned() };
        let gathered = std::mem::replace(&mut opened.gathered, Gathered::failed(unknown.into()));
        let is_renewal = gathered.is_renewal();
        match gathered.commit_with(&opened.object, |stored| (closure(stored), conclude(stored))).await {
            Ok((value, rotation)) => {
                opened.gathered = Gathered::default();
                if is_renewal {
                    opened.ticket.rotation = rotation;
                }
                Ok(value)
            }
            Err(error) => {
                opened.gathered = Gathered::failed(error.clone());
                Err(error)
            }
        }
    }

    /// Makes the session of what was gathered and what `change` writes; `None` if there is one.
    async fn create<V, E>(
        &self,
        change: &mut impl FnMut(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<Option<Result<V, E>>, SessionError> {
        let mut state = self.known().await?;
        let State::Absent(first) = &mut *state else { return Ok(None) };
        if self.is_over() {
            return Err(SessionError::Answered);
        }
        let answer = first.write(change)?;
        if answer.is_ok() {
            self.make(&mut state).await?;
        }
        Ok(Some(answer))
    }

    /// Makes the session of what was gathered.
    async fn make(&self, state: &mut State<T>) -> Result<(), SessionError> {
        let State::Absent(first) = state else { return Ok(()) };
        let stored = match std::mem::take(first) {
            First::Nothing => return Ok(()),
            First::Written { stored, .. } => *stored,
            First::Failed(error) => {
                *first = First::Failed(error.clone());
                return Err(error.into());
            }
        };
        // For those who come if nobody waits for the answer any more.
        *first = First::Failed(Error::Unavailable { why: "the session was not made to the end".to_owned() });
        match self.make_object(stored).await {
            Ok(opened) => {
                *state = State::Open(Box::new(opened));
                Ok(())
            }
            Err(error) => {
                *first = First::Failed(error.clone());
                Err(error.into())
            }
        }
    }

    async fn make_object(&self, stored: Stored<T>) -> Result<Opened<T>, Error> {
        let id = PublicId::draw()
            .ok_or_else(|| Error::Internal { why: "the system has no random bytes to give".to_owned() })?;
        let node = self.settings.node.expiring(self.settings.expiry);
        let object = node.create(&id.key(), stored).await?;
        let shown = object.peek()?;
        Ok(Opened::new(object, Ticket { id, rotation: 0, made_at: now_s() }, shown))
    }

    /// Commits what was gathered.
    pub(super) async fn commit(&self) -> Result<(), SessionError> {
        let mut state = self.state.lock().await;
        self.end();
        let State::Open(opened) = &mut *state else { return self.make(&mut state).await };
        opened.let_go();
        let (object, gathered) = (opened.object.clone(), std::mem::take(&mut opened.gathered));
        drop(state);
        if !gathered.is_renewal() {
            return gathered.commit(&object).await;
        }
        let rotation = gathered.commit_with(&object, conclude).await?;
        if let State::Open(opened) = &mut *self.state.lock().await {
            opened.ticket.rotation = rotation;
        }
        Ok(())
    }

    /// A new name with the response, unless another request gives one at the same time.
    pub(super) async fn rotate(&self) -> Result<(), SessionError> {
        match &mut *self.known().await? {
            State::Open(_) if self.is_over() => Err(SessionError::Answered),
            State::Open(opened) => opened.renew(None).await,
            // What is not there has no name to exchange.
            _ => Ok(()),
        }
    }

    pub(super) async fn sign_in(&self, principal: &str) -> Result<(), SessionError> {
        if principal.len() > INDEXED_BYTES_MAX {
            return Err(SessionError::TooLarge);
        }
        let mut state = match self.known().await {
            Err(SessionError::Renewed) if !self.is_over() => return self.join(principal).await,
            known => known?,
        };
        match &mut *state {
            State::Absent(First::Nothing) if principal.is_empty() => Ok(()),
            State::Open(_) | State::Absent(_) if self.is_over() => Err(SessionError::Answered),
            State::Open(opened) => opened.renew(Some(principal)).await,
            State::Absent(first) => {
                let enter = |stored: &mut StoredMut<'_, T>| {
                    stored.principal_mut().set(principal);
                    Ok::<(), Infallible>(())
                };
                let Ok(()) = first.write(enter)?;
                Ok(())
            }
            _ => Err(SessionError::Ended),
        }
    }
}

impl<T: Class> Request<T> {
    /// The new name also for a browser that did not hear of it and signs in once more: a form that was sent twice.
    async fn join(&self, principal: &str) -> Result<(), SessionError> {
        let mut state = self.state.lock().await;
        let State::Renewed(mut opened) = std::mem::replace(&mut *state, State::Untouched) else {
            return Err(SessionError::Renewed);
        };
        let joined = opened.renew(Some(principal)).await;
        *state = if joined.is_ok() { State::Open(opened) } else { State::Renewed(opened) };
        joined
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

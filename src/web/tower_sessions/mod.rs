//! A session store for tower-sessions: an application that uses it changes one line.
//!
//! ```text
//!   load     open ─▶ fresh ─▶ a map of its own, numbered by its hasher; the tree it was made of is kept as the base
//!   save     number ─▶ base ─▶ difference ─▶ one update, on whatever the session is now
//!   create   a new object; a number that another session loaded means a new id for that one
//!   delete   destroy; what is saved late is carried to the new id, if there will be one, or dropped
//! ```
//! The trait hands over whole records and says neither what changed nor since when. Invariants: a request that changed one
//! value ships that value; no id is stored, logged or shown (S1). Source: tower-sessions' trait, measured with its own
//! `Session`; own reasoning. `docs/web.md` says what such a store cannot do.

mod bases;
mod counts;
mod difference;
mod ends;
mod json;
mod record;
mod renaming;
mod saving;
mod versions;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::RwLock;

pub use counts::Counts;

use crate::client::{Guard, Node, Object};
use crate::error::Error;
use bases::{Base, Bases, Bounds, Fingerprint};
use counts::{Tally, add};
use ends::Ends;
use json::TooDeep;
use record::{Record, SessionKey};

/// Turns that all sessions share; more only make it rarer that a save waits for the end of a foreign session.
const TURNS: usize = 64;

/// The trait of tower-sessions 0.15.
#[cfg(feature = "tower-sessions")]
mod current {
    super::versions::session_store!(tower_sessions_core);
}

/// The trait of tower-sessions 0.14.
#[cfg(feature = "tower-sessions-0_14")]
mod former {
    super::versions::session_store!(tower_sessions_core_0_14);
}

/// How new a loaded session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// The newest there is, as with a central store: one small round trip, no data if nothing changed.
    #[default]
    Validated,
    /// What this node has, without asking while it believes that to be current. A request right after one that another
    /// node answered may not see what that one wrote.
    Local,
}

/// What a save does where another request wrote the same path since the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrites {
    /// It overwrites that, and counts it.
    #[default]
    Allow,
    /// It changes nothing and answers an error.
    Refuse,
}

/// Keeps sessions of [tower-sessions] in nam: a store for its `SessionManagerLayer`. Clones are the same store.
///
/// It implements `SessionStore` of version 0.15 (feature `tower-sessions`) and of 0.14 (feature `tower-sessions-0_14`).
/// A request ships what it changed instead of its whole session, and two requests of one session that change different
/// values both succeed. Not to be wrapped in `CachingSessionStore`, which loses updates; the node is the cache.
/// `docs/web.md` says how to move to it and what it cannot do.
///
/// [tower-sessions]: https://docs.rs/tower-sessions
#[derive(Clone)]
pub struct NamStore {
    node: Node,
    reads: Reads,
    overwrites: Overwrites,
    bounds: Bounds,
    shared: Arc<Shared>,
}

struct Shared {
    bases: Mutex<Bases>,
    ends: Mutex<Ends>,
    /// Held together by saves, alone by an end of a session: its last state has every save that succeeded here.
    turns: [RwLock<()>; TURNS],
    tally: Tally,
}

impl Default for Shared {
    fn default() -> Self {
        let turns = std::array::from_fn(|_| RwLock::new(()));
        Self { bases: Mutex::default(), ends: Mutex::default(), turns, tally: Tally::default() }
    }
}

impl Shared {
    fn turn(&self, session: SessionKey) -> &RwLock<()> {
        let [first, ..] = &self.turns;
        let at = usize::try_from(session.number() % TURNS as u128).unwrap_or_default();
        self.turns.get(at).unwrap_or(first)
    }
}

/// A session as it was loaded.
struct Loaded {
    data: HashMap<String, Value>,
    ends: OffsetDateTime,
}

/// Says why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("{0}")]
    Value(#[from] TooDeep),
    #[error("{0}")]
    Node(#[from] Error),
    #[error("another request wrote the same session values since this one loaded them; nothing was saved")]
    Overwritten,
    #[error(
        "the session changed since this request loaded it, and what it loaded is not kept any more; nothing was saved"
    )]
    Baseless,
    #[error("no free session id was found")]
    NoId,
}

impl NamStore {
    /// Keeps sessions through `node`.
    ///
    /// ```
    /// # #[cfg(feature = "tower-sessions")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let node = nam::Node::in_process().await?;
    /// let layer = tower_sessions::SessionManagerLayer::new(nam::web::NamStore::new(node));
    /// # drop(layer);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "tower-sessions"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn new(node: Node) -> Self {
        let (reads, overwrites, bounds) = (Reads::default(), Overwrites::default(), Bounds::default());
        Self { node, reads, overwrites, bounds, shared: Arc::default() }
    }

    /// Sets how new loaded sessions are; [`Reads::Validated`] by default.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let store = nam::web::NamStore::new(node).with_reads(nam::web::Reads::Local);
    /// # drop(store);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// Sets what a save does where another request wrote the same path; [`Overwrites::Allow`] by default. A save that is
    /// refused makes tower-sessions answer 500.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let store = nam::web::NamStore::new(node).with_overwrites(nam::web::Overwrites::Refuse);
    /// # drop(store);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_overwrites(mut self, overwrites: Overwrites) -> Self {
        self.overwrites = overwrites;
        self
    }

    /// Sets how much is kept of what requests loaded, in bytes of all sessions together, and for how long: 256 MiB and
    /// 5 minutes by default. A request that saves after that succeeds only if its session did not change meanwhile.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let minute = std::time::Duration::from_secs(60);
    /// let store = nam::web::NamStore::new(node).with_bases(64 * 1024 * 1024, minute);
    /// # drop(store);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_bases(mut self, bytes: usize, kept: Duration) -> Self {
        self.bounds = Bounds { bytes, kept };
        self
    }

    /// What this store and its clones have done so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// assert_eq!(nam::web::NamStore::new(node).counts().saves, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.tally.read()
    }
}

/// What a load does, and what the other verbs stand on.
impl NamStore {
    /// Loads a session, if it is there.
    async fn load_session(&self, id: i128) -> Result<Option<Loaded>, StoreError> {
        let session = SessionKey::of(id);
        let Some(guard) = self.read(session, self.reads).await? else { return Ok(None) };
        let (tree, token, ends) = (Arc::clone(&guard.data), guard.token(), guard.ends);
        let bytes = guard.memory_bytes();
        drop(guard);
        let data: HashMap<_, _> = tree.iter().map(|(key, value)| (key.clone(), value.to_value())).collect();
        self.note(Fingerprint::of(&data), Base { session, token: Some(token), tree: Some(tree) }, bytes);
        add(&self.shared.tally.loads, 1);
        Ok(Some(Loaded { data, ends }))
    }

    async fn open(&self, session: SessionKey) -> Result<Option<Object<Record>>, StoreError> {
        match self.node.open::<Record>(&session.to_string()).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Gone { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a session, if it is there.
    async fn read(&self, session: SessionKey, reads: Reads) -> Result<Option<Guard<Record>>, StoreError> {
        let mut is_again = false;
        loop {
            let Some(object) = self.open(session).await? else { return Ok(None) };
            let seen = match reads {
                Reads::Validated => object.fresh().await,
                Reads::Local => object.read().await,
            };
            match seen {
                Ok(guard) => return Ok(Some(guard)),
                Err(Error::Gone { .. }) => return Ok(None),
                // The repository restarted without its journal; what it has now, if anything, is another object.
                Err(Error::LostWrite { .. }) if !is_again => is_again = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn find(&self, number: Fingerprint) -> Option<Base> {
        self.shared.bases.lock().find(number)
    }

    fn note(&self, number: Fingerprint, base: Base, bytes: usize) {
        self.shared.bases.lock().note(number, base, bytes, Instant::now(), self.bounds);
    }
}

impl fmt::Debug for NamStore {
    /// Names no session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamStore")
            .field("reads", &self.reads)
            .field("overwrites", &self.overwrites)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

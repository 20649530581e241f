//! What a handler reads of its session.
//!
//! Invariant: a view never changes. Source: own reasoning (R1).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::stored::Stored;
use crate::client::Guard;
use crate::tracked::Class;

/// One version of a session; reads as the application's struct. Blocks nobody, and may be kept as long as it is needed.
pub struct View<T: Class> {
    pub(super) seen: Seen<T>,
}

/// Where the version is that a view shows.
pub(super) enum Seen<T: Class> {
    Private(Arc<Private<T>>),
    Stored(Guard<Stored<T>>),
}

/// The session as nobody else sees it: before its first write, or with what the request has written and not committed.
#[derive(Default)]
pub(super) struct Private<T> {
    data: T,
    bytes: usize,
}

impl<T: Class> Private<T> {
    /// Costs a walk through all of it.
    pub(super) fn new(data: T) -> Arc<Self> {
        let bytes = size_of::<Stored<T>>() + data.heap_bytes();
        Arc::new(Self { data, bytes })
    }
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
            Seen::Private(private) => private.bytes,
            Seen::Stored(guard) => guard.memory_bytes(),
        }
    }
}

impl<T: Class> Deref for View<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.seen {
            Seen::Private(private) => &private.data,
            Seen::Stored(guard) => &guard.data,
        }
    }
}

impl<T: Class> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

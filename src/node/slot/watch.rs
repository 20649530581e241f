//! Watchers: every change of a replica, typed, with what was there before.
//!
//! Each applied delta's change set goes to every watcher, this node's own updates included, in version order.
//! Invariants: a watcher costs the slot one `Arc` a change; one that is
//! [`WATCH_EVENTS_MAX`](crate::limits::WATCH_EVENTS_MAX) behind loses what waits, hears so, and goes on with the newest.
//! Source: own reasoning.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::Slot;
use crate::coding::UnknownValue;
use crate::ids::Version;
use crate::limits::WATCH_EVENTS_MAX;
use crate::node::replica::Ending;
use crate::tracked::Class;

/// What a watcher hears.
#[non_exhaustive]
pub enum Change<T: Class> {
    /// The object moved to `version`; `changes` holds what was touched and what was there before.
    Applied {
        /// What was touched.
        changes: Arc<T::Changes>,
        /// The version it led to.
        version: Version,
    },
    /// Changes were missed: the watcher was too far behind, or the object was loaded anew. Read it.
    Lagged,
    /// The object holds what this program does not know, and cannot be read here. Nothing follows until somebody reads it
    /// again and can; then [`Lagged`](Self::Lagged).
    Unreadable {
        /// What is not known.
        unknown: UnknownValue,
        /// The version that was found to hold it.
        version: Version,
    },
    /// The object is no longer there; the last word.
    Ended(Ending),
}

/// What waits for one watcher.
pub(super) struct Inbox<T: Class> {
    /// How many changes may wait; 0 for a watcher that only wants to know that there was one.
    changes_max: usize,
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T: Class> {
    changes: VecDeque<(Arc<T::Changes>, Version)>,
    is_lagged: bool,
    unknown: Option<(UnknownValue, Version)>,
    is_closed: bool,
    ending: Option<Ending>,
    waker: Option<Waker>,
}

impl<T: Class> Inbox<T> {
    fn new(changes_max: usize) -> Self {
        let (changes, waker, ending, unknown) = (VecDeque::new(), None, None, None);
        let (is_lagged, is_closed) = (false, false);
        Self { changes_max, waiting: Mutex::new(Waiting { changes, is_lagged, unknown, is_closed, ending, waker }) }
    }

    fn put(&self, fill: impl FnOnce(&mut Waiting<T>)) {
        let mut waiting = self.waiting.lock();
        fill(&mut waiting);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }
}

impl<T: Class> Waiting<T> {
    fn lag(&mut self) {
        self.changes.clear();
        self.unknown = None;
        self.is_lagged = true;
    }
}

/// Hears the changes of one object from now on.
pub struct Watcher<T: Class> {
    inbox: Arc<Inbox<T>>,
}

impl<T: Class> Watcher<T> {
    /// The next change, or notes that the task of `context` waits for it.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Change<T>> {
        let mut waiting = self.inbox.waiting.lock();
        if std::mem::take(&mut waiting.is_lagged) {
            return Poll::Ready(Change::Lagged);
        }
        if let Some((changes, version)) = waiting.changes.pop_front() {
            return Poll::Ready(Change::Applied { changes, version });
        }
        if let Some((unknown, version)) = waiting.unknown.take() {
            return Poll::Ready(Change::Unreadable { unknown, version });
        }
        if let Some(ending) = waiting.ending {
            return Poll::Ready(Change::Ended(ending));
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T: Class> Drop for Watcher<T> {
    fn drop(&mut self) {
        self.inbox.waiting.lock().is_closed = true;
    }
}

/// The watchers of one slot, behind a lock of their own: a closure that changes the object may make one.
pub(super) struct Watchers<T: Class> {
    inner: Mutex<Listed<T>>,
}

struct Listed<T: Class> {
    inboxes: Vec<Arc<Inbox<T>>>,
    ending: Option<Ending>,
}

impl<T: Class> Watchers<T> {
    /// Tells all of a change.
    pub(super) fn publish(&self, changes: T::Changes, version: Version) {
        let mut listed = self.inner.lock();
        if listed.inboxes.is_empty() {
            return;
        }
        let changes = Arc::new(changes);
        listed.inboxes.retain(|inbox| {
            inbox.put(|waiting| {
                if waiting.changes.len() >= inbox.changes_max {
                    waiting.lag();
                }
                if inbox.changes_max > 0 {
                    waiting.changes.push_back((Arc::clone(&changes), version));
                }
            });
            !inbox.waiting.lock().is_closed
        });
    }

    /// Tells all that changes were missed.
    pub(super) fn miss(&self) {
        self.inner.lock().inboxes.iter().for_each(|inbox| inbox.put(Waiting::lag));
    }

    /// Tells all that the value cannot be read here any more.
    pub(super) fn let_go(&self, unknown: &UnknownValue, version: Version) {
        let inboxes = &self.inner.lock().inboxes;
        inboxes.iter().for_each(|inbox| inbox.put(|waiting| waiting.unknown = Some((unknown.clone(), version))));
    }

    /// Tells all that this was all.
    pub(super) fn end(&self, ending: Ending) {
        let mut listed = self.inner.lock();
        listed.ending = Some(ending);
        listed.inboxes.drain(..).for_each(|inbox| inbox.put(|waiting| waiting.ending = Some(ending)));
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.inner.lock().inboxes.iter().any(|inbox| !inbox.waiting.lock().is_closed)
    }
}

impl<T: Class> Default for Watchers<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Listed { inboxes: Vec::new(), ending: None }) }
    }
}

impl<T: Class> Slot<T> {
    /// Makes a watcher of what changes from now on.
    #[must_use]
    pub fn watch(&self) -> Watcher<T> {
        self.listen(WATCH_EVENTS_MAX)
    }

    /// Makes a watcher for which so many changes may wait.
    pub(super) fn listen(&self, changes_max: usize) -> Watcher<T> {
        let inbox = Arc::new(Inbox::new(changes_max));
        let mut listed = self.watchers.inner.lock();
        match listed.ending {
            Some(ending) => inbox.waiting.lock().ending = Some(ending),
            None => listed.inboxes.push(Arc::clone(&inbox)),
        }
        drop(listed);
        // Of an object that is not current nothing would be heard until somebody reads it.
        if let Some(mut inner) = self.lock() {
            self.want_newer(&mut inner);
        }
        Watcher { inbox }
    }
}

impl<T: Class> fmt::Debug for Watcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl<T: Class> fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { version, .. } => {
                f.debug_struct("Applied").field("version", version).finish_non_exhaustive()
            }
            Self::Lagged => f.write_str("Lagged"),
            Self::Unreadable { unknown, version } => {
                f.debug_struct("Unreadable").field("unknown", unknown).field("version", version).finish()
            }
            Self::Ended(ending) => f.debug_tuple("Ended").field(ending).finish(),
        }
    }
}

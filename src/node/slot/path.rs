//! Watching a part of an object: what it is now, whenever that is another than before.
//!
//! A change only tells this watcher to look again; what waits for it is one flag, however many changes come, and what it
//! compares is the part itself. So it misses nothing when the object is loaded anew, and a replaced parent that has the
//! same part is no change. Invariants: nothing is told that leaves the part as it was; watching is not use of the object.
//! Source: own reasoning.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Change, Guard, Slot, Watcher};
use crate::ids::Version;
use crate::node::replica::Ending;
use crate::tracked::Class;

/// A part of an object that is another than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange<V> {
    /// What it was when it was looked at last; `None` if the object was not on this node then.
    pub previous: Option<V>,
    /// What it is.
    pub value: V,
    /// The version of the object that shows it.
    pub version: Version,
}

/// Hears of one part of an object from now on.
pub struct PathWatcher<T: Class, V> {
    slot: Arc<Slot<T>>,
    watcher: Watcher<T>,
    path: Box<dyn Fn(&T) -> V + Send>,
    last: Option<V>,
    /// Whether it must look again although it was not told so: the last time a closure was in the way.
    is_due: bool,
    is_over: bool,
}

impl<T: Class> Slot<T> {
    /// Makes a watcher of what `path` answers, from what it answers now.
    #[must_use]
    pub fn watch_path<V>(self: &Arc<Self>, path: Box<dyn Fn(&T) -> V + Send>) -> PathWatcher<T, V> {
        let watcher = self.listen(0);
        let here = self.shown().flatten();
        let last = here.map(|guard| path(&guard));
        PathWatcher { slot: Arc::clone(self), watcher, path, last, is_due: false, is_over: false }
    }

    /// Whatever is here, which does not count as use; `None` while a closure changes it on this thread.
    fn shown(&self) -> Option<Option<Guard<T>>> {
        self.lock().map(|mut inner| inner.guard())
    }
}

impl<T: Class, V: PartialEq + Clone> PathWatcher<T, V> {
    /// The next change, then why there are no more, then nothing; or notes that the task of `context` waits.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<PathChange<V>, Ending>>> {
        while !self.is_over {
            if !std::mem::take(&mut self.is_due) {
                match self.watcher.poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Change::Ended(ending)) => {
                        self.is_over = true;
                        return Poll::Ready(Some(Err(ending)));
                    }
                    Poll::Ready(Change::Applied { .. } | Change::Unreadable { .. } | Change::Lagged) => {}
                }
            }
            let Some(shown) = self.slot.shown() else {
                self.is_due = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            };
            if let Some(change) = shown.and_then(|guard| self.compare(&guard)) {
                return Poll::Ready(Some(Ok(change)));
            }
        }
        Poll::Ready(None)
    }

    fn compare(&mut self, guard: &Guard<T>) -> Option<PathChange<V>> {
        let value = (self.path)(guard);
        if self.last.as_ref() == Some(&value) {
            return None;
        }
        let previous = self.last.replace(value.clone());
        Some(PathChange { previous, value, version: guard.version() })
    }
}

impl<T: Class, V> fmt::Debug for PathWatcher<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWatcher").finish_non_exhaustive()
    }
}

//! Marks: values that a joint read keeps, each at the version that was current together with versions of other objects.
//!
//! The repository names the versions at one point of its order, behind what leads to them, so a mark stands in the queue
//! like any delta and takes the value that is there when its turn comes. Invariant: a mark is hit by exactly the version
//! that it names, or missed; either way its waiter hears. Source: own reasoning (W7).

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::queue::Item;
use super::read::Unreadable;
use super::{Guard, Inner, Slot};
use crate::ids::Version;
use crate::node::replica::MarkId;
use crate::tracked::Class;

/// What became of a mark.
#[derive(Debug)]
enum Marking<T: Class> {
    Awaited(Option<Waker>),
    Missed,
    Hit(Guard<T>),
}

/// What a slot keeps for a joint read. Dropping it gives it up.
pub struct Mark<T: Class> {
    id: MarkId,
    marking: Arc<Mutex<Marking<T>>>,
}

/// The slot's side of a mark.
#[derive(Debug)]
pub(super) struct Target<T: Class> {
    id: MarkId,
    marking: Weak<Mutex<Marking<T>>>,
}

impl<T: Class> Mark<T> {
    /// By what the core knows it.
    #[must_use]
    pub fn id(&self) -> MarkId {
        self.id
    }

    /// The value, once the repository's word is here; `None` if the version that it names did not come here.
    pub fn poll(&self, context: &Context<'_>) -> Poll<Option<Guard<T>>> {
        match &mut *self.marking.lock() {
            Marking::Awaited(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            Marking::Missed => Poll::Ready(None),
            Marking::Hit(guard) => Poll::Ready(Some(guard.clone())),
        }
    }
}

impl<T: Class> Target<T> {
    fn end(self, with: Marking<T>) {
        let Some(marking) = self.marking.upgrade() else { return };
        if let Marking::Awaited(Some(waker)) = std::mem::replace(&mut *marking.lock(), with) {
            waker.wake();
        }
    }
}

impl<T: Class> Slot<T> {
    /// Begins to wait for a mark.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn expect_mark(&self) -> Result<Mark<T>, Unreadable> {
        let mut inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_readable()?;
        inner.serial += 1;
        let (id, marking) = (MarkId(inner.serial), Arc::new(Mutex::new(Marking::Awaited(None))));
        inner.targets.retain(|target| target.marking.strong_count() > 0);
        inner.targets.push(Target { id, marking: Arc::downgrade(&marking) });
        Ok(Mark { id, marking })
    }
}

impl<T: Class> Inner<T> {
    /// Takes a mark into the queue, if the version that it names is here behind all that waits.
    pub(super) fn take_mark(&mut self, id: MarkId, version: Version) {
        let is_coming = self.held.is_some() || self.load.is_some();
        if self.is_dropping || !is_coming || self.reached != version {
            self.end_mark(id, None);
        } else {
            self.queue.push(Item::Mark { id, version });
        }
    }

    /// The turn of a mark came.
    pub(super) fn hit_mark(&mut self, id: MarkId, version: Version) {
        let held = self.held.get().filter(|held| held.at.version == version);
        let guard = held.map(|held| Guard::new(held, true));
        self.end_mark(id, guard);
    }

    /// A mark is over.
    pub(super) fn end_mark(&mut self, id: MarkId, guard: Option<Guard<T>>) {
        if let Some(at) = self.targets.iter().position(|target| target.id == id) {
            self.targets.swap_remove(at).end(guard.map_or(Marking::Missed, Marking::Hit));
        }
    }

    /// Whether a joint read waits for a mark here.
    pub(super) fn is_marked(&self) -> bool {
        self.targets.iter().any(|target| target.marking.strong_count() > 0)
    }

    /// No mark can be hit any more.
    pub(super) fn miss_marks(&mut self) {
        self.targets.drain(..).for_each(|target| target.end(Marking::Missed));
    }
}

impl<T: Class> fmt::Debug for Mark<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").field("id", &self.id).finish_non_exhaustive()
    }
}

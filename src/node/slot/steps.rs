//! Transactions of several steps: writes that wait outside the slot while the value moves on.
//!
//! A transaction keeps its writes as one delta and follows what comes in. Each step runs on the newest committed value
//! with the transaction's own writes; nothing is locked in between. Invariant: a delta that touches what was written
//! ends the transaction, so that what a step saw of its own writes stays true. Source: own reasoning (W12).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;

use super::guards::Guards;
use super::read::Unreadable;
use super::trial::{Ran, Trial, Written};
use super::{Inner, Scope, Slot, Step};
use crate::delta::overlaps;
use crate::ids::Fence;
use crate::limits::SLOT_QUEUE_BYTES_MAX;
use crate::tracked::Class;

/// The deltas that came in since a transaction last looked.
#[derive(Debug, Default)]
pub(super) struct Tail {
    deltas: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    deltas: VecDeque<Bytes>,
    bytes: usize,
    /// Whether more came than is kept, or the object was loaded anew.
    is_torn: bool,
}

/// The writes of a transaction so far, and what it required.
#[derive(Debug)]
pub struct Steps {
    tail: Arc<Tail>,
    delta: Vec<u8>,
    /// What its steps required.
    guards: Guards,
    /// The lock that it is made under.
    fence: Option<Fence>,
    /// Whether something came in that touches what was written or required: nothing more can come of it.
    is_overtaken: bool,
}

impl<T: Class> Slot<T> {
    /// Begins a transaction on what is here.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn begin(&self) -> Result<Steps, Unreadable> {
        let mut inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_readable()?;
        let tail = Arc::new(Tail::default());
        inner.tails.push(Arc::downgrade(&tail));
        Ok(Steps { tail, delta: Vec::new(), guards: Guards::default(), fence: None, is_overtaken: false })
    }

    /// Runs one step; its writes join those before it. Answers `Unchanged`, as nothing is committed yet.
    #[expect(clippy::type_complexity, reason = "a closure by its full signature reads better than a name for it")]
    pub fn poll_step<V, E>(
        &self,
        steps: &mut Steps,
        context: &Context<'_>,
        closure: &mut dyn FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Poll<Step<V, E>> {
        let Some(mut inner) = self.lock() else { return Poll::Ready(Step::Nested) };
        if let Err(why) = inner.check_readable() {
            return Poll::Ready(Step::refused(why));
        }
        if !self.is_runnable(&mut inner) {
            inner.wait(context);
            return Poll::Pending;
        }
        if !steps.catch_up::<T>() {
            return Poll::Ready(Step::Overlapped);
        }
        let mut scratch = std::mem::take(&mut inner.scratch);
        let Some(held) = inner.held.unshared() else { return Poll::Pending };
        let (address, version) = (std::ptr::from_ref(self).addr(), held.at.version);
        let step = match Trial::begin(&mut held.value, &[], &steps.delta) {
            // What was written does not fit what is here now.
            Err(_) => Step::Overlapped,
            Ok(mut trial) => match trial.run(&mut scratch, address, closure) {
                Ok(Ran::Done(value, Written { delta, guards })) => {
                    steps.delta = delta;
                    steps.guards.add(&guards);
                    Step::Unchanged(value, version)
                }
                Ok(Ran::Aborted(error)) => Step::Aborted(error),
                Ok(Ran::Unfit(error)) => Step::Unfit(error),
                Err(error) => Step::Broken(error),
            },
        };
        inner.scratch = scratch;
        self.note_use(&mut inner);
        Poll::Ready(step)
    }

    /// Puts all steps into a batch of their own.
    pub fn poll_commit(&self, steps: &mut Steps, context: &Context<'_>) -> Poll<Step<(), Infallible>> {
        let Some(mut inner) = self.lock() else { return Poll::Ready(Step::Nested) };
        if let Err(why) = inner.check_readable() {
            return Poll::Ready(Step::refused(why));
        }
        let scope = steps.fence.map_or(Scope::Alone, Scope::Fenced);
        let Some(base) = self.base_to_join(&mut inner, scope) else {
            inner.wait(context);
            return Poll::Pending;
        };
        let in_flight = inner.in_flight.as_ref().map(|in_flight| in_flight.delta.clone());
        if !steps.catch_up::<T>() || in_flight.is_some_and(|delta| !steps.is_apart::<T>(&delta)) {
            return Poll::Ready(Step::Overlapped);
        }
        let written = Written { delta: steps.delta.clone(), guards: steps.guards.clone() };
        match self.join(&mut inner, scope, base, (), written) {
            Some(step) => Poll::Ready(step),
            None => {
                inner.wait(context);
                Poll::Pending
            }
        }
    }
}

impl Steps {
    /// Has the commit take effect only while a lock is held.
    pub fn fence(&mut self, fence: Fence) {
        self.fence = Some(fence);
    }

    /// Whether nothing was written or required, a lock included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.delta.is_empty() && self.guards.is_empty() && self.fence.is_none()
    }

    /// Bytes of what was written and required.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.delta.len() + self.guards.len()
    }

    /// What was written, and under which lock.
    pub(super) fn into_written(self) -> (Written, Option<Fence>) {
        (Written { delta: self.delta, guards: self.guards }, self.fence)
    }

    /// Whether nothing that came in touches what was written or required.
    pub(super) fn catch_up<T: Class>(&mut self) -> bool {
        let followed = std::mem::take(&mut *self.tail.deltas.lock());
        // Nothing is in the way of nothing, also where the object was not here when the transaction began.
        let is_apart = (self.delta.is_empty() && self.guards.is_empty())
            || !followed.is_torn && followed.deltas.iter().all(|delta| self.is_apart::<T>(delta));
        self.is_overtaken |= !is_apart;
        !self.is_overtaken
    }

    fn is_apart<T: Class>(&self, delta: &[u8]) -> bool {
        let schema = T::schema();
        let is_apart = matches!(overlaps(&schema, &self.delta, delta), Ok(false));
        is_apart && matches!(self.guards.are_touched(&schema, delta), Ok(false))
    }
}

impl<T: Class> Inner<T> {
    /// Shows a delta to the transactions that are open.
    pub(super) fn follow(&mut self, delta: &[u8]) {
        if self.tails.is_empty() {
            return;
        }
        let delta = Bytes::copy_from_slice(delta);
        self.each_tail(|followed| {
            followed.bytes += delta.len();
            followed.is_torn |= followed.bytes > SLOT_QUEUE_BYTES_MAX;
            if followed.is_torn {
                followed.deltas.clear();
            } else {
                followed.deltas.push_back(delta.clone());
            }
        });
    }

    /// Whether a transaction is open.
    pub(super) fn has_transactions(&mut self) -> bool {
        self.tails.retain(|tail| tail.strong_count() > 0);
        !self.tails.is_empty()
    }

    /// Tells the transactions that are open that the object was loaded anew.
    pub(super) fn tear_tails(&mut self) {
        self.each_tail(|followed| followed.is_torn = true);
    }

    fn each_tail(&mut self, mut change: impl FnMut(&mut Followed)) {
        self.tails.retain(|tail: &Weak<Tail>| {
            let open = tail.upgrade();
            if let Some(tail) = &open {
                change(&mut tail.deltas.lock());
            }
            open.is_some()
        });
    }
}

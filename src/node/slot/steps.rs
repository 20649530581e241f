//! Transactions of several steps: writes that wait outside the slot while the value moves on.
//!
//! A transaction keeps its writes as one delta and follows what comes in. Each step runs on the newest committed value
//! with the transaction's own writes; nothing is locked in between. At the end the writes join the batch as an update does,
//! applied to what the batch makes of the value. Invariants: a delta that touches what was written ends the transaction,
//! so that what a step saw of its own writes stays true; what is in front of it in its commit is judged like what came in,
//! and what is behind it has seen it. Source: own reasoning (W12).

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
use crate::coding::{DecodeError, Reader};
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
    /// With whom it may share a commit, and the lock that it is made under.
    scope: Scope,
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
        Ok(Steps { tail, delta: Vec::new(), guards: Guards::default(), scope: Scope::Shared, is_overtaken: false })
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

    /// Puts all steps into the batch, or into one of their own if they share it with nobody.
    pub fn poll_commit(&self, steps: &mut Steps, context: &Context<'_>) -> Poll<Step<(), Infallible>> {
        let Some(mut inner) = self.lock() else { return Poll::Ready(Step::Nested) };
        if let Err(why) = inner.check_readable() {
            return Poll::Ready(Step::refused(why));
        }
        let Some(base) = self.base_to_join(&mut inner, steps.scope) else {
            inner.wait(context);
            return Poll::Pending;
        };
        if !steps.catch_up::<T>() || !inner.is_apart(steps) {
            return Poll::Ready(Step::Overlapped);
        }
        let joined = match inner.add(std::ptr::from_ref(self).addr(), steps) {
            Ok(Ran::Done((), written)) => self.join(&mut inner, steps.scope, base, (), written),
            // What was written does not fit what the batch made.
            Ok(Ran::Aborted(_)) => Some(Step::Overlapped),
            Ok(Ran::Unfit(_)) if inner.seal_joined() => None,
            Ok(Ran::Unfit(error)) => Some(Step::Unfit(error)),
            Err(error) => Some(Step::Broken(error)),
        };
        joined.map_or_else(
            || {
                inner.wait(context);
                Poll::Pending
            },
            Poll::Ready,
        )
    }
}

impl Steps {
    /// Has the commit take effect only while a lock is held.
    pub fn fence(&mut self, fence: Fence) {
        self.scope = Scope::Fenced(fence);
    }

    /// Has the commit be shared with nobody.
    pub fn alone(&mut self) {
        if self.is_shared() {
            self.scope = Scope::Alone;
        }
    }

    /// Whether updates may be in the commit.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.scope == Scope::Shared
    }

    /// Whether nothing was written or required, a lock included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.delta.is_empty() && self.guards.is_empty() && !matches!(self.scope, Scope::Fenced(_))
    }

    /// Bytes of what was written and required.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.delta.len() + self.guards.len()
    }

    /// What was written, and under which lock.
    pub(super) fn into_written(self) -> (Written, Option<Fence>) {
        let fence = if let Scope::Fenced(fence) = self.scope { Some(fence) } else { None };
        (Written { delta: self.delta, guards: self.guards }, fence)
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
    /// Whether neither the commit in flight nor the batch touches what the steps wrote or required. What the batch's members
    /// required is not asked: they stand in front, and saw what they saw before these writes.
    fn is_apart(&self, steps: &Steps) -> bool {
        let in_flight = self.in_flight.iter().map(|in_flight| &in_flight.delta[..]);
        let batch = self.batch.iter().map(|batch| &batch.delta[..]);
        in_flight.chain(batch).all(|delta| steps.is_apart::<T>(delta))
    }

    /// Makes one of the batch and the steps, on the value.
    fn add(&mut self, address: usize, steps: &Steps) -> Result<Ran<(), DecodeError>, DecodeError> {
        let guards = steps.guards.clone();
        if self.batch.is_none() {
            return Ok(Ran::Done((), Written { delta: steps.delta.clone(), guards }));
        }
        let mut apply = |value: &mut T, changes: &mut T::Changes| value.apply(Reader::new(&steps.delta), Some(changes));
        let ran = self.run(address, &mut apply)?;
        Ok(match ran {
            Ran::Done((), written) => Ran::Done((), Written { guards, ..written }),
            other => other,
        })
    }

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

//! Optimistic updates: run a closure on what will be, keep the delta, leave the value as it was.
//!
//! A task has the commit in flight and the batch applied to the value, runs its closure on that, and encodes what the batch
//! is now. All under the lock, without await, so closures need not be `'static`. Invariants: on an error or a panic the
//! batch is as it was and the value is undone (I8); nobody reads anything but the committed version (I13). Source: own
//! reasoning.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::batch::Batch;
use super::read::Unreadable;
use super::trial::{Ran, Written};
use super::{Inner, Slot};
use crate::coding::{DecodeError, UnknownValue};
use crate::delta::Fault;
use crate::ids::{Fence, Version};
use crate::limits::{DELTA_BYTES_MAX, INLINE_BYTES_MAX};
use crate::node::replica::{Ending, Ring};
use crate::node::state::State;
use crate::node::verdict::{Ticket, Verdict};
use crate::tracked::Class;

/// With whom an update may share a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// With everybody: it joins the batch.
    Shared,
    /// With nobody.
    Alone,
    /// With nobody, and anything newer in the object conflicts.
    Isolated,
    /// With nobody, and only while this lock is held.
    Fenced(Fence),
}

/// What came of running a closure once.
#[derive(Debug)]
pub enum Step<V, E> {
    /// Its changes are in a batch; the ticket tells what became of it.
    Joined(V, Ticket),
    /// It changed nothing and saw this committed version.
    Unchanged(V, Version),
    /// It answered an error and left nothing.
    Aborted(E),
    /// What came in touches what earlier steps of the transaction wrote.
    Overlapped,
    /// The object is no longer there.
    Ended(Ending),
    /// The value holds what this program does not know.
    Unreadable(UnknownValue),
    /// It was called from within a closure that changes an object.
    Nested,
    /// Its delta alone is larger than this many bytes.
    TooLarge(usize),
    /// It wrote more than a limit allows, and left nothing.
    Unfit(Fault),
    /// What was committed here does not apply here: a defect; or, as `Refused`, what the closure made cannot be encoded.
    Broken(DecodeError),
}

impl<V, E> Step<V, E> {
    /// What a closure that cannot run comes to.
    pub(super) fn refused(why: Unreadable) -> Self {
        match why {
            Unreadable::Ended(ending) => Self::Ended(ending),
            Unreadable::Value(unknown) => Self::Unreadable(unknown),
            Unreadable::Nested | Unreadable::Another | Unreadable::Unknown => Self::Nested,
        }
    }
}

impl<T: Class> Slot<T> {
    /// Runs `closure` once on what will be, with the change set that must record what it does, or notes that the task of `context` waits until it can.
    ///
    /// Cost: encoding the batch so far; if the value was looked at since the last update, applying and undoing it too.
    #[expect(clippy::type_complexity, reason = "a closure by its full signature reads better than a name for it")]
    pub fn poll_update<V, E>(
        &self,
        scope: Scope,
        context: &Context<'_>,
        closure: &mut dyn FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Poll<Step<V, E>> {
        let Some(mut inner) = self.lock() else { return Poll::Ready(Step::Nested) };
        if let Err(why) = inner.check_readable() {
            return Poll::Ready(Step::refused(why));
        }
        let Some(base) = self.base_to_join(&mut inner, scope) else {
            inner.wait(context);
            return Poll::Pending;
        };
        inner.mark_used();
        let step = match inner.run(std::ptr::from_ref(self).addr(), closure) {
            Ok(Ran::Aborted(error)) => Step::Aborted(error),
            // Alone it may fit: it is tried again behind what the others made.
            Ok(Ran::Unfit(_)) if inner.seal_joined() => {
                inner.wait(context);
                return Poll::Pending;
            }
            Ok(Ran::Unfit(error)) => Step::Unfit(error),
            Ok(Ran::Done(value, written)) => match self.join(&mut inner, scope, base, value, written) {
                Some(step) => step,
                None => {
                    inner.wait(context);
                    return Poll::Pending;
                }
            },
            Err(error) => Step::Broken(error),
        };
        // A commit tells of itself.
        if matches!(step, Step::Unchanged(..) | Step::Aborted(_)) {
            self.note_use(&mut inner);
        }
        Poll::Ready(step)
    }

    /// Notes that an update needs a batch of its own, until the answer is dropped: nobody begins another one.
    #[must_use]
    pub fn queue_alone(self: &Arc<Self>) -> AloneTurn<T> {
        self.alone_waiting.fetch_add(1, Ordering::Relaxed);
        AloneTurn { slot: Arc::clone(self) }
    }

    /// The version a closure may run on now, if it may.
    pub(super) fn base_to_join(&self, inner: &mut Inner<T>, scope: Scope) -> Option<Version> {
        if inner.state != State::Current {
            self.want_newer(inner);
            return None;
        }
        if self.is_reserved.load(Ordering::Relaxed) {
            return None;
        }
        let base = inner.base_for_update()?;
        let may_join = match (&inner.batch, scope) {
            (None, Scope::Shared) => self.alone_waiting.load(Ordering::Relaxed) == 0,
            (Some(batch), Scope::Shared) => !batch.is_sealed && batch.base == base,
            (None, _) => true,
            (Some(_), _) => false,
        };
        (may_join && self.is_runnable(inner)).then_some(base)
    }

    /// Whether a closure may run on the value now; asks for what is missing.
    pub(super) fn is_runnable(&self, inner: &mut Inner<T>) -> bool {
        if inner.state != State::Current {
            self.want_newer(inner);
            return false;
        }
        if inner.queue.is_empty() && inner.held.is_writable() {
            return true;
        }
        // A delta still on its way in segments is waited for; a guard is copied away from.
        if (inner.queue.is_empty() || inner.queue.is_ready()) && !std::mem::replace(&mut inner.is_copy_wanted, true) {
            self.ring(Ring::Work);
        }
        false
    }

    /// Puts the delta that a closure left into the batch; `None` if the batch must leave first.
    pub(super) fn join<V, E>(
        &self,
        inner: &mut Inner<T>,
        scope: Scope,
        base: Version,
        value: V,
        Written { delta, guards }: Written,
    ) -> Option<Step<V, E>> {
        if delta.len() > INLINE_BYTES_MAX && inner.seal_joined() {
            inner.scratch = delta;
            return None;
        }
        if delta.len() > DELTA_BYTES_MAX {
            inner.held.rest();
            return Some(Step::TooLarge(delta.len()));
        }
        if let Some(batch) = &mut inner.batch {
            batch.verdict.join();
            let ticket = Ticket::new(Arc::clone(&batch.verdict));
            batch.guards.add(&guards);
            batch.has_written |= !delta.is_empty();
            inner.scratch = std::mem::replace(&mut batch.delta, delta);
            return Some(Step::Joined(value, ticket));
        }
        if delta.is_empty() && guards.is_empty() && inner.in_flight.is_none() {
            inner.held.rest();
            inner.scratch = delta;
            return Some(Step::Unchanged(value, base));
        }
        let verdict = Arc::new(Verdict::default());
        verdict.join();
        let ticket = Ticket::new(Arc::clone(&verdict));
        let (is_isolated, is_sealed) = (scope == Scope::Isolated, scope != Scope::Shared);
        let fence = if let Scope::Fenced(fence) = scope { Some(fence) } else { None };
        let has_written = !delta.is_empty();
        inner.batch = Some(Batch { base, delta, is_isolated, fence, guards, has_written, is_sealed, verdict });
        if inner.in_flight.is_none() {
            self.ring(Ring::Batch);
        }
        Some(Step::Joined(value, ticket))
    }
}

impl<T: Class> Inner<T> {
    /// Runs a closure on the value with all that is under way.
    #[expect(clippy::type_complexity, reason = "as above")]
    pub(super) fn run<V, E>(
        &mut self,
        address: usize,
        closure: &mut dyn FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Ran<V, E>, DecodeError> {
        let in_flight = self.in_flight.as_ref().map_or(&[][..], |in_flight| &in_flight.delta);
        let batch = self.batch.as_ref().map_or(&[][..], |batch| &batch.delta);
        self.held.try_out((in_flight, batch), &mut self.scratch, address, closure)
    }
}

/// The turn of an update that shares its commit with nobody.
#[derive(Debug)]
pub struct AloneTurn<T: Class> {
    slot: Arc<Slot<T>>,
}

impl<T: Class> Drop for AloneTurn<T> {
    fn drop(&mut self) {
        self.slot.alone_waiting.fetch_sub(1, Ordering::Relaxed);
        self.slot.hand_on();
    }
}

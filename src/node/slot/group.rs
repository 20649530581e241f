//! A slot's share of a group: kept free until every slot of the group is, then its commit in flight.
//!
//! ```text
//!   poll_reserve ─▶ reserved (no other update begins) ─▶ check ─▶ depart ─▶ in flight, settled like any commit
//!                       └──────────── dropped ──────────────▶ free again
//! ```
//! Invariants: a group departs with the base at which its writes were found to stand; while a slot is reserved nothing
//! of it is in flight. It may be given back anywhere, also within a closure of its object. Whoever reserves several slots
//! does so in the order of their replicas. Source: own reasoning (W7).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::batch::InFlight;
use super::read::Unreadable;
use super::{RUNNING, Slot, Steps};
use crate::ids::Version;
use crate::node::replica::Outgoing;
use crate::node::state::State;
use crate::node::verdict::{Settled, Ticket, Verdict};
use crate::tracked::Class;

/// Keeps a slot free for a group; dropping it gives the slot back.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is given back"]
pub struct Reservation<T: Class> {
    slot: Arc<Slot<T>>,
    /// The version at which the writes stand.
    base: Option<Version>,
}

impl<T: Class> Slot<T> {
    /// Keeps the slot for a group once nothing of it is in flight. Not within a closure of any object: what follows would
    /// wait there, or fail half way.
    pub fn poll_reserve(self: &Arc<Self>, context: &Context<'_>) -> Poll<Result<Reservation<T>, Unreadable>> {
        if RUNNING.get() != 0 {
            return Poll::Ready(Err(Unreadable::Nested));
        }
        let mut inner = self.inner.lock();
        if let Err(why) = inner.check_readable() {
            return Poll::Ready(Err(why));
        }
        let is_reserved = self.is_reserved.load(Ordering::Relaxed);
        if inner.state != State::Current || inner.in_flight.is_some() || inner.batch.is_some() || is_reserved {
            self.want_newer(&mut inner);
            inner.wait(context);
            return Poll::Pending;
        }
        self.is_reserved.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(Reservation { slot: Arc::clone(self), base: None }))
    }
}

impl<T: Class> Reservation<T> {
    /// The version that [`check`](Self::check) found.
    #[must_use]
    pub fn base(&self) -> Version {
        self.base.unwrap_or_default()
    }

    /// Whether nothing that came in touches what the steps wrote or required; what comes in from now on the repository
    /// judges.
    pub fn check(&mut self, steps: &mut Steps) -> bool {
        let Some(inner) = self.slot.lock() else { return false };
        self.base = inner.held.version().filter(|_| steps.catch_up::<T>());
        self.base.is_some()
    }

    /// Puts the writes in flight; answers what the core is to send, and what will tell of its outcome. Only after
    /// [`check`](Self::check), and like that not within a closure.
    pub fn depart(self, steps: Steps) -> (Outgoing, Ticket) {
        let (written, fence) = steps.into_written();
        let (delta, guards) = (Bytes::from(written.delta), written.guards);
        let (base, is_isolated) = (self.base(), guards.is_whole());
        let guards = Bytes::from(guards.into_bytes());
        let verdict = Arc::new(Verdict::default());
        verdict.join();
        let ticket = Ticket::new(Arc::clone(&verdict));
        let outgoing = Outgoing { base, is_isolated, fence, guards, delta: delta.clone() };
        let mut inner = self.slot.inner.lock();
        match inner.ending {
            Some(ending) => verdict.settle(Settled::Ended(ending)),
            None => {
                inner.held.rest();
                inner.in_flight = Some(InFlight { base, delta, verdict });
            }
        }
        drop(inner);
        (outgoing, ticket)
    }
}

impl<T: Class> Drop for Reservation<T> {
    fn drop(&mut self) {
        self.slot.is_reserved.store(false, Ordering::Relaxed);
        self.slot.hand_on();
    }
}

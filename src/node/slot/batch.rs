//! The commit in flight and the batch that gathers behind it.
//!
//! Invariants: at most one commit of an object is in flight; the batch's delta leads from the value, with the commit in
//! flight applied, to what its members' closures made; a delta that came in between seals the batch, so that its base
//! stays true. Source: own reasoning.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{Fence, Version};
use crate::node::replica::{Ending, Outgoing};
use crate::node::verdict::{Settled, Verdict};
use crate::tracked::Class;

use super::Inner;
use super::guards::Guards;

/// A commit that was taken by the link.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) base: Version,
    pub(super) delta: Bytes,
    pub(super) verdict: Arc<Verdict>,
}

/// Updates that will leave as one commit.
#[derive(Debug)]
pub(super) struct Batch {
    /// The version its delta applies to: the value's, or that of the commit in flight if that takes effect as sent.
    pub(super) base: Version,
    pub(super) delta: Vec<u8>,
    pub(super) is_isolated: bool,
    /// The lock that its closures ran under.
    pub(super) fence: Option<Fence>,
    /// What its closures required.
    pub(super) guards: Guards,
    /// Whether some of them wrote, even if others took that back.
    pub(super) has_written: bool,
    /// Whether nobody joins any more.
    pub(super) is_sealed: bool,
    pub(super) verdict: Arc<Verdict>,
}

impl<T: Class> Inner<T> {
    /// The version that a closure run now would see: the value's, the commit in flight included; `None` while that
    /// commit's fate decides what there is to see.
    pub(super) fn base_for_update(&self) -> Option<Version> {
        let version = self.held.version()?;
        match &self.in_flight {
            None => Some(version),
            Some(in_flight) if in_flight.base == version => Some(version.next()),
            Some(_) => None,
        }
    }

    /// Takes the batch for sending.
    pub(super) fn take_outgoing(&mut self) -> Option<Outgoing> {
        if self.in_flight.is_some() {
            return None;
        }
        let batch = self.batch.take()?;
        self.held.rest();
        self.wake();
        if !batch.has_written && batch.guards.is_empty() {
            batch.verdict.settle(Settled::Committed(batch.base));
            return None;
        }
        let Batch { base, delta, is_isolated, fence, guards, has_written, verdict, .. } = batch;
        // What was written and taken back stands in no delta that could conflict: then anything newer does.
        let is_undone = has_written && delta.is_empty();
        let is_isolated = is_isolated || guards.is_whole() || is_undone;
        let delta = Bytes::from(delta);
        let guards = Bytes::from(guards.into_bytes());
        let outgoing = Outgoing { base, is_isolated, fence, guards, delta: delta.clone() };
        self.in_flight = Some(InFlight { base, delta, verdict });
        Some(outgoing)
    }

    /// Tells the batch that what its closures saw never came to be.
    pub(super) fn rerun_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.held.rest();
            batch.verdict.settle(Settled::Rerun);
        }
    }

    /// Keeps the batch's base true although the value moves on.
    pub(super) fn seal_batch(&mut self) {
        if self.in_flight.is_none()
            && let Some(batch) = &mut self.batch
        {
            batch.is_sealed = true;
        }
    }

    /// Has nobody join the batch any more, if there is one; answers whether there is.
    pub(super) fn seal_joined(&mut self) -> bool {
        let Some(batch) = &mut self.batch else { return false };
        batch.is_sealed = true;
        self.held.rest();
        true
    }

    /// Ends all updates.
    pub(super) fn end_updates(&mut self, ending: Ending) {
        self.held.rest();
        let waiting = [self.in_flight.take().map(|i| i.verdict), self.batch.take().map(|b| b.verdict)];
        waiting.into_iter().flatten().for_each(|verdict| verdict.settle(Settled::Ended(ending)));
    }
}

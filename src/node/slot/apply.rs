//! Deltas and results become part of the value, in the order they came.
//!
//! The last station of a change's path. Invariants: a delta is applied on its base, wholly or not at all (I4): on an
//! error the change set undoes what was done; nothing is applied while a guard pins the value; a task hears of its
//! commit only when the value here has it. Source: own reasoning.

use bytes::Bytes;

use super::queue::Item;
use super::{Held, Inner, Rule};
use crate::coding::{DecodeError, Reader};
use crate::ids::Version;
use crate::node::replica::{Applied, Refusal, Settlement};
use crate::node::state::{Event, State};
use crate::node::verdict::Settled;
use crate::tracked::{Changes, Class};

impl<T: Class> Inner<T> {
    /// Takes a pushed delta of `span` versions.
    pub(super) fn take_delta(&mut self, span: u64, delta: &[u8]) -> Result<Applied, Refusal> {
        self.state = self.state.after(Event::Delta, self.held.is_some())?;
        if self.is_dropping {
            return Ok(Applied::Dropped);
        }
        let to = Version(self.reached.0.saturating_add(span));
        self.reached = to;
        self.newest = self.newest.max(to);
        if self.state == State::Unreadable {
            self.wake();
            return Ok(Applied::Dropped);
        }
        if self.queue.is_empty() && self.load.is_none() && self.held.is_writable() {
            let changes = self.absorb(delta, to)?;
            changes.into_iter().for_each(|changes| self.moved(changes, to));
            return Ok(Applied::Taken);
        }
        self.queue.push(Item::Delta { to, delta: Bytes::copy_from_slice(delta) });
        self.drain()?;
        if self.queue.is_over() {
            self.overflow()?;
            return Ok(Applied::Overflowed);
        }
        Ok(Applied::Taken)
    }

    /// Takes the repository's word on the commit in flight, behind all that came before.
    pub(super) fn take_settlement(&mut self, settlement: Settlement) -> Result<(), Refusal> {
        let Some(in_flight) = &self.in_flight else { return Ok(()) };
        self.accepted += u64::from(matches!(settlement, Settlement::AsSent | Settlement::Accepted(_)));
        if settlement == Settlement::AsSent && !self.is_dropping {
            if self.reached != in_flight.base {
                return Err(Refusal::Base { base: in_flight.base, reached: self.reached });
            }
            self.reached = self.reached.next();
            self.newest = self.newest.max(self.reached);
        }
        if self.is_dropping || self.state == State::Unreadable {
            self.settle_dropped(settlement);
            return Ok(());
        }
        self.queue.push(Item::Settle(settlement));
        self.drain()
    }

    /// Applies what waits, as far as nothing is in the way; notes if a copy is wanted.
    pub(super) fn drain(&mut self) -> Result<(), Refusal> {
        if self.load.is_some() {
            return Ok(());
        }
        let mut is_moved = false;
        while self.queue.is_ready() {
            if self.held.is_none() {
                break;
            }
            if !self.queue.is_mark_next() && !self.held.is_writable() {
                self.is_copy_wanted = true;
                break;
            }
            match self.queue.pop() {
                Some(Item::Delta { to, delta }) => {
                    let changes = self.absorb(&delta, to)?;
                    changes.into_iter().for_each(|changes| self.moved(changes, to));
                }
                Some(Item::Settle(settlement)) => self.settle_now(settlement)?,
                Some(Item::Mark { id, version }) => self.hit_mark(id, version),
                Some(Item::Pending { .. }) | None => break,
            }
            is_moved = true;
        }
        if is_moved {
            self.wake();
        }
        Ok(())
    }

    /// Applies a delta to the value, which no guard pins; answers what it did, nothing if the value is unreadable by it.
    fn absorb(&mut self, delta: &[u8], to: Version) -> Result<Option<T::Changes>, Refusal> {
        let heeds_unknown = self.heeds(Rule::Unknown);
        let Some(held) = self.held.unshared() else { return Ok(None) };
        match apply_whole(held, delta, to) {
            Ok(changes) => {
                self.follow(delta);
                Ok(Some(changes))
            }
            Err(DecodeError::Unreadable(unknown)) if heeds_unknown => self.let_go(unknown, to).map(|()| None),
            Err(DecodeError::Unreadable(_)) => {
                held.at.version = to;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The value has moved on by a delta that came in.
    fn moved(&mut self, changes: T::Changes, to: Version) {
        self.seal_batch();
        self.watchers.publish(changes, to);
        if !self.waiting.is_empty() {
            self.wake();
        }
    }

    /// Settles the commit in flight; the value stands where the repository's word stood in the stream.
    fn settle_now(&mut self, settlement: Settlement) -> Result<(), Refusal> {
        let Some(in_flight) = self.in_flight.take() else { return Ok(()) };
        let Some(here) = self.held.version() else { return Ok(()) };
        match settlement {
            Settlement::AsSent => {
                let to = in_flight.base.next();
                let changes = self.absorb(&in_flight.delta, to)?;
                changes.into_iter().for_each(|changes| self.watchers.publish(changes, to));
                in_flight.verdict.settle(Settled::Committed(to));
            }
            Settlement::Accepted(version) | Settlement::Moot(version) => {
                self.newest = self.newest.max(version);
                // Nobody else came between: what the batch's closures saw is what there is now.
                let is_own = matches!(settlement, Settlement::Accepted(_));
                let is_foreseen = is_own && version == in_flight.base.next() && here == version;
                in_flight.verdict.settle(Settled::Committed(version));
                if version > self.reached {
                    self.state = self.state.after(Event::Overtaken, true)?;
                }
                if !is_foreseen {
                    self.rerun_batch();
                }
            }
            Settlement::Conflict => {
                in_flight.verdict.settle(Settled::Conflict);
                self.rerun_batch();
            }
            Settlement::Refused(refused) => {
                let is_shared = refused.left_nothing() && in_flight.verdict.members() > 1;
                in_flight.verdict.settle(if is_shared { Settled::RerunAlone } else { Settled::Refused(refused) });
                self.rerun_batch();
            }
        }
        self.wake();
        Ok(())
    }

    /// Settles the commit in flight although the value here does not follow any more.
    pub(super) fn settle_dropped(&mut self, settlement: Settlement) {
        let Some(in_flight) = self.in_flight.take() else { return };
        let settled = match settlement {
            Settlement::AsSent => Settled::Committed(in_flight.base.next()),
            Settlement::Accepted(version) | Settlement::Moot(version) => Settled::Committed(version),
            Settlement::Conflict => Settled::Conflict,
            Settlement::Refused(refused) if refused.left_nothing() && in_flight.verdict.members() > 1 => {
                Settled::RerunAlone
            }
            Settlement::Refused(refused) => Settled::Refused(refused),
        };
        if let Settled::Committed(version) = settled {
            self.newest = self.newest.max(version);
        }
        in_flight.verdict.settle(settled);
        self.rerun_batch();
        self.wake();
    }

    /// Too much waits: drops it all; what was promised is remembered in `newest`.
    fn overflow(&mut self) -> Result<(), Refusal> {
        self.drop_queue();
        self.is_dropping = true;
        self.state = self.state.after(Event::Overtaken, self.held.is_some())?;
        self.wake();
        Ok(())
    }

    /// Drops what waits; results among it are told at once.
    pub(super) fn drop_queue(&mut self) {
        for item in self.queue.take() {
            match item {
                Item::Settle(settlement) => self.settle_dropped(settlement),
                Item::Mark { id, .. } => self.end_mark(id, None),
                Item::Delta { .. } | Item::Pending { .. } => {}
            }
        }
        self.seal_batch();
        if self.state == State::Unreadable {
            // Versions are followed without a value.
            return;
        }
        let here = self.held.version().unwrap_or(Version(0));
        self.reached = self.load.as_ref().map_or(here, |load| load.at.version);
    }
}

/// Applies one delta to a value that nobody reads; on an error the value is as it was.
fn apply_whole<T: Class>(held: &mut Held<T>, delta: &[u8], to: Version) -> Result<T::Changes, DecodeError> {
    let mut changes = T::Changes::default();
    match held.value.apply(Reader::new(delta), Some(&mut changes)) {
        Ok(()) => {
            held.at.version = to;
            held.share.grow(delta.len());
            Ok(changes)
        }
        Err(error) => {
            if changes.is_touched() {
                held.value.undo(changes);
            }
            Err(error)
        }
    }
}

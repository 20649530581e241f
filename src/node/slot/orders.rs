//! A slot as the core sees it: every order, under the lock and short.
//!
//! Invariants: as [`Replica`] says; every order that changes what a task may wait for wakes those that wait. Source: own
//! reasoning.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::load::{Load, SnapshotSegment};
use super::queue::Item;
use super::{Held, Inner, Rule, Share, Slot, heap_bytes};
use crate::ids::{Birth, ObjectName, Token, TransferId, Version};
use crate::limits::{COPY_PATIENCE_MS, SLOT_QUEUE_BYTES_MAX};
use crate::node::replica::{Applied, Ending, MarkId, Outgoing, Refusal, Replica, ReplicaId, Ring, Settlement};
use crate::node::state::{Event, State};
use crate::tracked::Class;

/// Nanoseconds that copying one encoded byte takes, roughly: 4.5 MB took 18–22 ms.
const COPY_NS_A_BYTE: u64 = 4;

/// The longest wait for guards before a copy is made, whatever the value's size.
const COPY_PATIENCE_MAX: Duration = Duration::from_millis(COPY_PATIENCE_MS);

/// A value that somebody waited for stays, although nobody has used it, until so many others came to the node: who waited
/// may have gone.
const UNSEEN_LOADS: u64 = 16;

impl<T: Class> Replica for Slot<T> {
    fn id(&self) -> ReplicaId {
        self.id
    }

    fn name(&self) -> &ObjectName {
        &self.name
    }

    fn state(&self) -> State {
        self.inner.lock().state
    }

    fn reached(&self) -> Option<(Birth, Version)> {
        let inner = self.inner.lock();
        let is_empty = inner.held.is_none() && inner.load.is_none() && inner.state != State::Unreadable;
        if inner.is_distrusted || is_empty {
            return None;
        }
        inner.birth.map(|birth| (birth, inner.reached))
    }

    fn confirm(&self) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        inner.state = inner.state.after(Event::Confirmed, inner.held.is_some())?;
        inner.is_pull_rung = false;
        if inner.state == State::Current && (inner.is_dropping || inner.newest > inner.reached) {
            inner.state = State::Stale;
        }
        inner.wake();
        Ok(())
    }

    fn apply(&self, span: u64, delta: &[u8]) -> Result<Applied, Refusal> {
        self.changing(|inner| inner.take_delta(span, delta))
    }

    fn catch_up(&self, base: Version, version: Version, delta: Option<&[u8]>) -> Result<(), Refusal> {
        self.changing(|inner| {
            inner.state = inner.state.after(Event::Delta, inner.held.is_some())?;
            if base != inner.reached {
                return Err(Refusal::Base { base, reached: inner.reached });
            }
            inner.is_dropping = false;
            if base == version {
                return Ok(());
            }
            inner.reached = version;
            inner.newest = inner.newest.max(version);
            if inner.state == State::Unreadable {
                inner.wake();
                return Ok(());
            }
            inner.queue.push(match delta {
                Some(delta) => Item::Delta { to: version, delta: Bytes::copy_from_slice(delta) },
                None => Item::Pending { to: version },
            });
            inner.drain()
        })
    }

    fn finish_catch_up(&self, version: Version, delta: Bytes) -> Result<(), Refusal> {
        self.changing(|inner| {
            inner.queue.fulfil(version, delta);
            inner.drain()
        })
    }

    fn begin_load(&self, at: Token, bytes: usize) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        inner.begin_load(at, bytes)
    }

    fn load_whole(&self, at: Token, delta: &[u8]) -> Result<(), Refusal> {
        self.changing(|inner| {
            inner.begin_load(at, delta.len())?;
            self.load_inline(inner, delta)
        })
    }

    fn load_segment(&self, transfer: TransferId, index: u32, is_last: bool, bytes: Bytes) {
        let mut inner = self.inner.lock();
        if let Some(load) = &mut inner.load {
            load.segments.push_back(SnapshotSegment { transfer, index, is_last, bytes });
            self.ring(Ring::Work);
        }
    }

    fn overtake(&self, version: Version) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        inner.state = inner.state.after(Event::Overtaken, inner.held.is_some())?;
        inner.newest = inner.newest.max(version);
        inner.is_pull_rung = false;
        if inner.watchers.is_watched() {
            // A watcher waits for changes without reading: nobody else would ask for them.
            self.want_newer(&mut inner);
        }
        inner.seal_batch();
        inner.wake();
        Ok(())
    }

    fn pull_failed(&self) {
        self.inner.lock().is_pull_rung = false;
    }

    fn take_batch(&self) -> Option<Outgoing> {
        self.inner.lock().take_outgoing()
    }

    fn settle(&self, settlement: Settlement) -> Result<(), Refusal> {
        self.changing(|inner| inner.take_settlement(settlement))
    }

    fn mark(&self, mark: MarkId, version: Version) {
        let marked = self.changing(|inner| {
            inner.take_mark(mark, version);
            inner.drain()
        });
        if let Err(refusal) = marked {
            self.ring(Ring::Broken(refusal));
        }
    }

    fn created(&self, at: Token) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        let Some((value, heap_bytes)) = inner.draft.take() else {
            return Err(Refusal::Unexpected { state: inner.state, event: Event::LoadEnded });
        };
        let is_held = inner.held.is_some();
        inner.state = inner.state.after(Event::LoadBegun, is_held)?.after(Event::LoadEnded, is_held)?;
        let share = Share::new(&inner.memory, heap_bytes);
        inner.held.replace(Some(Arc::new(Held { value, at, share })));
        inner.used_at = inner.memory.tick();
        (inner.lossy_epoch, inner.birth) = (at.lossy_epoch, Some(at.birth));
        (inner.reached, inner.newest) = (at.version, at.version);
        inner.wake();
        Ok(())
    }

    fn disconnect(&self) {
        let mut inner = self.inner.lock();
        inner.load = None;
        inner.drop_queue();
        inner.is_dropping = false;
        inner.is_pull_rung = false;
        let is_held = inner.held.is_some();
        if let Ok(state) = inner.state.after(Event::Disconnected, is_held)
            && inner.heeds(Rule::Outages)
        {
            inner.state = state;
        }
        inner.wake();
    }

    fn distrust(&self) {
        self.inner.lock().is_distrusted = true;
    }

    fn end(&self, ending: Ending) {
        let mut inner = self.inner.lock();
        inner.state = State::Absent;
        inner.ending = Some(ending);
        inner.load = None;
        inner.draft = None;
        inner.drop_queue();
        inner.miss_marks();
        inner.end_updates(ending);
        inner.watchers.end(ending);
        inner.held.replace(None);
        inner.wake();
    }

    fn evict(&self) -> bool {
        let mut inner = self.inner.lock();
        let is_busy =
            inner.in_flight.is_some() || inner.batch.is_some() || inner.has_transactions() || inner.is_marked();
        let is_needed = is_busy || self.is_reserved.load(Ordering::Relaxed) || inner.watchers.is_watched();
        // Who waited for a value that came may not have run yet; if it goes before, it is fetched for ever.
        let is_unseen = inner.is_awaited && inner.memory.clock() < inner.used_at + UNSEEN_LOADS;
        if (is_needed && inner.heeds(Rule::Use)) || is_unseen || inner.load.is_some() || !inner.queue.is_empty() {
            return false;
        }
        let Ok(state) = inner.state.after(Event::Evicted, inner.held.is_some()) else { return false };
        let Some(held) = inner.held.unshared() else { return false };
        held.share.set(0);
        inner.state = state;
        // A large value takes long to free: that is not for the I/O thread.
        let is_large = inner.bytes > SLOT_QUEUE_BYTES_MAX;
        inner.dropped = inner.held.replace(None).filter(|_| is_large);
        if inner.dropped.is_some() {
            self.ring(Ring::Work);
        }
        true
    }

    fn used_at(&self) -> u64 {
        self.inner.lock().used_at
    }

    fn is_watched(&self) -> bool {
        self.watchers.is_watched()
    }

    fn expect_use(&self, is_expected: bool) {
        self.inner.lock().is_use_expected = is_expected;
    }

    fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    fn copy_patience(&self) -> Option<Duration> {
        let inner = self.inner.lock();
        let is_pinned = inner.held.is_pinned();
        let patience = Duration::from_nanos(inner.bytes as u64 * COPY_NS_A_BYTE).min(COPY_PATIENCE_MAX);
        (inner.is_copy_wanted && is_pinned).then_some(patience)
    }

    fn work(&self) {
        self.decode_segments();
        self.copy();
        self.measure();
    }
}

impl<T: Class> Slot<T> {
    /// Changes the slot and asks for a copy if a guard turned out to be in the way, or for the batch to be taken.
    fn changing<R>(&self, change: impl FnOnce(&mut Inner<T>) -> Result<R, Refusal>) -> Result<R, Refusal> {
        self.change(&mut self.inner.lock(), change)
    }

    /// As [`changing`](Self::changing), under a lock that is held.
    pub(super) fn change<R>(
        &self,
        inner: &mut Inner<T>,
        change: impl FnOnce(&mut Inner<T>) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let was_in_flight = inner.in_flight.is_some();
        let (copy_was_wanted, measure_was_wanted) = (inner.is_copy_wanted, inner.is_measure_wanted);
        let answer = change(inner);
        inner.is_measure_wanted |= inner.held.is_blurred();
        if (inner.is_copy_wanted && !copy_was_wanted) || (inner.is_measure_wanted && !measure_was_wanted) {
            self.ring(Ring::Work);
        }
        if was_in_flight && inner.in_flight.is_none() && inner.batch.is_some() {
            self.ring(Ring::Batch);
        }
        answer
    }

    /// Wakes who waits for what a closure gave back. Frees what was dropped, and measures the value again if deltas may
    /// have added much to it; both outside the lock.
    fn measure(&self) {
        let (dropped, held) = {
            let mut inner = self.inner.lock();
            if self.is_wake_owed.swap(false, Ordering::Relaxed) {
                inner.wake();
            }
            let is_wanted = std::mem::take(&mut inner.is_measure_wanted);
            (inner.dropped.take(), if is_wanted { inner.held.get().cloned() } else { None })
        };
        drop(dropped);
        let Some(held) = held else { return };
        let (at, bytes) = (held.at, heap_bytes(&held.value));
        drop(held);
        let mut inner = self.inner.lock();
        if let Some(held) = inner.held.unshared().filter(|held| held.at == at) {
            held.share.set(bytes);
        }
    }

    /// Copies the value if a guard pins it and somebody wants to change it, outside the lock; applies what waits.
    fn copy(&self) {
        let pinned = {
            let mut inner = self.inner.lock();
            if !inner.is_copy_wanted {
                return;
            }
            if inner.held.is_writable() { None } else { inner.held.get().cloned() }
        };
        let mut copy = pinned.as_ref().map(|held| Arc::new(held.copy()));
        let outcome = {
            let mut inner = self.inner.lock();
            if inner.held.get().zip(pinned.as_ref()).is_some_and(|(held, pinned)| Arc::ptr_eq(held, pinned)) {
                drop(inner.held.replace(copy.take()));
            }
            // Before what waits is applied: a guard that came meanwhile asks for a copy anew.
            inner.is_copy_wanted = false;
            inner.wake();
            self.change(&mut inner, Inner::drain)
        };
        // The former value goes with `pinned` and `copy`, outside the lock.
        if let Err(refusal) = outcome {
            self.ring(Ring::Broken(refusal));
        }
    }
}

impl<T: Class> Inner<T> {
    /// Makes room for a snapshot; what waited is part of it or will come again behind it.
    fn begin_load(&mut self, at: Token, bytes: usize) -> Result<(), Refusal> {
        self.state = self.state.after(Event::LoadBegun, self.held.is_some())?;
        self.drop_queue();
        self.serial += 1;
        self.load = Some(Load::new(at, self.serial, bytes));
        (self.lossy_epoch, self.birth) = (at.lossy_epoch, Some(at.birth));
        (self.is_dropping, self.is_distrusted) = (false, false);
        self.reached = at.version;
        self.newest = self.newest.max(at.version);
        Ok(())
    }
}

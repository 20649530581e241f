//! A snapshot becomes the value: segments are decoded while the next ones arrive.
//!
//! Each segment is a delta, the first one from nothing. The value under construction belongs to whoever decodes, off
//! the I/O thread and outside the lock; until it is whole, the old value, if there is one, stays readable. Invariants:
//! segments are taken in order; a load that was given up leaves nothing. Source: own reasoning.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Held, Inner, Share, Slot, heap_bytes};
use crate::coding::{DecodeError, Reader};
use crate::ids::{Token, TransferId};
use crate::node::replica::{Refusal, Ring};
use crate::node::state::{Event, State};
use crate::tracked::Class;

/// Bytes of heap that a value takes for each of its encoded bytes, about: texts are small allocations with a head each.
const HEAP_FACTOR: usize = 2;

/// Bytes by which the heap is grown: as much as an allocator surely takes from the heap and not from the system.
const HEAP_STEP_BYTES: usize = 96 * 1024;

/// A snapshot that is on its way.
pub(super) struct Load<T> {
    pub(super) at: Token,
    /// Tells this load from a later one of the same slot.
    pub(super) serial: u64,
    pub(super) segments: VecDeque<SnapshotSegment>,
    value: Option<T>,
    /// What the value takes, once it is whole.
    heap_bytes: usize,
    is_decoding: bool,
    is_complete: bool,
    /// Bytes that were decoded.
    bytes: usize,
    /// Bytes that are to come in all, as the repository said; about.
    announced: usize,
}

/// One segment that waits to be decoded.
#[derive(Debug)]
pub(super) struct SnapshotSegment {
    pub(super) transfer: TransferId,
    pub(super) index: u32,
    pub(super) is_last: bool,
    pub(super) bytes: Bytes,
}

impl<T> Load<T> {
    pub(super) fn new(at: Token, serial: u64, announced: usize) -> Self {
        let (value, heap_bytes, segments) = (None, 0, VecDeque::new());
        Self { at, serial, segments, value, heap_bytes, is_decoding: false, is_complete: false, bytes: 0, announced }
    }

    /// Takes what the next segment needs to be decoded: the value so far, and how many bytes come behind it.
    fn take(&mut self, segment: &SnapshotSegment) -> (Option<T>, usize) {
        self.is_decoding = true;
        (self.value.take(), self.announced.saturating_sub(self.bytes + segment.bytes.len()))
    }
}

impl<T: Class> Slot<T> {
    /// Decodes the segments that are here; answers when none is left or another thread decodes.
    pub(super) fn decode_segments(&self) {
        loop {
            let mut inner = self.inner.lock();
            let Some(load) = &mut inner.load else { return };
            if load.is_decoding {
                return;
            }
            let Some(segment) = load.segments.pop_front() else { return };
            let (serial, (value, following)) = (load.serial, load.take(&segment));
            drop(inner);
            grow_heap(segment.bytes.len() * HEAP_FACTOR);
            let outcome = extend(value, Reader::new(&segment.bytes).followed_by(following));
            self.segment_decoded(serial, &segment, outcome);
        }
    }

    fn segment_decoded(&self, serial: u64, segment: &SnapshotSegment, outcome: Result<T, DecodeError>) {
        let heap_bytes = outcome.as_ref().map_or(0, |value| if segment.is_last { heap_bytes(value) } else { 0 });
        let mut inner = self.inner.lock();
        let Some(load) = inner.load.as_mut().filter(|load| load.serial == serial) else { return };
        load.is_decoding = false;
        match outcome {
            Ok(value) => {
                load.value = Some(value);
                load.heap_bytes = heap_bytes;
                load.bytes += segment.bytes.len();
                load.is_complete = segment.is_last;
                self.ring(Ring::Taken { transfer: segment.transfer, index: segment.index });
            }
            Err(DecodeError::Unreadable(unknown)) => {
                let version = load.at.version;
                match self.change(&mut inner, |inner| inner.let_go(unknown, version)) {
                    Ok(()) => self.ring(Ring::GivenUp { transfer: segment.transfer }),
                    Err(refusal) => self.ring(Ring::Broken(refusal)),
                }
            }
            Err(error) => self.ring(Ring::Broken(error.into())),
        }
        if inner.load.as_ref().is_some_and(|load| load.is_complete) {
            // What waited behind the snapshot may be a commit's result, and a batch behind that.
            let finished = self.change(&mut inner, |inner| self.finish_load(inner));
            drop(inner);
            // A former value is freed here, outside the lock.
            match finished.map(drop) {
                Ok(()) => self.ring(Ring::Loaded),
                Err(refusal) => self.ring(Ring::Broken(refusal)),
            }
        }
    }

    /// The value under construction becomes the value; answers the former one.
    fn finish_load(&self, inner: &mut Inner<T>) -> Result<Option<Arc<Held<T>>>, Refusal> {
        let Some(Load { value: Some(value), heap_bytes, at, bytes, .. }) = inner.load.take() else {
            return Ok(None);
        };
        inner.state = inner.state.after(Event::LoadEnded, inner.held.is_some())?;
        let share = Share::new(&inner.memory, heap_bytes);
        let former = inner.held.replace(Some(Arc::new(Held { value, at, share })));
        inner.used_at = inner.memory.tick();
        inner.is_awaited = !inner.waiting.is_empty();
        inner.bytes = bytes;
        inner.is_pull_rung = false;
        inner.unknown = None;
        inner.watchers.miss();
        inner.tear_tails();
        inner.drain()?;
        if inner.newest > inner.reached {
            inner.state = State::Stale;
        }
        inner.wake();
        Ok(former)
    }

    /// Decodes a whole object that came in one record, at once.
    pub(super) fn load_inline(&self, inner: &mut Inner<T>, delta: &[u8]) -> Result<(), Refusal> {
        let value = match extend(None, Reader::new(delta)) {
            Ok(value) => value,
            Err(DecodeError::Unreadable(unknown)) => return inner.let_go(unknown, inner.reached),
            Err(error) => return Err(error.into()),
        };
        if let Some(load) = &mut inner.load {
            load.heap_bytes = heap_bytes(&value);
            load.value = Some(value);
            load.bytes = delta.len();
        }
        self.finish_load(inner).map(drop)
    }
}

/// The value after one more segment: the first is a body that puts every field, each later one an edit.
fn extend<T: Class>(value: Option<T>, segment: Reader<'_>) -> Result<T, DecodeError> {
    match value {
        Some(mut value) => {
            value.apply(segment, None)?;
            Ok(value)
        }
        None => T::decode_root(segment),
    }
}

/// Grows this thread's heap in large steps. The allocator of glibc grows the heap of any thread but the first page by page,
/// with a system call for each, and holds up every other thread of the process meanwhile; what it was granted once, it
/// keeps. Without that, decoding takes a fifth longer. Nothing is touched, so nothing is used that is not needed.
fn grow_heap(bytes: usize) {
    let steps = bytes.div_ceil(HEAP_STEP_BYTES);
    let room: Vec<Vec<u8>> = (0..steps).map(|_| Vec::with_capacity(HEAP_STEP_BYTES)).collect();
    drop(std::hint::black_box(room));
}

//! What the replicas of a node cost in memory, and how much they may.
//!
//! ```text
//!   0 ────────────────────────────── low mark ──── high mark
//!                                       ▲ ◀── shed ── │   least recently used first
//! ```
//! Each value carries its share, and gives it back when it is dropped: so versions that only a guard still has count like
//! any other. What a value costs is measured once when it is loaded; what deltas add to it is estimated by their length,
//! until it is worth to measure again. One budget for a node, shared by its links. Invariant: what is used is the sum of
//! the shares that live. Source: own reasoning (R1, V1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::limits::NODE_MEMORY_BYTES_MAX;

/// Bytes that a delta may add to a value, for each of its own.
const GROWTH: usize = 2;

/// A value is measured again when deltas may have added this share of it, and this many bytes.
const BLUR_SHARE: usize = 4;
const BLUR_BYTES: usize = 64 * 1024;

/// The budget of a node.
#[derive(Debug)]
pub struct Memory {
    used: AtomicUsize,
    bytes_max: usize,
    /// Counts the values that came; tells which replica was used before which.
    clock: AtomicU64,
}

impl Memory {
    /// A budget of `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { used: AtomicUsize::new(0), bytes_max, clock: AtomicU64::new(1) }
    }

    /// Bytes that values take now, roughly; superseded versions that guards still have among them.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether more is used than may be.
    pub(crate) fn is_over(&self) -> bool {
        self.used() > self.bytes_max
    }

    /// Whether shedding is to go on: down to seven eighths, so that it is seldom needed.
    pub(crate) fn is_above_low_mark(&self) -> bool {
        self.used() > self.bytes_max - self.bytes_max / 8
    }

    /// The time of now, in values that came.
    pub(crate) fn clock(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Another value came; answers when, so that whatever is used from now on was used later.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(NODE_MEMORY_BYTES_MAX)
    }
}

/// The share of one value; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: usize,
    /// How much of that is estimated.
    grown: usize,
}

impl Share {
    pub(crate) fn new(memory: &Arc<Memory>, bytes: usize) -> Self {
        memory.used.fetch_add(bytes, Ordering::Relaxed);
        Self { memory: Arc::clone(memory), bytes, grown: 0 }
    }

    /// The share of a copy.
    pub(crate) fn of_copy(&self) -> Self {
        let mut share = Self::new(&self.memory, self.bytes);
        share.grown = self.grown;
        share
    }

    /// Bytes of the value, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A delta of so many bytes was applied.
    pub(crate) fn grow(&mut self, delta_bytes: usize) {
        let bytes = delta_bytes.saturating_mul(GROWTH);
        self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        self.grown += bytes;
    }

    /// Whether the value is to be measured again.
    pub(crate) fn is_blurred(&self) -> bool {
        self.grown > BLUR_BYTES.max(self.bytes / BLUR_SHARE)
    }

    /// The value was measured again.
    pub(crate) fn set(&mut self, bytes: usize) {
        *self = Self::new(&self.memory, bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let memory = Arc::new(Memory::new(1_000));
        let mut one = Share::new(&memory, 600);
        let copy = one.of_copy();
        assert_eq!((memory.used(), memory.is_over()), (1_200, true));
        drop(copy);
        assert!(!memory.is_over() && !memory.is_above_low_mark());
        one.grow(150);
        assert_eq!((memory.used(), memory.is_over(), memory.is_above_low_mark()), (900, false, true));
        one.set(500);
        assert_eq!(memory.used(), 500);
        drop(one);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_value_is_measured_again_only_after_much_was_applied() {
        let memory = Arc::default();
        let mut share = Share::new(&memory, 15_000_000);
        let deltas = (1..).find(|_| {
            share.grow(16);
            share.is_blurred()
        });
        assert!(deltas.is_some_and(|deltas| deltas > 100_000), "{deltas:?}");
    }
}

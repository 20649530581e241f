//! What closures required, gathered for the commit that they go into.
//!
//! Invariant: at most [`GUARD_BYTES_MAX`] bytes; beyond that the whole object is required, which is safe and only costs
//! retries. Source: own reasoning (W5).

use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::touches;
use crate::limits::GUARD_BYTES_MAX;
use crate::schema::Schema;

/// What must not change between a base and a commit, besides what the commit writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guards {
    /// What each closure required, sized, no two alike.
    sized: Vec<u8>,
    /// Whether the whole object is required.
    is_whole: bool,
}

impl Guards {
    /// What one closure required.
    pub(super) fn of(guard: &[u8]) -> Self {
        let mut guards = Self::default();
        if !guard.is_empty() {
            guards.push(guard);
        }
        guards
    }

    /// Adds what another closure required.
    pub(super) fn add(&mut self, other: &Self) {
        other.each().for_each(|guard| self.push(guard));
        if other.is_whole {
            self.require_all();
        }
    }

    /// Whether nothing is required.
    pub(super) fn is_empty(&self) -> bool {
        self.sized.is_empty() && !self.is_whole
    }

    /// Bytes of what is required.
    pub(super) fn len(&self) -> usize {
        self.sized.len()
    }

    /// Whether anything newer in the object is in the way.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// As a commit carries them.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.sized
    }

    /// Whether a delta changes anything that is required.
    pub(super) fn are_touched(&self, schema: &Schema, delta: &[u8]) -> Result<bool, DecodeError> {
        let mut is_touched = self.is_whole;
        for guard in self.each() {
            is_touched |= touches(schema, delta, guard)?;
        }
        Ok(is_touched)
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let mut left = Reader::new(&self.sized);
        std::iter::from_fn(move || if left.is_done() { None } else { left.sized().ok() })
    }

    fn push(&mut self, guard: &[u8]) {
        if self.is_whole || self.each().any(|known| known == guard) {
            return;
        }
        let mut w = Writer::append_to(std::mem::take(&mut self.sized));
        w.sized(guard);
        self.sized = w.into_bytes();
        if self.sized.len() > GUARD_BYTES_MAX {
            self.require_all();
        }
    }

    fn require_all(&mut self) {
        self.is_whole = true;
        self.sized.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_twice_stands_once() {
        let mut guards = Guards::of(&[8, 0]);
        guards.add(&Guards::of(&[16, 0]));
        guards.add(&Guards::of(&[8, 0]));
        assert_eq!(guards.into_bytes(), [2, 8, 0, 2, 16, 0]);
        assert!(Guards::of(&[]).is_empty());
    }

    #[test]
    fn too_much_requires_the_whole_object() {
        let mut guards = Guards::of(&[8, 0]);
        guards.add(&Guards::of(&vec![1; GUARD_BYTES_MAX]));
        assert!(guards.is_whole() && !guards.is_empty());
        guards.add(&Guards::of(&[8, 0]));
        assert!(guards.into_bytes().is_empty());
    }
}

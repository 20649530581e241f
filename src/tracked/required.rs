//! What a closure required to stay as it read it: marks beside the records of a change set.
//!
//! A mark stands with the parent, by field id or key, so that any kind of value can be required and leaves pay nothing.
//! Invariant: marks may be lost with a change set that is undone inside of a transaction (an entry removed, a struct
//! replaced), but never unnoticed: [`made`] counts them, and where fewer are found the whole object is required. Source:
//! own reasoning (W5).

use std::cell::Cell;
use std::hash::Hash;

use super::table::Table;

thread_local! {
    /// Marks that were made on this thread since the count began.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Begins to count marks anew.
pub fn begin() {
    MADE.set(0);
}

/// Marks that were made on this thread since [`begin`].
#[must_use]
pub fn made() -> usize {
    MADE.get()
}

/// The fields or keys that are required.
pub(crate) struct Required<K>(Option<Box<Table<K, ()>>>);

impl<K> Default for Required<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Eq + Hash> Required<K> {
    /// Requires the part that `key` names.
    pub(crate) fn add(&mut self, key: K) {
        let marks = self.0.get_or_insert_default();
        if marks.row(&key).is_none() {
            marks.insert_new(key, ());
            MADE.set(MADE.get() + 1);
        }
    }

    /// Whether the part that `key` names is required.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.0.as_ref().is_some_and(|marks| marks.row(key).is_some())
    }

    /// How many are required.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |marks| marks.len())
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All that are required, in no order that means anything.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().flat_map(|marks| marks.iter()).map(|(key, ())| key)
    }

    /// Bytes of heap behind it.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |marks| size_of_val(&**marks) + marks.heap_bytes())
    }
}

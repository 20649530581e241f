//! What was done to the entries of a map or set, by key: the change table.
//!
//! A cursor asks it at every access, so it is one probe of an open hash table; the key is cloned at the first touch
//! only. Invariants: a key stands in it once; its order never reaches a delta (edits are sorted by encoded key). The
//! hash has a fixed seed: equal transactions cost the same work everywhere. Source: own measurement
//! (a `std` map with three look-ups took twice the time).

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Holds one `E` for each touched key.
pub(super) struct Table<K, E> {
    rows: HashTable<(K, E)>,
}

impl<K, E> Default for Table<K, E> {
    fn default() -> Self {
        Self { rows: HashTable::new() }
    }
}

impl<K: Eq + Hash, E> Table<K, E> {
    /// The row of `key`; if there is none, the one that `first` makes, if it makes one.
    pub(super) fn row_or<Q>(&mut self, key: &Q, first: impl FnOnce() -> Option<(K, E)>) -> Option<&mut E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self.rows.entry(hash(key), |row| row.0.borrow() == key, |row| hash(&row.0)) {
            Entry::Occupied(entry) => Some(&mut entry.into_mut().1),
            Entry::Vacant(entry) => Some(&mut entry.insert(first()?).into_mut().1),
        }
    }

    /// The row of `key`; if there is none, `first`, with a clone of the key.
    pub(super) fn row_of(&mut self, key: &K, first: impl FnOnce() -> E) -> &mut E
    where
        K: Clone,
    {
        let entry = self.rows.entry(hash(key), |row| row.0 == *key, |row| hash(&row.0));
        &mut entry.or_insert_with(|| (key.clone(), first())).into_mut().1
    }

    /// The row of `key`.
    pub(super) fn row<Q>(&self, key: &Q) -> Option<&E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.rows.find(hash(key), |row| row.0.borrow() == key).map(|row| &row.1)
    }

    /// The row of `key`, to change.
    pub(super) fn row_mut<Q>(&mut self, key: &Q) -> Option<&mut E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.rows.find_mut(hash(key), |row| row.0.borrow() == key).map(|row| &mut row.1)
    }

    /// The rows of several keys, none of which may be there twice.
    pub(super) fn rows_disjoint<Q, const N: usize>(&mut self, keys: &[&Q; N]) -> [Option<&mut E>; N]
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hashes = keys.map(hash);
        let is_row = |at: usize, row: &(K, E)| keys.get(at).is_some_and(|&key| row.0.borrow() == key);
        self.rows.get_disjoint_mut(hashes, is_row).map(|row| row.map(|row| &mut row.1))
    }

    /// Puts a row where there is none of its key.
    pub(super) fn insert_new(&mut self, key: K, row: E) {
        self.rows.insert_unique(hash(&key), (key, row), |row| hash(&row.0));
    }

    /// Takes the row of `key` out.
    pub(super) fn take<Q>(&mut self, key: &Q) -> Option<E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let found = self.rows.find_entry(hash(key), |row| row.0.borrow() == key);
        found.ok().map(|entry| entry.remove().0.1)
    }
}

impl<K, E> Table<K, E> {
    /// Touched keys.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was touched.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &E)> {
        self.rows.iter().map(|(key, row)| (key, row))
    }

    /// All rows, taken out.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (K, E)> {
        self.rows.into_iter()
    }

    /// Bytes of heap the rows take, without what they point to.
    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.allocation_size()
    }
}

fn hash<Q: Hash + ?Sized>(key: &Q) -> u64 {
    FixedState::default().hash_one(key)
}

//! The plain sets that can be tracked, seen alike: `HashSet` with any hasher, and `BTreeSet`.
//!
//! Invariant: none of its own. Source: own reasoning.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

use crate::tracked::Key;

/// A plain set of keys. Implemented by `HashSet` and `BTreeSet` only: it cannot be named outside.
pub trait SetStore: Clone + Send + Sync + 'static {
    /// What it holds.
    type Key: Key + Hash;

    /// Makes an empty set with room for `count` keys.
    fn with_room(count: usize) -> Self;

    /// Makes room for `count` more keys.
    fn make_room(&mut self, count: usize);

    /// Makes an empty set that hashes as this one.
    fn empty_like(&self) -> Self;

    /// How many keys there are.
    fn count(&self) -> usize;

    /// All keys.
    fn keys(&self) -> impl Iterator<Item = &Self::Key>;

    /// Whether `key` is there.
    fn has(&self, key: &Self::Key) -> bool;

    /// Puts a key in; answers whether it is new.
    fn put(&mut self, key: Self::Key) -> bool;

    /// Bytes of the set's own heap.
    fn room_bytes(&self) -> usize;
}

/// Looks a set's keys up by a borrowed form, as `std`'s sets do.
pub trait SetLookup<Q: ?Sized>: SetStore {
    /// Takes `key` out.
    fn take_key(&mut self, key: &Q) -> Option<Self::Key>;
}

/// A set that can be looked up by its own keys: every one.
pub trait OwnLookup: SetLookup<<Self as SetStore>::Key> {}

impl<S: SetLookup<<S as SetStore>::Key>> OwnLookup for S {}

impl<K, S> SetStore for HashSet<K, S>
where
    K: Key + Hash,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
{
    type Key = K;

    fn with_room(count: usize) -> Self {
        Self::with_capacity_and_hasher(count, S::default())
    }

    fn make_room(&mut self, count: usize) {
        self.reserve(count);
    }

    fn empty_like(&self) -> Self {
        Self::with_hasher(self.hasher().clone())
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter()
    }

    fn has(&self, key: &K) -> bool {
        self.contains(key)
    }

    fn put(&mut self, key: K) -> bool {
        self.insert(key)
    }

    fn room_bytes(&self) -> usize {
        self.capacity() * (size_of::<K>() + 1)
    }
}

impl<K, S, Q> SetLookup<Q> for HashSet<K, S>
where
    K: Key + Hash + Borrow<Q>,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
    Q: Eq + Hash + ?Sized,
{
    fn take_key(&mut self, key: &Q) -> Option<K> {
        self.take(key)
    }
}

impl<K: Key + Hash + Ord> SetStore for BTreeSet<K> {
    type Key = K;

    fn with_room(_: usize) -> Self {
        Self::new()
    }

    fn make_room(&mut self, _: usize) {}

    fn empty_like(&self) -> Self {
        Self::new()
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter()
    }

    fn has(&self, key: &K) -> bool {
        self.contains(key)
    }

    fn put(&mut self, key: K) -> bool {
        self.insert(key)
    }

    fn room_bytes(&self) -> usize {
        self.len() * size_of::<K>()
    }
}

impl<K, Q> SetLookup<Q> for BTreeSet<K>
where
    K: Key + Hash + Ord + Borrow<Q>,
    Q: Ord + ?Sized,
{
    fn take_key(&mut self, key: &Q) -> Option<K> {
        self.take(key)
    }
}

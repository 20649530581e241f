//! The plain maps that can be tracked, seen alike: `HashMap` with any hasher, and `BTreeMap`.
//!
//! Invariant: two iterations without a change between them give the entries in the same order. Source: own reasoning.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use crate::tracked::{Key, Tracked};

/// A plain map of tracked values. Implemented by `HashMap` and `BTreeMap` only: it cannot be named outside.
pub trait MapStore: Clone + Send + Sync + 'static {
    /// What it is keyed by.
    type Key: Key + Hash;
    /// What it holds.
    type Value: Tracked;

    /// Makes an empty map with room for `count` entries.
    fn with_room(count: usize) -> Self;

    /// Makes room for `count` more entries.
    fn make_room(&mut self, count: usize);

    /// Makes an empty map that hashes as this one.
    fn empty_like(&self) -> Self;

    /// How many entries there are.
    fn count(&self) -> usize;

    /// All entries.
    fn entries(&self) -> impl Iterator<Item = (&Self::Key, &Self::Value)>;

    /// All entries, the values to change.
    fn entries_mut(&mut self) -> impl Iterator<Item = (&Self::Key, &mut Self::Value)>;

    /// Puts an entry; answers the value that was there.
    fn put(&mut self, key: Self::Key, value: Self::Value) -> Option<Self::Value>;

    /// The value of `key`, which `first` makes if there is none.
    fn value_or_put(&mut self, key: Self::Key, first: impl FnOnce() -> Self::Value) -> &mut Self::Value;

    /// Bytes of the map's own heap.
    fn room_bytes(&self) -> usize;
}

/// Looks a map's entries up by a borrowed form of its key, as `std`'s maps do.
pub trait MapLookup<Q: ?Sized>: MapStore {
    /// The entry of `key`.
    fn find(&self, key: &Q) -> Option<(&Self::Key, &Self::Value)>;

    /// The value of `key`, to change.
    fn find_mut(&mut self, key: &Q) -> Option<&mut Self::Value>;

    /// Takes the entry of `key` out.
    fn take_entry(&mut self, key: &Q) -> Option<(Self::Key, Self::Value)>;
}

/// A map that can be looked up by its own keys: every one.
pub trait OwnLookup: MapLookup<<Self as MapStore>::Key> {}

impl<M: MapLookup<<M as MapStore>::Key>> OwnLookup for M {}

impl<K, V, S> MapStore for HashMap<K, V, S>
where
    K: Key + Hash,
    V: Tracked,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
{
    type Key = K;
    type Value = V;

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

    fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter()
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.iter_mut()
    }

    fn put(&mut self, key: K, value: V) -> Option<V> {
        self.insert(key, value)
    }

    fn value_or_put(&mut self, key: K, first: impl FnOnce() -> V) -> &mut V {
        self.entry(key).or_insert_with(first)
    }

    fn room_bytes(&self) -> usize {
        self.capacity() * (size_of::<(K, V)>() + 1)
    }
}

impl<K, V, S, Q> MapLookup<Q> for HashMap<K, V, S>
where
    K: Key + Hash + Borrow<Q>,
    V: Tracked,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
    Q: Eq + Hash + ?Sized,
{
    fn find(&self, key: &Q) -> Option<(&K, &V)> {
        self.get_key_value(key)
    }

    #[inline]
    fn find_mut(&mut self, key: &Q) -> Option<&mut V> {
        self.get_mut(key)
    }

    fn take_entry(&mut self, key: &Q) -> Option<(K, V)> {
        self.remove_entry(key)
    }
}

impl<K: Key + Hash + Ord, V: Tracked> MapStore for BTreeMap<K, V> {
    type Key = K;
    type Value = V;

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

    fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter()
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.iter_mut()
    }

    fn put(&mut self, key: K, value: V) -> Option<V> {
        self.insert(key, value)
    }

    fn value_or_put(&mut self, key: K, first: impl FnOnce() -> V) -> &mut V {
        self.entry(key).or_insert_with(first)
    }

    fn room_bytes(&self) -> usize {
        self.len() * size_of::<(K, V)>()
    }
}

impl<K, V, Q> MapLookup<Q> for BTreeMap<K, V>
where
    K: Key + Hash + Ord + Borrow<Q>,
    V: Tracked,
    Q: Ord + ?Sized,
{
    fn find(&self, key: &Q) -> Option<(&K, &V)> {
        self.get_key_value(key)
    }

    fn find_mut(&mut self, key: &Q) -> Option<&mut V> {
        self.get_mut(key)
    }

    fn take_entry(&mut self, key: &Q) -> Option<(K, V)> {
        self.remove_entry(key)
    }
}

//! The cursor of a map.
//!
//! Reads go to the plain map through `Deref`; every change goes through a method that records it. Invariant: there is
//! no `DerefMut`, so a change cannot pass unseen. Methods do not hand out old values, which are kept for undo; `take`
//! clones. Source: `std`'s names and meanings.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;

use super::changes::MapChanges;
use super::store::{MapLookup, MapStore, OwnLookup};
use crate::tracked::{Key, Tracked};

type CursorOf<'a, M> = <<M as MapStore>::Value as Tracked>::Mut<'a>;

/// Writes a `HashMap` or `BTreeMap` and records what was done to it.
pub struct MapMut<'a, M: MapStore> {
    map: &'a mut M,
    changes: &'a mut MapChanges<M>,
}

impl<M: MapStore> std::fmt::Debug for MapMut<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapMut").field("len", &self.map.count()).field("changes", self.changes).finish()
    }
}

impl<M: MapStore> Deref for MapMut<'_, M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        self.map
    }
}

/// Entries where they stand.
impl<'a, M: OwnLookup> MapMut<'a, M> {
    #[inline]
    pub(super) fn new(map: &'a mut M, changes: &'a mut MapChanges<M>) -> Self {
        Self { map, changes }
    }

    /// Borrows the cursor for a while.
    pub fn reborrow(&mut self) -> MapMut<'_, M> {
        MapMut { map: self.map, changes: self.changes }
    }

    /// A cursor of the value of `key`.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<CursorOf<'_, M>>
    where
        M: MapLookup<Q>,
        M::Key: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.reborrow().into_get(key)
    }

    /// A cursor of the value of `key` that lives as long as this one could.
    pub fn into_get<Q>(self, key: &Q) -> Option<CursorOf<'a, M>>
    where
        M: MapLookup<Q>,
        M::Key: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.changes.settle(self.map);
        let map = self.map;
        let changes = self.changes.value(key, || Some(map.find(key)?.0.clone()))?;
        Some(map.find_mut(key)?.track(changes))
    }

    /// A cursor of the value of `key`, which `first` makes if there is none.
    pub fn get_or_insert_with(&mut self, key: M::Key, first: impl FnOnce() -> M::Value) -> CursorOf<'_, M> {
        self.reborrow().into_get_or_insert_with(key, first)
    }

    /// As [`get_or_insert_with`](Self::get_or_insert_with), for as long as this cursor could live.
    pub fn into_get_or_insert_with(self, key: M::Key, first: impl FnOnce() -> M::Value) -> CursorOf<'a, M> {
        self.changes.settle(self.map);
        if self.map.find(&key).is_none() {
            self.changes.record_put(key.clone(), None);
        }
        let changes = self.changes.entry(&key);
        self.map.value_or_put(key, first).track(changes)
    }

    /// Cursors of all values with their keys. Makes a change set for each entry at once;
    /// [`for_each_mut`](Self::for_each_mut) keeps only those that are written.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&M::Key, CursorOf<'_, M>)> {
        let changes = self.changes.begin_pass(self.map);
        self.map.entries_mut().zip(changes).map(|((key, value), changes)| (key, value.track(changes)))
    }

    /// Calls `f` with each key and a cursor of its value.
    pub fn for_each_mut(&mut self, mut f: impl FnMut(&M::Key, CursorOf<'_, M>)) {
        self.changes.settle(self.map);
        for (key, value) in self.map.entries_mut() {
            self.changes.visit(key, value, |value, changes| f(key, value.track(changes)));
        }
    }
}

/// What must not change meanwhile.
impl<M: OwnLookup> MapMut<'_, M> {
    /// Reads the value of `key`, and has the commit fail, so that the closure runs again, if the entry came, went or
    /// changed since. Sends the key, not the value.
    pub fn require_key<Q>(&mut self, key: &Q) -> Option<&M::Value>
    where
        M: MapLookup<Q>,
        Q: ToOwned<Owned = M::Key> + ?Sized,
    {
        self.changes.required.add(key.to_owned());
        self.map.find(key).map(|(_, value)| value)
    }
}

/// Entries in and out.
impl<M: OwnLookup> MapMut<'_, M> {
    /// Puts an entry; answers whether it replaced one. The delta says how the new value differs from that one's.
    pub fn insert(&mut self, key: M::Key, value: M::Value) -> bool {
        self.changes.put(self.map, key, value)
    }

    /// Puts entries.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (M::Key, M::Value)>) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }

    /// Removes the entry of `key`; answers whether there was one.
    pub fn remove<Q>(&mut self, key: &Q) -> bool
    where
        M: MapLookup<Q>,
        Q: ?Sized,
    {
        self.changes.remove(self.map, key)
    }

    /// Removes the entry of `key` and answers a clone of its value.
    pub fn take<Q>(&mut self, key: &Q) -> Option<M::Value>
    where
        M: MapLookup<Q>,
        Q: ?Sized,
    {
        let value = self.map.find(key)?.1.clone();
        self.remove(key);
        Some(value)
    }

    /// Removes the entries for which `keep` answers `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&M::Key, &M::Value) -> bool) {
        let removed = self.map.entries().filter(|(key, value)| !keep(key, value)).map(|(key, _)| key.clone());
        for key in removed.collect::<Vec<_>>() {
            self.remove(&key);
        }
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        if self.map.count() > 0 {
            self.set(self.map.empty_like());
        }
    }

    /// Puts another map in place. The delta says how it differs.
    pub fn set(&mut self, value: M) {
        self.changes.replace(self.map, value);
    }

    /// Runs code that knows nothing of cursors on the plain map. Costs a clone of the map; the delta says how it
    /// differs.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut M) -> R) -> R {
        self.changes.keep_whole(self.map);
        f(self.map)
    }
}

impl<K, V, S> MapMut<'_, HashMap<K, V, S>>
where
    K: Key + Hash,
    V: Tracked,
    S: BuildHasher + Default + Clone + Send + Sync + 'static,
{
    /// Cursors of several values at once; `None` for a key that is not there, and for all if a key is named twice.
    pub fn get_disjoint_mut<Q, const N: usize>(&mut self, keys: [&Q; N]) -> [Option<V::Mut<'_>>; N]
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let is_twice = (1..N).any(|i| keys.get(i).is_some_and(|key| keys.iter().take(i).any(|other| other == key)));
        if is_twice {
            return [const { None }; N];
        }
        self.changes.settle(self.map);
        let mut changes = self.changes.values(&keys, self.map).into_iter();
        self.map.get_disjoint_mut(keys).map(|value| {
            let changes = changes.next().flatten();
            Some(value?.track(changes?))
        })
    }
}

//! What was done to a map, by key.
//!
//! ```text
//! nothing ──get_mut──▶ edited ──remove──▶ removed ──insert──▶ put over the old value
//!    │                    └────insert───▶ put over the old value ──remove──▶ removed
//!    └──insert of a new key──▶ put over nothing ──remove──▶ nothing
//! ```
//! Invariants: a value that is kept is the one before the transaction (its edits are undone first); the value of a put
//! entry has no changes of its own, its cursors write into scratch; change sets of an `iter_mut` stand beside the table
//! until the next call, in the order of the map, and an entry edited there is not edited in the table; once `whole` is
//! kept, nothing else is recorded. Source: own reasoning.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::mem;

use super::store::{MapLookup, MapStore, OwnLookup};
use crate::tracked::required::Required;
use crate::tracked::table::Table;
use crate::tracked::{Changes, Tracked};

/// The change set of a value of `M`.
pub(super) type ValueChanges<M> = <<M as MapStore>::Value as Tracked>::Changes;

/// Records what a transaction did to a map.
pub struct MapChanges<M: MapStore> {
    /// The map as it was, once all of it was replaced or handed out.
    pub(super) whole: Option<Box<M>>,
    pub(super) touched: Table<M::Key, Touch<M::Value>>,
    /// Change sets of an `iter_mut`, one for each entry in the order of the map; empty at other times.
    pub(super) pass: Vec<ValueChanges<M>>,
    /// Change sets of put entries, whose content is never read.
    scratch: Vec<ValueChanges<M>>,
    /// The entries that are required, there or not.
    pub(super) required: Required<M::Key>,
}

/// What became of an entry.
pub(super) enum Touch<V: Tracked> {
    Edited(V::Changes),
    Put { old: Option<V> },
    Removed { old: V },
}

/// What became of an entry, and what it was before.
pub enum EntryView<'c, V: Tracked> {
    /// Its value was edited.
    Edited(&'c V::Changes),
    /// Its value was put whole, over nothing if the key is new.
    Put {
        /// The value before.
        previous: Option<&'c V>,
    },
    /// It was removed.
    Removed {
        /// The value before.
        previous: &'c V,
    },
}

impl<V: Tracked> fmt::Debug for EntryView<'_, V> {
    /// Says what became of the entry, without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited(changes) => f.debug_tuple("Edited").field(changes).finish(),
            Self::Put { .. } => f.write_str("Put"),
            Self::Removed { .. } => f.write_str("Removed"),
        }
    }
}

impl<M: MapStore> Default for MapChanges<M> {
    fn default() -> Self {
        Self {
            whole: None,
            touched: Table::default(),
            pass: Vec::new(),
            scratch: Vec::new(),
            required: Required::default(),
        }
    }
}

impl<M: MapStore> fmt::Debug for MapChanges<M> {
    /// Says how much was touched, without keys and values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapChanges")
            .field("is_replaced", &self.whole.is_some())
            .field("touched", &self.touched.len())
            .finish_non_exhaustive()
    }
}

impl<M: MapStore> Changes for MapChanges<M> {
    fn is_touched(&self) -> bool {
        self.whole.is_some()
            || !self.touched.is_empty()
            || !self.required.is_empty()
            || self.pass.iter().any(Changes::is_touched)
    }

    fn heap_bytes(&self) -> usize {
        let whole = self.whole.as_deref().map_or(0, heap_bytes_of);
        let rows: usize = self.touched.iter().map(|(_, touch)| touch.heap_bytes()).sum();
        let beside: usize = self.pass.iter().chain(&self.scratch).map(|c| size_of_val(c) + c.heap_bytes()).sum();
        whole + self.touched.heap_bytes() + rows + beside + self.required.heap_bytes()
    }

    fn required(&self) -> usize {
        let inside: usize = self.touched.iter().map(|(_, touch)| touch.required()).sum();
        inside + self.required.len() + self.pass.iter().map(Changes::required).sum::<usize>()
    }
}

impl<V: Tracked> Touch<V> {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Edited(changes) => changes.heap_bytes(),
            Self::Put { old } => old.as_ref().map_or(0, V::heap_bytes),
            Self::Removed { old } => old.heap_bytes(),
        }
    }

    pub(super) fn required(&self) -> usize {
        if let Self::Edited(changes) = self { changes.required() } else { 0 }
    }
}

/// Reading a change set.
impl<M: MapStore> MapChanges<M> {
    /// Whether anything was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_touched()
    }

    /// The map as it was, if all of it was replaced.
    #[must_use]
    pub fn previous(&self) -> Option<&M> {
        self.whole.as_deref()
    }

    /// The entries that were touched, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&M::Key, EntryView<'_, M::Value>)> {
        self.touched.iter().map(|(key, touch)| (key, touch.view()))
    }

    /// What became of the entry of `key`, if it was touched.
    pub fn get<Q>(&self, key: &Q) -> Option<EntryView<'_, M::Value>>
    where
        M::Key: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.touched.row(key).map(Touch::view)
    }
}

impl<V: Tracked> Touch<V> {
    fn view(&self) -> EntryView<'_, V> {
        match self {
            Self::Edited(changes) => EntryView::Edited(changes),
            Self::Put { old } => EntryView::Put { previous: old.as_ref() },
            Self::Removed { old } => EntryView::Removed { previous: old },
        }
    }
}

/// Recording: each call does the change and keeps what undoes it.
impl<M: OwnLookup> MapChanges<M> {
    /// The change set of the value of `key`; `own` makes the key for the table at the first touch, if it is in the map.
    pub(super) fn value<Q>(&mut self, key: &Q, own: impl FnOnce() -> Option<M::Key>) -> Option<&mut ValueChanges<M>>
    where
        M::Key: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if self.whole.is_none() {
            let first = || Some((own()?, Touch::Edited(Default::default())));
            if let Touch::Edited(changes) = self.touched.row_or(key, first)? {
                return Some(changes);
            }
        }
        Some(fresh(&mut self.scratch))
    }

    /// The change set of the value of `key`, which is in the map or about to be.
    pub(super) fn entry(&mut self, key: &M::Key) -> &mut ValueChanges<M> {
        if self.whole.is_none()
            && let Touch::Edited(changes) = self.touched.row_of(key, || Touch::Edited(Default::default()))
        {
            return changes;
        }
        fresh(&mut self.scratch)
    }

    /// The change sets of the values of several keys of the map, none of which may be there twice.
    pub(super) fn values<Q, const N: usize>(&mut self, keys: &[&Q; N], map: &M) -> [Option<&mut ValueChanges<M>>; N]
    where
        M: MapLookup<Q>,
        M::Key: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        for &key in keys {
            self.value(key, || Some(map.find(key)?.0.clone()));
        }
        self.scratch.clear();
        self.scratch.resize_with(N, Default::default);
        let mut scratch = self.scratch.iter_mut();
        let rows = self.touched.rows_disjoint(keys);
        rows.map(|row| {
            let spare = scratch.next();
            match row {
                Some(Touch::Edited(changes)) => Some(changes),
                _ => spare,
            }
        })
    }

    /// Puts an entry; answers whether there was one of its key.
    pub(super) fn put(&mut self, map: &mut M, key: M::Key, value: M::Value) -> bool {
        self.settle(map);
        let previous = map.put(key.clone(), value);
        let is_replaced = previous.is_some();
        self.record_put(key, previous);
        is_replaced
    }

    /// Records that the entry of `key` was put over `previous`.
    pub(super) fn record_put(&mut self, key: M::Key, previous: Option<M::Value>) {
        if self.whole.is_some() {
            return;
        }
        let old = match self.touched.take(&key) {
            None => previous,
            Some(Touch::Edited(changes)) => previous.map(|value| undone(value, changes)),
            Some(Touch::Put { old }) => old,
            Some(Touch::Removed { old }) => Some(old),
        };
        self.touched.insert_new(key, Touch::Put { old });
    }

    /// Removes the entry of `key`; answers whether there was one.
    pub(super) fn remove<Q>(&mut self, map: &mut M, key: &Q) -> bool
    where
        M: MapLookup<Q>,
        Q: ?Sized,
    {
        self.settle(map);
        let Some((key, value)) = map.take_entry(key) else { return false };
        if self.whole.is_none() {
            let old = match self.touched.take(&key) {
                None => Some(value),
                Some(Touch::Edited(changes)) => Some(undone(value, changes)),
                Some(Touch::Put { old }) => old,
                Some(Touch::Removed { old }) => Some(old),
            };
            if let Some(old) = old {
                self.touched.insert_new(key, Touch::Removed { old });
            }
        }
        true
    }

    /// Makes a change set for each entry of the map, in its order.
    pub(super) fn begin_pass(&mut self, map: &M) -> &mut [ValueChanges<M>] {
        self.settle(map);
        let touched = &mut self.touched;
        let change_set = |(key, _)| match touched.row_mut(key) {
            Some(Touch::Edited(changes)) => mem::take(changes),
            _ => Default::default(),
        };
        self.pass = map.entries().map(change_set).collect();
        &mut self.pass
    }

    /// Runs `f` with a value and a change set, which is kept if it was touched, by a panic too.
    pub(super) fn visit(
        &mut self,
        key: &M::Key,
        value: &mut M::Value,
        f: impl FnOnce(&mut M::Value, &mut ValueChanges<M>),
    ) {
        if self.whole.is_some() {
            f(value, &mut Default::default());
        } else if let Some(touch) = self.touched.row_mut(key) {
            match touch {
                Touch::Edited(changes) => f(value, changes),
                Touch::Put { .. } | Touch::Removed { .. } => f(value, &mut Default::default()),
            }
        } else {
            let mut visit = Visit { table: &mut self.touched, key, changes: Default::default() };
            f(value, &mut visit.changes);
        }
    }

    /// Puts the change sets of an `iter_mut` where they belong.
    pub(super) fn settle(&mut self, map: &M) {
        if self.pass.is_empty() {
            return;
        }
        let is_recording = self.whole.is_none();
        for ((key, _), changes) in map.entries().zip(mem::take(&mut self.pass)) {
            if !is_recording || !changes.is_touched() {
                continue;
            }
            let first = || Some((key.clone(), Touch::Edited(Default::default())));
            if let Some(Touch::Edited(place)) = self.touched.row_or(key, first) {
                *place = changes;
            }
        }
    }

    /// Keeps the whole map as it was, so that it may be changed unseen.
    pub(super) fn keep_whole(&mut self, map: &M) {
        if self.whole.is_none() {
            let mut old = map.clone();
            self.settle(map);
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Puts another map in place and keeps the former one.
    pub(super) fn replace(&mut self, map: &mut M, value: M) {
        let mut old = mem::replace(map, value);
        if self.whole.is_none() {
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Restores the map.
    pub(super) fn undo(mut self, map: &mut M) {
        self.settle(map);
        if let Some(whole) = self.whole {
            *map = *whole;
            return;
        }
        for (key, touch) in self.touched.into_rows() {
            match touch {
                Touch::Edited(changes) => {
                    if let Some(value) = map.find_mut(&key) {
                        value.undo(changes);
                    }
                }
                Touch::Put { old: Some(old) } | Touch::Removed { old } => drop(map.put(key, old)),
                Touch::Put { old: None } => drop(map.take_entry(&key)),
            }
        }
    }
}

/// A value's changes while code that may panic writes it.
struct Visit<'c, K: Clone + Eq + Hash, V: Tracked> {
    table: &'c mut Table<K, Touch<V>>,
    key: &'c K,
    changes: V::Changes,
}

impl<K: Clone + Eq + Hash, V: Tracked> Drop for Visit<'_, K, V> {
    fn drop(&mut self) {
        if self.changes.is_touched() {
            self.table.insert_new(self.key.clone(), Touch::Edited(mem::take(&mut self.changes)));
        }
    }
}

/// An empty change set in the place of the one that was there.
fn fresh<C: Default>(scratch: &mut Vec<C>) -> &mut C {
    scratch.clear();
    scratch.push_mut(C::default())
}

fn undone<V: Tracked>(mut value: V, changes: V::Changes) -> V {
    value.undo(changes);
    value
}

/// Bytes of heap behind a map, roughly.
pub(super) fn heap_bytes_of<M: MapStore>(map: &M) -> usize {
    map.room_bytes() + map.entries().map(|(_, value)| value.heap_bytes()).sum::<usize>()
}

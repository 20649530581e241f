//! `union`: sets that many nodes insert into.
//!
//! Invariant: while only the cursor wrote, the keys it found absent are what this transaction added. Source: own
//! reasoning.

use std::fmt;
use std::ops::Deref;

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Policy;
use crate::tracked::{Changes, Edit, Key, Plain, Tracked, Tracking};

/// A set of keys.
pub trait Keys: Tracked {
    /// What it holds.
    type Key: Key;

    /// Whether it holds `key`.
    fn has(&self, key: &Self::Key) -> bool;

    /// The keys, in any order.
    fn keys(&self) -> impl Iterator<Item = &Self::Key>;

    /// Puts in a key that is absent.
    fn add(&mut self, key: Self::Key, changes: Option<&mut Self::Changes>);
}

/// Tracks a set by what is inserted: `#[nam(union)]`.
#[derive(Clone, Copy, Debug)]
pub struct Union;

/// What was inserted.
pub struct UnionChanges<V: Keys> {
    inner: V::Changes,
    added: Vec<V::Key>,
    /// Something else than the cursor wrote: the changes are encoded as they are without the policy, as a put.
    is_mixed: bool,
}

impl<V: Keys> UnionChanges<V> {
    /// Whether anything was inserted or put.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.inner.is_touched()
    }

    /// What the set says of its change.
    #[must_use]
    pub fn inner(&self) -> &V::Changes {
        &self.inner
    }

    fn insert(changes: Option<&mut Self>, value: &mut V, key: V::Key) -> bool {
        if value.has(&key) {
            return false;
        }
        match changes {
            Some(changes) => {
                changes.added.push(key.clone());
                value.add(key, Some(&mut changes.inner));
            }
            None => value.add(key, None),
        }
        true
    }

    fn mixed(changes: Option<&mut Self>) -> Option<&mut V::Changes> {
        changes.map(|changes| {
            changes.is_mixed = true;
            &mut changes.inner
        })
    }
}

impl<V: Keys> Default for UnionChanges<V> {
    fn default() -> Self {
        Self { inner: V::Changes::default(), added: Vec::new(), is_mixed: false }
    }
}

impl<V: Keys> fmt::Debug for UnionChanges<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<V: Keys> Changes for UnionChanges<V> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        self.inner.heap_bytes() + self.added.capacity() * size_of::<V::Key>()
    }
}

/// Inserts into a set; reads are those of this node's copy.
pub struct UnionMut<'a, V: Keys> {
    value: &'a mut V,
    changes: &'a mut UnionChanges<V>,
}

impl<V: Keys> UnionMut<'_, V> {
    /// Inserts a key; answers whether it was absent here.
    pub fn insert(&mut self, key: V::Key) -> bool {
        UnionChanges::insert(Some(self.changes), self.value, key)
    }

    /// Inserts keys.
    pub fn extend(&mut self, keys: impl IntoIterator<Item = V::Key>) {
        for key in keys {
            self.insert(key);
        }
    }
}

impl<V: Keys> Deref for UnionMut<'_, V> {
    type Target = V;
    fn deref(&self) -> &V {
        self.value
    }
}

impl<V: Keys> fmt::Debug for UnionMut<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnionMut").field(&self.changes.inner).finish()
    }
}

impl<V: Keys> Tracking<V> for Union {
    type Form = Plain;
    type Changes = UnionChanges<V>;
    type Mut<'a> = UnionMut<'a, V>;
    const POLICY: Policy = Policy::Union;
    const EDITS_NOTHING: bool = true;

    fn track<'a>(value: &'a mut V, changes: &'a mut UnionChanges<V>) -> UnionMut<'a, V> {
        UnionMut { value, changes }
    }

    fn encode_edit(value: &V, changes: &UnionChanges<V>, w: &mut Writer) -> Edit {
        if changes.is_mixed {
            return match value.encode_edit(&changes.inner, w) {
                Edit::Same => Edit::Same,
                _ => Edit::Put,
            };
        }
        encode_keys(changes.added.iter(), w)
    }

    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit {
        if old.keys().any(|key| !value.has(key)) {
            return Edit::Put;
        }
        encode_keys(value.keys().filter(|key| !old.has(key)), w)
    }

    fn apply(value: &mut V, edit: Reader<'_>, changes: Option<&mut UnionChanges<V>>) -> Result<(), DecodeError> {
        value.apply(edit, UnionChanges::mixed(changes))
    }

    fn apply_operation(
        value: &mut V,
        mut operand: Reader<'_>,
        mut changes: Option<&mut UnionChanges<V>>,
    ) -> Result<(), DecodeError> {
        while !operand.is_done() {
            let key = V::Key::decode_key(&mut operand)?;
            UnionChanges::insert(changes.as_deref_mut(), value, key);
        }
        Ok(())
    }

    fn replace(value: &mut V, new: V, changes: Option<&mut UnionChanges<V>>) {
        value.put_whole(new, UnionChanges::mixed(changes));
    }

    fn undo(value: &mut V, changes: UnionChanges<V>) {
        value.undo(changes.inner);
    }
}

/// Writes keys ascending by their bytes, as an operand.
fn encode_keys<'k, K: Key>(keys: impl Iterator<Item = &'k K>, w: &mut Writer) -> Edit {
    let mut encoded: Vec<Vec<u8>> = keys
        .map(|key| {
            let mut w = Writer::new();
            key.encode_key(&mut w);
            w.into_bytes()
        })
        .collect();
    if encoded.is_empty() {
        return Edit::Same;
    }
    encoded.sort_unstable();
    encoded.iter().for_each(|key| w.raw(key));
    Edit::Operation
}

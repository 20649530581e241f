//! The cursor of a set.
//!
//! Reads go to the plain set through `Deref`; every change goes through a method that records it. Invariant: there is
//! no `DerefMut`, so a change cannot pass unseen. Source: `std`'s names and meanings.

use std::ops::Deref;

use super::changes::SetChanges;
use super::store::{OwnLookup, SetLookup, SetStore};

/// Writes a `HashSet` or `BTreeSet` and records what was done to it.
pub struct SetMut<'a, S: SetStore> {
    set: &'a mut S,
    changes: &'a mut SetChanges<S>,
}

impl<S: SetStore> std::fmt::Debug for SetMut<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetMut").field("len", &self.set.count()).field("changes", self.changes).finish()
    }
}

impl<S: SetStore> Deref for SetMut<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.set
    }
}

impl<'a, S: OwnLookup> SetMut<'a, S> {
    #[inline]
    pub(super) fn new(set: &'a mut S, changes: &'a mut SetChanges<S>) -> Self {
        Self { set, changes }
    }

    /// Borrows the cursor for a while.
    pub fn reborrow(&mut self) -> SetMut<'_, S> {
        SetMut { set: self.set, changes: self.changes }
    }

    /// Answers whether `key` is in, and has the commit fail, so that the closure runs again, if that changed since.
    pub fn require_key<Q>(&mut self, key: &Q) -> bool
    where
        S: SetLookup<Q>,
        Q: ToOwned<Owned = S::Key> + ?Sized,
    {
        let key = key.to_owned();
        let is_in = self.set.has(&key);
        self.changes.required.add(key);
        is_in
    }

    /// Puts a key in; answers whether it is new.
    pub fn insert(&mut self, key: S::Key) -> bool {
        self.changes.insert(self.set, key)
    }

    /// Puts keys in.
    pub fn extend(&mut self, keys: impl IntoIterator<Item = S::Key>) {
        for key in keys {
            self.insert(key);
        }
    }

    /// Takes a key out; answers whether it was there.
    pub fn remove<Q>(&mut self, key: &Q) -> bool
    where
        S: SetLookup<Q>,
        Q: ?Sized,
    {
        self.changes.remove(self.set, key)
    }

    /// Removes the keys for which `keep` answers `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&S::Key) -> bool) {
        let removed: Vec<_> = self.set.keys().filter(|key| !keep(key)).cloned().collect();
        for key in removed {
            self.remove(&key);
        }
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        if self.set.count() > 0 {
            self.set(self.set.empty_like());
        }
    }

    /// Puts another set in place. The delta says how it differs.
    pub fn set(&mut self, value: S) {
        self.changes.replace(self.set, value);
    }

    /// Runs code that knows nothing of cursors on the plain set. Costs a clone of the set; the delta says how it
    /// differs.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut S) -> R) -> R {
        self.changes.keep_whole(self.set);
        f(self.set)
    }
}

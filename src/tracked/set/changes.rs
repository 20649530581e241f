//! What was done to a set, by key.
//!
//! Invariants: a key that was inserted and removed, or removed and inserted, leaves no trace; once `whole` is kept,
//! nothing else is recorded. Source: own reasoning.

use std::fmt;
use std::mem;

use super::store::{OwnLookup, SetLookup, SetStore};
use crate::tracked::Changes;
use crate::tracked::required::Required;
use crate::tracked::table::Table;

/// Records what a transaction did to a set.
pub struct SetChanges<S: SetStore> {
    /// The set as it was, once all of it was replaced or handed out.
    pub(super) whole: Option<Box<S>>,
    pub(super) touched: Table<S::Key, SetTouch>,
    /// The keys that are required, there or not.
    pub(super) required: Required<S::Key>,
}

/// What became of a key of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTouch {
    /// It was not in the set before and is now.
    Inserted,
    /// It was in the set before and is not now.
    Removed,
}

impl<S: SetStore> Default for SetChanges<S> {
    fn default() -> Self {
        Self { whole: None, touched: Table::default(), required: Required::default() }
    }
}

impl<S: SetStore> fmt::Debug for SetChanges<S> {
    /// Says how much was touched, without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetChanges")
            .field("is_replaced", &self.whole.is_some())
            .field("touched", &self.touched.len())
            .finish()
    }
}

impl<S: SetStore> Changes for SetChanges<S> {
    fn is_touched(&self) -> bool {
        self.whole.is_some() || !self.touched.is_empty() || !self.required.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.whole.as_deref().map_or(0, SetStore::room_bytes) + self.touched.heap_bytes() + self.required.heap_bytes()
    }

    fn required(&self) -> usize {
        self.required.len()
    }
}

/// Reading a change set.
impl<S: SetStore> SetChanges<S> {
    /// Whether anything was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_touched()
    }

    /// The set as it was, if all of it was replaced.
    #[must_use]
    pub fn previous(&self) -> Option<&S> {
        self.whole.as_deref()
    }

    /// The keys that were inserted or removed, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&S::Key, SetTouch)> {
        self.touched.iter().map(|(key, touch)| (key, *touch))
    }
}

/// Recording: each call does the change and keeps what undoes it.
impl<S: OwnLookup> SetChanges<S> {
    /// Puts a key in; answers whether it is new.
    pub(super) fn insert(&mut self, set: &mut S, key: S::Key) -> bool {
        if self.whole.is_some() {
            return set.put(key);
        }
        let is_new = set.put(key.clone());
        if is_new && self.touched.take(&key).is_none() {
            self.touched.insert_new(key, SetTouch::Inserted);
        }
        is_new
    }

    /// Takes a key out; answers whether it was there.
    pub(super) fn remove<Q>(&mut self, set: &mut S, key: &Q) -> bool
    where
        S: SetLookup<Q>,
        Q: ?Sized,
    {
        let Some(key) = set.take_key(key) else { return false };
        if self.whole.is_none() && self.touched.take(&key).is_none() {
            self.touched.insert_new(key, SetTouch::Removed);
        }
        true
    }

    /// Keeps the whole set as it was, so that it may be changed unseen.
    pub(super) fn keep_whole(&mut self, set: &S) {
        if self.whole.is_none() {
            let mut old = set.clone();
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Puts another set in place and keeps the former one.
    pub(super) fn replace(&mut self, set: &mut S, value: S) {
        let mut old = mem::replace(set, value);
        if self.whole.is_none() {
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Restores the set.
    pub(super) fn undo(self, set: &mut S) {
        if let Some(whole) = self.whole {
            *set = *whole;
            return;
        }
        for (key, touch) in self.touched.into_rows() {
            match touch {
                SetTouch::Inserted => drop(set.take_key(&key)),
                SetTouch::Removed => {
                    set.put(key);
                }
            }
        }
    }
}

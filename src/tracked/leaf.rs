//! Leaves: values that are replaced as a whole, with the one cursor that has `DerefMut`.
//!
//! Invariant: the former value is kept before a `&mut` is handed out, and only the first time. Source: own reasoning.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Changes;

/// What a leaf was before a transaction wrote it.
pub struct LeafChanges<T>(Option<T>);

impl<T> LeafChanges<T> {
    /// Whether the leaf was written; it may have its former value again.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.0.is_some()
    }

    /// The value before the first write.
    #[must_use]
    pub fn previous(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub(crate) fn keep(&mut self, former: impl FnOnce() -> T) {
        if self.0.is_none() {
            self.0 = Some(former());
        }
    }

    pub(crate) fn into_previous(self) -> Option<T> {
        self.0
    }

    /// Puts `new` in place and keeps the former value, if it is the first.
    pub(crate) fn replace(changes: Option<&mut Self>, value: &mut T, new: T) {
        let former = std::mem::replace(value, new);
        if let Some(changes) = changes {
            changes.keep(|| former);
        }
    }
}

impl<T> Default for LeafChanges<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> fmt::Debug for LeafChanges<T> {
    /// Says only whether there was a write: values are printed nowhere but in the document's JSON view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_changed() { "Changed" } else { "Same" })
    }
}

impl<T: Send + Sync + 'static> Changes for LeafChanges<T> {
    #[inline]
    fn is_touched(&self) -> bool {
        self.0.is_some()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// Writes a leaf: dereference it.
pub struct Leaf<'a, T> {
    value: &'a mut T,
    changes: &'a mut LeafChanges<T>,
}

impl<'a, T> Leaf<'a, T> {
    #[inline]
    pub(crate) fn new(value: &'a mut T, changes: &'a mut LeafChanges<T>) -> Self {
        Self { value, changes }
    }

    /// Replaces the value; the former one moves into the change set.
    #[inline]
    pub fn set(&mut self, value: T) {
        LeafChanges::replace(Some(self.changes), self.value, value);
    }
}

impl<T> fmt::Debug for Leaf<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaf").field(&self.changes).finish()
    }
}

impl<T> Deref for Leaf<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: Clone> DerefMut for Leaf<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.changes.keep(|| self.value.clone());
        self.value
    }
}

/// What every tracking of `V` as a leaf does alike: the cursor, the former value kept, put back and compared.
macro_rules! tracks_a_leaf {
    ($value:ty) => {
        type Form = Self;
        type Changes = crate::tracked::LeafChanges<$value>;
        type Mut<'a> = crate::tracked::Leaf<'a, $value>;
        const POLICY: crate::schema::Policy = crate::schema::Policy::Retry;
        const EDITS_NOTHING: bool = true;

        #[inline]
        fn track<'a>(value: &'a mut $value, changes: &'a mut Self::Changes) -> Self::Mut<'a> {
            crate::tracked::Leaf::new(value, changes)
        }

        fn encode_edit(value: &$value, changes: &Self::Changes, w: &mut Writer) -> Edit {
            changes.previous().map_or(Edit::Same, |old| Self::encode_diff(value, old, w))
        }

        fn replace(value: &mut $value, new: $value, changes: Option<&mut Self::Changes>) {
            crate::tracked::LeafChanges::replace(changes, value, new);
        }

        fn undo(value: &mut $value, changes: Self::Changes) {
            if let Some(old) = changes.into_previous() {
                *value = old;
            }
        }
    };
}
pub(super) use tracks_a_leaf;

/// What every type that is a leaf by itself does alike, in its `impl Tracked`.
macro_rules! is_a_leaf {
    () => {
        type Changes = $crate::tracked::LeafChanges<Self>;
        type Mut<'a> = $crate::tracked::Leaf<'a, Self>;
        type InVec = $crate::tracked::AsList;
        const EDITS_NOTHING: bool = true;

        #[inline]
        fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Self::Mut<'a> {
            $crate::tracked::Leaf::new(self, changes)
        }

        fn encode_edit(&self, changes: &Self::Changes, w: &mut $crate::coding::Writer) -> $crate::tracked::Edit {
            changes.previous().map_or($crate::tracked::Edit::Same, |old| self.encode_diff(old, w))
        }

        fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
            $crate::tracked::LeafChanges::replace(changes, self, value);
        }

        fn undo(&mut self, changes: Self::Changes) {
            if let Some(old) = changes.into_previous() {
                *self = old;
            }
        }
    };
}
pub(super) use is_a_leaf;

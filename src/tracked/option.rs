//! `Option`: edited in place while it stays `Some`.
//!
//! Invariant: while the change set holds the whole former option, that alone counts. Source: `docs/wire.md` §3 and §5.

use std::fmt;
use std::ops::Deref;

use super::{AsList, Changes, Edit, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

/// What happened to an option.
pub struct OptionChanges<T: Tracked> {
    old: Option<Option<T>>,
    inner: T::Changes,
}

impl<T: Tracked> OptionChanges<T> {
    /// Whether anything was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.old.is_some() || self.inner.is_touched()
    }

    /// The whole former option, if it was replaced; otherwise see [`inner`](Self::inner).
    #[must_use]
    pub fn previous(&self) -> Option<&Option<T>> {
        self.old.as_ref()
    }

    /// Takes the value out, and keeps it as it was before the first touch.
    fn set_aside(&mut self, value: &mut Option<T>) {
        let inner = std::mem::take(&mut self.inner);
        let mut former = value.take();
        if self.old.is_none() {
            if let Some(former) = &mut former {
                former.undo(inner);
            }
            self.old = Some(former);
        }
    }

    /// What was touched inside of it.
    #[must_use]
    pub fn inner(&self) -> &T::Changes {
        &self.inner
    }
}

impl<T: Tracked> Default for OptionChanges<T> {
    fn default() -> Self {
        Self { old: None, inner: T::Changes::default() }
    }
}

impl<T: Tracked> fmt::Debug for OptionChanges<T> {
    /// Says only what was touched: values are printed nowhere but in the document's JSON view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.old {
            Some(_) => f.write_str("Replaced"),
            None => self.inner.fmt(f),
        }
    }
}

impl<T: Tracked> Changes for OptionChanges<T> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        let old = self.old.as_ref().and_then(Option::as_ref);
        old.map_or(0, T::heap_bytes) + self.inner.heap_bytes()
    }

    fn required(&self) -> usize {
        self.inner.required()
    }
}

/// Writes an option; reads are those of the `Option`.
pub struct OptionMut<'a, T: Tracked> {
    value: &'a mut Option<T>,
    changes: &'a mut OptionChanges<T>,
}

impl<'a, T: Tracked> OptionMut<'a, T> {
    /// A shorter cursor.
    pub fn reborrow(&mut self) -> OptionMut<'_, T> {
        OptionMut { value: self.value, changes: self.changes }
    }

    /// Writes what is inside.
    pub fn as_mut(&mut self) -> Option<T::Mut<'_>> {
        self.reborrow().into_some()
    }

    /// Writes what is inside, for as long as this cursor may.
    #[must_use]
    pub fn into_some(self) -> Option<T::Mut<'a>> {
        self.value.as_mut().map(|value| value.track(&mut self.changes.inner))
    }

    /// Replaces the option; the former one moves into the change set.
    pub fn set(&mut self, value: Option<T>) {
        self.changes.set_aside(self.value);
        *self.value = value;
    }

    /// Empties it.
    pub fn clear(&mut self) {
        if self.value.is_some() {
            self.set(None);
        }
    }

    /// Empties it and answers what was inside. Costs a clone, as the change set keeps the former value.
    pub fn take(&mut self) -> Option<T> {
        let taken = self.value.clone();
        self.clear();
        taken
    }

    /// Puts a value in, and answers its cursor.
    pub fn insert(&mut self, value: T) -> T::Mut<'_> {
        self.changes.set_aside(self.value);
        self.value.insert(value).track(&mut self.changes.inner)
    }

    /// Puts in what `make` answers if nothing is inside, and answers the cursor of what is then inside.
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> T::Mut<'_> {
        if self.value.is_none() {
            self.changes.set_aside(self.value);
        }
        self.value.get_or_insert_with(make).track(&mut self.changes.inner)
    }

    /// Runs code that knows no cursors. Costs a clone at the first call; the delta is the difference.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut Option<T>) -> R) -> R {
        if self.changes.old.is_none() {
            let copy = self.value.clone();
            self.set(copy);
        }
        f(self.value)
    }
}

impl<T: Tracked> Deref for OptionMut<'_, T> {
    type Target = Option<T>;
    fn deref(&self) -> &Option<T> {
        self.value
    }
}

impl<T: Tracked> fmt::Debug for OptionMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OptionMut").field(&self.changes).finish()
    }
}

impl<T: Tracked> Tracked for Option<T> {
    type Changes = OptionChanges<T>;
    type Mut<'a> = OptionMut<'a, T>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = false;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        Kind::Option(Box::new(T::kind(b)))
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> OptionMut<'a, T> {
        OptionMut { value: self, changes }
    }

    fn encode(&self, w: &mut Writer) {
        w.framed(|w| {
            if let Some(value) = self {
                value.encode(w);
            }
        });
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut body = r.frame()?;
        if body.is_done() {
            return Ok(None);
        }
        let value = T::decode(&mut body)?;
        body.finish()?;
        Ok(Some(value))
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        match (&changes.old, self) {
            (Some(old), _) => self.encode_diff(old, w),
            (None, Some(value)) => value.encode_edit(&changes.inner, w),
            (None, None) => Edit::Same,
        }
    }

    fn encode_guards(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        match (&changes.old, self) {
            _ if changes.required() == 0 => Edit::Same,
            (None, Some(value)) => value.encode_guards(&changes.inner, w),
            _ => Edit::Put,
        }
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        match (self, old) {
            (None, None) => Edit::Same,
            (Some(value), Some(old)) => value.encode_diff(old, w),
            _ => Edit::Put,
        }
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        let value = self.as_mut().ok_or(DecodeError::Absent { what: "an optional value" })?;
        value.apply(edit, changes.map(|changes| &mut changes.inner))
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        if let Some(changes) = changes {
            changes.set_aside(self);
        }
        *self = value;
    }

    fn undo(&mut self, changes: Self::Changes) {
        match (changes.old, self) {
            (Some(old), value) => *value = old,
            (None, Some(value)) => value.undo(changes.inner),
            (None, None) => {}
        }
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` on a copy of `before`; checks replay and undo; answers the outcome and the bytes of the edit.
    fn check<T: Tracked + PartialEq + fmt::Debug>(
        before: &Option<T>,
        f: impl FnOnce(OptionMut<'_, T>),
    ) -> (Edit, usize) {
        let (mut value, mut changes) = (before.clone(), OptionChanges::default());
        f(value.track(&mut changes));
        let mut w = Writer::new();
        let edit = value.encode_edit(&changes, &mut w);
        if edit == Edit::Edited {
            let (mut replica, mut remote) = (before.clone(), OptionChanges::default());
            replica.apply(Reader::new(w.as_slice()), Some(&mut remote)).unwrap();
            assert_eq!(replica, value);
            replica.undo(remote);
            assert_eq!(&replica, before);
        }
        value.undo(changes);
        assert_eq!(&value, before);
        (edit, w.len())
    }

    #[test]
    fn it_is_edited_while_some() {
        let some = Some("a long enough text".to_owned());
        assert_eq!(check(&some, |mut o| o.as_mut().unwrap().push('!')), (Edit::Edited, 4));
        assert_eq!(check(&some, |mut o| o.clear()).0, Edit::Put);
        assert_eq!(check::<String>(&None, |mut o| o.insert("x".into()).push('y')).0, Edit::Put);
        let back = |mut o: OptionMut<'_, String>| {
            let taken = o.take();
            o.get_or_insert_with(|| taken.unwrap()).push('!');
        };
        assert_eq!(check(&some, back), (Edit::Edited, 4));
        assert_eq!(check(&some, |mut o| o.edit(|o| o.as_mut().unwrap().push('!'))), (Edit::Edited, 4));
    }

    #[test]
    fn what_comes_back_is_the_same() {
        assert_eq!(check(&Some(1.5_f64), |mut o| o.set(Some(1.5))).0, Edit::Same);
        assert_eq!(check::<u8>(&None, |mut o| *o.insert(1) = 2).0, Edit::Put);
        assert_eq!(
            check::<u8>(&None, |mut o| {
                o.set(Some(3));
                o.clear();
            })
            .0,
            Edit::Same
        );
        assert_eq!(check(&Some(Some(1_u8)), |mut o| o.as_mut().unwrap().clear()).0, Edit::Put);
    }
}

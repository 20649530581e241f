//! `Box`, transparent; `Arc`, a leaf that shares its value.
//!
//! Invariants: a box's change set is made at the first touch, so recursive types are finite. An `Arc` is replaced as a
//! whole, and what it was before is a reference; two references to one value become two values elsewhere. Source: own
//! reasoning.

use std::sync::Arc;

use super::{AsList, BoxedChanges, Edit, Leaf, LeafChanges, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

impl<T: Tracked> Tracked for Box<T> {
    type Changes = BoxedChanges<T::Changes>;
    type Mut<'a> = T::Mut<'a>;
    type InVec = AsList;
    const WIRE: WireType = T::WIRE;
    const EDITS_NOTHING: bool = T::EDITS_NOTHING;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        T::kind(b)
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> T::Mut<'a> {
        (**self).track(changes.touch())
    }

    fn encode(&self, w: &mut Writer) {
        (**self).encode(w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(r).map(Self::new)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.get().map_or(Edit::Same, |changes| (**self).encode_edit(changes, w))
    }

    fn encode_guards(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.get().map_or(Edit::Same, |changes| (**self).encode_guards(changes, w))
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        (**self).encode_diff(old, w)
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        (**self).apply(edit, changes.map(BoxedChanges::touch))
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        (**self).put_whole(*value, changes.map(BoxedChanges::touch));
    }

    fn undo(&mut self, changes: Self::Changes) {
        if let Some(changes) = changes.into_inner() {
            (**self).undo(changes);
        }
    }

    fn heap_bytes(&self) -> usize {
        size_of::<T>() + (**self).heap_bytes()
    }
}

impl<T: Tracked> Tracked for Arc<T> {
    type Changes = LeafChanges<Self>;
    type Mut<'a> = Leaf<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = T::WIRE;
    const EDITS_NOTHING: bool = T::EDITS_NOTHING;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        T::kind(b)
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, Self> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        (**self).encode(w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(r).map(Self::new)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        if Self::ptr_eq(self, old) { Edit::Same } else { (**self).encode_diff(old, w) }
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        if let Some(changes) = changes {
            changes.keep(|| Self::clone(self));
        }
        Self::make_mut(self).apply(edit, None)
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        LeafChanges::replace(changes, self, value);
    }

    fn undo(&mut self, changes: Self::Changes) {
        if let Some(old) = changes.into_previous() {
            *self = old;
        }
    }

    fn heap_bytes(&self) -> usize {
        size_of::<T>() + (**self).heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_what_is_in_it() {
        let (mut value, mut changes) = (Box::new(1_u8), BoxedChanges::default());
        *value.track(&mut changes) = 2;
        assert_eq!(value.encode_edit(&changes, &mut Writer::new()), Edit::Put);
        value.undo(changes);
        assert_eq!(*value, 1);
    }

    #[test]
    fn an_arc_is_replaced_and_sends_what_differs() {
        let before = Arc::new("a long enough text".to_owned());
        let (mut value, mut changes) = (Arc::clone(&before), LeafChanges::default());
        Arc::make_mut(&mut *value.track(&mut changes)).push('!');
        let mut w = Writer::new();
        assert_eq!((value.encode_edit(&changes, &mut w), w.len()), (Edit::Edited, 4));

        let (mut replica, mut remote) = (Arc::clone(&before), LeafChanges::default());
        replica.apply(Reader::new(w.as_slice()), Some(&mut remote)).unwrap();
        assert_eq!(replica, value);
        replica.undo(remote);
        value.undo(changes);
        assert!(Arc::ptr_eq(&replica, &before) && Arc::ptr_eq(&value, &before));
    }
}

//! `Vec`, tracked as its element type says: a list, or bytes.
//!
//! Invariant: none of its own; everything is the element's [`Tracked::InVec`]. Source: own reasoning.

use super::{Edit, Tracked, Tracking};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

impl<T: Tracked> Tracked for Vec<T> {
    type Changes = <T::InVec as Tracking<Self>>::Changes;
    type Mut<'a> = <T::InVec as Tracking<Self>>::Mut<'a>;
    type InVec = super::AsList;
    const WIRE: WireType = <T::InVec as Tracking<Self>>::WIRE;
    const EDITS_NOTHING: bool = <T::InVec as Tracking<Self>>::EDITS_NOTHING;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        <T::InVec as Tracking<Self>>::kind(b)
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Self::Mut<'a> {
        T::InVec::track(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        T::InVec::encode(self, w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::InVec::decode(r)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        T::InVec::encode_edit(self, changes, w)
    }

    fn encode_guards(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        T::InVec::encode_guards(self, changes, w)
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        T::InVec::encode_diff(self, old, w)
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        T::InVec::apply(self, edit, changes)
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        T::InVec::replace(self, value, changes);
    }

    fn undo(&mut self, changes: Self::Changes) {
        T::InVec::undo(self, changes);
    }

    fn heap_bytes(&self) -> usize {
        T::InVec::heap_bytes(self)
    }
}

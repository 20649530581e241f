//! Lists: `Vec` and `VecDeque`.
//!
//! Stands on the path where a struct changes and where a delta is applied. A change set is a run list (which old
//! elements stand where, and what is new) and the change sets of the elements that stayed; see `changes.rs` for its
//! invariants and `encode.rs` for its bytes. Source: research and own reasoning: a log of calls is as long as the calls
//! are many, and its indices must be moved through every later call.

mod apply;
mod changes;
mod cursor;
mod diff;
mod encode;
mod runs;
mod store;

pub use changes::ListChanges;
pub use cursor::ListMut;
pub use runs::Run;
use store::ListStore;

use std::collections::VecDeque;

use super::policy::Appendable;
use super::{Changes as _, Edit, Tracked, Tracking};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, Policy, SchemaBuilder};

/// Tracks a `Vec` or `VecDeque` as a list of elements.
#[derive(Clone, Copy, Debug)]
pub struct AsList;

impl<L: ListStore> crate::tracked::Form<L> for AsList {
    const WIRE: WireType = WireType::Sized;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        Kind::List(Box::new(L::Element::kind(b)))
    }

    fn encode(value: &L, w: &mut Writer) {
        encode::encode(value, w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<L, DecodeError> {
        encode::decode(r)
    }

    fn heap_bytes(value: &L) -> usize {
        changes::heap_bytes_of(value)
    }
}

impl<L: ListStore> Tracking<L> for AsList {
    type Form = Self;
    type Changes = ListChanges<L>;
    type Mut<'a>
        = ListMut<'a, L>
    where
        L: 'a;
    const POLICY: Policy = Policy::Retry;
    const EDITS_NOTHING: bool = true;

    #[inline]
    fn track<'a>(value: &'a mut L, changes: &'a mut ListChanges<L>) -> ListMut<'a, L> {
        ListMut::new(value, changes)
    }

    fn encode_edit(value: &L, changes: &ListChanges<L>, w: &mut Writer) -> Edit {
        encode::encode_edit(value, changes, w)
    }

    /// What is required of an element is required of the list.
    fn encode_guards(_: &L, changes: &ListChanges<L>, _: &mut Writer) -> Edit {
        if changes.required() > 0 { Edit::Put } else { Edit::Same }
    }

    fn encode_diff(value: &L, old: &L, w: &mut Writer) -> Edit {
        encode::encode_diff(value, old, w)
    }

    fn apply(value: &mut L, edit: Reader<'_>, changes: Option<&mut ListChanges<L>>) -> Result<(), DecodeError> {
        apply::apply(value, edit, changes)
    }

    fn replace(value: &mut L, new: L, changes: Option<&mut ListChanges<L>>) {
        match changes {
            Some(changes) => changes.replace(value, new),
            None => *value = new,
        }
    }

    fn undo(value: &mut L, changes: ListChanges<L>) {
        changes.undo(value);
    }
}

impl<T: Tracked> Tracked for VecDeque<T> {
    type Changes = ListChanges<Self>;
    type Mut<'a> = ListMut<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        <AsList as Tracking<Self>>::kind(b)
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut ListChanges<Self>) -> ListMut<'a, Self> {
        ListMut::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        AsList::encode(self, w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        AsList::decode(r)
    }

    fn encode_edit(&self, changes: &ListChanges<Self>, w: &mut Writer) -> Edit {
        AsList::encode_edit(self, changes, w)
    }

    fn encode_guards(&self, changes: &ListChanges<Self>, w: &mut Writer) -> Edit {
        AsList::encode_guards(self, changes, w)
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        AsList::encode_diff(self, old, w)
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut ListChanges<Self>>) -> Result<(), DecodeError> {
        AsList::apply(self, edit, changes)
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut ListChanges<Self>>) {
        AsList::replace(self, value, changes);
    }

    fn undo(&mut self, changes: ListChanges<Self>) {
        AsList::undo(self, changes);
    }

    fn heap_bytes(&self) -> usize {
        AsList::heap_bytes(self)
    }
}

impl<T: Tracked<InVec = AsList>> Appendable for Vec<T> {
    type Part = T;

    fn end(&self) -> usize {
        self.len()
    }

    fn append(&mut self, part: T, changes: Option<&mut ListChanges<Self>>) {
        append(self, part, changes);
    }

    fn decode_part(operand: &mut Reader<'_>) -> Result<T, DecodeError> {
        T::decode(operand)
    }

    fn encode_tail(&self, from: usize, w: &mut Writer) {
        self.iter().skip(from).for_each(|element| element.encode(w));
    }
}

impl<T: Tracked> Appendable for VecDeque<T> {
    type Part = T;

    fn end(&self) -> usize {
        self.len()
    }

    fn append(&mut self, part: T, changes: Option<&mut ListChanges<Self>>) {
        append(self, part, changes);
    }

    fn decode_part(operand: &mut Reader<'_>) -> Result<T, DecodeError> {
        T::decode(operand)
    }

    fn encode_tail(&self, from: usize, w: &mut Writer) {
        self.iter().skip(from).for_each(|element| element.encode(w));
    }
}

fn append<L: ListStore>(list: &mut L, part: L::Element, changes: Option<&mut ListChanges<L>>) {
    match changes {
        Some(changes) => changes.push(list, part),
        None => list.push_element(part),
    }
}

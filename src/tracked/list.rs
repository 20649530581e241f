//! Lists: placeholder until the run list lands; a changed list is put whole.
//!
//! Source: own reasoning.

use super::{Edit, Leaf, LeafChanges, Tracked, Tracking};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, Policy, SchemaBuilder};

/// Tracks a `Vec` as a list of elements.
#[derive(Clone, Copy, Debug)]
pub struct AsList;

impl<T: Tracked> Tracking<Vec<T>> for AsList {
    type Changes = LeafChanges<Vec<T>>;
    type Mut<'a> = Leaf<'a, Vec<T>>;
    const POLICY: Policy = Policy::Retry;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        Kind::List(Box::new(T::kind(b)))
    }

    fn track<'a>(value: &'a mut Vec<T>, changes: &'a mut Self::Changes) -> Self::Mut<'a> {
        Leaf::new(value, changes)
    }

    fn encode(value: &Vec<T>, w: &mut Writer) {
        w.framed(|w| {
            w.length(value.len());
            value.iter().for_each(|element| element.encode(w));
        });
    }

    fn decode(r: &mut Reader<'_>) -> Result<Vec<T>, DecodeError> {
        let mut body = r.frame()?;
        (0..body.count(1)?).map(|_| T::decode(&mut body)).collect()
    }

    fn encode_edit(value: &Vec<T>, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| Self::encode_diff(value, old, w))
    }

    fn encode_diff(value: &Vec<T>, old: &Vec<T>, _: &mut Writer) -> Edit {
        let (mut new_bytes, mut old_bytes) = (Writer::new(), Writer::new());
        Self::encode(value, &mut new_bytes);
        Self::encode(old, &mut old_bytes);
        if new_bytes.as_slice() == old_bytes.as_slice() { Edit::Same } else { Edit::Put }
    }

    fn apply(_: &mut Vec<T>, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        Err(DecodeError::Absent { what: "a list" })
    }

    fn replace(value: &mut Vec<T>, new: Vec<T>, changes: Option<&mut Self::Changes>) {
        LeafChanges::replace(changes, value, new);
    }

    fn undo(value: &mut Vec<T>, changes: Self::Changes) {
        if let Some(old) = changes.into_previous() {
            *value = old;
        }
    }

    fn heap_bytes(value: &Vec<T>) -> usize {
        value.capacity() * size_of::<T>() + value.iter().map(T::heap_bytes).sum::<usize>()
    }
}

//! `lww`: the later commit in the repository's order wins.
//!
//! Invariant: tracked as without the policy; only the schema differs. Source: own reasoning.

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Policy;
use crate::tracked::{Edit, Plain, Tracking};

/// Tracks as `M` does, but overlapping commits never conflict.
#[derive(Clone, Copy, Debug)]
pub struct Lww<M = Plain>(std::marker::PhantomData<M>);

impl<V, M: Tracking<V>> Tracking<V> for Lww<M> {
    type Form = M::Form;
    type Changes = M::Changes;
    type Mut<'a>
        = M::Mut<'a>
    where
        V: 'a;
    const POLICY: Policy = Policy::Lww;
    const EDITS_NOTHING: bool = M::EDITS_NOTHING;

    #[inline]
    fn track<'a>(value: &'a mut V, changes: &'a mut M::Changes) -> M::Mut<'a> {
        M::track(value, changes)
    }

    fn encode_edit(value: &V, changes: &M::Changes, w: &mut Writer) -> Edit {
        M::encode_edit(value, changes, w)
    }

    fn encode_guards(value: &V, changes: &M::Changes, w: &mut Writer) -> Edit {
        M::encode_guards(value, changes, w)
    }

    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit {
        M::encode_diff(value, old, w)
    }

    fn apply(value: &mut V, edit: Reader<'_>, changes: Option<&mut M::Changes>) -> Result<(), DecodeError> {
        M::apply(value, edit, changes)
    }

    fn replace(value: &mut V, new: V, changes: Option<&mut M::Changes>) {
        M::replace(value, new, changes);
    }

    fn undo(value: &mut V, changes: M::Changes) {
        M::undo(value, changes);
    }
}

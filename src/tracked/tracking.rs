//! How a field is tracked: by its own type, as an opaque leaf, or by a policy.
//!
//! The derive names one of these for each field, so that `u64` under `#[nam(add)]` has another cursor and change set
//! than `u64` alone. Invariant: a manner decides change set, cursor and policy; the value stays the user's. Source: own
//! reasoning.

use super::field::{self, Absence, FieldSpec};
use super::{Changes, Edit, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{Field, FieldsWriter, WireType};
use crate::schema::{FieldDef, Kind, Policy, SchemaBuilder};

/// How full values of type `V` look in bytes, in the schema and in memory; policies leave it as it is.
pub trait Form<V>: 'static {
    /// The wire type of a full value.
    const WIRE: WireType;

    /// See [`Tracking::kind`].
    fn kind(b: &mut SchemaBuilder) -> Kind;

    /// See [`Tracking::encode`].
    fn encode(value: &V, w: &mut Writer);

    /// See [`Tracking::decode`].
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode(r: &mut Reader<'_>) -> Result<V, DecodeError>;

    /// See [`Tracking::heap_bytes`].
    fn heap_bytes(value: &V) -> usize;
}

/// Tracks values of type `V` in one manner; the methods are those of [`Tracked`].
pub trait Tracking<V>: Sized + 'static {
    /// What a full value looks like.
    type Form: Form<V>;
    /// What a transaction touched, with what was there before.
    type Changes: Changes;
    /// The cursor.
    type Mut<'a>
    where
        V: 'a;
    /// What overlapping commits do.
    const POLICY: Policy;
    /// The wire type of a full value.
    const WIRE: WireType = <Self::Form as Form<V>>::WIRE;
    /// See [`Tracked::EDITS_NOTHING`].
    const EDITS_NOTHING: bool;

    /// Makes a cursor.
    fn track<'a>(value: &'a mut V, changes: &'a mut Self::Changes) -> Self::Mut<'a>;

    /// Writes what leads from what `changes` keeps to the value.
    fn encode_edit(value: &V, changes: &Self::Changes, w: &mut Writer) -> Edit;

    /// Writes what was required of the value's parts.
    fn encode_guards(_value: &V, _changes: &Self::Changes, _w: &mut Writer) -> Edit {
        Edit::Same
    }

    /// Writes what leads from `old` to the value.
    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit;

    /// Applies the body of an edit.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn apply(value: &mut V, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError>;

    /// Applies the operand of the policy, and records it.
    ///
    /// # Errors
    /// Any [`DecodeError`]; a manner without operations refuses.
    fn apply_operation(
        _value: &mut V,
        _operand: Reader<'_>,
        _changes: Option<&mut Self::Changes>,
    ) -> Result<(), DecodeError> {
        Err(DecodeError::Absent { what: "an operation" })
    }

    /// Puts a whole new value in place.
    fn replace(value: &mut V, new: V, changes: Option<&mut Self::Changes>);

    /// Restores what `changes` kept.
    fn undo(value: &mut V, changes: Self::Changes);

    /// Describes the value's type.
    fn kind(b: &mut SchemaBuilder) -> Kind {
        Self::Form::kind(b)
    }

    /// Writes the full value.
    #[inline]
    fn encode(value: &V, w: &mut Writer) {
        Self::Form::encode(value, w);
    }

    /// Reads a full value.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<V, DecodeError> {
        Self::Form::decode(r)
    }

    /// Bytes of heap behind the value, roughly.
    #[inline]
    fn heap_bytes(value: &V) -> usize {
        Self::Form::heap_bytes(value)
    }

    // What generated code does with one field. Methods of the manner, not functions over it: a type that is not tracked then
    // breaks the same bound everywhere, and the compiler says the same only once.

    /// Describes a field for the schema.
    #[doc(hidden)]
    #[must_use]
    fn field_def(b: &mut SchemaBuilder, spec: &FieldSpec) -> FieldDef {
        field::field_def::<Self, V>(b, spec)
    }

    /// Writes a field whole.
    #[doc(hidden)]
    fn put_field(w: &mut FieldsWriter<'_>, id: u32, value: &V) {
        field::put_field::<Self, V>(w, id, value);
    }

    /// Writes what `changes` did to a field.
    #[doc(hidden)]
    fn edit_field(w: &mut FieldsWriter<'_>, id: u32, absence: Absence, value: &V, changes: &Self::Changes) {
        field::edit_field::<Self, V>(w, id, absence, value, changes);
    }

    /// Writes what `changes` require of a field, all of it if `is_required`.
    #[doc(hidden)]
    fn guard_field(w: &mut FieldsWriter<'_>, id: u32, is_required: bool, value: &V, changes: &Self::Changes) {
        field::guard_field::<Self, V>(w, id, is_required, value, changes);
    }

    /// Writes how a field differs from a former value.
    #[doc(hidden)]
    fn diff_field(w: &mut FieldsWriter<'_>, id: u32, absence: Absence, value: &V, old: &V) {
        field::diff_field::<Self, V>(w, id, absence, value, old);
    }

    /// Reads a field's full value.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    #[doc(hidden)]
    fn decode_field(name: &'static str, field: &Field<'_>) -> Result<V, DecodeError> {
        field::decode_field::<Self, V>(name, field)
    }

    /// Reads a field that has a default.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    #[doc(hidden)]
    fn decode_field_or(name: &'static str, field: &Field<'_>, default: impl FnOnce() -> V) -> Result<V, DecodeError> {
        field::decode_field_or::<Self, V>(name, field, default)
    }

    /// Applies a field of an edit.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    #[doc(hidden)]
    fn apply_field(
        name: &'static str,
        value: &mut V,
        field: &Field<'_>,
        changes: Option<&mut Self::Changes>,
    ) -> Result<(), DecodeError> {
        field::apply_field::<Self, V>(name, value, field, changes)
    }
}

/// Tracks a value as its own type says.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl<V: Tracked> Form<V> for Plain {
    const WIRE: WireType = V::WIRE;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        V::kind(b)
    }

    #[inline]
    fn encode(value: &V, w: &mut Writer) {
        value.encode(w);
    }

    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<V, DecodeError> {
        V::decode(r)
    }

    #[inline]
    fn heap_bytes(value: &V) -> usize {
        value.heap_bytes()
    }
}

impl<V: Tracked> Tracking<V> for Plain {
    type Form = Self;
    type Changes = V::Changes;
    type Mut<'a> = V::Mut<'a>;
    const POLICY: Policy = Policy::Retry;
    const EDITS_NOTHING: bool = V::EDITS_NOTHING;

    #[inline]
    fn track<'a>(value: &'a mut V, changes: &'a mut V::Changes) -> V::Mut<'a> {
        value.track(changes)
    }

    #[inline]
    fn encode_edit(value: &V, changes: &V::Changes, w: &mut Writer) -> Edit {
        value.encode_edit(changes, w)
    }

    #[inline]
    fn encode_guards(value: &V, changes: &V::Changes, w: &mut Writer) -> Edit {
        value.encode_guards(changes, w)
    }

    #[inline]
    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit {
        value.encode_diff(old, w)
    }

    #[inline]
    fn apply(value: &mut V, edit: Reader<'_>, changes: Option<&mut V::Changes>) -> Result<(), DecodeError> {
        value.apply(edit, changes)
    }

    #[inline]
    fn replace(value: &mut V, new: V, changes: Option<&mut V::Changes>) {
        value.put_whole(new, changes);
    }

    #[inline]
    fn undo(value: &mut V, changes: V::Changes) {
        value.undo(changes);
    }
}

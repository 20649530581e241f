//! What the derive says about a struct, tuple or enum, and all that follows from it.
//!
//! Generated code implements [`Derived`], which only lists fields; the functions here turn that into [`Tracked`], once
//! for all types. A struct is a list of fields; an enum is a variant id and that variant's list. Invariants: while a
//! change set holds a whole former value ([`Old`]), that value alone is what counts for undo and encoding; an enum's
//! variant changes only together with such a former value. Source: own reasoning; `docs/wire.md` §4–§5.

use std::fmt;

use super::required::Required;
use super::{Changes, Edit, Tracked};
use crate::coding::{DecodeError, Reader, UnknownValue, Writer};
use crate::delta::{Field, FieldsReader, FieldsWriter};
use crate::ids::VariantId;
use crate::schema::{Kind, SchemaBuilder, TypeDef};

/// A struct, tuple or enum as a list of fields. Implemented by `#[derive(Tracked)]`.
pub trait Derived: Tracked {
    /// Describes the fields or variants.
    fn describe(b: &mut SchemaBuilder) -> TypeDef;

    /// The whole former value in a change set.
    fn old(changes: &Self::Changes) -> &Old<Self>;

    /// The place of the whole former value in a change set.
    fn old_mut(changes: &mut Self::Changes) -> &mut Old<Self>;

    /// The variant of an enum; `None` for structs.
    fn variant(&self) -> Option<VariantId> {
        None
    }

    /// Writes all fields (of the variant) whole.
    fn encode_fields(&self, w: &mut FieldsWriter<'_>);

    /// Reads all fields (of the variant; `None` for structs), skipping unknown ones.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode_fields(variant: Option<VariantId>, fields: FieldsReader<'_>) -> Result<Self, DecodeError>;

    /// Writes what `changes` did to each field.
    fn encode_field_edits(&self, changes: &Self::Changes, w: &mut FieldsWriter<'_>);

    /// Writes what was required of each field.
    fn encode_field_guards(&self, _changes: &Self::Changes, _w: &mut FieldsWriter<'_>) {}

    /// Writes how each field differs from `old`, which is of the same variant.
    fn encode_field_diffs(&self, old: &Self, w: &mut FieldsWriter<'_>);

    /// Applies one field of an edit; an unknown one is skipped.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn apply_one(&mut self, field: &Field<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError>;

    /// Restores what each field's changes kept.
    fn undo_fields(&mut self, changes: Self::Changes);

    /// Bytes of heap behind the fields, roughly.
    fn heap_bytes_of_fields(&self) -> usize;

    /// Exchanges the fields that stay on their node (`#[nam(skip)]`): neither replacement nor undo touches them.
    fn swap_local(&mut self, _other: &mut Self) {}
}

/// A whole former value, kept when a struct or enum was replaced or edited by code that knows no cursors; and which of
/// its fields were required.
pub struct Old<T> {
    former: Option<Box<T>>,
    required: Required<u32>,
}

impl<T> Old<T> {
    /// The former value, if it is kept.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.former.as_deref()
    }

    /// Whether a former value is kept.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.former.is_some()
    }

    /// Whether it keeps anything.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.is_some() || !self.required.is_empty()
    }

    /// Has the commit fail if the field `id` changed since.
    pub fn require(&mut self, id: u32) {
        self.required.add(id);
    }

    /// Whether the field `id` is required.
    #[must_use]
    pub fn requires(&self, id: u32) -> bool {
        self.required.has(&id)
    }

    /// How many fields are required.
    #[must_use]
    pub fn required(&self) -> usize {
        self.required.len()
    }

    /// Bytes of heap behind it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize
    where
        T: Tracked,
    {
        self.get().map_or(0, |old| size_of::<T>() + old.heap_bytes()) + self.required.heap_bytes()
    }
}

impl<T> Default for Old<T> {
    fn default() -> Self {
        Self { former: None, required: Required::default() }
    }
}

impl<T> fmt::Debug for Old<T> {
    /// Says only whether there is one: values are printed nowhere but in the document's JSON view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_some() { "Old" } else { "None" })
    }
}

/// A change set on the heap, made at the first touch: for boxes, and for the variants of an enum.
#[derive(Debug)]
pub struct BoxedChanges<C>(Option<Box<C>>);

impl<C: Changes> BoxedChanges<C> {
    /// The change set, if there was a touch.
    #[must_use]
    pub fn get(&self) -> Option<&C> {
        self.0.as_deref()
    }

    /// The change set, made if there is none.
    pub fn touch(&mut self) -> &mut C {
        self.0.get_or_insert_default()
    }

    /// The change set, by value; empty if there is none.
    #[must_use]
    pub fn into_inner(self) -> Option<C> {
        self.0.map(|changes| *changes)
    }
}

impl<C> Default for BoxedChanges<C> {
    fn default() -> Self {
        Self(None)
    }
}

impl<C: Changes> Changes for BoxedChanges<C> {
    fn is_touched(&self) -> bool {
        self.get().is_some_and(C::is_touched)
    }

    fn heap_bytes(&self) -> usize {
        self.get().map_or(0, |changes| size_of::<C>() + changes.heap_bytes())
    }

    fn required(&self) -> usize {
        self.get().map_or(0, C::required)
    }
}

/// Formats a change set as the names of what was touched, without values.
///
/// # Errors
/// Those of the formatter.
pub fn debug_changes(f: &mut fmt::Formatter<'_>, name: &str, fields: &[(&str, bool)]) -> fmt::Result {
    f.write_str(name)?;
    f.debug_set().entries(fields.iter().filter(|(_, is_touched)| *is_touched).map(|(field, _)| field)).finish()
}

/// Describes the type in the table of `b`.
#[must_use]
pub fn kind<T: Derived>(b: &mut SchemaBuilder) -> Kind {
    b.define::<T>(T::describe)
}

/// Writes the full value behind its length.
pub fn encode<T: Derived>(value: &T, w: &mut Writer) {
    w.framed(|w| {
        write_variant(value, w);
        let mut fields = FieldsWriter::new(w);
        value.encode_fields(&mut fields);
        fields.finish();
    });
}

/// Reads a struct's full value.
///
/// # Errors
/// Any [`DecodeError`].
pub fn decode_struct<T: Derived>(r: &mut Reader<'_>) -> Result<T, DecodeError> {
    T::decode_fields(None, FieldsReader::new(r.frame()?))
}

/// Reads an enum's full value.
///
/// # Errors
/// Any [`DecodeError`].
pub fn decode_enum<T: Derived>(r: &mut Reader<'_>) -> Result<T, DecodeError> {
    let mut body = r.frame()?;
    let variant = VariantId(body.varint32()?);
    T::decode_fields(Some(variant), FieldsReader::new(body))
}

/// The error for a variant id that the enum does not have.
#[must_use]
pub fn unknown_variant(variant: Option<VariantId>) -> DecodeError {
    DecodeError::Unreadable(UnknownValue::of_variant(variant.map_or(0, |id| id.0)))
}

/// Writes the body of an edit.
pub fn encode_edit<T: Derived>(value: &T, changes: &T::Changes, w: &mut Writer) -> Edit {
    if let Some(old) = T::old(changes).get() {
        return encode_diff(value, old, w);
    }
    write_variant(value, w);
    let mut fields = FieldsWriter::new(w);
    value.encode_field_edits(changes, &mut fields);
    if fields.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes what was required of the parts; all of an enum whose variant may be another one.
pub fn encode_guards<T: Derived>(value: &T, changes: &T::Changes, w: &mut Writer) -> Edit {
    if changes.required() == 0 {
        return Edit::Same;
    }
    if value.variant().is_some() && T::old(changes).is_some() {
        return Edit::Put;
    }
    write_variant(value, w);
    let mut fields = FieldsWriter::new(w);
    value.encode_field_guards(changes, &mut fields);
    if fields.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes the body of an edit that leads from `old` to `value`; an enum of another variant is put.
pub fn encode_diff<T: Derived>(value: &T, old: &T, w: &mut Writer) -> Edit {
    if value.variant() != old.variant() {
        return Edit::Put;
    }
    write_variant(value, w);
    let mut fields = FieldsWriter::new(w);
    value.encode_field_diffs(old, &mut fields);
    if fields.finish() { Edit::Edited } else { Edit::Same }
}

/// Applies the body of an edit.
///
/// # Errors
/// `Absent` if it is one of another variant; any other [`DecodeError`].
pub fn apply<T: Derived>(
    value: &mut T,
    mut edit: Reader<'_>,
    mut changes: Option<&mut T::Changes>,
) -> Result<(), DecodeError> {
    if let Some(variant) = value.variant()
        && edit.varint32()? != variant.0
    {
        return Err(DecodeError::Absent { what: "a variant" });
    }
    let mut fields = FieldsReader::new(edit);
    while let Some(field) = fields.next()? {
        value.apply_one(&field, changes.as_deref_mut())?;
    }
    Ok(())
}

/// Puts a new value in place; the former one moves into `changes`. Fields that stay on their node are kept.
pub fn replace<T: Derived>(value: &mut T, mut new: T, changes: Option<&mut T::Changes>) {
    value.swap_local(&mut new);
    let mut former = std::mem::replace(value, new);
    let Some(changes) = changes else { return };
    let before = std::mem::take(changes);
    let (old, rest) = split(before);
    *T::old_mut(changes) = old.unwrap_or_else(|| {
        former.undo_fields(rest);
        Old { former: Some(Box::new(former)), required: Required::default() }
    });
}

/// Restores what `changes` kept.
pub fn undo<T: Derived>(value: &mut T, changes: T::Changes) {
    match split::<T>(changes) {
        (Some(Old { former: Some(mut old), .. }), _) => {
            value.swap_local(&mut old);
            *value = *old;
        }
        (_, rest) => value.undo_fields(rest),
    }
}

/// Runs code that knows nothing of cursors on the value. Costs a clone of the value at the first call; the delta is the
/// difference, so it stays small. A panic in `f` is undone like any other change.
pub fn edit<T: Derived, R>(value: &mut T, changes: &mut T::Changes, f: impl FnOnce(&mut T) -> R) -> R {
    if !T::old(changes).is_some() {
        let mut old = value.clone();
        old.undo_fields(std::mem::take(changes));
        T::old_mut(changes).former = Some(Box::new(old));
    }
    f(value)
}

fn write_variant<T: Derived>(value: &T, w: &mut Writer) {
    if let Some(variant) = value.variant() {
        w.varint(u64::from(variant.0));
    }
}

/// Takes the whole former value out of a change set.
fn split<T: Derived>(mut changes: T::Changes) -> (Option<Old<T>>, T::Changes) {
    let old = std::mem::take(T::old_mut(&mut changes));
    (old.is_some().then_some(old), changes)
}

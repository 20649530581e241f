//! Writes and reads one field of a body or one entry of a container; generated code and collections call these.
//!
//! Invariants: nothing is written for a field that did not change; a field with a default, which the repository may
//! lack, is sent as an edit only where an edit of nothing is defined. Source: `docs/wire.md` §2 and §5.

use super::{Changes, Edit, Tracked, Tracking};
use crate::coding::{DecodeError, Writer};
use crate::delta::{Field, FieldsWriter, WireType};
use crate::ids::FieldId;
use crate::schema::{FieldDef, SchemaBuilder};

/// What the derive says of a field besides its type.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldSpec {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// Names it had before.
    pub aliases: &'static [&'static str],
    /// Whether objects can be found by its value.
    pub index: bool,
    /// Whether its value is never printed.
    pub redact: bool,
    /// Whether a value may be absent.
    pub optional: bool,
}

/// What readers take where bytes lack a field; the repository, which knows no defaults, then takes an empty value. A
/// change of such a field is sent as an edit or an operation only if both come to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing: the bytes are refused.
    Refused,
    /// The type's `Default`.
    OfType,
    /// A value the user chose.
    Chosen,
}

/// Describes a field of type `V` for the schema.
#[must_use]
pub(crate) fn field_def<M: Tracking<V>, V>(b: &mut SchemaBuilder, spec: &FieldSpec) -> FieldDef {
    FieldDef {
        id: FieldId(spec.id),
        name: spec.name.to_owned(),
        aliases: spec.aliases.iter().map(|&alias| alias.to_owned()).collect(),
        kind: M::kind(b),
        policy: M::POLICY,
        index: spec.index,
        redact: spec.redact,
        optional: spec.optional,
    }
}

/// Writes a field whole.
pub(crate) fn put_field<M: Tracking<V>, V>(w: &mut FieldsWriter<'_>, id: u32, value: &V) {
    w.put(FieldId(id), M::WIRE, |w| M::encode(value, w));
}

/// Writes what `changes` did to a field, if anything.
pub(crate) fn edit_field<M: Tracking<V>, V>(
    w: &mut FieldsWriter<'_>,
    id: u32,
    absence: Absence,
    value: &V,
    changes: &M::Changes,
) {
    if changes.is_touched() {
        write_field::<M, V>(w, id, absence, value, |w| M::encode_edit(value, changes, w));
    }
}

/// Writes that a field is required, all of it if `is_required`, or parts of it.
pub(crate) fn guard_field<M: Tracking<V>, V>(
    w: &mut FieldsWriter<'_>,
    id: u32,
    is_required: bool,
    value: &V,
    changes: &M::Changes,
) {
    let mut answer = if is_required { Edit::Put } else { Edit::Same };
    if !is_required && changes.required() > 0 {
        w.edit(FieldId(id), |w| {
            answer = M::encode_guards(value, changes, w);
            answer == Edit::Edited
        });
    }
    if answer == Edit::Put {
        w.guard(FieldId(id));
    }
}

/// Writes how a field differs from a former value, if it does.
pub(crate) fn diff_field<M: Tracking<V>, V>(w: &mut FieldsWriter<'_>, id: u32, absence: Absence, value: &V, old: &V) {
    write_field::<M, V>(w, id, absence, value, |w| M::encode_diff(value, old, w));
}

fn write_field<M: Tracking<V>, V>(
    w: &mut FieldsWriter<'_>,
    id: u32,
    absence: Absence,
    value: &V,
    body: impl FnOnce(&mut Writer) -> Edit,
) {
    let is_known = match absence {
        Absence::Refused => true,
        Absence::OfType => M::EDITS_NOTHING,
        Absence::Chosen => false,
    };
    let mut answer = Edit::Same;
    if M::POLICY.has_operation() {
        w.operation_if(FieldId(id), |w| {
            answer = body(w);
            answer == Edit::Operation && is_known
        });
    } else {
        w.edit(FieldId(id), |w| {
            answer = body(w);
            answer == Edit::Edited && is_known
        });
    }
    let is_written = match answer {
        Edit::Same => return,
        Edit::Edited => is_known && !M::POLICY.has_operation(),
        Edit::Operation => is_known,
        Edit::Put => false,
    };
    if !is_written {
        put_field::<M, V>(w, id, value);
    }
}

/// Reads a field's full value.
///
/// # Errors
/// `WireType` if it is not a full value of this type; any other [`DecodeError`].
pub(crate) fn decode_field<M: Tracking<V>, V>(name: &'static str, field: &Field<'_>) -> Result<V, DecodeError> {
    if field.wire != M::WIRE {
        return Err(DecodeError::WireType { field: field.id.0, expected: M::WIRE as u8, found: field.wire as u8 });
    }
    let mut r = field.value;
    let value = M::decode(&mut r).map_err(|error| error.within(name))?;
    r.finish()?;
    Ok(value)
}

/// Reads a field that has a default. What a value lacks of its own fields, because someone edited a value that was not
/// there, stays as in the default.
///
/// # Errors
/// `WireType` if it is not a full value of this type; any other [`DecodeError`].
pub(crate) fn decode_field_or<M: Tracking<V>, V>(
    name: &'static str,
    field: &Field<'_>,
    default: impl FnOnce() -> V,
) -> Result<V, DecodeError> {
    match decode_field::<M, V>(name, field) {
        Err(DecodeError::Missing { .. }) => {
            let mut value = default();
            let mut r = field.value;
            M::apply(&mut value, r.frame()?, None).map_err(|error| error.within(name))?;
            Ok(value)
        }
        answer => answer,
    }
}

/// Unwraps a field without default.
///
/// # Errors
/// `Missing` if no field of that id was read.
pub fn require<V>(name: &'static str, value: Option<V>) -> Result<V, DecodeError> {
    value.ok_or(DecodeError::Missing { name })
}

/// Applies a field of an edit: a put, the body of an edit, or an operation.
///
/// # Errors
/// Any [`DecodeError`]; undoing `changes` then restores the value.
pub(crate) fn apply_field<M: Tracking<V>, V>(
    name: &'static str,
    value: &mut V,
    field: &Field<'_>,
    changes: Option<&mut M::Changes>,
) -> Result<(), DecodeError> {
    let applied = match field.wire {
        WireType::Edit | WireType::EditRest => M::apply(value, field.body, changes),
        WireType::Operation => M::apply_operation(value, field.body, changes),
        _ => {
            let new = decode_field::<M, V>(name, field)?;
            M::replace(value, new, changes);
            return Ok(());
        }
    };
    applied.map_err(|error| error.within(name))
}

/// Writes an entry that is put whole: `head` writes its key or index.
pub(crate) fn put_entry<V: Tracked>(w: &mut Writer, head: impl FnOnce(&mut Writer), value: &V) {
    head(w);
    w.varint(1);
    value.encode(w);
}

/// Writes an entry whose value was edited, or put if `body` says so; nothing if nothing differs. Answers whether it
/// wrote. `head` writes the key or index, `body` is an `encode_edit` or `encode_diff` of `value`.
pub(crate) fn edit_entry<V: Tracked>(
    w: &mut Writer,
    head: impl FnOnce(&mut Writer),
    value: &V,
    body: impl FnOnce(&mut Writer) -> Edit,
) -> bool {
    let at = w.len();
    head(w);
    let mut answer = Edit::Same;
    w.framed_if(2, |w| {
        answer = body(w);
        answer == Edit::Edited
    });
    match answer {
        Edit::Edited => true,
        Edit::Put => {
            w.varint(1);
            value.encode(w);
            true
        }
        Edit::Same | Edit::Operation => {
            w.truncate(at);
            false
        }
    }
}

/// Writes the head of an entry of which parts are required, and which; `body` is an `encode_guards`. Answers whether it
/// wrote.
pub(crate) fn guard_entry(w: &mut Writer, body: impl FnOnce(&mut Writer) -> Edit) -> bool {
    let mut answer = Edit::Same;
    w.framed_if(2, |w| {
        answer = body(w);
        answer == Edit::Edited
    });
    if answer == Edit::Put {
        w.varint(0);
    }
    answer != Edit::Same
}

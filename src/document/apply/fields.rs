//! Applies an edit of a struct's or a variant's fields: a merge of two sequences of ascending ids.

use super::{Applying, Saved, apply_value, put_value};
use crate::coding::{DecodeError, Writer};
use crate::delta::{Field, FieldsReader, WireType};
use crate::document::apart::Children;
use crate::document::stamps::Stamp;
use crate::schema::{FieldDef, Kind, field_by_id};

/// What a change marks beside the bytes it writes.
pub(super) struct Target<'t> {
    pub(super) stamp: &'t mut Stamp,
    pub(super) children: &'t mut Children,
}

/// Writes the fields that result from `edits` on `old`.
pub(super) fn apply_fields(
    applying: &mut Applying<'_>,
    fields: &[FieldDef],
    mut old: FieldsReader<'_>,
    mut edits: FieldsReader<'_>,
    mut target: Target<'_>,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    let mut done = applying.resume_done();
    for _ in 0..done {
        edits.next()?;
    }
    let mut current = old.next()?;
    while !applying.pace.is_paused()
        && let Some(edit) = edits.next()?
    {
        if applying.pace.is_out() {
            applying.pace.pause(Saved::Done(done));
            break;
        }
        while let Some(field) = current.filter(|field| field.id < edit.id) {
            w.raw(field.encoded);
            current = old.next()?;
        }
        let before = current.filter(|field| field.id == edit.id);
        if before.is_some() {
            current = old.next()?;
        }
        apply_field(applying, field_by_id(fields, edit.id), before.as_ref(), &edit, &mut target, w)?;
        if applying.pace.is_paused() {
            applying.pace.pause(Saved::Done(done));
        }
        done += 1;
    }
    while let Some(field) = current {
        w.raw(field.encoded);
        current = old.next()?;
    }
    Ok(())
}

fn apply_field(
    applying: &mut Applying<'_>,
    def: Option<&FieldDef>,
    before: Option<&Field<'_>>,
    edit: &Field<'_>,
    target: &mut Target<'_>,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    match (edit.wire, def) {
        (WireType::Edit | WireType::EditRest, Some(def)) => {
            let old = match before {
                Some(field) => field.value.rest(),
                None => empty_of(&def.kind).ok_or(DecodeError::Absent { what: "field" })?,
            };
            let start = w.len();
            w.varint(u64::from(edit.id.0) << 3 | WireType::of(&def.kind) as u64);
            let value = w.len();
            let stamp = target.stamp.field_mut(edit.id);
            apply_value(applying, &def.kind, old, edit.body, stamp, target.children, w)?;
            if before.is_none() && w.as_slice().get(value..) == Some(old) {
                // What was not there and got nothing is not there: no answer since a version would tell of it.
                w.truncate(start);
            }
            Ok(())
        }
        (WireType::Edit | WireType::EditRest | WireType::Operation, _) => {
            Err(DecodeError::Unknown { what: "field that can be edited", found: u64::from(edit.id.0) })
        }
        _ => {
            // What an earlier step put of this value stands where the old value stood.
            let is_resuming = applying.pace.is_resuming();
            let before = before.map(|field| field.value.rest());
            if let (Some(def), Some(before), false) = (def, before, is_resuming) {
                target.children.drop_of(applying.schema, Some(&def.kind), before)?;
            }
            *target.stamp.field_mut(edit.id) = Stamp::put(applying.mark);
            let Some(def) = def else {
                applying.pace.spend(1, edit.encoded.len());
                w.raw(edit.encoded);
                return Ok(());
            };
            w.varint(u64::from(edit.id.0) << 3 | edit.wire as u64);
            put_value(applying, &def.kind, edit.value.rest(), before.filter(|_| is_resuming), target.children, w)
        }
    }
}

/// What an edit of an absent field edits, for the kinds that have an empty value.
pub(in crate::document) fn empty_of(kind: &Kind) -> Option<&'static [u8]> {
    match kind {
        Kind::Map(..) | Kind::Set(_) | Kind::List(_) => Some(&[1, 0]),
        Kind::String | Kind::Bytes | Kind::Type(_) => Some(&[0]),
        _ => None,
    }
}

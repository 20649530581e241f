//! Judges an edit of a struct's or a variant's fields.

use super::walk::{CONFLICT, Saved, Stop, Target, Walk};
use crate::coding::DecodeError;
use crate::delta::{Field, FieldsReader, WireType};
use crate::document::apply::empty_of;
use crate::schema::{FieldDef, Policy, field_by_id};

impl<'w> Walk<'w> {
    /// Judges the fields of one body beside the stored ones; answers by how much the delta grows.
    pub(super) fn fields(
        &mut self,
        defs: &[FieldDef],
        mut old: FieldsReader<'_>,
        target: Target<'_>,
        mut edits: FieldsReader<'w>,
    ) -> Result<i64, Stop> {
        let (mut grown, mut done) = (0, 0);
        if let Some(saved) = self.pace.resume() {
            (grown, done) = (saved.grown, saved.done);
            for _ in 0..done {
                edits.next()?;
            }
        }
        let mut current = old.next()?;
        loop {
            let Some(edit) = edits.next()? else { return Ok(grown) };
            while current.is_some_and(|field| field.id < edit.id) {
                current = old.next()?;
            }
            let stored = current.filter(|field| field.id == edit.id).map(|field| field.value.rest());
            let answer = self.breathe().and_then(|()| self.field(field_by_id(defs, edit.id), stored, target, &edit));
            let more = self.leave(answer, || Saved { done, grown, ..Saved::default() })?;
            (grown, done) = (grown + more, done + 1);
        }
    }

    fn field(
        &mut self,
        def: Option<&FieldDef>,
        stored: Option<&[u8]>,
        target: Target<'_>,
        edit: &Field<'w>,
    ) -> Result<i64, Stop> {
        let stamp = target.stamp.field(edit.id);
        let is_lww = target.is_lww || def.is_some_and(|def| def.policy == Policy::Lww);
        match (edit.wire, def) {
            (WireType::Operation, Some(def)) => self.operation(def, stored, Target { stamp, ..target }, edit),
            (WireType::Edit | WireType::EditRest, Some(def)) => {
                if self.is_newer(stamp.own) {
                    return Err(CONFLICT);
                }
                let value = stored.or_else(|| empty_of(&def.kind)).ok_or(DecodeError::Absent { what: "field" })?;
                let grown = self.value(&def.kind, Target { value, stamp, is_lww, ..target }, edit.body)?;
                let body = self.place(edit.body.rest());
                Ok(if edit.wire == WireType::Edit { self.patches.reframe(body, 0, grown) } else { grown })
            }
            (WireType::Operation | WireType::Edit | WireType::EditRest, None) => {
                Err(DecodeError::Unknown { what: "field that can be edited", found: u64::from(edit.id.0) }.into())
            }
            _ => {
                let bytes = match def {
                    Some(def) => self.put_field(def, edit)?,
                    None => edit.encoded.len(),
                };
                if !is_lww && self.is_newer(stamp.newest()) {
                    return Err(CONFLICT);
                }
                self.count_cell(bytes);
                Ok(0)
            }
        }
    }
}

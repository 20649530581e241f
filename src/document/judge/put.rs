//! Checks what a commit puts whole: small values at once, large ones entry by entry, so that a step can end between.
//!
//! Invariant: accepts exactly what `delta::check_value` accepts.

use std::ops::Range;

use super::walk::{Saved, Stop, Walk};
use crate::coding::{DecodeError, Reader};
use crate::delta::{Field, FieldsReader, WireType, check_value, read_key};
use crate::document::stored::fields_of;
use crate::schema::{FieldDef, Kind, TypeIndex, field_by_id};

/// Bytes of a value that are checked without a look at the budget.
const PIECE_BYTES: usize = 4 * 1024;

impl<'w> Walk<'w> {
    /// Checks a field that is put whole; answers its bytes that were not counted yet.
    pub(super) fn put_field(&mut self, def: &FieldDef, edit: &Field<'w>) -> Result<usize, Stop> {
        let expected = WireType::of(&def.kind);
        if edit.wire != expected {
            let (expected, found) = (expected as u8, edit.wire as u8);
            return Err(DecodeError::WireType { field: edit.id.0, expected, found }.into());
        }
        let mut value = edit.value;
        let bytes = self.put(&def.kind, &mut value)?;
        value.finish()?;
        Ok(bytes)
    }

    /// Checks the value at the reader, which is put whole; answers its bytes that were not counted yet.
    pub(super) fn put(&mut self, kind: &Kind, r: &mut Reader<'w>) -> Result<usize, Stop> {
        let mut ahead = *r;
        let size = WireType::of(kind).skip(&mut ahead)?.len();
        if size <= PIECE_BYTES {
            check_value(self.schema, kind, r)?;
            return Ok(size);
        }
        match kind {
            Kind::Option(inner) => {
                let mut body = r.frame()?;
                let bytes = self.put(inner, &mut body)?;
                body.finish()?;
                Ok(bytes)
            }
            Kind::Type(index) => {
                let body = r.frame()?;
                self.put_fields(*index, body)
            }
            Kind::Map(..) | Kind::Set(_) | Kind::List(_) | Kind::Array(..) => {
                let body = r.frame()?;
                self.put_members(kind, body)
            }
            _ => {
                check_value(self.schema, kind, r)?;
                Ok(size)
            }
        }
    }

    /// Counts what was checked when it is enough for a look at the budget; answers what was not counted.
    pub(super) fn count_piece(&mut self, bytes: usize) -> usize {
        if bytes < PIECE_BYTES {
            return bytes;
        }
        self.pace.spend(1, bytes);
        0
    }

    fn put_fields(&mut self, index: TypeIndex, mut body: Reader<'w>) -> Result<usize, Stop> {
        let schema = self.schema;
        let defs = fields_of(schema, index, &mut body)?;
        let mut reader = FieldsReader::new(body);
        let done = self.pace.resume().map_or(0, |saved| saved.checked);
        let mut piece = 0;
        for at in 0.. {
            let Some(field) = reader.next()? else { break };
            if at < done {
                continue;
            }
            if matches!(field.wire, WireType::Operation | WireType::Edit | WireType::EditRest) {
                return Err(DecodeError::Unknown { what: "wire type of a value", found: field.wire as u64 }.into());
            }
            let answer = match field_by_id(defs, field.id) {
                Some(def) => self.breathe().and_then(|()| self.put_field(def, &field)),
                None => Ok(field.encoded.len()),
            };
            let bytes = self.leave(answer, || Saved { checked: at, ..Saved::default() })?;
            piece = self.count_piece(piece + bytes);
        }
        Ok(piece)
    }

    /// Checks the entries or elements of a container's body.
    fn put_members(&mut self, kind: &Kind, mut body: Reader<'w>) -> Result<usize, Stop> {
        let count = body.count(1)?;
        let expected = if let Kind::Array(_, expected) = kind { *expected as usize } else { count };
        if count != expected {
            return Err(DecodeError::Unknown { what: "length of an array", found: count as u64 }.into());
        }
        let whole = body.left();
        let Saved { done, checked, mut last, .. } = self.pace.resume().unwrap_or_default();
        body.take(done)?;
        let mut piece = 0;
        for checked in checked..count {
            let done = whole - body.left();
            let answer = self.breathe().and_then(|()| self.put_member(kind, last.clone(), &mut body));
            let saved = || Saved { done, checked, last: last.clone(), ..Saved::default() };
            let (key, bytes) = self.leave(answer, saved)?;
            last = key;
            piece = self.count_piece(piece + bytes);
        }
        body.finish()?;
        Ok(piece)
    }

    /// Checks one entry or element; answers where its key stands, and its bytes that were not counted yet.
    fn put_member(
        &mut self,
        kind: &Kind,
        last: Option<Range<usize>>,
        body: &mut Reader<'w>,
    ) -> Result<(Option<Range<usize>>, usize), Stop> {
        let (keys, values) = match kind {
            Kind::List(element) | Kind::Array(element, _) => {
                return Ok((None, self.put(element, body)?));
            }
            Kind::Map(keys, values) => (keys, Some(values)),
            Kind::Set(keys) => (keys, None),
            _ => return Ok((None, 0)),
        };
        let key = read_key(keys, body)?;
        if last.and_then(|range| self.delta.get(range)).is_some_and(|last| last >= key) {
            return Err(DecodeError::Order { what: "keys" }.into());
        }
        let bytes = values.map_or(Ok(0), |kind| self.put(kind, body))?;
        Ok((Some(self.place(key)), key.len() + bytes))
    }
}

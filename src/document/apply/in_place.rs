//! Splices one text where it stands, so that a text which comes in pieces costs its bytes once.
//!
//! A creation brings a long text in one splice after another, and the general way writes the whole entry anew for each.
//! Here a piece goes where it belongs, and the lengths of the values around it are corrected:
//!
//! ```text
//! length │ field … │ tag │ length │ text ◀─ piece │ field …
//! ```
//! Invariants: what it does not do it leaves untouched; it is used only where nothing is stamped. Source: own reasoning.

use super::text::{Splice, check_splice};
use super::{Applying, Change};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{FieldsReader, WireType};
use crate::document::stored::fields_of;
use crate::document::{offset_in, overwrite};
use crate::schema::{Kind, Schema, TypeDef, field_by_id};

/// A length that stands before a value.
#[derive(Clone, Copy, Debug)]
struct Length {
    at: usize,
    /// Bytes that it takes.
    width: usize,
    length: usize,
}

/// The one splice that an edit makes, and where.
#[derive(Debug)]
struct Found<'e> {
    /// Where the text begins.
    text_at: usize,
    splice: Splice<'e>,
    /// Of the values around the text and of the text, from the outside in.
    lengths: Vec<Length>,
}

/// Makes a change of the stored value at byte `at` of `bytes` if that splices a long text once and does nothing else;
/// answers whether it did.
pub(in crate::document) fn splice_in_place(
    applying: &mut Applying<'_>,
    kind: &Kind,
    bytes: &mut Vec<u8>,
    at: usize,
    change: &Change<'_>,
) -> Result<bool, DecodeError> {
    let Change::Edit(edit) = change else { return Ok(false) };
    let value_len = WireType::of(kind).skip(&mut Reader::new(bytes.get(at..).unwrap_or_default()))?.len();
    if applying.mark.is_set() || applying.pace.is_resuming() || value_len <= applying.tuning.inline_bytes {
        return Ok(false);
    }
    let Some(found) = find(applying.schema, kind, bytes, at, *edit)? else { return Ok(false) };
    applying.pace.spend(1, edit.left());
    let Found { text_at, splice, lengths } = found;
    let from = text_at + splice.at;
    if bytes.capacity() - bytes.len() < splice.insert.len() {
        bytes.reserve_exact(splice.insert.len() + bytes.len() / 16);
    }
    overwrite(bytes, from..from + splice.delete, splice.insert);
    let (mut grown, mut shrunk) = (splice.insert.len(), splice.delete);
    for Length { at, width, length } in lengths.into_iter().rev() {
        let mut w = Writer::new();
        w.length(length + grown - shrunk);
        overwrite(bytes, at..at + width, w.as_slice());
        (grown, shrunk) = (grown + w.len(), shrunk + width);
    }
    Ok(true)
}

fn find<'s, 'e>(
    schema: &'s Schema,
    mut kind: &'s Kind,
    bytes: &[u8],
    mut at: usize,
    mut edit: Reader<'e>,
) -> Result<Option<Found<'e>>, DecodeError> {
    let mut lengths = Vec::new();
    loop {
        let mut r = Reader::new(bytes.get(at..).unwrap_or_default());
        let before = r.left();
        let Ok(length) = usize::try_from(r.varint()?) else { return Err(DecodeError::Varint) };
        let width = before - r.left();
        lengths.push(Length { at, width, length });
        let value = r.take(length)?;
        match kind {
            Kind::Option(inner) if length > 0 => (kind, at) = (inner, at + width),
            Kind::Type(index) => {
                let mut body = Reader::new(value);
                let defs = fields_of(schema, *index, &mut body)?;
                if let Some(TypeDef::Enum(_)) = schema.type_at(*index) {
                    edit.varint()?;
                }
                let mut edits = FieldsReader::new(edit);
                let only = edits.next()?.filter(|field| matches!(field.wire, WireType::Edit | WireType::EditRest));
                let (Some(only), None) = (only, edits.next()?) else { return Ok(None) };
                let mut stored = FieldsReader::new(body);
                let mut field = stored.next()?;
                while field.is_some_and(|field| field.id < only.id) {
                    field = stored.next()?;
                }
                let field = field.filter(|field| field.id == only.id);
                let (Some(field), Some(def)) = (field, field_by_id(defs, only.id)) else { return Ok(None) };
                (kind, at, edit) = (&def.kind, offset_in(bytes, field.value.rest()), only.body);
                if !matches!(kind, Kind::Type(_) | Kind::Option(_) | Kind::String | Kind::Bytes) {
                    return Ok(None);
                }
            }
            Kind::String | Kind::Bytes if !edit.is_done() => {
                let splice = Splice::read(&mut edit)?;
                if !edit.is_done() {
                    return Ok(None);
                }
                check_splice(kind, value, &splice)?;
                return Ok(Some(Found { text_at: at + width, splice, lengths }));
            }
            _ => return Ok(None),
        }
    }
}

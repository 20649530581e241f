//! Writes a value into as few bytes as asked: containers and texts that do not fit are left empty.
//!
//! Invariants: what is written is a whole value of its kind, only emptier; what is answered is exactly what it lacks.
//! A struct keeps all its fields, an array its elements, an option its inner value, so a typed reader can build it.
//! Source: own reasoning.

use super::level::{Address, Members, Rest};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{Field, FieldsReader, WireType};
use crate::ids::VariantId;
use crate::schema::{FieldDef, Kind, Schema, TypeDef, TypeIndex, field_by_id};

/// Bytes that the headers of a value take at most.
const HEADER_BYTES: usize = 12;

/// Writes the value that `value` holds, in about `room` bytes; answers what it lacks, `None` if nothing.
pub(super) fn shrink<'a>(
    schema: &'a Schema,
    kind: &'a Kind,
    mut value: Reader<'a>,
    room: usize,
    w: &mut Writer,
) -> Result<Option<Rest<'a>>, DecodeError> {
    if value.left() <= room || value.rest() == [0] {
        w.raw(value.rest());
        return Ok(None);
    }
    let room = room.saturating_sub(HEADER_BYTES);
    match kind {
        Kind::String => {
            let text = value.text()?;
            w.length(0);
            Ok(Some(Rest::text(text)))
        }
        Kind::Bytes => {
            let bytes = value.sized()?;
            w.length(0);
            Ok(Some(Rest::bytes(bytes)))
        }
        Kind::Map(key, inner) => Ok(emptied(value, w)?.map(|entries| Rest::Map(key, inner, entries))),
        Kind::Set(key) => Ok(emptied(value, w)?.map(|keys| Rest::Set(key, keys))),
        Kind::List(inner) => Ok(emptied(value, w)?.map(|values| Rest::List(inner, values))),
        Kind::Option(inner) => {
            let body = value.frame()?;
            w.framed(|w| shrink(schema, inner, body, room, w))
        }
        Kind::Array(inner, _) => {
            let body = value.frame()?;
            let rests = w.framed(|w| shrink_elements(schema, inner, body, room, w))?;
            Ok((!rests.is_empty()).then(|| Rest::Members(Members::Array, rests.into_iter())))
        }
        Kind::Type(index) => {
            let body = value.frame()?;
            w.framed(|w| shrink_type(schema, *index, body, room, w))
        }
        _ => {
            w.raw(value.rest());
            Ok(None)
        }
    }
}

/// Writes an empty container; answers a reader of the entries that it had, `None` if none.
fn emptied<'a>(mut value: Reader<'a>, w: &mut Writer) -> Result<Option<Reader<'a>>, DecodeError> {
    let mut body = value.frame()?;
    let count = body.count(1)?;
    w.raw(&[1, 0]);
    Ok((count > 0).then_some(body))
}

fn shrink_type<'a>(
    schema: &'a Schema,
    index: TypeIndex,
    mut body: Reader<'a>,
    room: usize,
    w: &mut Writer,
) -> Result<Option<Rest<'a>>, DecodeError> {
    let (members, fields) = match schema.type_at(index) {
        Some(TypeDef::Enum(_)) => {
            let id = VariantId(body.varint32()?);
            w.varint(u64::from(id.0));
            let variant = schema.variant_of(index, id);
            (Members::Variant(id), variant.map(|variant| variant.fields.as_slice()).unwrap_or_default())
        }
        _ => (Members::Struct, schema.fields_of(index)),
    };
    let rests = shrink_fields(schema, fields, body, room, w)?;
    Ok((!rests.is_empty()).then(|| Rest::Members(members, rests.into_iter())))
}

/// Writes every field of a body; room that is left by what must stand goes to the first ones that can use it.
pub(super) fn shrink_fields<'a>(
    schema: &'a Schema,
    fields: &'a [FieldDef],
    body: Reader<'a>,
    room: usize,
    w: &mut Writer,
) -> Result<Vec<(Address<'a>, Rest<'a>)>, DecodeError> {
    let mut members = Vec::new();
    let mut reader = FieldsReader::new(body);
    while let Some(field) = reader.next()? {
        let tag = field.encoded.len() - field.value.left();
        let kind = field_by_id(fields, field.id).map(|def| &def.kind);
        let least = tag + least_bytes(schema, kind, &field, room)?;
        members.push((field, kind, tag, least));
    }
    let mut spare = room.saturating_sub(members.iter().map(|(.., least)| least).sum());
    let mut rests = Vec::new();
    for (field, kind, tag, least) in members {
        let Some(kind) = kind else {
            w.raw(field.encoded);
            continue;
        };
        let at = w.len();
        w.raw(field.encoded.get(..tag).unwrap_or_default());
        let rest = shrink(schema, kind, field.value, least - tag + spare, w)?;
        spare = (spare + least).saturating_sub(w.len() - at);
        rests.extend(rest.map(|rest| (Address::Field(field.id), rest)));
    }
    Ok(rests)
}

/// Bytes of a field's value when it is as empty as it may be; not measured where there is no room to give away.
fn least_bytes(schema: &Schema, kind: Option<&Kind>, field: &Field<'_>, room: usize) -> Result<usize, DecodeError> {
    match kind {
        Some(kind) if room > 0 => {
            let mut w = Writer::new();
            shrink(schema, kind, field.value, 0, &mut w)?;
            Ok(w.len())
        }
        Some(_) => Ok(0),
        None => Ok(field.value.left()),
    }
}

fn shrink_elements<'a>(
    schema: &'a Schema,
    kind: &'a Kind,
    mut body: Reader<'a>,
    room: usize,
    w: &mut Writer,
) -> Result<Vec<(Address<'a>, Rest<'a>)>, DecodeError> {
    let count = body.count(1)?;
    w.length(count);
    let room_each = room.checked_div(count).unwrap_or(room);
    let mut rests = Vec::new();
    for index in 0..count {
        let value = Reader::at_depth(WireType::of(kind).skip(&mut body)?, body.depth());
        let rest = shrink(schema, kind, value, room_each, w)?;
        rests.extend(rest.map(|rest| (Address::Index(index as u64), rest)));
    }
    Ok(rests)
}

//! Reads stored values and keys, which were checked when they came in.
//!
//! Every part of the document walks its pages with these. Invariant: what was checked reads without an error; an error
//! says that bytes are damaged, or that a newer schema knows a field whose bytes nobody checked. Source: `docs/wire.md`
//! §3.

use crate::coding::{DecodeError, Reader};
use crate::delta::WireType;
use crate::ids::VariantId;
use crate::schema::{FieldDef, KeyKind, Kind, Schema, TypeDef, TypeIndex};

/// Reads one key that was checked when it came in.
pub(super) fn stored_key<'a>(kind: &KeyKind, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let before = *r;
    match kind {
        KeyKind::Bool | KeyKind::Byte => drop(r.byte()?),
        KeyKind::Uint | KeyKind::Int | KeyKind::Char => drop(r.varint()?),
        KeyKind::Wide => drop(r.take(16)?),
        KeyKind::String | KeyKind::Bytes => drop(r.sized()?),
        KeyKind::Tuple(parts) => {
            for part in parts {
                stored_key(part, r)?;
            }
        }
    }
    Ok(before.rest().get(..before.left() - r.left()).unwrap_or_default())
}

/// Reads one value that was checked when it came in; no value stands behind the keys of a set.
pub(super) fn stored_value<'a>(kind: Option<&Kind>, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    kind.map_or(Ok(&[]), |kind| WireType::of(kind).skip(r))
}

/// The fields of the type at `index`, for an enum those of the variant that `body` names (its id is read).
pub(super) fn fields_of<'s>(
    schema: &'s Schema,
    index: TypeIndex,
    body: &mut Reader<'_>,
) -> Result<&'s [FieldDef], DecodeError> {
    match schema.type_at(index) {
        Some(TypeDef::Struct(def)) => Ok(&def.fields),
        Some(TypeDef::Enum(_)) => {
            let id = body.varint32()?;
            let variant = schema.variant_of(index, VariantId(id));
            Ok(&variant.ok_or(DecodeError::Unknown { what: "variant", found: u64::from(id) })?.fields)
        }
        None => Err(DecodeError::Unknown { what: "type", found: u64::from(index.0) }),
    }
}

//! A schema as bytes: what a node registers and the journal keeps.
//!
//! ```text
//! schema   class · root(varint) · count · type*
//! type     0 · name · count · field* · count · reserved id(varint)*
//!          1 · name · count · variant* · count · reserved id(varint)*
//! variant  id(varint) · name · count · alias* · count · field*
//! field    id(varint) · name · count · alias* · kind · policy(1 B) · flags(1 B: 1 index, 2 redact, 4 optional)
//! ```
//! Names are UTF-8 behind their length. Invariants: equal schemas have equal bytes and one schema has one form; what
//! decodes has passed [`Schema::check`]. Source: `docs/wire.md` §7, normative.

use super::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, SchemaError, StructDef, TypeDef, TypeIndex, VariantDef};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{FieldId, VariantId};
use crate::limits::{DEPTH_MAX, SCHEMA_BYTES_MAX, SCHEMA_MEMBERS_MAX, SCHEMA_TYPES_MAX};

impl Schema {
    /// Writes the schema.
    pub fn encode(&self, w: &mut Writer) {
        w.sized(self.class.as_bytes());
        w.varint(u64::from(self.root.0));
        w.length(self.types.len());
        for def in &self.types {
            match def {
                TypeDef::Struct(def) => encode_struct(def, w),
                TypeDef::Enum(def) => encode_enum(def, w),
            }
        }
    }

    /// The schema as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.encode(&mut w);
        w.into_bytes()
    }

    /// Reads a schema that fills `bytes` and checks every rule of it.
    ///
    /// # Errors
    /// The first way in which the bytes are no schema.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        if bytes.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::Limit { what: "schema bytes", found: bytes.len(), max: SCHEMA_BYTES_MAX });
        }
        let mut r = Reader::new(bytes);
        let class = r.text()?.to_owned();
        let root = TypeIndex(r.varint32()?);
        let types = decode_many(&mut r, "types", SCHEMA_TYPES_MAX, decode_type)?;
        r.finish()?;
        let schema = Self { class, types, root };
        schema.check()?;
        Ok(schema)
    }
}

fn encode_struct(def: &StructDef, w: &mut Writer) {
    w.byte(0);
    w.sized(def.name.as_bytes());
    encode_fields(&def.fields, w);
    w.length(def.reserved.len());
    def.reserved.iter().for_each(|id| w.varint(u64::from(id.0)));
}

fn encode_enum(def: &EnumDef, w: &mut Writer) {
    w.byte(1);
    w.sized(def.name.as_bytes());
    w.length(def.variants.len());
    for variant in &def.variants {
        w.varint(u64::from(variant.id.0));
        w.sized(variant.name.as_bytes());
        encode_names(&variant.aliases, w);
        encode_fields(&variant.fields, w);
    }
    w.length(def.reserved.len());
    def.reserved.iter().for_each(|id| w.varint(u64::from(id.0)));
}

fn encode_fields(fields: &[FieldDef], w: &mut Writer) {
    w.length(fields.len());
    for field in fields {
        w.varint(u64::from(field.id.0));
        w.sized(field.name.as_bytes());
        encode_names(&field.aliases, w);
        encode_kind(&field.kind, w);
        w.byte(policy_code(field.policy));
        w.byte(u8::from(field.index) | u8::from(field.redact) << 1 | u8::from(field.optional) << 2);
    }
}

fn encode_names(names: &[String], w: &mut Writer) {
    w.length(names.len());
    names.iter().for_each(|name| w.sized(name.as_bytes()));
}

fn encode_kind(kind: &Kind, w: &mut Writer) {
    w.byte(kind_code(kind));
    match kind {
        Kind::Uint(bits) | Kind::Int(bits) => w.byte(*bits),
        Kind::Leaf(name) => w.sized(name.as_bytes()),
        Kind::Type(index) => w.varint(u64::from(index.0)),
        Kind::Option(inner) | Kind::List(inner) => encode_kind(inner, w),
        Kind::Array(inner, count) => {
            w.varint(u64::from(*count));
            encode_kind(inner, w);
        }
        Kind::Map(key, value) => {
            encode_key(key, w);
            encode_kind(value, w);
        }
        Kind::Set(key) => encode_key(key, w),
        _ => {}
    }
}

fn encode_key(key: &KeyKind, w: &mut Writer) {
    w.byte(match key {
        KeyKind::Bool => 0,
        KeyKind::Byte => 1,
        KeyKind::Uint => 2,
        KeyKind::Int => 3,
        KeyKind::Wide => 4,
        KeyKind::Char => 5,
        KeyKind::String => 6,
        KeyKind::Bytes => 7,
        KeyKind::Tuple(_) => 8,
    });
    if let KeyKind::Tuple(parts) = key {
        w.length(parts.len());
        parts.iter().for_each(|part| encode_key(part, w));
    }
}

fn kind_code(kind: &Kind) -> u8 {
    match kind {
        Kind::Bool => 0,
        Kind::U8 => 1,
        Kind::I8 => 2,
        Kind::Uint(_) => 3,
        Kind::Int(_) => 4,
        Kind::U128 => 5,
        Kind::I128 => 6,
        Kind::F32 => 7,
        Kind::F64 => 8,
        Kind::Char => 9,
        Kind::String => 10,
        Kind::Bytes => 11,
        Kind::Leaf(_) => 12,
        Kind::Type(_) => 13,
        Kind::Option(_) => 14,
        Kind::List(_) => 15,
        Kind::Array(..) => 16,
        Kind::Map(..) => 17,
        Kind::Set(_) => 18,
    }
}

fn policy_code(policy: Policy) -> u8 {
    match policy {
        Policy::Retry => 0,
        Policy::Lww => 1,
        Policy::Add => 2,
        Policy::Max => 3,
        Policy::Min => 4,
        Policy::Union => 5,
        Policy::Append => 6,
    }
}

/// Reads a count of at most `max` things, then the things; each takes at least a byte.
fn decode_many<'a, T>(
    r: &mut Reader<'a>,
    what: &'static str,
    max: usize,
    mut one: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = r.count(1)?;
    if count > max {
        return Err(DecodeError::Limit { what, found: count as u64, max: max as u64 });
    }
    let mut things = Vec::new();
    for _ in 0..count {
        things.push(one(r)?);
    }
    Ok(things)
}

fn decode_type(r: &mut Reader<'_>) -> Result<TypeDef, DecodeError> {
    let form = r.byte()?;
    let name = r.text()?.to_owned();
    match form {
        0 => {
            let fields = decode_fields(r)?;
            let reserved = decode_many(r, "reserved ids", SCHEMA_MEMBERS_MAX, |r| r.varint32().map(FieldId))?;
            Ok(TypeDef::Struct(StructDef { name, fields, reserved }))
        }
        1 => {
            let variants = decode_many(r, "variants", SCHEMA_MEMBERS_MAX, decode_variant)?;
            let reserved = decode_many(r, "reserved ids", SCHEMA_MEMBERS_MAX, |r| r.varint32().map(VariantId))?;
            Ok(TypeDef::Enum(EnumDef { name, variants, reserved }))
        }
        found => Err(DecodeError::Unknown { what: "form of a type", found: found.into() }),
    }
}

fn decode_variant(r: &mut Reader<'_>) -> Result<VariantDef, DecodeError> {
    let id = VariantId(r.varint32()?);
    let name = r.text()?.to_owned();
    let aliases = decode_names(r)?;
    let fields = decode_fields(r)?;
    Ok(VariantDef { id, name, aliases, fields })
}

fn decode_fields(r: &mut Reader<'_>) -> Result<Vec<FieldDef>, DecodeError> {
    decode_many(r, "fields", SCHEMA_MEMBERS_MAX, |r| {
        let id = FieldId(r.varint32()?);
        let name = r.text()?.to_owned();
        let aliases = decode_names(r)?;
        let kind = decode_kind(r, 0)?;
        let policy = decode_policy(r.byte()?)?;
        let flags = r.byte()?;
        if flags > 7 {
            return Err(DecodeError::Unknown { what: "flag of a field", found: flags.into() });
        }
        let [index, redact, optional] = [1, 2, 4].map(|bit| flags & bit != 0);
        Ok(FieldDef { id, name, aliases, kind, policy, index, redact, optional })
    })
}

fn decode_names(r: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    decode_many(r, "aliases", SCHEMA_MEMBERS_MAX, |r| r.text().map(str::to_owned))
}

fn decode_policy(code: u8) -> Result<Policy, DecodeError> {
    Ok(match code {
        0 => Policy::Retry,
        1 => Policy::Lww,
        2 => Policy::Add,
        3 => Policy::Max,
        4 => Policy::Min,
        5 => Policy::Union,
        6 => Policy::Append,
        found => return Err(DecodeError::Unknown { what: "policy", found: found.into() }),
    })
}

fn decode_kind(r: &mut Reader<'_>, depth: u16) -> Result<Kind, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    let inner = |r: &mut Reader<'_>| decode_kind(r, depth + 1).map(Box::new);
    Ok(match r.byte()? {
        0 => Kind::Bool,
        1 => Kind::U8,
        2 => Kind::I8,
        3 => Kind::Uint(r.byte()?),
        4 => Kind::Int(r.byte()?),
        5 => Kind::U128,
        6 => Kind::I128,
        7 => Kind::F32,
        8 => Kind::F64,
        9 => Kind::Char,
        10 => Kind::String,
        11 => Kind::Bytes,
        12 => Kind::Leaf(r.text()?.to_owned()),
        13 => Kind::Type(TypeIndex(r.varint32()?)),
        14 => Kind::Option(inner(r)?),
        15 => Kind::List(inner(r)?),
        16 => {
            let count = r.varint32()?;
            Kind::Array(inner(r)?, count)
        }
        17 => Kind::Map(decode_key(r, depth + 1)?, inner(r)?),
        18 => Kind::Set(decode_key(r, depth + 1)?),
        found => return Err(DecodeError::Unknown { what: "kind", found: found.into() }),
    })
}

fn decode_key(r: &mut Reader<'_>, depth: u16) -> Result<KeyKind, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::TooDeep);
    }
    Ok(match r.byte()? {
        0 => KeyKind::Bool,
        1 => KeyKind::Byte,
        2 => KeyKind::Uint,
        3 => KeyKind::Int,
        4 => KeyKind::Wide,
        5 => KeyKind::Char,
        6 => KeyKind::String,
        7 => KeyKind::Bytes,
        8 => KeyKind::Tuple(decode_many(r, "parts of a key", SCHEMA_MEMBERS_MAX, |r| decode_key(r, depth + 1))?),
        found => return Err(DecodeError::Unknown { what: "kind of a key", found: found.into() }),
    })
}

//! A value as a plain tree, decoded and edited by the words of `docs/wire.md` and nothing of `nam::delta`: the judge of
//! what deltas mean.

use std::collections::{BTreeMap, BTreeSet};

use nam::coding::{DecodeError, Reader, Writer};
use nam::ids::VariantId;
use nam::schema::{FieldDef, KeyKind, Kind, Schema, TypeDef, field_by_id};

pub(super) type Fields = BTreeMap<u32, Value>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A scalar or a leaf, as encoded.
    Plain(Vec<u8>),
    /// The content of a string or of bytes.
    Text(Vec<u8>),
    Struct(Fields),
    Enum(u32, Fields),
    Option(Option<Box<Value>>),
    /// A list or an array.
    List(Vec<Value>),
    Map(BTreeMap<Vec<u8>, Value>),
    Set(BTreeSet<Vec<u8>>),
}

type Answer<T> = Result<T, DecodeError>;

const WRONG: DecodeError = DecodeError::Absent { what: "what the reference expects" };

/// The fields of the root struct, from the deltas of a snapshot in order.
pub(super) fn from_deltas<'a>(schema: &Schema, deltas: impl IntoIterator<Item = &'a [u8]>) -> Answer<Value> {
    let mut fields = Fields::new();
    for delta in deltas {
        edit_fields(schema, schema.root_fields(), &mut fields, Reader::new(delta))?;
    }
    Ok(Value::Struct(fields))
}

impl Value {
    /// What an absent value of `kind` counts as.
    pub(super) fn empty(schema: &Schema, kind: &Kind) -> Answer<Self> {
        Ok(match kind {
            Kind::String | Kind::Bytes => Self::Text(Vec::new()),
            Kind::List(_) => Self::List(Vec::new()),
            Kind::Map(..) => Self::Map(BTreeMap::new()),
            Kind::Set(_) => Self::Set(BTreeSet::new()),
            Kind::Type(index) => match schema.type_at(*index) {
                Some(TypeDef::Struct(_)) => Self::Struct(Fields::new()),
                _ => return Err(WRONG),
            },
            _ => return Err(WRONG),
        })
    }

    pub(super) fn decode(schema: &Schema, kind: &Kind, r: &mut Reader<'_>) -> Answer<Self> {
        let before = r.rest();
        Ok(match kind {
            Kind::Bool | Kind::U8 | Kind::I8 => Self::Plain(r.take(1)?.to_vec()),
            Kind::F32 => Self::Plain(r.take(4)?.to_vec()),
            Kind::F64 => Self::Plain(r.take(8)?.to_vec()),
            Kind::Uint(_) | Kind::Int(_) => {
                r.varint()?;
                Self::Plain(before[..before.len() - r.left()].to_vec())
            }
            Kind::U128 | Kind::I128 | Kind::Char | Kind::Leaf(_) => {
                r.sized()?;
                Self::Plain(before[..before.len() - r.left()].to_vec())
            }
            Kind::String | Kind::Bytes => Self::Text(r.sized()?.to_vec()),
            Kind::Type(_) | Kind::Option(_) | Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) => {
                Self::decode_body(schema, kind, r.frame()?)?
            }
        })
    }

    fn decode_body(schema: &Schema, kind: &Kind, mut r: Reader<'_>) -> Answer<Self> {
        Ok(match kind {
            Kind::Type(index) => {
                let (variant, fields) = match schema.type_at(*index) {
                    Some(TypeDef::Struct(def)) => (None, &def.fields),
                    _ => {
                        let id = r.varint32()?;
                        (Some(id), &schema.variant_of(*index, VariantId(id)).ok_or(WRONG)?.fields)
                    }
                };
                let mut values = Fields::new();
                edit_fields(schema, fields, &mut values, r)?;
                variant.map_or(Self::Struct(values.clone()), |id| Self::Enum(id, values))
            }
            Kind::Option(_) if r.is_done() => Self::Option(None),
            Kind::Option(inner) => Self::Option(Some(Box::new(Self::decode(schema, inner, &mut r)?))),
            Kind::List(inner) | Kind::Array(inner, _) => {
                let count = r.count(1)?;
                Self::List((0..count).map(|_| Self::decode(schema, inner, &mut r)).collect::<Answer<_>>()?)
            }
            Kind::Map(key, inner) => {
                let count = r.count(1)?;
                let entry = |_| Ok((read_key(key, &mut r)?, Self::decode(schema, inner, &mut r)?));
                Self::Map((0..count).map(entry).collect::<Answer<_>>()?)
            }
            Kind::Set(key) => {
                let count = r.count(1)?;
                Self::Set((0..count).map(|_| read_key(key, &mut r)).collect::<Answer<_>>()?)
            }
            _ => return Err(WRONG),
        })
    }

    /// Writes the full value of `kind`.
    pub(super) fn encode(&self, schema: &Schema, kind: &Kind, w: &mut Writer) {
        match self {
            Self::Plain(bytes) => w.raw(bytes),
            Self::Text(bytes) => w.sized(bytes),
            _ => w.framed(|w| self.encode_body(schema, kind, w)),
        }
    }

    /// Writes what stands behind the length of a full value.
    pub(super) fn encode_body(&self, schema: &Schema, kind: &Kind, w: &mut Writer) {
        match (self, kind) {
            (Self::Struct(fields), Kind::Type(index)) => encode_fields(schema, schema.fields_of(*index), fields, w),
            (Self::Enum(id, fields), Kind::Type(index)) => {
                w.varint((*id).into());
                encode_fields(schema, &schema.variant_of(*index, VariantId(*id)).unwrap().fields, fields, w);
            }
            (Self::Option(None), _) => {}
            (Self::Option(Some(value)), Kind::Option(inner)) => value.encode(schema, inner, w),
            (Self::List(values), Kind::List(inner) | Kind::Array(inner, _)) => {
                w.length(values.len());
                values.iter().for_each(|value| value.encode(schema, inner, w));
            }
            (Self::Map(entries), Kind::Map(_, inner)) => {
                w.length(entries.len());
                for (key, value) in entries {
                    w.raw(key);
                    value.encode(schema, inner, w);
                }
            }
            (Self::Set(keys), _) => {
                w.length(keys.len());
                keys.iter().for_each(|key| w.raw(key));
            }
            _ => panic!("{self:?} is no {kind:?}"),
        }
    }

    /// Applies an edit body.
    pub(super) fn edit(&mut self, schema: &Schema, kind: &Kind, mut r: Reader<'_>) -> Answer<()> {
        match (self, kind) {
            (Self::Struct(fields), Kind::Type(index)) => edit_fields(schema, schema.fields_of(*index), fields, r),
            (Self::Enum(id, fields), Kind::Type(index)) if r.varint32()? == *id => {
                let variant = schema.variant_of(*index, VariantId(*id)).ok_or(WRONG)?;
                edit_fields(schema, &variant.fields, fields, r)
            }
            (Self::Option(Some(value)), Kind::Option(inner)) => value.edit(schema, inner, r),
            (Self::Map(entries), Kind::Map(key, inner)) => edit_map(schema, key, inner, entries, r),
            (Self::Set(keys), Kind::Set(kind)) => {
                while !r.is_done() {
                    let key = read_key(kind, &mut r)?;
                    match r.varint()? {
                        0 => drop(keys.remove(&key)),
                        1 => drop(keys.insert(key)),
                        _ => return Err(WRONG),
                    }
                }
                Ok(())
            }
            (Self::List(values), Kind::List(inner) | Kind::Array(inner, _)) => edit_list(schema, inner, values, r),
            (Self::Text(text), _) => {
                while !r.is_done() {
                    let (at, delete, insert) = (r.varint()? as usize, r.varint()? as usize, r.sized()?);
                    let end = at.checked_add(delete).filter(|end| *end <= text.len()).ok_or(WRONG)?;
                    text.splice(at..end, insert.iter().copied());
                }
                if *kind == Kind::String {
                    std::str::from_utf8(text).map_err(|_| DecodeError::Utf8)?;
                }
                Ok(())
            }
            _ => Err(WRONG),
        }
    }
}

fn edit_fields(schema: &Schema, defs: &[FieldDef], fields: &mut Fields, mut r: Reader<'_>) -> Answer<()> {
    while !r.is_done() {
        let tag = r.varint()?;
        let id = u32::try_from(tag >> 3).map_err(|_| WRONG)?;
        let def = field_by_id(defs, nam::ids::FieldId(id));
        let body = match tag & 7 {
            5 | 6 => r.frame()?,
            7 => r.frame_of_rest()?,
            wire => {
                match def {
                    Some(def) => drop(fields.insert(id, Value::decode(schema, &def.kind, &mut r)?)),
                    None => skip(wire, &mut r)?,
                }
                continue;
            }
        };
        let Some(def) = def else { continue };
        let mut value = fields.remove(&id).map_or_else(|| Value::empty(schema, &def.kind), Ok)?;
        value.edit(schema, &def.kind, body)?;
        fields.insert(id, value);
    }
    Ok(())
}

fn skip(wire: u64, r: &mut Reader<'_>) -> Answer<()> {
    match wire {
        0 => drop(r.varint()?),
        1 => drop(r.take(1)?),
        2 => drop(r.take(4)?),
        3 => drop(r.take(8)?),
        _ => drop(r.sized()?),
    }
    Ok(())
}

fn encode_fields(schema: &Schema, defs: &[FieldDef], fields: &Fields, w: &mut Writer) {
    for (id, value) in fields {
        let def = field_by_id(defs, nam::ids::FieldId(*id)).unwrap();
        let wire = match def.kind {
            Kind::Uint(_) | Kind::Int(_) => 0,
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::F32 => 2,
            Kind::F64 => 3,
            _ => 4,
        };
        w.varint(u64::from(*id) << 3 | wire);
        value.encode(schema, &def.kind, w);
    }
}

fn edit_map(
    schema: &Schema,
    key: &KeyKind,
    inner: &Kind,
    entries: &mut BTreeMap<Vec<u8>, Value>,
    mut r: Reader<'_>,
) -> Answer<()> {
    while !r.is_done() {
        let key = read_key(key, &mut r)?;
        match r.varint()? {
            0 => drop(entries.remove(&key)),
            1 => drop(entries.insert(key, Value::decode(schema, inner, &mut r)?)),
            length => {
                let body = r.frame_of(length as usize - 2)?;
                entries.get_mut(&key).ok_or(WRONG)?.edit(schema, inner, body)?;
            }
        }
    }
    Ok(())
}

fn edit_list(schema: &Schema, inner: &Kind, values: &mut Vec<Value>, mut r: Reader<'_>) -> Answer<()> {
    if let Some(runs) = r.varint()?.checked_sub(1) {
        let old = std::mem::take(values);
        for _ in 0..runs {
            let head = r.varint()?;
            if head & 1 == 1 {
                for _ in 0..head >> 1 {
                    values.push(Value::decode(schema, inner, &mut r)?);
                }
            } else {
                let (start, count) = ((head >> 1) as usize, r.varint()? as usize);
                values.extend_from_slice(old.get(start..start.checked_add(count).ok_or(WRONG)?).ok_or(WRONG)?);
            }
        }
    }
    while !r.is_done() {
        let value = values.get_mut(r.varint()? as usize).ok_or(WRONG)?;
        match r.varint()? {
            0 => return Err(WRONG),
            1 => *value = Value::decode(schema, inner, &mut r)?,
            length => value.edit(schema, inner, r.frame_of(length as usize - 2)?)?,
        }
    }
    Ok(())
}

/// Reads a key by the table of `docs/wire.md` §3.
pub(super) fn read_key(kind: &KeyKind, r: &mut Reader<'_>) -> Answer<Vec<u8>> {
    let before = r.rest();
    match kind {
        KeyKind::Bool | KeyKind::Byte => drop(r.byte()?),
        KeyKind::Uint | KeyKind::Int | KeyKind::Char => drop(r.varint()?),
        KeyKind::Wide => drop(r.take(16)?),
        KeyKind::String | KeyKind::Bytes => drop(r.sized()?),
        KeyKind::Tuple(parts) => {
            for part in parts {
                read_key(part, r)?;
            }
        }
    }
    Ok(before[..before.len() - r.left()].to_vec())
}

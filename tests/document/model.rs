//! A plain tree of values: the reference. It knows the bytes of `docs/wire.md` and nothing of stamps, pages or documents.

use std::collections::{BTreeMap, BTreeSet};

use nam::coding::{Reader, Writer};
use nam::delta::{EntryChange, Field, FieldsReader, WireType, check_value, read_key};
use nam::ids::{FieldId, VariantId};
use nam::schema::{FieldDef, KeyKind, Kind, Schema, TypeDef, TypeIndex, field_by_id};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Anything without parts, as encoded.
    Leaf(Vec<u8>),
    Fields(BTreeMap<u32, Value>),
    Variant(u32, BTreeMap<u32, Value>),
    Map(BTreeMap<Vec<u8>, Value>),
    Set(BTreeSet<Vec<u8>>),
    List(Vec<Value>),
    Option(Option<Box<Value>>),
    /// A field the schema does not know: wire type and bytes.
    Unknown(WireType, Vec<u8>),
}

type Answer<T> = Result<T, String>;

fn wrong<T>(error: impl std::fmt::Debug) -> Answer<T> {
    Err(format!("{error:?}"))
}

/// Decodes what the root struct's body holds.
pub(crate) fn root_of(schema: &Schema, body: &[u8]) -> Answer<Value> {
    let fields = FieldsReader::new(Reader::new(body));
    decode_fields(schema, schema.root_fields(), fields).map(Value::Fields)
}

fn decode_fields(schema: &Schema, defs: &[FieldDef], mut r: FieldsReader<'_>) -> Answer<BTreeMap<u32, Value>> {
    let mut fields = BTreeMap::new();
    while let Some(field) = r.next().or_else(wrong)? {
        fields.insert(field.id.0, decode_field(schema, defs, &field)?);
    }
    Ok(fields)
}

fn decode_field(schema: &Schema, defs: &[FieldDef], field: &Field<'_>) -> Answer<Value> {
    let mut bytes = field.value;
    match field_by_id(defs, field.id) {
        Some(def) => Value::decode(schema, &def.kind, &mut bytes),
        None => Ok(Value::Unknown(field.wire, bytes.rest().to_vec())),
    }
}

impl Value {
    pub(crate) fn fields(&self) -> &BTreeMap<u32, Value> {
        match self {
            Self::Fields(fields) | Self::Variant(_, fields) => fields,
            other => panic!("no fields: {other:?}"),
        }
    }

    /// Decodes one full value.
    pub(crate) fn decode(schema: &Schema, kind: &Kind, r: &mut Reader<'_>) -> Answer<Self> {
        let mut bytes = Reader::new(check_value(schema, kind, r).or_else(wrong)?);
        let r = &mut bytes;
        Ok(match kind {
            Kind::Type(index) => {
                let mut body = r.frame().or_else(wrong)?;
                match schema.type_at(*index).expect("a type") {
                    TypeDef::Struct(def) => Self::Fields(decode_fields(schema, &def.fields, FieldsReader::new(body))?),
                    TypeDef::Enum(_) => {
                        let id = body.varint32().or_else(wrong)?;
                        let defs = variant_fields(schema, *index, id)?;
                        Self::Variant(id, decode_fields(schema, defs, FieldsReader::new(body))?)
                    }
                }
            }
            Kind::Option(inner) => {
                let mut body = r.frame().or_else(wrong)?;
                let is_some = !body.is_done();
                Self::Option(is_some.then(|| Self::decode(schema, inner, &mut body).map(Box::new)).transpose()?)
            }
            Kind::List(element) | Kind::Array(element, _) => {
                let mut body = r.frame().or_else(wrong)?;
                let count = body.varint().or_else(wrong)?;
                Self::List((0..count).map(|_| Self::decode(schema, element, &mut body)).collect::<Answer<_>>()?)
            }
            Kind::Map(keys, values) => {
                let mut body = r.frame().or_else(wrong)?;
                let mut map = BTreeMap::new();
                for _ in 0..body.varint().or_else(wrong)? {
                    let key = read_key(keys, &mut body).or_else(wrong)?.to_vec();
                    map.insert(key, Self::decode(schema, values, &mut body)?);
                }
                Self::Map(map)
            }
            Kind::Set(keys) => {
                let mut body = r.frame().or_else(wrong)?;
                let count = body.varint().or_else(wrong)?;
                let keys = (0..count).map(|_| read_key(keys, &mut body).map(<[u8]>::to_vec).or_else(wrong));
                Self::Set(keys.collect::<Answer<_>>()?)
            }
            _ => Self::Leaf(r.rest().to_vec()),
        })
    }

    /// Encodes it as a full value.
    pub(crate) fn encode(&self, schema: &Schema, kind: &Kind, w: &mut Writer) {
        match (self, kind) {
            (Self::Leaf(bytes), _) => w.raw(bytes),
            (Self::Fields(fields), Kind::Type(index)) => {
                w.framed(|w| encode_fields(schema, schema.fields_of(*index), fields, w));
            }
            (Self::Variant(id, fields), Kind::Type(index)) => w.framed(|w| {
                w.varint(u64::from(*id));
                encode_fields(schema, variant_fields(schema, *index, *id).unwrap(), fields, w);
            }),
            (Self::Option(inner), Kind::Option(kind)) => w.framed(|w| {
                if let Some(inner) = inner {
                    inner.encode(schema, kind, w);
                }
            }),
            (Self::List(list), Kind::List(kind) | Kind::Array(kind, _)) => w.framed(|w| {
                w.length(list.len());
                list.iter().for_each(|value| value.encode(schema, kind, w));
            }),
            (Self::Map(map), Kind::Map(_, kind)) => w.framed(|w| {
                w.length(map.len());
                for (key, value) in map {
                    w.raw(key);
                    value.encode(schema, kind, w);
                }
            }),
            (Self::Set(set), Kind::Set(_)) => w.framed(|w| {
                w.length(set.len());
                set.iter().for_each(|key| w.raw(key));
            }),
            (value, kind) => panic!("{value:?} is no {kind:?}"),
        }
    }

    /// Applies a delta of the root.
    pub(crate) fn apply_delta(&mut self, schema: &Schema, delta: &[u8]) -> Answer<()> {
        self.apply(schema, &Kind::Type(schema.root), Reader::new(delta))
    }

    /// Applies an edit body.
    pub(crate) fn apply(&mut self, schema: &Schema, kind: &Kind, mut edit: Reader<'_>) -> Answer<()> {
        match (self, kind) {
            (Self::Fields(fields), Kind::Type(index)) => {
                apply_fields(schema, schema.fields_of(*index), fields, FieldsReader::new(edit))
            }
            (Self::Variant(id, fields), Kind::Type(index)) => {
                if edit.varint32().or_else(wrong)? != *id {
                    return wrong("variant");
                }
                apply_fields(schema, variant_fields(schema, *index, *id)?, fields, FieldsReader::new(edit))
            }
            (Self::Option(Some(inner)), Kind::Option(kind)) => inner.apply(schema, kind, edit),
            (Self::Leaf(bytes), Kind::String | Kind::Bytes) => {
                let mut text = Reader::new(bytes).sized().or_else(wrong)?.to_vec();
                while !edit.is_done() {
                    let (at, delete) = (edit.varint().or_else(wrong)? as usize, edit.varint().or_else(wrong)? as usize);
                    let insert = edit.sized().or_else(wrong)?;
                    let end = at.checked_add(delete).filter(|end| *end <= text.len()).ok_or("splice")?;
                    text.splice(at..end, insert.iter().copied());
                }
                let mut w = Writer::new();
                w.sized(&text);
                *bytes = w.into_bytes();
                Ok(())
            }
            (Self::Map(map), Kind::Map(keys, kind)) => {
                while !edit.is_done() {
                    let key = read_key(keys, &mut edit).or_else(wrong)?.to_vec();
                    match EntryChange::read(&mut edit).or_else(wrong)? {
                        EntryChange::Remove => drop(map.remove(&key)),
                        EntryChange::Put => drop(map.insert(key, Self::decode(schema, kind, &mut edit)?)),
                        EntryChange::Edit(body) => map.get_mut(&key).ok_or("absent key")?.apply(schema, kind, body)?,
                    }
                }
                Ok(())
            }
            (Self::Set(set), Kind::Set(keys)) => {
                while !edit.is_done() {
                    let key = read_key(keys, &mut edit).or_else(wrong)?.to_vec();
                    match EntryChange::read(&mut edit).or_else(wrong)? {
                        EntryChange::Remove => drop(set.remove(&key)),
                        EntryChange::Put => drop(set.insert(key)),
                        EntryChange::Edit(_) => return wrong("edit of a key"),
                    }
                }
                Ok(())
            }
            (Self::List(list), Kind::List(kind) | Kind::Array(kind, _)) => apply_list(schema, kind, list, edit),
            _ => wrong("no edit for it"),
        }
    }
}

fn apply_list(schema: &Schema, kind: &Kind, list: &mut Vec<Value>, mut edit: Reader<'_>) -> Answer<()> {
    let runs = edit.varint().or_else(wrong)?;
    if runs > 0 {
        let mut new = Vec::new();
        for _ in 0..runs - 1 {
            let head = edit.varint().or_else(wrong)?;
            if head & 1 == 0 {
                let (start, count) = ((head >> 1) as usize, edit.varint().or_else(wrong)? as usize);
                let end = start.checked_add(count).ok_or("range")?;
                new.extend_from_slice(list.get(start..end).ok_or("range")?);
            } else {
                for _ in 0..head >> 1 {
                    new.push(Value::decode(schema, kind, &mut edit)?);
                }
            }
        }
        *list = new;
    }
    while !edit.is_done() {
        let index = edit.varint().or_else(wrong)? as usize;
        let value = list.get_mut(index).ok_or("index")?;
        match EntryChange::read(&mut edit).or_else(wrong)? {
            EntryChange::Remove => return wrong("remove of an element"),
            EntryChange::Put => *value = Value::decode(schema, kind, &mut edit)?,
            EntryChange::Edit(body) => value.apply(schema, kind, body)?,
        }
    }
    Ok(())
}

fn apply_fields(
    schema: &Schema,
    defs: &[FieldDef],
    fields: &mut BTreeMap<u32, Value>,
    mut edits: FieldsReader<'_>,
) -> Answer<()> {
    while let Some(edit) = edits.next().or_else(wrong)? {
        match edit.wire {
            WireType::Operation => return wrong("an operation where values travel"),
            WireType::Edit | WireType::EditRest => {
                let def = field_by_id(defs, edit.id).ok_or("unknown field")?;
                let empty = || empty_of(schema, &def.kind);
                let value = match fields.entry(edit.id.0) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(empty().ok_or("absent field")?),
                };
                value.apply(schema, &def.kind, edit.body)?;
            }
            _ => drop(fields.insert(edit.id.0, decode_field(schema, defs, &edit)?)),
        }
    }
    Ok(())
}

fn empty_of(schema: &Schema, kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Map(..) => Value::Map(BTreeMap::new()),
        Kind::Set(_) => Value::Set(BTreeSet::new()),
        Kind::List(_) => Value::List(Vec::new()),
        Kind::String | Kind::Bytes => Value::Leaf(vec![0]),
        Kind::Type(index) if matches!(schema.type_at(*index), Some(TypeDef::Struct(_))) => {
            Value::Fields(BTreeMap::new())
        }
        _ => return None,
    })
}

pub(crate) fn variant_fields(schema: &Schema, index: TypeIndex, id: u32) -> Answer<&[FieldDef]> {
    schema.variant_of(index, VariantId(id)).map(|variant| variant.fields.as_slice()).ok_or_else(|| "variant".to_owned())
}

pub(crate) fn encode_fields(schema: &Schema, defs: &[FieldDef], fields: &BTreeMap<u32, Value>, w: &mut Writer) {
    for (id, value) in fields {
        match (field_by_id(defs, FieldId(*id)), value) {
            (Some(def), value) => {
                w.varint(u64::from(*id) << 3 | WireType::of(&def.kind) as u64);
                value.encode(schema, &def.kind, w);
            }
            (None, Value::Unknown(wire, bytes)) => {
                w.varint(u64::from(*id) << 3 | *wire as u64);
                w.raw(bytes);
            }
            (None, other) => panic!("unknown field {id}: {other:?}"),
        }
    }
}

/// Whether keys of this kind exist without limit (tests draw from a few).
pub(crate) fn key(kind: &KeyKind, n: u64) -> Vec<u8> {
    let mut w = Writer::new();
    match kind {
        KeyKind::String => w.sized(format!("k{n}").as_bytes()),
        KeyKind::Uint => w.varint(n * 37),
        other => panic!("no generator for {other:?}"),
    }
    w.into_bytes()
}

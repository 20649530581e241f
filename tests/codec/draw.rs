//! Draws schemas, values of a schema and edits of a value.

use std::collections::{BTreeMap, BTreeSet};

use nam::coding::Writer;
use nam::delta::{FieldsWriter, WireType};
use nam::ids::{FieldId, VariantId};
use nam::schema::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex, VariantDef};
use proptest::collection::vec;
use proptest::prelude::*;

use super::reference::{Fields, Value};

pub(super) fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{1,6}", 1 => "[A-Z][a-z<>, \"\\\\#:.=é]{0,8}"]
}

fn key() -> impl Strategy<Value = KeyKind> {
    let plain = prop_oneof![
        Just(KeyKind::Bool),
        Just(KeyKind::Byte),
        Just(KeyKind::Uint),
        Just(KeyKind::Int),
        Just(KeyKind::Wide),
        Just(KeyKind::Char),
        Just(KeyKind::String),
        Just(KeyKind::Bytes),
    ];
    plain.prop_recursive(2, 8, 4, |inner| vec(inner, 1..4).prop_map(KeyKind::Tuple))
}

fn kind(types: u32) -> impl Strategy<Value = Kind> {
    let plain = prop_oneof![
        Just(Kind::Bool),
        Just(Kind::U8),
        Just(Kind::I8),
        prop_oneof![Just(16), Just(32), Just(64)].prop_map(Kind::Uint),
        prop_oneof![Just(16), Just(32), Just(64)].prop_map(Kind::Int),
        Just(Kind::U128),
        Just(Kind::I128),
        Just(Kind::F32),
        Just(Kind::F64),
        Just(Kind::Char),
        Just(Kind::String),
        Just(Kind::Bytes),
        name().prop_map(Kind::Leaf),
        (0..types).prop_map(|index| Kind::Type(TypeIndex(index))),
        key().prop_map(Kind::Set),
    ];
    plain.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|kind| Kind::Option(Box::new(kind))),
            inner.clone().prop_map(|kind| Kind::List(Box::new(kind))),
            (inner.clone(), 0_u32..5).prop_map(|(kind, count)| Kind::Array(Box::new(kind), count)),
            (key(), inner).prop_map(|(key, kind)| Kind::Map(key, Box::new(kind))),
        ]
    })
}

fn fields(types: u32) -> impl Strategy<Value = Vec<FieldDef>> {
    let field = (1_u32..4, kind(types), vec(name(), 0..2), any::<[bool; 3]>(), any::<bool>());
    vec(field, 0..5).prop_map(|fields| {
        let mut id = 0;
        let with_id = fields.into_iter().map(|(gap, kind, aliases, [index, redact, optional], policy)| {
            id += gap;
            let index = index && (kind.is_integer() || kind == Kind::String);
            let policy = match kind {
                _ if policy => Policy::Lww,
                Kind::Set(_) => Policy::Union,
                Kind::List(_) | Kind::String => Policy::Append,
                _ if kind.is_number() => [Policy::Add, Policy::Max, Policy::Min][id as usize % 3],
                _ => Policy::Retry,
            };
            FieldDef { id: FieldId(id), name: format!("f{id}"), aliases, kind, policy, index, redact, optional }
        });
        with_id.collect()
    })
}

fn type_def(types: u32, is_struct: bool) -> impl Strategy<Value = TypeDef> {
    (name(), fields(types), vec((vec(name(), 0..2), fields(types)), 0..3)).prop_map(move |(name, fields, variants)| {
        if is_struct {
            return TypeDef::Struct(StructDef { name, fields, reserved: vec![FieldId(100), FieldId(1_000)] });
        }
        let variants = variants.into_iter().zip(0..).map(|((aliases, fields), id)| VariantDef {
            id: VariantId(id * 2),
            name: format!("V{id}"),
            aliases,
            fields,
        });
        TypeDef::Enum(EnumDef { name, variants: variants.collect(), reserved: vec![VariantId(77)] })
    })
}

pub(super) fn schema() -> impl Strategy<Value = Schema> {
    (1_u32..4).prop_flat_map(|count| {
        let others: Vec<_> = (1..count).map(|i| type_def(count, i % 2 == 0)).collect();
        (name(), type_def(count, true), others).prop_map(|(class, root, others)| Schema {
            class,
            types: std::iter::once(root).chain(others).collect(),
            root: TypeIndex(0),
        })
    })
}

/// Nesting of drawn values; below the cap of decoders by far.
const DEPTH_MAX: usize = 8;

/// Draws numbers from a seed (splitmix64).
pub(super) struct Draw<'a> {
    pub(super) schema: &'a Schema,
    pub(super) state: u64,
}

impl Draw<'_> {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Mostly small counts, now and then a larger one.
    fn count(&mut self) -> usize {
        if self.chance(5) { self.below(60) } else { self.below(6) }
    }

    fn number(&mut self, bits: u8) -> u64 {
        let shift = self.below(usize::from(bits)) as u32 + u32::from(64 - bits);
        self.next() >> shift
    }

    fn text(&mut self) -> String {
        let length = self.count() * 3;
        (0..length).map(|_| ['a', 'b', 'é', '語', '🦀'][self.below(5)]).collect()
    }

    fn raw(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub(super) fn root(&mut self) -> Value {
        Value::Struct(self.fields(self.schema.root_fields(), 0))
    }

    fn fields(&mut self, defs: &[FieldDef], depth: usize) -> Fields {
        let mut fields = Fields::new();
        for def in defs {
            if self.chance(90) {
                fields.extend(self.value(&def.kind, depth + 1).map(|value| (def.id.0, value)));
            }
        }
        fields
    }

    /// A value of `kind`; none where it would nest too deep, or where the kind has none.
    pub(super) fn value(&mut self, kind: &Kind, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let count = if depth > 4 { self.below(3) } else { self.count() };
        Some(match kind {
            Kind::String => Value::Text(self.text().into_bytes()),
            Kind::Bytes => Value::Text(self.raw(count * 3)),
            Kind::Option(inner) => {
                let inner = if self.chance(70) { self.value(inner, depth + 1) } else { None };
                Value::Option(inner.map(Box::new))
            }
            Kind::List(inner) => Value::List((0..count).map_while(|_| self.value(inner, depth + 1)).collect()),
            Kind::Array(inner, count) => {
                Value::List((0..*count).map(|_| self.value(inner, depth + 1)).collect::<Option<_>>()?)
            }
            Kind::Map(key, inner) => {
                let entries = (0..count).map_while(|_| Some((self.key(key), self.value(inner, depth + 1)?)));
                Value::Map(entries.collect::<BTreeMap<_, _>>())
            }
            Kind::Set(key) => Value::Set((0..count).map(|_| self.key(key)).collect::<BTreeSet<_>>()),
            Kind::Type(index) => match self.schema.type_at(*index)? {
                TypeDef::Struct(def) => Value::Struct(self.fields(&def.fields, depth)),
                TypeDef::Enum(def) => {
                    let variant = def.variants.get(self.below(def.variants.len()))?;
                    Value::Enum(variant.id.0, self.fields(&variant.fields, depth))
                }
            },
            scalar => Value::Plain(self.scalar(scalar)),
        })
    }

    fn scalar(&mut self, kind: &Kind) -> Vec<u8> {
        let mut w = Writer::new();
        match kind {
            Kind::Bool => w.byte(self.below(2) as u8),
            Kind::U8 | Kind::I8 => w.byte(self.next() as u8),
            Kind::Uint(bits) | Kind::Int(bits) => w.varint(self.number(*bits)),
            Kind::F32 => w.raw(&self.raw(4)),
            Kind::F64 => w.raw(&self.raw(8)),
            Kind::U128 | Kind::I128 => w.sized(&self.raw(16)),
            Kind::Char => w.sized(['a', 'é', '🦀'][self.below(3)].to_string().as_bytes()),
            _ => {
                let length = self.count();
                w.sized(&self.raw(length));
            }
        }
        w.into_bytes()
    }

    fn key(&mut self, kind: &KeyKind) -> Vec<u8> {
        let mut w = Writer::new();
        match kind {
            KeyKind::Bool => w.byte(self.below(2) as u8),
            KeyKind::Byte => w.byte(self.next() as u8),
            KeyKind::Uint | KeyKind::Int => w.varint(self.number(64)),
            KeyKind::Wide => w.raw(&self.raw(16)),
            KeyKind::Char => w.varint(['a', 'é', '🦀'][self.below(3)].into()),
            KeyKind::String => w.sized(self.text().as_bytes()),
            KeyKind::Bytes => {
                let length = self.count();
                w.sized(&self.raw(length));
            }
            KeyKind::Tuple(parts) => parts.iter().for_each(|part| w.raw(&self.key(part))),
        }
        w.into_bytes()
    }

    /// Writes an edit of the root.
    pub(super) fn root_edit(&mut self, root: &Value, w: &mut Writer) -> bool {
        let Value::Struct(fields) = root else { panic!("the root is a struct") };
        self.edit_fields(self.schema.root_fields(), fields, w)
    }

    fn edit_fields(&mut self, defs: &[FieldDef], fields: &Fields, w: &mut Writer) -> bool {
        let mut writer = FieldsWriter::new(w);
        for def in defs {
            match fields.get(&def.id.0) {
                Some(value) if self.chance(60) => {
                    writer.edit(def.id, |w| self.edit(&def.kind, value, w));
                }
                _ if self.chance(30) => {
                    if let Some(value) = self.value(&def.kind, 4) {
                        writer.put(def.id, WireType::of(&def.kind), |w| value.encode(self.schema, &def.kind, w));
                    }
                }
                _ => {}
            }
        }
        writer.finish()
    }

    /// Writes an edit body of `value`; false where nothing was written, or nothing can be.
    fn edit(&mut self, kind: &Kind, value: &Value, w: &mut Writer) -> bool {
        match (kind, value) {
            (Kind::Type(index), Value::Struct(fields)) => self.edit_fields(self.schema.fields_of(*index), fields, w),
            (Kind::Type(index), Value::Enum(id, fields)) => {
                w.varint((*id).into());
                let variant = self.schema.variant_of(*index, VariantId(*id)).unwrap();
                self.edit_fields(&variant.fields, fields, w)
            }
            (Kind::Option(inner), Value::Option(Some(value))) => self.edit(inner, value, w),
            (Kind::Map(key, inner), Value::Map(entries)) => self.edit_map(key, inner, entries, w),
            (Kind::Set(key), Value::Set(keys)) => {
                let mut changes: BTreeMap<Vec<u8>, u8> = keys.iter().map(|key| (key.clone(), 0)).collect();
                changes.retain(|_, _| self.chance(30));
                for _ in 0..self.below(3) {
                    changes.insert(self.key(key), 1);
                }
                for (key, head) in &changes {
                    w.raw(key);
                    w.byte(*head);
                }
                !changes.is_empty()
            }
            (Kind::List(inner), Value::List(values)) => self.edit_list(inner, values, w),
            (Kind::Array(inner, _), Value::List(values)) => {
                w.byte(0);
                self.edit_elements(inner, &values.iter().map(Some).collect::<Vec<_>>(), w)
            }
            (Kind::String | Kind::Bytes, Value::Text(text)) => {
                self.splices(*kind == Kind::String, text.clone(), w);
                true
            }
            _ => false,
        }
    }

    fn edit_map(&mut self, key: &KeyKind, inner: &Kind, entries: &BTreeMap<Vec<u8>, Value>, w: &mut Writer) -> bool {
        let mut keys: BTreeSet<Vec<u8>> = entries.keys().cloned().collect();
        for _ in 0..self.below(3) {
            keys.insert(self.key(key));
        }
        let start = w.len();
        for key in keys {
            let at = w.len();
            w.raw(&key);
            let is_written = match entries.get(&key) {
                Some(_) if self.chance(20) => {
                    w.byte(0);
                    true
                }
                Some(value) if self.chance(40) => w.framed_if(2, |w| self.edit(inner, value, w)),
                Some(_) if self.chance(60) => false,
                _ => self.put(inner, w),
            };
            if !is_written {
                w.truncate(at);
            }
        }
        w.len() > start
    }

    fn put(&mut self, kind: &Kind, w: &mut Writer) -> bool {
        w.byte(1);
        let value = self.value(kind, 5);
        value.map(|value| value.encode(self.schema, kind, w)).is_some()
    }

    /// Kept ranges in any order, new values between them, then edits of what was kept.
    fn edit_list(&mut self, inner: &Kind, values: &[Value], w: &mut Writer) -> bool {
        if self.chance(40) {
            w.byte(0);
            return self.edit_elements(inner, &values.iter().map(Some).collect::<Vec<_>>(), w);
        }
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < values.len() {
            let count = 1 + self.below(values.len() - at);
            ranges.push(at..at + count);
            at += count + self.below(3);
        }
        if self.chance(30) && ranges.len() > 1 {
            let (i, j) = (self.below(ranges.len()), self.below(ranges.len()));
            ranges.swap(i, j);
        }
        let mut runs = Writer::new();
        let (mut count, mut news) = (0, Vec::new());
        for range in ranges {
            runs.varint((range.start as u64) << 1);
            runs.length(range.len());
            news.extend(values[range].iter().map(Some));
            count += 1;
            if self.chance(40)
                && let Some(value) = self.value(inner, 5)
            {
                runs.varint(3);
                value.encode(self.schema, inner, &mut runs);
                news.push(None);
                count += 1;
            }
        }
        w.length(count + 1);
        w.raw(runs.as_slice());
        self.edit_elements(inner, &news, w);
        true
    }

    fn edit_elements(&mut self, inner: &Kind, values: &[Option<&Value>], w: &mut Writer) -> bool {
        let start = w.len();
        for (index, value) in values.iter().enumerate() {
            let at = w.len();
            w.length(index);
            let is_written = match value {
                Some(value) if self.chance(40) => w.framed_if(2, |w| self.edit(inner, value, w)),
                Some(_) if self.chance(30) => self.put(inner, w),
                _ => false,
            };
            if !is_written {
                w.truncate(at);
            }
        }
        w.len() > start
    }

    fn splices(&mut self, is_text: bool, mut text: Vec<u8>, w: &mut Writer) {
        for _ in 0..1 + self.below(2) {
            let is_boundary = |text: &[u8], at: usize| !is_text || text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
            let places: Vec<usize> = (0..=text.len()).filter(|at| is_boundary(&text, *at)).collect();
            let (a, b) = (places[self.below(places.len())], places[self.below(places.len())]);
            let (from, to) = (a.min(b), a.max(b));
            let insert = if is_text { self.text().into_bytes() } else { self.raw(5) };
            w.length(from);
            w.length(to - from);
            w.sized(&insert);
            text.splice(from..to, insert);
        }
    }
}

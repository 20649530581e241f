//! The class of the fuzz: every kind, nested two deep and more, every policy; and random values and edits of it.

use std::collections::BTreeMap;

use nam::coding::Writer;
use nam::delta::WireType;
use nam::ids::{FieldId, VariantId};
use nam::schema::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex, VariantDef};

use crate::model::{Value, key, variant_fields};

/// A small generator of numbers; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

pub(crate) fn field(id: u32, kind: Kind, policy: Policy) -> FieldDef {
    let (name, aliases) = (format!("f{id}"), Vec::new());
    FieldDef { id: FieldId(id), name, aliases, kind, policy, index: false, redact: false, optional: true }
}

pub(crate) fn struct_def(name: &str, fields: Vec<FieldDef>) -> TypeDef {
    TypeDef::Struct(StructDef { name: name.to_owned(), fields, reserved: Vec::new() })
}

/// Root 0, item 1, enum 2.
pub(crate) fn schema() -> Schema {
    let item = || Kind::Type(TypeIndex(1));
    let list = |kind| Kind::List(Box::new(kind));
    let map = |keys, kind| Kind::Map(keys, Box::new(kind));
    let kinds = [
        (Kind::F64, Policy::Retry),
        (Kind::String, Policy::Retry),
        (Kind::Uint(64), Policy::Add),
        (list(item()), Policy::Retry),
        (map(KeyKind::String, item()), Policy::Retry),
        (Kind::Set(KeyKind::Uint), Policy::Retry),
        (Kind::Option(Box::new(item())), Policy::Retry),
        (Kind::Type(TypeIndex(2)), Policy::Retry),
        (map(KeyKind::Uint, map(KeyKind::String, Kind::F64)), Policy::Retry),
        (list(Kind::F64), Policy::Retry),
        (list(Kind::Uint(32)), Policy::Append),
        (Kind::Set(KeyKind::String), Policy::Union),
        (Kind::Int(32), Policy::Max),
        (Kind::String, Policy::Lww),
        (Kind::Array(Box::new(Kind::Uint(16)), 3), Policy::Retry),
        (Kind::Bytes, Policy::Retry),
        (Kind::String, Policy::Append),
        (Kind::F64, Policy::Min),
    ];
    let root = (1..).zip(kinds).map(|(id, (kind, policy))| field(id, kind, policy)).collect();
    let item_fields = vec![
        field(1, Kind::F64, Policy::Retry),
        field(2, Kind::Uint(64), Policy::Retry),
        field(3, map(KeyKind::String, Kind::Uint(32)), Policy::Retry),
        field(4, Kind::Option(Box::new(item())), Policy::Retry),
        field(5, list(Kind::String), Policy::Retry),
        field(6, Kind::Type(TypeIndex(2)), Policy::Retry),
        field(7, Kind::U8, Policy::Add),
    ];
    let variant = |id, fields| VariantDef { id: VariantId(id), name: format!("V{id}"), aliases: Vec::new(), fields };
    let choice = EnumDef {
        name: "Choice".to_owned(),
        variants: vec![
            variant(
                0,
                vec![field(1, Kind::F64, Policy::Retry), field(2, map(KeyKind::Uint, Kind::Uint(64)), Policy::Retry)],
            ),
            variant(1, vec![]),
            variant(2, vec![field(1, Kind::String, Policy::Retry)]),
        ],
        reserved: Vec::new(),
    };
    let types = vec![struct_def("Root", root), struct_def("Item", item_fields), TypeDef::Enum(choice)];
    Schema { class: "fuzz".to_owned(), types, root: TypeIndex(0) }
}

/// Draws values and edits.
pub(crate) struct World<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) rng: Rng,
    /// Keys are drawn from so many.
    pub(crate) keys: usize,
    /// Whether edits leave lists alone, so that the oracle is exact.
    pub(crate) without_lists: bool,
}

impl World<'_> {
    pub(crate) fn fields(&mut self, defs: &[FieldDef], depth: usize) -> BTreeMap<u32, Value> {
        defs.iter().map(|def| (def.id.0, self.value(&def.kind, depth + 1))).collect()
    }

    pub(crate) fn value(&mut self, kind: &Kind, depth: usize) -> Value {
        let schema = self.schema;
        let mut w = Writer::new();
        match kind {
            Kind::Type(index) => match schema.type_at(*index).unwrap() {
                TypeDef::Struct(def) => return Value::Fields(self.fields(&def.fields, depth)),
                TypeDef::Enum(_) => {
                    let id = self.rng.below(3) as u32;
                    return Value::Variant(id, self.fields(variant_fields(schema, *index, id).unwrap(), depth));
                }
            },
            Kind::Option(inner) => {
                let is_some = depth < 5 && !self.rng.one_in(3);
                return Value::Option(is_some.then(|| Box::new(self.value(inner, depth + 1))));
            }
            Kind::List(element) => {
                let count = if depth > 3 { 0 } else { self.rng.below(5) };
                return Value::List((0..count).map(|_| self.value(element, depth + 1)).collect());
            }
            Kind::Array(element, count) => {
                return Value::List((0..*count).map(|_| self.value(element, depth + 1)).collect());
            }
            Kind::Map(keys, values) => {
                let count = if depth > 3 { 0 } else { self.rng.below(5) };
                return Value::Map((0..count).map(|_| (self.key(keys), self.value(values, depth + 1))).collect());
            }
            Kind::Set(keys) => return Value::Set((0..self.rng.below(5)).map(|_| self.key(keys)).collect()),
            Kind::F64 => w.raw(&(self.rng.below(1000) as f64).to_le_bytes()),
            Kind::U8 => w.byte(self.rng.below(20) as u8),
            Kind::Uint(bits) => {
                let shift = self.rng.below(usize::from(*bits).min(20));
                w.varint(self.rng.below(1 << shift) as u64);
            }
            Kind::Int(_) => w.zigzag(self.rng.below(2000) as i64 - 1000),
            Kind::String | Kind::Bytes => {
                let text = ["", "a", "grün", "long text that goes on", "xyz"][self.rng.below(5)];
                w.sized(text.as_bytes());
            }
            other => panic!("no generator for {other:?}"),
        }
        Value::Leaf(w.into_bytes())
    }

    pub(crate) fn key(&mut self, kind: &KeyKind) -> Vec<u8> {
        let n = self.rng.below(self.keys) as u64;
        key(kind, n)
    }

    fn put(&mut self, kind: &Kind, w: &mut Writer) {
        let value = self.value(kind, 2);
        value.encode(self.schema, kind, w);
    }

    /// Writes a random edit body of a struct's fields.
    pub(crate) fn edit_fields(&mut self, defs: &[FieldDef], fields: &BTreeMap<u32, Value>, w: &mut Writer) {
        let defs: Vec<&FieldDef> = defs
            .iter()
            .filter(|def| !self.without_lists || !matches!(def.kind, Kind::List(_) | Kind::Array(..)))
            .collect();
        let sure = self.rng.below(defs.len());
        for (at, def) in defs.iter().enumerate() {
            if at != sure && !self.rng.one_in(6) {
                continue;
            }
            let tag = |wire: WireType| u64::from(def.id.0) << 3 | wire as u64;
            let is_operation = !matches!(def.policy, Policy::Retry | Policy::Lww) && !self.rng.one_in(4);
            let current = fields.get(&def.id.0);
            if is_operation {
                w.varint(tag(WireType::Operation));
                w.framed(|w| self.operand(def, w));
            } else if let Some(value) = current.filter(|value| can_edit(&def.kind, value) && !self.rng.one_in(12)) {
                w.varint(tag(WireType::Edit));
                w.framed(|w| self.edit(&def.kind, value, w));
            } else {
                w.varint(tag(WireType::of(&def.kind)));
                self.put(&def.kind, w);
            }
        }
    }

    fn operand(&mut self, def: &FieldDef, w: &mut Writer) {
        match (&def.kind, def.policy) {
            (Kind::Set(keys), _) => {
                let keys: std::collections::BTreeSet<_> = (0..3).map(|_| self.key(keys)).collect();
                keys.iter().for_each(|key| w.raw(key));
            }
            (Kind::List(element), _) => (0..1 + self.rng.below(3)).for_each(|_| self.put(element, w)),
            (Kind::String, _) => w.raw("né".as_bytes()),
            (Kind::U8, _) => w.byte(1),
            (kind, _) => self.put(kind, w),
        }
    }

    /// Writes a random edit body of `value`.
    pub(crate) fn edit(&mut self, kind: &Kind, value: &Value, w: &mut Writer) {
        let schema = self.schema;
        match (kind, value) {
            (Kind::Type(index), Value::Fields(fields)) => self.edit_fields(schema.fields_of(*index), fields, w),
            (Kind::Type(index), Value::Variant(id, fields)) => {
                w.varint(u64::from(*id));
                let defs = variant_fields(schema, *index, *id).unwrap();
                self.edit_fields(defs, fields, w);
            }
            (Kind::Option(kind), Value::Option(Some(value))) => self.edit(kind, value, w),
            (Kind::String | Kind::Bytes, Value::Leaf(bytes)) => {
                let end = nam::coding::Reader::new(bytes).sized().unwrap().len();
                w.length(if self.rng.one_in(2) { 0 } else { end });
                w.length(0);
                w.sized("ü!".as_bytes());
            }
            (Kind::Map(keys, kind), Value::Map(map)) => {
                let mut picked = BTreeMap::new();
                for _ in 0..1 + self.rng.below(3) {
                    let known = map.keys().nth(self.rng.below(map.len())).filter(|_| !self.rng.one_in(3));
                    let key = known.cloned().unwrap_or_else(|| self.key(keys));
                    picked.insert(key, self.rng.below(4));
                }
                for (key, what) in picked {
                    w.raw(&key);
                    match map.get(&key) {
                        Some(value) if what > 0 && can_edit(kind, value) => {
                            w.framed_if(2, |w| {
                                self.edit(kind, value, w);
                                true
                            });
                        }
                        Some(_) if what < 2 => w.byte(0),
                        _ => {
                            w.byte(1);
                            self.put(kind, w);
                        }
                    }
                }
            }
            (Kind::Set(keys), Value::Set(set)) => {
                let picked: std::collections::BTreeSet<_> =
                    (0..1 + self.rng.below(3)).map(|_| self.key(keys)).collect();
                for key in picked {
                    w.raw(&key);
                    w.byte(u8::from(!set.contains(&key)));
                }
            }
            (Kind::List(kind), Value::List(list)) => self.edit_list(kind, list, w),
            (Kind::Array(kind, _), Value::List(list)) => {
                w.varint(0);
                let origin: Vec<_> = (0..list.len()).map(Some).collect();
                self.edit_elements(kind, list, &origin, w);
            }
            (kind, value) => panic!("no edit of {kind:?} {value:?}"),
        }
    }

    fn edit_list(&mut self, kind: &Kind, list: &[Value], w: &mut Writer) {
        let is_structure = list.is_empty() || self.rng.one_in(2);
        let mut origin: Vec<Option<usize>> = (0..list.len()).map(Some).collect();
        if is_structure {
            let runs = self.runs(list.len());
            w.length(runs.len() + 1);
            origin.clear();
            for (start, count) in runs {
                match start {
                    Some(start) => {
                        w.length(start << 1);
                        w.length(count);
                        origin.extend((start..start + count).map(Some));
                    }
                    None => {
                        w.length(count << 1 | 1);
                        for _ in 0..count {
                            self.put(kind, w);
                            origin.push(None);
                        }
                    }
                }
            }
        } else {
            w.varint(0);
        }
        if !is_structure || self.rng.one_in(2) {
            self.edit_elements(kind, list, &origin, w);
        }
    }

    fn edit_elements(&mut self, kind: &Kind, list: &[Value], origin: &[Option<usize>], w: &mut Writer) {
        let mut index = self.rng.below(origin.len());
        for _ in 0..1 + self.rng.below(2) {
            if let Some(Some(old)) = origin.get(index) {
                w.length(index);
                if can_edit(kind, &list[*old]) && !self.rng.one_in(4) {
                    w.framed_if(2, |w| {
                        self.edit(kind, &list[*old], w);
                        true
                    });
                } else {
                    w.byte(1);
                    self.put(kind, w);
                }
            }
            index += 1 + self.rng.below(3);
        }
    }

    /// Random runs of a new list: (start of a kept range, count).
    fn runs(&mut self, n: usize) -> Vec<(Option<usize>, usize)> {
        let a = self.rng.below(n + 1);
        let b = a + self.rng.below(n - a + 1).min(3);
        let new = 1 + self.rng.below(3);
        let runs = match self.rng.below(8) {
            0 | 1 => vec![(Some(0), n), (None, new)],
            2 => vec![(Some(0), a), (None, new), (Some(a), n - a)],
            3 => vec![(Some(0), a), (Some(b), n - b)],
            4 => vec![(Some(a), n - a), (Some(0), a)],
            5 => vec![(Some(b), n - b), (Some(a), b - a), (Some(0), a)],
            6 if n > 12 => vec![],
            _ => vec![(Some(a), n - a), (None, new), (Some(0), a)],
        };
        runs.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Whether a random edit of it can be made.
fn can_edit(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Option(kind), Value::Option(Some(value))) => can_edit(kind, value),
        (Kind::Option(_), _) => false,
        (Kind::Type(_), Value::Variant(_, fields)) => !fields.is_empty(),
        (Kind::Array(_, count), _) => *count > 0,
        (Kind::String | Kind::Bytes | Kind::Type(_) | Kind::Map(..) | Kind::Set(_) | Kind::List(_), _) => true,
        _ => false,
    }
}

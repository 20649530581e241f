//! When two commits overlap, by the paths they write: a second opinion that knows no stamps.

use nam::coding::Reader;
use nam::delta::{EntryChange, FieldsReader, WireType, read_key};
use nam::schema::{FieldDef, Kind, Policy, Schema, TypeDef, TypeIndex, field_by_id};

use crate::model::variant_fields;

/// What a commit does at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Puts, removes or splices.
    Write,
    /// Puts under `lww`, or operates: meets only what was put over an ancestor.
    Meek,
    /// Changes a list inside: only coarse statements are made.
    List,
}

/// The paths of a delta.
pub(crate) fn paths(schema: &Schema, delta: &[u8]) -> Vec<(Vec<u8>, Touch)> {
    let mut found = Vec::new();
    let mut paths = Paths { schema, at: Vec::new(), found: &mut found };
    paths.value(&Kind::Type(schema.root), Reader::new(delta));
    found
}

/// Whether `new` must not follow `old`, unless a list is involved.
pub(crate) fn overlap(new: &[(Vec<u8>, Touch)], old: &[(Vec<u8>, Touch)]) -> bool {
    new.iter().any(|(new, touch)| {
        old.iter().any(|(old, _)| match touch {
            Touch::Meek => new.starts_with(old) && new != old,
            Touch::Write | Touch::List => new.starts_with(old) || old.starts_with(new),
        })
    })
}

pub(crate) fn has_list(paths: &[(Vec<u8>, Touch)]) -> bool {
    paths.iter().any(|(_, touch)| *touch == Touch::List)
}

struct Paths<'p> {
    schema: &'p Schema,
    at: Vec<u8>,
    found: &'p mut Vec<(Vec<u8>, Touch)>,
}

impl Paths<'_> {
    fn note(&mut self, touch: Touch) {
        self.found.push((self.at.clone(), touch));
    }

    fn fields(&mut self, defs: &[FieldDef], mut edits: FieldsReader<'_>) {
        while let Some(edit) = edits.next().unwrap() {
            let depth = self.at.len();
            self.at.extend_from_slice(&[0xf0, edit.id.0 as u8]);
            let def = field_by_id(defs, edit.id).unwrap();
            match edit.wire {
                WireType::Operation => self.note(Touch::Meek),
                WireType::Edit | WireType::EditRest => self.value(&def.kind, edit.body),
                _ if def.policy == Policy::Lww => self.note(Touch::Meek),
                _ => self.note(Touch::Write),
            }
            self.at.truncate(depth);
        }
    }

    fn typed(&mut self, index: TypeIndex, mut edit: Reader<'_>) {
        let defs = match self.schema.type_at(index).unwrap() {
            TypeDef::Struct(def) => &def.fields,
            TypeDef::Enum(_) => variant_fields(self.schema, index, edit.varint32().unwrap()).unwrap(),
        };
        self.fields(defs, FieldsReader::new(edit));
    }

    fn value(&mut self, kind: &Kind, mut edit: Reader<'_>) {
        match kind {
            Kind::Type(index) => self.typed(*index, edit),
            Kind::Option(inner) => {
                self.at.push(0xf1);
                self.value(inner, edit);
                self.at.pop();
            }
            Kind::Map(keys, values) => {
                while !edit.is_done() {
                    let depth = self.at.len();
                    self.at.push(0xf2);
                    self.at.extend_from_slice(read_key(keys, &mut edit).unwrap());
                    match EntryChange::read(&mut edit).unwrap() {
                        EntryChange::Remove => self.note(Touch::Write),
                        EntryChange::Put => {
                            crate::model::Value::decode(self.schema, values, &mut edit).unwrap();
                            self.note(Touch::Write);
                        }
                        EntryChange::Edit(body) => self.value(values, body),
                    }
                    self.at.truncate(depth);
                }
            }
            Kind::Set(keys) => {
                while !edit.is_done() {
                    let depth = self.at.len();
                    self.at.push(0xf2);
                    self.at.extend_from_slice(read_key(keys, &mut edit).unwrap());
                    EntryChange::read(&mut edit).unwrap();
                    self.note(Touch::Write);
                    self.at.truncate(depth);
                }
            }
            Kind::List(_) | Kind::Array(..) => self.note(Touch::List),
            _ => self.note(Touch::Write),
        }
    }
}

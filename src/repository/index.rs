//! Which objects of a class have which value in a field marked `index`: ordered by field, value and slot.
//!
//! ```text
//!  creation, commit, destruction, expiry ─▶ entries changed with the object, in the same call
//!  head of an image, deltas behind it    ─▶ entries of a cold object, without its document
//!  anything else (replayed, a mark that is new, a text that was spliced) ─▶ not looked at yet
//!                                             └─ the first search looks, in steps, loading what is cold
//! ```
//! Invariants (I2): what an object was looked at for equals what its document holds, and every entry is of an object
//! that lives; a search is answered only when every object of the class was looked at; it shows what may not be durable,
//! so the answer waits for the newest frame (I6). A value above [`INDEXED_BYTES_MAX`] has no entry. Memory: an entry has
//! the value and about 80 B, also while its object is cold. Source: own reasoning.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use super::Core;
use super::answers::Wait;
use super::classes::ClassIndex;
use super::holders::Place;
use super::objects::Object;
use crate::coding::{DecodeError, Reader};
use crate::delta::FieldsReader;
use crate::document::Document;
use crate::ids::{Alias, Birth, FieldId, RequestId};
use crate::journal::IndexedValue;
use crate::limits::{INDEXED_BYTES_MAX, LOADS_IN_FLIGHT_MAX, PAGE_BYTES_MAX, PAGE_KEYS_MAX};
use crate::schema::Schema;
use crate::wire::{FailureCode, Found, ToNode};

/// The index of a class.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The fields that are marked, ascending.
    fields: Vec<FieldId>,
    entries: BTreeSet<(FieldId, Arc<[u8]>, Alias)>,
    progress: Progress,
}

/// Which objects were looked at, besides those that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// Those with keys up to this one.
    UpTo(Box<str>),
    /// All.
    Whole,
}

impl Default for Progress {
    fn default() -> Self {
        // No key is empty.
        Self::UpTo(Box::default())
    }
}

/// What an index says of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexEntry {
    /// The object.
    pub birth: Birth,
    /// The field.
    pub field: FieldId,
    /// The value as encoded, a sized one without its length.
    pub value: Vec<u8>,
}

impl Index {
    pub(super) fn of(schema: &Schema) -> Self {
        let mut index = Self::default();
        index.set_fields(schema);
        index
    }

    /// The class has this schema from now on; marks may be new, none goes.
    pub(super) fn set_fields(&mut self, schema: &Schema) {
        let fields: Vec<FieldId> = schema.indexed_fields().map(|field| field.id).collect();
        if fields != self.fields {
            self.fields = fields;
            self.progress = Progress::default();
        }
    }

    /// Whether the object was looked at for every field.
    fn covers(&self, object: &Object) -> bool {
        let mut known = object.indexed.iter();
        self.fields.iter().all(|field| known.any(|value| value.field == *field))
    }

    /// Exchanges what is known of an object.
    fn set(&mut self, alias: Alias, known: &mut Box<[IndexedValue]>, now: Box<[IndexedValue]>) {
        for (field, value) in entries_of(known) {
            self.entries.remove(&(field, value, alias));
        }
        self.entries.extend(entries_of(&now).map(|(field, value)| (field, value, alias)));
        *known = now;
    }

    /// The slots of the objects that have `value`, from one on.
    fn slots<'i>(&'i self, field: FieldId, value: &'i Arc<[u8]>, from: Alias) -> impl Iterator<Item = Alias> + 'i {
        let all = (field, Arc::clone(value), from)..=(field, Arc::clone(value), Alias(u32::MAX));
        self.entries.range(all).map(|(_, _, alias)| *alias)
    }
}

fn entries_of(known: &[IndexedValue]) -> impl Iterator<Item = (FieldId, Arc<[u8]>)> + '_ {
    known.iter().filter_map(|known| Some((known.field, Arc::clone(known.value.as_ref()?))))
}

/// What has an entry.
fn fitting(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| value.len() <= INDEXED_BYTES_MAX)
}

/// What a document holds in `fields`, unless that is what is known.
fn looked_up(document: &Document, fields: &[FieldId], known: &[IndexedValue]) -> Option<Box<[IndexedValue]>> {
    let values = document.root_fields(fields);
    let mut pairs = fields.iter().zip(&values).map(|(field, value)| (*field, fitting(*value)));
    let is_known = |(known, (field, value)): (&IndexedValue, (FieldId, Option<&[u8]>))| {
        known.field == field && known.value.as_deref() == value
    };
    if known.len() == fields.len() && known.iter().zip(pairs.clone()).all(is_known) {
        return None;
    }
    Some(pairs.by_ref().map(|(field, value)| IndexedValue { field, value: value.map(Arc::from) }).collect())
}

/// What is known after a delta of the root; `None` if a part of an indexed text was changed.
fn known_after(known: &[IndexedValue], delta: &[u8]) -> Result<Option<Vec<IndexedValue>>, DecodeError> {
    let mut known = known.to_vec();
    let mut fields = FieldsReader::new(Reader::new(delta));
    while let Some(field) = fields.next()? {
        let Ok(at) = known.binary_search_by_key(&field.id, |known| known.field) else { continue };
        let (Some(known), Some(value)) = (known.get_mut(at), field.content()?) else { return Ok(None) };
        known.value = fitting(Some(value)).map(Arc::from);
    }
    Ok(Some(known))
}

impl Core {
    /// An object exists or changed: it is found by what it holds now.
    pub(super) fn index(&mut self, alias: Alias) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let Some(Index { fields, .. }) = self.classes.class(object.class).map(|class| &class.index) else { return };
        let Some(document) = object.document().filter(|_| !fields.is_empty()) else { return };
        let Some(now) = looked_up(document, fields, &object.indexed) else { return };
        if let Some(class) = self.classes.class_mut(object.class) {
            class.index.set(alias, &mut object.indexed, now);
        }
    }

    /// An object's document is here: looks at it unless that was done. Its image is then to say what was seen.
    pub(super) fn index_anew(&mut self, alias: Alias) {
        let Some(object) = self.objects.at(alias) else { return };
        if !self.classes.class(object.class).is_none_or(|class| class.index.covers(object)) {
            self.index(alias);
            self.mark_dirty(alias, self.open_frame());
        }
    }

    /// What an object holds is known without its document.
    pub(super) fn index_as(&mut self, alias: Alias, now: Vec<IndexedValue>) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        if let Some(class) = self.classes.class_mut(object.class) {
            class.index.set(alias, &mut object.indexed, now.into());
        }
    }

    /// A cold object changed by a delta that replay kept for it.
    pub(super) fn index_by_delta(&mut self, alias: Alias, delta: &[u8]) {
        let Some(object) = self.objects.at(alias).filter(|object| !object.indexed.is_empty()) else { return };
        // What does not read is damage, which the load of the object will name.
        let now = known_after(&object.indexed, delta).ok().flatten();
        self.index_as(alias, now.unwrap_or_default());
    }

    /// An object is no more.
    pub(super) fn unindex(&mut self, alias: Alias) {
        self.index_as(alias, Vec::new());
    }

    /// Answers a search with a page, unless it must wait.
    pub(super) fn find(
        &mut self,
        place: Place,
        request: RequestId,
        class: &str,
        (field, value): (FieldId, &[u8]),
        from: Alias,
    ) -> Result<(), Wait> {
        let known = self.class_known(place, class).and_then(|index| {
            let class = self.classes.class(index).filter(|class| class.index.fields.contains(&field));
            class.map(|_| index).ok_or_else(|| (FailureCode::Invalid, "the field is not marked `index`".to_owned()))
        });
        let index = match known {
            Ok(index) => index,
            Err((code, text)) => {
                self.fail(place, request, code, &text);
                return Ok(());
            }
        };
        self.look_at_all(index)?;
        if self.cost.is_spent() {
            return Err(Wait::Step);
        }
        let Some(class) = self.classes.class(index) else { return Ok(()) };
        let value: Arc<[u8]> = value.into();
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, None);
        for alias in class.index.slots(field, &value, from) {
            let Some(object) = self.objects.at(alias) else { continue };
            let is_full = found.len() == PAGE_KEYS_MAX || bytes + object.key.len() > PAGE_BYTES_MAX;
            if is_full || self.cost.is_spent() {
                next = Some(alias);
                break;
            }
            self.cost.add(1, object.key.len());
            bytes += object.key.len();
            found.push((&*object.key, object.birth));
        }
        let mut encoded = Vec::new();
        ToNode::Found(Found { request, found, next }).encode(&mut encoded);
        self.push_page(place, encoded);
        Ok(())
    }

    /// Looks at every object of a class that was not looked at, by their keys.
    fn look_at_all(&mut self, index: ClassIndex) -> Result<(), Wait> {
        loop {
            let Some(class) = self.classes.class(index) else { return Ok(()) };
            let Progress::UpTo(after) = &class.index.progress else { return Ok(()) };
            let next = class.keys.range::<str, _>((Excluded(&**after), Unbounded)).next();
            let Some((key, alias)) = next.map(|(key, alias)| (key.clone(), *alias)) else {
                self.set_progress(index, Progress::Whole);
                return Ok(());
            };
            if self.cost.is_spent() {
                return Err(Wait::Step);
            }
            self.cost.add(1, 0);
            if self.objects.at(alias).is_some_and(|object| object.cold().is_some() && !class.index.covers(object)) {
                self.load_from(index, &key);
                return Err(Wait::Load(alias));
            }
            self.index_anew(alias);
            self.set_progress(index, Progress::UpTo(key));
        }
    }

    fn set_progress(&mut self, index: ClassIndex, progress: Progress) {
        if let Some(class) = self.classes.class_mut(index) {
            class.index.progress = progress;
        }
    }

    /// Asks for the next objects that are to be looked at, from a key on: several are loaded at a time.
    fn load_from(&mut self, index: ClassIndex, key: &str) {
        let Some(class) = self.classes.class(index) else { return };
        let next =
            class.keys.range::<str, _>((Included(key), Unbounded)).map(|(_, alias)| *alias).take(LOADS_IN_FLIGHT_MAX);
        let is_unknown = |alias: &Alias| self.objects.at(*alias).is_some_and(|object| !class.index.covers(object));
        let unknown: Vec<Alias> = next.filter(is_unknown).collect();
        unknown.into_iter().for_each(|alias| self.ask_load(alias));
    }

    /// Everything that the index of a class has, and the births of the objects that were not looked at yet: for tests.
    /// Costs a walk over the class.
    #[must_use]
    pub fn inspect_index(&self, class: &str) -> (Vec<IndexEntry>, Vec<Birth>) {
        let Some(class) = self.classes.find(class).and_then(|index| self.classes.class(index)) else {
            return (Vec::new(), Vec::new());
        };
        let entry = |(field, value, alias): &(FieldId, Arc<[u8]>, Alias)| {
            let birth = self.objects.at(*alias).map(|object| object.birth).unwrap_or_default();
            IndexEntry { birth, field: *field, value: value.to_vec() }
        };
        let objects = class.keys.values().filter_map(|alias| self.objects.at(*alias));
        let unknown = objects.filter(|object| !class.index.covers(object)).map(|object| object.birth).collect();
        (class.index.entries.iter().map(entry).collect(), unknown)
    }
}

//! Creations: a name, a value and a slot become an object.
//!
//! Invariants: a name has at most one living object; the class was registered before; an object is there wholly or not
//! at all, also when its value came in segments. Source: own reasoning.

use bytes::Bytes;

use super::Core;
use super::classes::{ClassIndex, Registration};
use super::holders::{Holder, Holders, Place};
use super::links::Violation;
use super::objects::{Body, Object};
use super::outcomes::{Deed, Outcome};
use super::work::Work;
use crate::document::{Document, Loaded, Loading};
use crate::event::EventKind;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, FrameNumber, Sequence, Version};
use crate::journal::{Entry, Origin, Payload};
use crate::schema::Schema;
use crate::wire::{CreationValue, FailureCode, ToNode};

/// An object that is about to exist.
#[derive(Debug)]
pub(super) struct Building {
    pub(super) sequence: Sequence,
    pub(super) class: ClassIndex,
    pub(super) class_name: String,
    pub(super) key: String,
    pub(super) expiry: Expiry,
}

/// A creation whose value is here and being loaded.
#[derive(Debug)]
pub(super) struct Creating {
    building: Building,
    value: Bytes,
    loading: Loading,
}

impl Core {
    /// A node presents a class.
    pub(super) fn register(&mut self, place: Place, bytes: &[u8]) -> Result<(), Violation> {
        self.cost.add(1, bytes.len());
        let schema = Schema::decode(bytes)
            .map_err(|error| Violation::new(crate::wire::CloseCode::Malformed, &error.to_string()))?;
        let class = schema.class.as_str();
        match self.classes.register(&schema) {
            Ok(registration) => {
                if let Registration::Changed(schema) = registration {
                    self.frames.push(Entry::Schema { schema });
                }
                self.push(place, self.frames.newest(), &ToNode::Registered { class });
            }
            Err(text) => {
                self.push(place, FrameNumber(0), &ToNode::SchemaRefused { class, text: &text });
                if let (Some(index), Some(node)) = (self.classes.find(class), self.nodes.at_mut(place)) {
                    node.refused.insert(index, text);
                }
            }
        }
        Ok(())
    }

    /// The class of an object that a node names.
    ///
    /// # Errors
    /// Why the node cannot name it.
    pub(super) fn class_named(
        &self,
        place: Place,
        class: &str,
        key: &str,
    ) -> Result<ClassIndex, (FailureCode, String)> {
        if key.is_empty() {
            return Err((FailureCode::Invalid, "the key is empty".to_owned()));
        }
        self.class_known(place, class)
    }

    /// The class that a node names.
    ///
    /// # Errors
    /// Why the node cannot name it.
    pub(super) fn class_known(&self, place: Place, class: &str) -> Result<ClassIndex, (FailureCode, String)> {
        let Some(index) = self.classes.find(class) else {
            return Err((FailureCode::Invalid, "the class was not registered".to_owned()));
        };
        match self.nodes.at(place).and_then(|node| node.refused.get(&index)) {
            Some(text) => Err((FailureCode::Incompatible, text.clone())),
            None => Ok(index),
        }
    }

    /// Creates an object from a value that is here, or gets ready for one that comes in segments.
    pub(super) fn create(
        &mut self,
        place: Place,
        sequence: Sequence,
        (class, key): (&str, &str),
        expiry: Expiry,
        value: CreationValue<'_>,
        is_admitted: bool,
    ) -> Result<(), Violation> {
        let begun = if is_admitted { self.begin_creation(place, sequence, (class, key), expiry) } else { None };
        match value {
            CreationValue::Transfer(transfer) => self.announce_creation(place, transfer, begun),
            CreationValue::Inline(delta) => {
                let Some((building, document)) = begun else { return Ok(()) };
                let value = Bytes::copy_from_slice(delta);
                let loading = Loading::new(document, value.clone(), Version(1));
                self.create_on(place, Creating { building, value, loading });
                Ok(())
            }
        }
    }

    /// Loads more of a value; the object exists when all is loaded.
    fn create_on(&mut self, place: Place, creating: Creating) {
        let Creating { building, value, loading } = creating;
        let mut budget = self.cost.budget();
        let loaded = loading.step(&mut budget);
        self.cost.charge(&budget);
        match loaded {
            Loaded::Partly(loading) => {
                if let Some(node) = self.nodes.at_mut(place) {
                    node.creating.push_back(Creating { building, value, loading });
                    self.work.push_back(Work::Create(place));
                }
            }
            Loaded::Wholly(document) => self.finish_creation(place, building, document, Payload::Inline(value)),
            Loaded::Refused(error) => {
                self.refuse(place, building.sequence, FailureCode::of(&error), &error.to_string());
            }
        }
    }

    /// Goes on with a node's creations.
    pub(super) fn create_next(&mut self, place: Place) {
        let node = self.nodes.at_mut(place).filter(|node| !node.is_leaving);
        if let Some(creating) = node.and_then(|node| node.creating.pop_front()) {
            self.create_on(place, creating);
        }
    }

    fn begin_creation(
        &mut self,
        place: Place,
        sequence: Sequence,
        (class, key): (&str, &str),
        expiry: Expiry,
    ) -> Option<(Building, Box<Document>)> {
        if let Err(error) = expiry.check() {
            self.refuse(place, sequence, FailureCode::Invalid, &error.to_string());
            return None;
        }
        let index = self
            .class_named(place, class, key)
            .map_err(|(code, text)| self.refuse(place, sequence, code, &text))
            .ok()?;
        let known = self.classes.class(index)?;
        if let Some(alias) = known.keys.get(key).copied() {
            self.tell_exists(place, sequence, alias);
            return None;
        }
        let document = Box::new(Document::with_tuning(known.schema.clone(), self.caps.tuning));
        let (class_name, key) = (class.to_owned(), key.to_owned());
        Some((Building { sequence, class: index, class_name, key, expiry }, document))
    }

    fn tell_exists(&mut self, place: Place, sequence: Sequence, alias: Alias) {
        let after = self.objects.at(alias).map_or(FrameNumber(0), |object| object.frame);
        self.push(place, after, &ToNode::Exists { sequence });
    }

    /// The value is whole: the object exists, unless its name was taken meanwhile.
    pub(super) fn finish_creation(
        &mut self,
        place: Place,
        building: Building,
        document: Box<Document>,
        payload: Payload,
    ) {
        let Building { sequence, class, class_name, key, expiry } = building;
        let Some(id) = self.nodes.at(place).and_then(|node| node.id) else { return };
        let Some(known) = self.classes.class(class) else { return };
        if let Some(alias) = known.keys.get(key.as_str()).copied() {
            self.tell_exists(place, sequence, alias);
            return;
        }
        if document.encoded_bytes() > self.caps.object_bytes_max {
            self.refuse_bytes(place, sequence, document.encoded_bytes());
            return;
        }
        let objects_max = self.caps.objects_max;
        if self.objects.len() >= objects_max {
            let text = format!("the shard has {objects_max} objects, as many as it may have");
            self.refuse(place, sequence, FailureCode::Limit, &text);
            return;
        }
        let (alias, frame) = (self.objects.next_alias(), self.frames.open());
        let first = self.first_frame(&payload);
        let origin = Origin { node: id, sequence };
        let name = key.clone().into_boxed_str();
        let birth = self.frames.push(Entry::Created { origin, alias, class: class_name, key, expiry, payload });
        self.settle_object(alias, birth, (class, name), Body::Live(document), frame);
        self.index(alias);
        self.note_change(alias, first);
        self.set_expiry(alias, expiry);
        self.note_event(alias, EventKind::Created);
        let _ = self.hold(place, alias, Version(1));
        self.outcomes.remember(id, sequence, Outcome { alias, birth, deed: Deed::Created, frame });
        self.push(place, frame, &ToNode::Created { sequence, alias, birth });
        self.tell_idle(place, alias, false);
    }

    /// Puts an object into its slot and under its name, unless a later one has that: images may be newer than what is
    /// being replayed.
    pub(super) fn settle_object(
        &mut self,
        alias: Alias,
        birth: Birth,
        (class, key): (ClassIndex, Box<str>),
        body: Body,
        frame: FrameNumber,
    ) {
        let known = self.classes.class(class).and_then(|class| class.keys.get(&key));
        let is_later = known.and_then(|known| self.objects.at(*known)).is_some_and(|known| known.birth > birth);
        if let Some(class) = self.classes.class_mut(class).filter(|_| !is_later) {
            class.keys.insert(key.clone(), alias);
        }
        let (holders, used_at) = (Holders::default(), self.now);
        let (expires, turn, dirty, heap_bytes, indexed) = (None, None, None, 0, Box::default());
        let object =
            Object { birth, class, key, body, frame, holders, expires, turn, dirty, heap_bytes, used_at, indexed };
        self.objects.put(alias, object);
    }

    /// Makes a node a holder of an object, brought to `base`.
    ///
    /// # Errors
    /// It holds as many as it may.
    pub(super) fn hold(&mut self, place: Place, alias: Alias, base: Version) -> Result<(), FailureCode> {
        let Some(node) = self.nodes.at_mut(place) else { return Ok(()) };
        if node.held.len() >= self.caps.subscriptions_max && !node.held.contains(alias) {
            return Err(FailureCode::Limit);
        }
        node.held.insert(alias);
        if let Some(object) = self.objects.at_mut(alias) {
            let mut holder = Holder::new(place, base);
            // What stands in the queue of its node stays marked, so that it does not come to stand there twice.
            holder.set_dirty(object.holders.find(place).is_some_and(|former| former.is_dirty()));
            object.holders.insert(holder);
        }
        Ok(())
    }
}

//! Objects whose documents are not in memory: what waits for a load, and which go when memory is short.
//!
//! ```text
//!            who needs the document           poll_load            handle_loaded
//!   idle ───────────────────────────▶ asked ───────────▶ (keeper) ───────────────▶ live, or damaged for good
//! ```
//! Commits and requests wait at their object, so nothing else of the shard or of a node does. What versions and births
//! can answer is answered at once. Invariants: an object goes cold only when its image in force is of its newest version
//! and nothing is under way for it; a document that comes back is at the version that the shard knows; one that does not
//! come back is refused by name, and nothing of it is cut from the journal; who waits for a document waits for few that are
//! loaded only for their images. Source: own reasoning.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::clock::Clock;
use super::holders::Place;
use super::objects::{Body, Cold, End, LoadState};
use super::requests::Request;
use super::work::Work;
use super::{ConnectionId, Core, Rule};
use crate::document::{Document, Tuning};
use crate::ids::{Alias, Birth, ObjectName, Version};
use crate::journal::ImageName;
use crate::limits::{ENDS_WAITING_MAX, LOADS_FOR_IMAGES_MAX, LOADS_IN_FLIGHT_MAX};
use crate::schema::Schema;
use crate::time::Instant;
use crate::wire::FailureCode;

/// A sweep that did not help is repeated when memory grew by this part of its limit, or an image came into force.
const SWEEP_PART: usize = 64;

/// A document that is to be brought to memory: its image, and the commits since.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the image is.
    pub image: ImageName,
    /// Whose it is, for people.
    pub object: ObjectName,
    /// Its slot.
    pub alias: Alias,
    /// What its bytes are read with.
    pub schema: Arc<Schema>,
    /// The sizes of its pages.
    #[doc(hidden)]
    pub tuning: Tuning,
    /// The version that the image is of.
    pub version: Version,
    /// The deltas of the versions behind it, in order.
    pub tail: Vec<Bytes>,
}

/// What a core has in memory and what it wants there.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Bytes of all live documents.
    heap_bytes: usize,
    /// The objects in memory, in the order in which they are to go.
    clock: Clock,
    /// The fewest bytes since the last sweep that did not help: commits begin another only when there are more.
    stuck_at: usize,
    /// Objects that are to be loaded.
    asked: VecDeque<(Alias, Birth)>,
    loading: usize,
}

impl Memory {
    /// Whether objects may be asked for only to end.
    pub(super) fn may_ask(&self) -> bool {
        self.asked.len() < ENDS_WAITING_MAX
    }

    /// Whether an object may be asked for only because its image is old.
    pub(super) fn may_load_for_image(&self) -> bool {
        self.asked.len() + self.loading < LOADS_FOR_IMAGES_MAX
    }

    fn set(&mut self, heap_bytes: usize) {
        self.heap_bytes = heap_bytes;
        self.stuck_at = self.stuck_at.min(heap_bytes);
    }
}

impl Core {
    /// Bytes of the documents in memory.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.memory.heap_bytes
    }

    /// Counts what an object has in memory, anew.
    pub(super) fn count_heap(&mut self, alias: Alias) {
        let Some(images) = self.caps.images else { return };
        let Some(object) = self.objects.at_mut(alias) else { return };
        let heap_bytes = object.document().map_or(0, Document::heap_bytes);
        let before = std::mem::replace(&mut object.heap_bytes, heap_bytes);
        if heap_bytes > 0 && images.memory_max < usize::MAX {
            self.memory.clock.add(alias, object.used_at);
        }
        self.memory.set(self.memory.heap_bytes + heap_bytes - before);
        if self.memory.heap_bytes - self.memory.stuck_at > images.memory_max / SWEEP_PART {
            self.evict_later();
        }
    }

    /// An object's document goes.
    pub(super) fn count_out(&mut self, alias: Alias) {
        if let Some(object) = self.objects.at_mut(alias) {
            let heap_bytes = std::mem::take(&mut object.heap_bytes);
            self.memory.set(self.memory.heap_bytes - heap_bytes);
        }
    }

    fn is_short(&self) -> bool {
        self.caps.images.is_some_and(|images| self.memory.heap_bytes > images.memory_max)
    }

    /// Has objects go in the next steps, if memory is short.
    pub(super) fn evict_later(&mut self) {
        if self.is_short() && self.memory.clock.sweep() {
            self.work.push_back(Work::Evict);
        }
    }

    /// Goes on with a sweep: the objects that were not used for longest go, those that changed once their images are in
    /// force.
    pub(super) fn evict_on(&mut self) {
        while self.is_short() {
            if self.cost.is_spent() {
                self.work.push_back(Work::Evict);
                return;
            }
            self.cost.add(1, 0);
            let Some((alias, known)) = self.memory.clock.take() else {
                self.memory.stuck_at = self.memory.heap_bytes;
                return;
            };
            let Some(object) = self.objects.at(alias).filter(|object| object.document().is_some()) else { continue };
            let used_at = object.used_at;
            let may_go = used_at <= known && object.turn.is_none();
            match self.is_imaged(alias).filter(|_| may_go) {
                Some(version) => {
                    self.count_out(alias);
                    if let Some(object) = self.objects.at_mut(alias) {
                        object.body = Body::Cold(Box::new(Cold::new(version)));
                    }
                }
                None => {
                    self.memory.clock.add(alias, used_at);
                    if may_go && !self.imaging.is_busy() && self.freeze(alias) {
                        self.work.push_back(Work::Evict);
                        return;
                    }
                }
            }
        }
        self.memory.clock.stop();
    }

    /// Why an object cannot be loaded.
    pub(super) fn damage(&self, alias: Alias) -> Option<String> {
        match &self.objects.at(alias)?.cold()?.load {
            LoadState::Damaged(text) => Some(text.clone()),
            LoadState::Idle | LoadState::Asked => None,
        }
    }

    /// Asks for the document of an object; what waits for one that cannot be loaded is refused.
    pub(super) fn ask_load(&mut self, alias: Alias) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let birth = object.birth;
        let Some(cold) = object.cold_mut() else { return };
        match cold.load {
            LoadState::Idle => {
                cold.load = LoadState::Asked;
                self.memory.asked.push_back((alias, birth));
            }
            LoadState::Asked => {}
            LoadState::Damaged(_) => self.refuse_waiting(alias),
        }
    }

    /// Has a request of a node wait for an object's document.
    pub(super) fn await_load(&mut self, place: Place, alias: Alias, request: Request) {
        let Some(node) = self.nodes.at_mut(place) else { return };
        let Some(object) = self.objects.at_mut(alias) else { return };
        node.awaiting += 1;
        object.turn().requests.push((node.connection, place, request));
        self.ask_load(alias);
    }

    /// Puts requests that waited for an object back to their nodes', to be answered now.
    pub(super) fn answer_again(&mut self, requests: Vec<(ConnectionId, Place, Request)>) {
        for (connection, place, request) in requests {
            if self.nodes.find(connection) == Some(place)
                && let Some(node) = self.nodes.at_mut(place)
            {
                node.awaiting = node.awaiting.saturating_sub(1);
                node.requests.push_back(request);
                self.catch_later(place);
            }
        }
    }

    /// Ends an object as those asked who waited for its last state, if it can be had.
    fn end_as_asked(&mut self, alias: Alias) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let (birth, ends) = (object.birth, object.turn.as_mut().map(|turn| std::mem::take(&mut turn.ends)));
        for end in ends.unwrap_or_default() {
            match end {
                End::Destroyed(connection, place, sequence) if self.nodes.find(connection) == Some(place) => {
                    if self.may_write(place, sequence) {
                        self.destroy(place, sequence, alias, birth);
                    }
                }
                End::Destroyed(..) => {}
                End::Expired => self.come_up(alias),
            }
        }
        if let Some(object) = self.objects.at_mut(alias) {
            object.rest();
        }
    }

    fn refuse_waiting(&mut self, alias: Alias) {
        let Some(text) = self.damage(alias) else { return };
        let Some(object) = self.objects.at_mut(alias) else { return };
        let turn = object.turn();
        let requests = std::mem::take(&mut turn.requests);
        let offers = std::mem::take(&mut turn.waiting);
        object.rest();
        self.answer_again(requests);
        for offer in offers {
            if self.nodes.find(offer.connection) == Some(offer.place) {
                self.refuse_offer(&offer, FailureCode::Damaged, &text);
            }
        }
    }

    /// A document that the keeper of the images is to bring.
    pub fn poll_load(&mut self) -> Option<Load> {
        if self.is_stopped {
            return None;
        }
        while self.memory.loading < LOADS_IN_FLIGHT_MAX {
            let (alias, birth) = self.memory.asked.pop_front()?;
            let Some(object) = self.objects.at(alias).filter(|object| object.birth == birth) else { continue };
            let (Some(cold), Some(class)) = (object.cold(), self.classes.class(object.class)) else { continue };
            self.memory.loading += 1;
            let object = ObjectName { class: class.schema.class.clone(), key: object.key.to_string() };
            let image = ImageName { shard: self.identity.shard, birth };
            let (schema, tuning) = (class.schema.clone(), self.caps.tuning);
            let tail = if self.rules.has(Rule::Tail) { cold.tail.clone() } else { Vec::new() };
            return Some(Load { image, object, alias, schema, tuning, version: cold.image, tail });
        }
        None
    }

    /// A document of [`poll_load`](Self::poll_load) is here, or why it is not.
    pub fn handle_loaded(
        &mut self,
        now: Instant,
        (alias, birth): (Alias, Birth),
        loaded: Result<Box<Document>, String>,
    ) {
        self.begin(now);
        self.memory.loading = self.memory.loading.saturating_sub(1);
        let Some(object) = self.objects.at_mut(alias).filter(|object| object.birth == birth) else { return };
        let Some(cold) = object.cold_mut() else { return };
        let head = cold.head();
        let loaded = loaded.and_then(|document| match document.version() {
            version if version == head => Ok(document),
            version => Err(format!("it is at version {version} where {head} is known")),
        });
        match loaded {
            Err(text) => {
                cold.load = LoadState::Damaged(text);
                self.refuse_waiting(alias);
                self.end_as_asked(alias);
            }
            Ok(document) => {
                object.body = Body::Live(document);
                object.used_at = now.max(object.used_at);
                if let Some(turn) = object.turn.as_mut() {
                    let requests = std::mem::take(&mut turn.requests);
                    self.answer_again(requests);
                    self.work.push_back(Work::Commit(alias));
                }
                self.index_anew(alias);
                self.count_heap(alias);
                self.end_as_asked(alias);
            }
        }
    }

    /// Asks for an object's document, for whoever inspects it; whether it is in memory.
    pub fn fetch(&mut self, class: &str, key: &str) -> bool {
        let class = self.classes.find(class).and_then(|index| self.classes.class(index));
        let Some(alias) = class.and_then(|class| class.keys.get(key).copied()) else { return false };
        self.ask_load(alias);
        self.objects.at(alias).is_some_and(|object| object.document().is_some())
    }
}

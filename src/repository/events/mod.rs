//! Events: created, destroyed, expired, told to one consumer of each group until it is acknowledged (E4).
//!
//! ```text
//!  object created or ended ──▶ an entry behind its own, if its class has groups ──(durable)──▶ one consumer a group
//!                                    │ kept by each group, in memory and in the state                 │
//!                                    └───────────────── forgotten ◀── entry: acknowledged ◀───────────┘
//! ```
//! An event stands in the journal with the last state of what ended, so a cut needs nothing of the object; what the
//! groups keep of frames that were cut stands in the shard's state. A class without a group costs nothing. Invariants:
//! nothing is told before it is durable, nor before the acknowledgement is that let it come (I6), nor what did not
//! happen; what was not acknowledged is told again after [`EVENT_TOLD_MS`], when its consumer leaves, and after a
//! restart; of one key in the order of entries. Source: own reasoning.

mod group;
mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::classes::ClassIndex;
use super::holders::Place;
use super::links::Violation;
use super::work::Work;
use super::{Core, Rule};
use crate::coding::Writer;
use crate::event::{EventId, EventKind, GroupId};
use crate::ids::{Alias, Birth, CommitNumber, FrameNumber, RequestId};
use crate::journal::Entry;
use crate::limits::{CONSUMERS_MAX, EVENT_TOLD_MS, EVENTS_BYTES_MAX, GROUP_CONSUMERS_MAX, GROUPS_MAX};
use crate::time::Instant;
use crate::wire::{CloseCode, EventAnswer, EventRequest, FailureCode, ToNode};

use group::{Group, Happened, Kept, Telling};

/// The groups of a shard and their consumers.
#[derive(Debug)]
pub(super) struct Events {
    /// Bytes that all groups together keep.
    bytes_max: usize,
    groups: BTreeMap<GroupId, Group>,
    /// By class, then by name.
    names: BTreeMap<(String, String), GroupId>,
    consumers: BTreeMap<(Place, RequestId), GroupId>,
    /// Until when what was told is to be acknowledged.
    deadlines: BTreeSet<(Instant, GroupId, EventId)>,
    /// Groups whose consumers had no room.
    starved: BTreeSet<GroupId>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            bytes_max: EVENTS_BYTES_MAX,
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
            consumers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            starved: BTreeSet::new(),
        }
    }
}

impl Events {
    /// The groups of a class.
    fn of_class(&self, class: &str) -> Vec<GroupId> {
        let from = (class.to_owned(), String::new());
        let named = self.names.range(from..).take_while(|((of, _), _)| of == class);
        named.map(|(_, group)| *group).collect()
    }

    /// When something that was told is to be told again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    /// What a group keeps, in bytes: they share what the shard has for all.
    fn bytes_max(&self) -> usize {
        self.bytes_max / self.groups.len().max(1)
    }

    /// There is a group; a newer one of a name stands for one that ended.
    fn found(&mut self, id: GroupId, class: String, name: String) {
        match self.named(&class, &name) {
            Some(known) if known >= id => return,
            Some(former) => drop(self.end(former)),
            None => {}
        }
        self.names.insert((class.clone(), name.clone()), id);
        self.groups.insert(id, Group::new(class, name, EventId(id.0)));
    }

    fn named(&self, class: &str, name: &str) -> Option<GroupId> {
        self.names.get(&(class.to_owned(), name.to_owned())).copied()
    }

    /// Has every group of the class take an event.
    fn take(&mut self, id: EventId, class: &str, happened: &Arc<Happened>) -> Vec<GroupId> {
        let (ids, bytes_max) = (self.of_class(class), self.bytes_max());
        for group_id in &ids {
            let Some(group) = self.groups.get_mut(group_id) else { continue };
            let kept = Kept { happened: Arc::clone(happened), missed: 0, told: None };
            for (given_up, telling) in group.take(id, kept, bytes_max) {
                self.deadlines.remove(&(telling.until, *group_id, given_up));
            }
        }
        ids
    }

    fn acknowledge(&mut self, group_id: GroupId, event: EventId) -> bool {
        let kept = self.groups.get_mut(&group_id).and_then(|group| group.remove(event));
        if let Some(telling) = kept.as_ref().and_then(|kept| kept.told) {
            self.deadlines.remove(&(telling.until, group_id, event));
        }
        kept.is_some()
    }

    fn leave(&mut self, place: Place, request: RequestId) -> Option<GroupId> {
        let group_id = self.consumers.remove(&(place, request))?;
        let told = self.groups.get_mut(&group_id)?.leave(place, request);
        for (event, telling) in told {
            self.deadlines.remove(&(telling.until, group_id, event));
        }
        Some(group_id)
    }

    fn end(&mut self, group_id: GroupId) -> Vec<(Place, RequestId)> {
        let Some(group) = self.groups.remove(&group_id) else { return Vec::new() };
        self.names.remove(&(group.class.clone(), group.name.clone()));
        self.deadlines.retain(|(_, of, _)| *of != group_id);
        self.starved.remove(&group_id);
        let consumers: Vec<_> = group.consumers().collect();
        self.consumers.retain(|_, of| *of != group_id);
        consumers
    }
}

impl Core {
    /// Takes what a node asks about events.
    pub(super) fn handle_event(&mut self, place: Place, request: EventRequest<'_>) -> Result<(), Violation> {
        match request {
            EventRequest::Join { request, class, group } => self.join_group(place, request, class, group),
            EventRequest::Leave { request } => {
                self.leave_group(place, request);
                Ok(())
            }
            EventRequest::Acknowledge { request, event } => {
                self.acknowledge_event(place, request, event);
                Ok(())
            }
            EventRequest::End { request, class, group } => {
                self.end_group(place, request, class, group);
                Ok(())
            }
        }
    }

    /// Takes a consumer, also while the disk is full: so few groups have room in what is left.
    fn join_group(&mut self, place: Place, request: RequestId, class: &str, name: &str) -> Result<(), Violation> {
        if let Err((code, text)) = self.class_named(place, class, name) {
            self.fail(place, request, code, &text);
            return Ok(());
        }
        let consumers = self.events.consumers.range((place, RequestId(0))..=(place, RequestId(u32::MAX)));
        if consumers.count() >= CONSUMERS_MAX {
            return Err(Violation::new(CloseCode::TooManyRequests, "the node has too many consumers"));
        }
        let known = self.events.named(class, name);
        if known.is_none() && self.events.groups.len() >= GROUPS_MAX {
            let text = format!("the shard has {GROUPS_MAX} groups of consumers, as many as it may have");
            self.fail(place, request, FailureCode::Limit, &text);
            return Ok(());
        }
        let of_group = known.and_then(|known| self.events.groups.get(&known));
        if of_group.is_some_and(|group| group.consumers().len() >= GROUP_CONSUMERS_MAX) {
            let text = format!("the group has {GROUP_CONSUMERS_MAX} consumers, as many as it may have");
            self.fail(place, request, FailureCode::Limit, &text);
            return Ok(());
        }
        let group_id = known.unwrap_or_else(|| {
            let entry = Entry::Founded { class: class.to_owned(), group: name.to_owned() };
            let id = GroupId(self.frames.push(entry).0);
            self.events.found(id, class.to_owned(), name.to_owned());
            id
        });
        if self.events.consumers.insert((place, request), group_id).is_some() {
            return Err(Violation::new(CloseCode::OutOfOrder, "a request joins two groups"));
        }
        if let Some(group) = self.events.groups.get_mut(&group_id) {
            group.join(place, request);
        }
        self.push(place, self.frames.newest(), &ToNode::Event(EventAnswer::Joined { request }));
        self.deliver_later(group_id);
        Ok(())
    }

    fn leave_group(&mut self, place: Place, request: RequestId) {
        if let Some(group_id) = self.events.leave(place, request) {
            self.deliver_later(group_id);
        }
    }

    /// Ends one consumer of a node that left; answers whether it had one.
    pub(super) fn drop_consumer_of(&mut self, place: Place) -> bool {
        let mut consumers = self.events.consumers.range((place, RequestId(0))..=(place, RequestId(u32::MAX)));
        let consumer = consumers.next().map(|((place, request), _)| (*place, *request));
        if let Some((place, request)) = consumer {
            self.cost.add(1, 0);
            self.leave_group(place, request);
        }
        consumer.is_some()
    }

    fn acknowledge_event(&mut self, place: Place, request: RequestId, event: EventId) {
        let Some(group) = self.events.consumers.get(&(place, request)).copied() else { return };
        // While nothing can be written it is as if nothing was said: it will be told again.
        if !self.is_full && self.events.acknowledge(group, event) {
            self.frames.push(Entry::Acknowledged { group, event });
            self.deliver_later(group);
        }
    }

    fn end_group(&mut self, place: Place, request: RequestId, class: &str, name: &str) {
        if self.is_full {
            self.fail(place, request, FailureCode::Unavailable, "the disk of the repository is full");
            return;
        }
        if let Some(group) = self.events.named(class, name) {
            self.frames.push(Entry::GroupEnded { group });
            for (place, request) in self.events.end(group) {
                self.push(place, self.frames.newest(), &ToNode::Event(EventAnswer::Ended { request }));
            }
        }
        self.push(place, self.frames.newest(), &ToNode::Event(EventAnswer::Ended { request }));
    }

    /// Whether somebody wants to hear of objects of this class.
    fn has_group(&self, class: ClassIndex) -> bool {
        let class = self.classes.class(class).filter(|_| !self.events.groups.is_empty());
        class.is_some_and(|class| !self.events.of_class(&class.schema.class).is_empty())
    }

    /// Whether an object that is to end must be brought to memory first, because its last state will be told.
    pub(super) fn must_load_to_end(&self, alias: Alias) -> bool {
        let Some(object) = self.objects.at(alias) else { return false };
        object.cold().is_some() && self.damage(alias).is_none() && self.has_group(object.class)
    }

    /// Something became of an object, by the newest entry of the open frame: while an end is noted it has its value still.
    pub(super) fn note_event(&mut self, alias: Alias, kind: EventKind) {
        let Some(object) = self.objects.at(alias).filter(|object| self.has_group(object.class)) else { return };
        let document = object.document().filter(|_| kind != EventKind::Created);
        let last_bytes_max = self.caps.windows.inline_bytes;
        let last = document.filter(|document| document.encoded_bytes() <= last_bytes_max).map(|document| {
            let mut w = Writer::new();
            document.freeze().encode(&mut w);
            Bytes::from(w.into_bytes())
        });
        let last = last.filter(|last| last.len() <= last_bytes_max);
        let Some(class) = self.classes.class(object.class).map(|class| class.schema.class.clone()) else { return };
        let (birth, key) = (object.birth, object.key.clone());
        self.cost.add(1, last.as_ref().map_or(0, Bytes::len));
        let happened = Happened { kind, birth, key, last };
        let Happened { key, last, .. } = &happened;
        let (key, last) = (key.to_string(), last.clone());
        let entry = Entry::Happened { kind, birth, class: class.clone(), key, last };
        let id = EventId(self.frames.push(entry).0);
        for group_id in self.events.take(id, &class, &Arc::new(happened)) {
            self.deliver_later(group_id);
        }
    }

    fn deliver_later(&mut self, group_id: GroupId) {
        let Some(group) = self.events.groups.get_mut(&group_id) else { return };
        if !std::mem::replace(&mut group.is_due, true) {
            self.work.push_back(Work::Deliver(group_id));
        }
    }

    /// A node has room again.
    pub(super) fn feed(&mut self) {
        for group_id in std::mem::take(&mut self.events.starved) {
            self.deliver_later(group_id);
        }
    }

    /// Tells what is ready to consumers that take it, in steps.
    pub(super) fn deliver_on(&mut self, group_id: GroupId) {
        if let Some(group) = self.events.groups.get_mut(&group_id) {
            group.is_due = false;
        }
        loop {
            if self.cost.is_spent() {
                self.deliver_later(group_id);
                return;
            }
            let Some(group) = self.events.groups.get(&group_id) else { return };
            let Some((event, kept)) = group.ready().and_then(|event| Some((event, group.kept(event)?))) else { return };
            let record_bytes = self.caps.windows.record_bytes();
            let has_room = |place: &Place| {
                let node = self.nodes.at(*place).filter(|node| !node.is_leaving);
                node.is_some_and(|node| node.outbox.room() >= record_bytes)
            };
            let Some((place, request)) = group.takers().find(|(place, _)| has_room(place)) else {
                if group.takers().next().is_some() {
                    self.events.starved.insert(group_id);
                }
                return;
            };
            let (happened, missed) = (Arc::clone(&kept.happened), kept.missed);
            let after = if self.rules.has(Rule::EventGate) { self.frames.newest() } else { FrameNumber(0) };
            let until = self.now.after(Duration::from_millis(EVENT_TOLD_MS));
            if let Some(group) = self.events.groups.get_mut(&group_id) {
                group.tell(event, Telling { place, request, until });
            }
            self.events.deadlines.insert((until, group_id, event));
            let happening = happened.shown();
            self.cost.add(1, happening.last.map_or(0, <[u8]>::len));
            self.push(place, after, &ToNode::Event(EventAnswer::Told { request, event, missed, happening }));
        }
    }

    /// What was told long ago and not acknowledged is told again, as much as fits into this call.
    pub(super) fn time_out_events(&mut self) {
        while !self.cost.is_spent()
            && let Some((at, group_id, event)) = self.events.deadlines.first().copied()
            && at <= self.now
        {
            self.cost.add(1, 0);
            self.events.deadlines.remove(&(at, group_id, event));
            if let Some(group) = self.events.groups.get_mut(&group_id) {
                group.take_back(event);
            }
            self.deliver_later(group_id);
        }
    }

    /// Takes an entry about events again.
    pub(super) fn replay_event(&mut self, entry: &Entry, at: Birth) {
        let at: CommitNumber = at.0;
        match entry {
            Entry::Founded { class, group } => self.events.found(GroupId(at), class.clone(), group.clone()),
            Entry::Acknowledged { group, event } => {
                self.events.acknowledge(*group, *event);
            }
            Entry::GroupEnded { group } => {
                self.events.end(*group);
            }
            Entry::Happened { kind, birth, class, key, last } => {
                // Not a part of the frame, which would stay in memory for it.
                let last = last.as_deref().map(Bytes::copy_from_slice);
                let happened = Happened { kind: *kind, birth: *birth, key: key.as_str().into(), last };
                self.events.take(EventId(at), class, &Arc::new(happened));
            }
            _ => {}
        }
    }
}

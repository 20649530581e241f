//! Requests: open, pull, keys, and what a node presents when it comes back.
//!
//! Answers with data need room, so requests wait in the node's queue, behind its dirty objects; a resume only makes the
//! node a holder at the version it has, and what differs follows like any change. Invariants: after `Resumed` every
//! replica that was not told otherwise is current (I5); what names a birth means that birth (I11). Source: own
//! reasoning; the end mark is etcd's progress notification turned into a rule.

use super::answers::{Landing, Wait};
use super::holders::Place;
use super::links::Violation;
use super::work::Work;
use super::{Core, Rule};
use crate::ids::{Alias, Birth, Epoch, FieldId, RequestId, Version};
use crate::limits::{PAGE_BYTES_MAX, PAGE_KEYS_MAX, REQUESTS_MAX};
use crate::wire::{CloseCode, Delivery, FailureCode, Find, GroupRead, ToNode, ToRepository};

/// A request that waits for room.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Open { request: RequestId, class: String, key: String, held: Option<(Birth, Version)> },
    Pull { request: RequestId, alias: Alias, birth: Birth, rewind: Option<Version> },
    Keys { request: RequestId, class: String, prefix: String, after: String },
    Find { request: RequestId, class: String, field: FieldId, value: Vec<u8>, from: Alias },
    ReadGroup(GroupRead),
}

impl Request {
    fn id(&self) -> RequestId {
        match self {
            Self::Open { request, .. }
            | Self::Pull { request, .. }
            | Self::Keys { request, .. }
            | Self::Find { request, .. }
            | Self::ReadGroup(GroupRead { request, .. }) => *request,
        }
    }
}

impl Core {
    /// Takes a request into the node's queue.
    pub(super) fn request(&mut self, place: Place, record: &ToRepository<'_>) -> Result<(), Violation> {
        let request = match *record {
            ToRepository::Open { request, class, key, held } => {
                Request::Open { request, class: class.to_owned(), key: key.to_owned(), held }
            }
            ToRepository::Pull { request, alias, birth, rewind } => Request::Pull { request, alias, birth, rewind },
            ToRepository::Keys { request, class, prefix, after } => {
                let (class, prefix, after) = (class.to_owned(), prefix.to_owned(), after.to_owned());
                Request::Keys { request, class, prefix, after }
            }
            ToRepository::Find(Find { request, class, field, value, from }) => {
                Request::Find { request, class: class.to_owned(), field, value: value.to_owned(), from }
            }
            ToRepository::ReadGroup(ref read) => Request::ReadGroup(read.clone()),
            _ => return Ok(()),
        };
        let Some(node) = self.nodes.at_mut(place) else { return Ok(()) };
        if node.requests.len() + node.awaiting >= REQUESTS_MAX {
            return Err(Violation::new(CloseCode::TooManyRequests, "too many requests wait for an answer"));
        }
        node.requests.push_back(request);
        if !node.is_catching {
            self.catch_on(place);
        }
        Ok(())
    }

    /// Has a node's dirty objects and requests served when the next step comes.
    pub(super) fn catch_later(&mut self, place: Place) {
        let Some(node) = self.nodes.at_mut(place) else { return };
        let has_any = !node.dirty.is_empty() || !node.requests.is_empty();
        if has_any && !node.is_catching && !node.is_leaving {
            node.is_catching = true;
            self.work.push_back(Work::Catch(place));
        }
    }

    /// Serves a node's dirty objects, then its requests, while there is room and budget.
    pub(super) fn catch_on(&mut self, place: Place) {
        loop {
            let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
            node.is_catching = false;
            if node.outbox.room() < self.caps.windows.record_bytes() {
                return;
            }
            if node.dirty.is_empty() && node.requests.is_empty() {
                return;
            }
            if self.cost.is_spent() {
                self.catch_later(place);
                return;
            }
            if let Some(alias) = node.dirty.pop_front() {
                if !self.serve_dirty(place, alias) {
                    self.catch_later(place);
                    return;
                }
            } else if let Some(request) = node.requests.pop_front() {
                let waits = self.answer(place, &request).err();
                let Some(node) = self.nodes.at_mut(place) else { return };
                match waits {
                    None => node.answer = None,
                    Some(Wait::Load(alias)) => {
                        node.answer = None;
                        self.wait_for_load(place, alias, request);
                    }
                    Some(wait) => {
                        node.requests.push_front(request);
                        if wait == Wait::Step {
                            self.catch_later(place);
                        }
                        return;
                    }
                }
            }
        }
    }

    /// Brings a holder that was passed over to the head; false if that must wait for a call with more budget.
    fn serve_dirty(&mut self, place: Place, alias: Alias) -> bool {
        self.cost.add(1, 0);
        let holder = self.objects.at_mut(alias).and_then(|object| object.holders.find_mut(place));
        if let Some(holder) = holder.filter(|holder| holder.is_dirty()) {
            holder.set_dirty(false);
            self.bring(place, alias, false);
            self.tell_idle(place, alias, false);
        }
        let holder = self.objects.at(alias).and_then(|object| object.holders.find(place));
        let is_dirty = holder.is_some_and(|holder| holder.is_dirty());
        let Some(node) = self.nodes.at_mut(place) else { return true };
        if is_dirty {
            // It keeps its place before what follows it.
            node.dirty.pop_back();
            node.dirty.push_front(alias);
            return false;
        }
        node.resuming = node.resuming.map(|ahead| ahead.saturating_sub(1));
        self.end_resume_if_due(place);
        true
    }

    /// Answers a request, unless it must wait.
    fn answer(&mut self, place: Place, request: &Request) -> Result<(), Wait> {
        self.cost.add(1, 0);
        match request {
            Request::Open { request: id, class, key, held } => {
                let index = match self.class_named(place, class, key) {
                    Ok(index) => index,
                    Err((code, text)) => {
                        self.fail(place, *id, code, &text);
                        return Ok(());
                    }
                };
                let class = self.classes.class(index);
                let Some(alias) = class.and_then(|class| class.keys.get(key.as_str()).copied()) else {
                    self.push(place, self.frames.newest(), &ToNode::Missing { request: *id });
                    return Ok(());
                };
                self.open(place, *id, alias, *held)
            }
            Request::Pull { request: id, alias, birth, rewind } => self.pull(place, *id, *alias, *birth, *rewind),
            Request::Keys { request: id, class, prefix, after } => self.list_keys(place, *id, class, prefix, after),
            Request::Find { request: id, class, field, value, from } => {
                self.find(place, *id, class, (*field, value), *from)
            }
            Request::ReadGroup(read) => {
                self.read_group(place, read);
                Ok(())
            }
        }
    }

    /// Has a request wait for its object's document, or refuses it if that cannot be loaded.
    fn wait_for_load(&mut self, place: Place, alias: Alias, request: Request) {
        match self.damage(alias) {
            Some(text) => self.fail(place, request.id(), FailureCode::Damaged, &text),
            None => self.await_load(place, alias, request),
        }
    }

    /// Answers a request that is refused; that may show what is not durable yet, so it waits for the newest frame.
    pub(super) fn fail(&mut self, place: Place, request: RequestId, code: FailureCode, text: &str) {
        let after = self.frames.newest();
        self.push(place, after, &ToNode::Failed { request, code, text });
    }

    /// Makes the node a holder and brings it to the head, unless that must wait.
    fn open(
        &mut self,
        place: Place,
        request: RequestId,
        alias: Alias,
        held: Option<(Birth, Version)>,
    ) -> Result<(), Wait> {
        let has_birth = self.rules.has(Rule::Birth);
        let Some(object) = self.objects.at(alias) else { return Ok(()) };
        let (birth, head) = (object.birth, object.head());
        let held = held.filter(|(held, _)| !has_birth || *held == birth).map(|(_, version)| version);
        // A node that presented what it has is where the records sent since brought it.
        let reached = object.holders.find(place).map(|holder| holder.base(head));
        let base = held.filter(|version| *version <= head).map_or(Version(0), |held| reached.unwrap_or(held));
        let Landing { leap, version, after } = self.leap(place, alias, base)?;
        if self.hold(place, alias, version).is_err() {
            self.fail(place, request, FailureCode::Limit, "the node holds as many objects as it may");
            return Ok(());
        }
        let form = leap.form();
        self.push(place, after, &ToNode::Opened { request, alias, birth, version, form });
        self.follow_up(place, alias, version);
        Ok(())
    }

    /// Brings a holder to the head and pushes to it again, unless that must wait.
    fn pull(
        &mut self,
        place: Place,
        request: RequestId,
        alias: Alias,
        birth: Birth,
        rewind: Option<Version>,
    ) -> Result<(), Wait> {
        let has_birth = self.rules.has(Rule::Birth);
        let object =
            self.objects.at(alias).filter(|object| object.is_living() && (!has_birth || object.birth == birth));
        let Some((object, holder)) = object.and_then(|object| Some((object, object.holders.find(place)?))) else {
            self.fail(place, request, FailureCode::Gone, "");
            return Ok(());
        };
        let head = object.head();
        let base = rewind.unwrap_or_else(|| holder.base(head));
        if base > head {
            self.fail(place, request, FailureCode::LostWrite, "the version held is not known here");
            return Ok(());
        }
        let Landing { leap, version, after } = self.leap(place, alias, base)?;
        if let Some(holder) = self.objects.at_mut(alias).and_then(|object| object.holders.find_mut(place)) {
            holder.set_base(version);
            holder.set_silent(false);
            holder.clear_unread();
        }
        self.push(place, after, &ToNode::Pulled { request, alias, version, form: leap.form() });
        self.follow_up(place, alias, version);
        Ok(())
    }

    fn list_keys(
        &mut self,
        place: Place,
        request: RequestId,
        class: &str,
        prefix: &str,
        after: &str,
    ) -> Result<(), Wait> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let Some(class) = self.classes.find(class).and_then(|index| self.classes.class(index)) else {
            self.fail(place, request, FailureCode::Invalid, "the class was not registered");
            return Ok(());
        };
        if self.cost.is_spent() {
            return Err(Wait::Step);
        }
        let from = if after >= prefix && !after.is_empty() { Excluded(after) } else { Included(prefix) };
        let mut keys = Vec::new();
        let (mut bytes, mut is_last) = (0, true);
        for key in class.keys.range::<str, _>((from, Unbounded)).map(|(key, _)| &**key) {
            if !key.starts_with(prefix) {
                break;
            }
            let is_full = bytes + key.len() > PAGE_BYTES_MAX || keys.len() == PAGE_KEYS_MAX;
            if is_full || self.cost.is_spent() {
                is_last = false;
                break;
            }
            self.cost.add(1, key.len());
            bytes += key.len();
            keys.push(key);
        }
        let mut encoded = Vec::new();
        ToNode::KeysPage { request, keys, is_last }.encode(&mut encoded);
        self.push_page(place, encoded);
        Ok(())
    }

    /// Sends an encoded page of an answer. It shows what may not be durable yet, so it waits for the newest frame.
    pub(super) fn push_page(&mut self, place: Place, encoded: Vec<u8>) {
        let newest = self.frames.newest();
        if let Some(node) = self.nodes.at_mut(place) {
            node.outbox.push_shared(newest, encoded.into());
        }
        self.stir(place, newest);
    }

    /// A node presents a replica that it still holds.
    pub(super) fn resume(
        &mut self,
        place: Place,
        alias: Alias,
        birth: Birth,
        version: Version,
    ) -> Result<(), Violation> {
        let too_many = || Violation::new(CloseCode::TooManyRequests, "the node presents more objects than it may hold");
        let Some(node) = self.nodes.at_mut(place) else { return Ok(()) };
        node.presented += 1;
        if node.presented > self.caps.subscriptions_max {
            return Err(too_many());
        }
        let has_birth = self.rules.has(Rule::Birth);
        let known = self.objects.at(alias).filter(|object| !has_birth || object.birth == birth);
        let live = known.filter(|object| object.is_living());
        let (welcomed, lossy_epoch) =
            (self.nodes.at(place).map_or(Epoch(0), |node| node.known), self.identity.lossy_epoch);
        let is_misguided = welcomed != Epoch(0) && welcomed < lossy_epoch;
        let fits = live.filter(|object| !is_misguided && version <= object.head() && version > Version(0));
        let Some(object) = fits else {
            // A node that was welcomed since the loss had it from after that, however old the object is.
            let is_old = birth.0.epoch < lossy_epoch && welcomed < lossy_epoch;
            let is_lost = live.is_some() || (known.is_none() && is_old);
            let newest = self.frames.newest();
            self.push(place, newest, &ToNode::Gone { alias, birth, is_lost });
            self.mislead(place, alias);
            return Ok(());
        };
        let differs = object.head() != version;
        self.hold(place, alias, version).map_err(|_| too_many())?;
        self.tell_idle(place, alias, false);
        let holder = self.objects.at_mut(alias).and_then(|object| object.holders.find_mut(place));
        if let (true, Some(holder), Some(node)) = (differs, holder, self.nodes.at_mut(place)) {
            node.note_dirty(alias, holder);
            self.catch_later(place);
        }
        Ok(())
    }

    /// Until the node answers, it may mean something by the alias that is no more.
    fn mislead(&mut self, place: Place, alias: Alias) {
        if let Some(node) = self.nodes.at_mut(place).filter(|_| self.rules.has(Rule::Birth)) {
            node.misled.insert(alias);
        }
    }

    /// A node presented all it holds.
    pub(super) fn end_resume(&mut self, place: Place) -> Result<(), Violation> {
        if let Some(node) = self.nodes.at_mut(place) {
            node.resuming = Some(node.dirty.len());
        }
        self.end_resume_if_due(place);
        Ok(())
    }

    fn end_resume_if_due(&mut self, place: Place) {
        let Some(node) = self.nodes.at_mut(place).filter(|node| node.resuming == Some(0)) else { return };
        node.resuming = None;
        self.push(place, self.frames.newest(), &ToNode::Resumed);
    }

    /// A node read what was pushed.
    pub(super) fn note_read(&mut self, place: Place, alias: Alias) {
        if let Some(holder) = self.objects.at_mut(alias).and_then(|object| object.holders.find_mut(place)) {
            holder.clear_unread();
        }
    }

    /// A node wants to be told of changes in this way from now on; one that was told by a notice pulls first.
    pub(super) fn set_delivery(&mut self, place: Place, alias: Alias, birth: Birth, delivery: Delivery) {
        let has_birth = self.rules.has(Rule::Birth);
        let object = self.objects.at_mut(alias).filter(|object| !has_birth || object.birth == birth);
        if let Some(holder) = object.and_then(|object| object.holders.find_mut(place)) {
            holder.set_delivery(delivery);
        }
    }

    /// A node holds an object no longer.
    pub(super) fn release(&mut self, place: Place, alias: Alias) {
        if let Some(node) = self.nodes.at_mut(place) {
            node.held.remove(alias);
        }
        let Some(object) = self.objects.at_mut(alias) else { return };
        if object.holders.remove(place) {
            let orphans = object.orphan(place);
            for offer in orphans {
                if self.nodes.find(offer.connection) == Some(place) {
                    self.refuse_offer(&offer, FailureCode::Gone, "");
                }
            }
            self.free_if_over(alias);
        }
    }
}

//! Questions to the repository: open, pull, keys, find; each has one answer.
//!
//! A request keeps its number until it is answered, over reconnects. Invariants: an answer that leads to a load is given
//! when the load ends; after an overflow, answers about the object are void until the pull that rewinds is answered.
//! Source: own reasoning (R2–R5).

use std::sync::Arc;

use super::deliveries::Pushes;
use super::{Answer, Core, Entry, LinkState, Violation};
use crate::ids::{Alias, Birth, FieldId, ObjectName, RequestId, Version};
use crate::limits::{OBJECT_BYTES_MAX, REQUESTS_MAX};
use crate::node::replica::{Ending, MarkId, Refusal, Replica, ReplicaId};
use crate::node::state::State;
use crate::wire::{FailureCode, Find, Form, ToRepository};

/// What was asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Open, for the application.
    Open(ReplicaId),
    /// Open again, for a replica that lost its value.
    Reopen(ReplicaId),
    /// Pull, for the application: validates.
    Pull(ReplicaId),
    /// Pull, for a replica whose readers wait.
    Refresh(ReplicaId),
    /// Pull after an overflow.
    Rewind(ReplicaId),
    /// Keys of a class.
    Keys { class: String, prefix: String, after: String },
    /// Objects of a class by an indexed field.
    Find { class: String, field: FieldId, value: Vec<u8>, from: Alias },
    /// Several objects at one time, and what their replicas keep for that.
    ReadGroup(Vec<(ReplicaId, MarkId)>),
}

impl Request {
    pub(super) fn replica(&self) -> Option<ReplicaId> {
        match self {
            Self::Open(id) | Self::Reopen(id) | Self::Pull(id) | Self::Refresh(id) | Self::Rewind(id) => Some(*id),
            Self::Keys { .. } | Self::Find { .. } | Self::ReadGroup(_) => None,
        }
    }

    pub(super) fn concerns(&self, id: ReplicaId) -> bool {
        self.replica() == Some(id)
    }

    pub(super) fn opens(&self, id: ReplicaId) -> bool {
        matches!(self, Self::Open(opened) | Self::Reopen(opened) if *opened == id)
    }

    /// Whether it is a joint read of this object and others.
    pub(super) fn reads(&self, id: ReplicaId) -> bool {
        matches!(self, Self::ReadGroup(marks) if marks.iter().any(|(read, _)| *read == id))
    }

    /// Whether the application waits for the answer.
    fn is_asked_for(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Pull(_) | Self::Keys { .. } | Self::Find { .. } | Self::ReadGroup(_))
    }
}

impl Core {
    /// Opens the object that `replica` is for; answered by `Opened` once it is here, or `Missing`.
    pub fn open(&mut self, replica: Arc<dyn Replica>) -> RequestId {
        let id = self.add_replica(replica);
        self.add_request(Request::Open(id))
    }

    /// Asks for what is newer than what is here; answered by `Pulled`.
    pub fn pull(&mut self, replica: ReplicaId) -> RequestId {
        let request = match self.replicas.get(&replica) {
            Some(entry) if entry.alias.is_none() => Request::Open(replica),
            _ => Request::Pull(replica),
        };
        self.add_request(request)
    }

    /// Asks for keys of `class` that start with `prefix`, behind `after`; answered by `Keys`.
    pub fn keys(&mut self, class: &str, prefix: &str, after: &str) -> RequestId {
        let (class, prefix, after) = (class.to_owned(), prefix.to_owned(), after.to_owned());
        self.add_request(Request::Keys { class, prefix, after })
    }

    /// Asks for the objects of `class` whose indexed `field` holds `value`, as encoded and a sized one without its length,
    /// in the slots from `from` on; answered by `Found`.
    pub fn find(&mut self, class: &str, field: FieldId, value: &[u8], from: Alias) -> RequestId {
        let (class, value) = (class.to_owned(), value.to_owned());
        self.add_request(Request::Find { class, field, value, from })
    }

    /// Gives a replica up: the repository forgets that this node holds it.
    pub fn release(&mut self, replica: ReplicaId) {
        self.submissions.retain(|outstanding| !outstanding.concerns(replica) || !outstanding.members().is_empty());
        self.tell_use_of(replica);
        self.end_replica(replica, Ending::Closed);
    }

    /// Drops a replica's value to save memory; identity and version stay, and the next read opens it again.
    pub fn evict(&mut self, replica: ReplicaId) -> bool {
        // Behind a second open a close would end what that opens, and this node would not know.
        let is_opening = self.requests.values().any(|request| request.opens(replica));
        let stays = is_opening || self.has_submitted(replica);
        if stays || !self.replicas.get(&replica).is_some_and(|entry| entry.replica.evict()) {
            return false;
        }
        self.tell_use_of(replica);
        let Some(entry) = self.replicas.get_mut(&replica) else { return false };
        let ranked = entry.ranked.take();
        // What it was presented with is void: the end of a resume confirms nothing of it.
        entry.is_presented = false;
        if let Some(alias) = entry.alias.take() {
            self.aliases.remove(&alias);
            if let Some(birth) = entry.birth {
                self.send(&ToRepository::Close { alias, birth });
            }
        }
        self.forget_resident(replica, ranked);
        true
    }

    pub(super) fn add_replica(&mut self, replica: Arc<dyn Replica>) -> ReplicaId {
        let id = replica.id();
        self.replicas.entry(id).or_insert_with(|| Entry {
            replica,
            alias: None,
            birth: None,
            is_dirty: false,
            rewind: None,
            is_presented: false,
            pushes: Pushes::default(),
            usage: None,
            ranked: None,
        });
        id
    }

    pub(super) fn add_request(&mut self, request: Request) -> RequestId {
        let id = self.new_request();
        if self.requests.len() >= REQUESTS_MAX {
            let text = format!("{REQUESTS_MAX} requests wait for an answer");
            self.answer(id, Answer::Failed { code: FailureCode::Limit, text });
            return id;
        }
        self.requests.insert(id, request);
        self.ask(id);
        id
    }

    /// Asks everything again that was not answered, in the order it was asked.
    pub(super) fn ask_again(&mut self) {
        let waiting: Vec<RequestId> = self.requests.keys().copied().collect();
        waiting.into_iter().for_each(|request| self.ask(request));
    }

    fn ask(&mut self, request: RequestId) {
        if self.link == LinkState::Down {
            return;
        }
        let Some(asked) = self.requests.get(&request) else { return };
        match asked {
            Request::Keys { class, prefix, after } => {
                ToRepository::Keys { request, class, prefix, after }.encode(&mut self.out);
                return;
            }
            Request::Find { class, field, value, from } => {
                let (field, from) = (*field, *from);
                ToRepository::Find(Find { request, class, field, value, from }).encode(&mut self.out);
                return;
            }
            Request::ReadGroup(marks) => {
                let marks = marks.clone();
                if !self.ask_group(request, &marks) {
                    self.requests.remove(&request);
                    self.answer(request, Answer::Unmarked);
                }
                return;
            }
            _ => {}
        }
        let Some(entry) = asked.replica().and_then(|id| self.replicas.get(&id)) else {
            self.end_request(request, Ending::Closed);
            return;
        };
        let ObjectName { class, key } = entry.replica.name();
        if let Some(text) = self.classes.get(class).and_then(|class| class.refusal.clone()) {
            self.failed(request, &Answer::Failed { code: FailureCode::Incompatible, text });
            return;
        }
        let is_opening = matches!(asked, Request::Open(_) | Request::Reopen(_));
        // Whoever opens what is unreadable wants the value, and there is none to tell the difference to.
        let held = entry.replica.reached().filter(|_| !is_opening || entry.replica.state() != State::Unreadable);
        let record = match (entry.alias, held) {
            (Some(alias), Some((birth, version))) if !is_opening => {
                let rewind = matches!(asked, Request::Rewind(_)).then_some(version);
                ToRepository::Pull { request, alias, birth, rewind }
            }
            _ => ToRepository::Open { request, class, key, held },
        };
        record.encode(&mut self.out);
    }

    /// Readers of a replica wait for something newer.
    pub(super) fn pull_for_replica(&mut self, id: ReplicaId) {
        let Some(entry) = self.replicas.get(&id) else { return };
        let is_asked = self.requests.values().any(|request| request.concerns(id)) || self.down.is_loading(id);
        if is_asked {
            return;
        }
        self.add_request(if entry.alias.is_some() { Request::Refresh(id) } else { Request::Reopen(id) });
    }

    /// Too much waited in a replica: asks for everything from what it holds.
    pub(super) fn rewind(&mut self, id: ReplicaId) {
        let request = self.add_request(Request::Rewind(id));
        if let Some(entry) = self.replicas.get_mut(&id) {
            entry.rewind = Some(request);
        }
    }

    pub(super) fn opened(
        &mut self,
        request: RequestId,
        (alias, birth, version): (Alias, Birth, Version),
        form: Form<'_>,
    ) -> Result<(), Violation> {
        let Some(id) = self.requests.get(&request).and_then(Request::replica) else {
            self.close_unwanted(alias, birth);
            return self.give_up(form);
        };
        let Some(entry) = self.replicas.get_mut(&id) else { return Ok(()) };
        let is_whole = matches!(form, Form::Delta { base: Version(0), .. } | Form::Loading { base: None, .. });
        if !is_whole && entry.replica.reached().is_none() {
            // Its value was dropped while the answer was on its way: it is asked for whole.
            self.give_up(form)?;
            self.ask(request);
            return Ok(());
        }
        if entry.birth.is_some_and(|known| known != birth) {
            self.send(&ToRepository::Close { alias, birth });
            self.end_replica(id, Ending::Gone);
            return self.give_up(form);
        }
        if let Some(former) = entry.alias.replace(alias).filter(|former| *former != alias) {
            self.aliases.remove(&former);
        }
        entry.birth = Some(birth);
        entry.is_presented = true;
        self.aliases.insert(alias, id);
        self.mark_dirty(id);
        self.begin_pushes(id);
        self.resume_deferred(id);
        self.send_again();
        self.ask_locks(Some(id));
        self.take_form(request, id, (birth, version), form)
    }

    /// Closes what was opened for a replica that is released by now, unless another open may be about the same object: then
    /// records for nobody are ignored.
    pub(super) fn close_unwanted(&mut self, alias: Alias, birth: Birth) {
        let is_opening = self.requests.values().any(|request| matches!(request, Request::Open(_) | Request::Reopen(_)));
        if !is_opening && !self.aliases.contains_key(&alias) {
            self.send(&ToRepository::Close { alias, birth });
        }
    }

    pub(super) fn pulled(&mut self, request: RequestId, version: Version, form: Form<'_>) -> Result<(), Violation> {
        let asked = self.requests.get(&request).and_then(Request::replica);
        let Some((id, entry)) = asked.and_then(|id| Some((id, self.replicas.get_mut(&id)?))) else {
            return self.give_up(form);
        };
        let Some(birth) = entry.birth.filter(|_| entry.alias.is_some()) else {
            // Its value was dropped while the answer was on its way: now it is opened.
            self.give_up(form)?;
            self.ask(request);
            return Ok(());
        };
        match entry.rewind {
            Some(rewind) if rewind == request => entry.rewind = None,
            Some(_) => {
                // It tells the way from where the stream stood, and what came on the stream was dropped.
                self.give_up(form)?;
                self.ask(request);
                return Ok(());
            }
            None => {}
        }
        entry.pushes.clear();
        self.take_form(request, id, (birth, version), form)
    }

    /// Lets go of what an answer brings: a transfer is swallowed, so that its sender comes to its end.
    fn give_up(&mut self, form: Form<'_>) -> Result<(), Violation> {
        match form {
            Form::Loading { transfer, .. } => self.swallow_down(transfer),
            Form::Same | Form::Delta { .. } => Ok(()),
        }
    }

    /// Brings a replica to what an answer says, and answers when it is there.
    fn take_form(
        &mut self,
        request: RequestId,
        id: ReplicaId,
        (birth, version): (Birth, Version),
        form: Form<'_>,
    ) -> Result<(), Violation> {
        let at = self.token(birth, version);
        let Some(entry) = self.replicas.get_mut(&id) else { return Ok(()) };
        entry.rewind = None;
        let replica = Arc::clone(&entry.replica);
        let mut replaced = Vec::new();
        let outcome = match form {
            Form::Same => replica.catch_up(version, version, None).and_then(|()| replica.confirm()),
            Form::Delta { base: Version(0), delta } => {
                replaced = self.discard_down(id);
                replica.load_whole(at, delta)
            }
            Form::Delta { base, delta } => {
                replica.catch_up(base, version, Some(delta)).and_then(|()| replica.confirm())
            }
            Form::Loading { transfer, base, bytes } => {
                let begun = match base {
                    None => {
                        let bytes = usize::try_from(bytes).unwrap_or(OBJECT_BYTES_MAX).min(OBJECT_BYTES_MAX);
                        replica.begin_load(at, bytes)
                    }
                    Some(base) => replica.catch_up(base, version, None),
                };
                if begun.is_ok() {
                    return self.begin_down(transfer, id, base.is_none(), (request, version));
                }
                begun
            }
        };
        outcome.map_err(|refusal: Refusal| self.diverged(id, &refusal))?;
        self.note_resident(id);
        replaced.into_iter().chain([request]).for_each(|request| self.complete(request, version));
        Ok(())
    }

    /// The replica has what a request asked for.
    pub(super) fn complete(&mut self, request: RequestId, version: Version) {
        let answer = match self.requests.remove(&request) {
            Some(Request::Open(_)) => Answer::Opened,
            Some(Request::Pull(_)) => Answer::Pulled(version),
            _ => return,
        };
        self.answer(request, answer);
    }

    pub(super) fn missing(&mut self, request: RequestId) {
        match self.requests.remove(&request) {
            Some(Request::Open(id)) if self.replicas.get(&id).is_some_and(|entry| entry.birth.is_none()) => {
                self.end_replica(id, Ending::Gone);
                self.answer(request, Answer::Missing);
            }
            Some(asked) => {
                if asked.is_asked_for() {
                    self.answer(request, Answer::Ended(Ending::Gone));
                }
                if let Some(id) = asked.replica() {
                    self.end_replica(id, Ending::Gone);
                }
            }
            None => {}
        }
    }

    pub(super) fn failed(&mut self, request: RequestId, answer: &Answer) {
        let Some(asked) = self.requests.remove(&request) else {
            if !self.consumer_refused(request, answer) {
                self.lock_refused(request, answer);
            }
            return;
        };
        let entry = asked.replica().and_then(|id| self.replicas.get(&id));
        let is_dropped = entry.is_some_and(|entry| entry.alias.is_none() && entry.birth.is_some());
        if is_dropped && matches!(answer, Answer::Failed { code: FailureCode::Gone, .. }) {
            // Its value was dropped, and the word of that overtook the question: now it is opened.
            self.requests.insert(request, asked);
            self.ask(request);
            return;
        }
        if asked.is_asked_for() {
            self.answer(request, answer.clone());
        }
        if let Some(id) = asked.replica()
            && let Some(entry) = self.replicas.get_mut(&id)
        {
            entry.rewind = entry.rewind.filter(|rewind| *rewind != request);
            entry.replica.pull_failed();
            if entry.alias.is_none() {
                self.end_deferred(id, answer);
            }
        }
    }

    pub(super) fn end_request(&mut self, request: RequestId, ending: Ending) {
        if self.requests.remove(&request).is_some_and(|asked| asked.is_asked_for()) {
            self.answer(request, Answer::Ended(ending));
        }
    }
}

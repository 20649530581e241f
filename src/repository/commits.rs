//! Commits: judged against the document, put in the frame, applied.
//!
//! ```text
//!            judge                    few cells
//!  offer ─────────────▶ verdict yes ─────────────────────────▶ frame, apply, result with the fan-out
//!    │  (in steps)         │  │ many: applied to a copy (in steps) ──────────▲
//!    ▼ object busy         │  └──▶ larger than a record: in slices, one a frame
//!  waiting                 └▶ no: conflict or refusal, nothing is left
//! ```
//! While a commit takes more than one step, other commits of its object wait, and nothing else does. Besides, a commit
//! waits that would be in the way of a node which goes first (see `precedence`). Invariants: versions are dense (I1); what
//! was judged is applied before anything else is judged on that object; an outcome is remembered in the frame of its
//! commit (I7); a commit whose connection ended before it took effect leaves nothing, because it will be sent again.
//! Source: optimistic concurrency control (Kung and Robinson 1981), with cells for read and write sets.

use bytes::Bytes;

use super::holders::Place;
use super::imaging::Owner;
use super::links::Violation;
use super::objects::{Accepted, Body, End, Offer, Terms, Underway, Verdict};
use super::outcomes::{Deed, Outcome};
use super::work::Work;
use super::{Core, Rule};
use crate::document::{Budget, Fitting, Judged, Judging, Making, Refusal, Scope};
use crate::event::EventKind;
use crate::ids::{Alias, Birth, CommitNumber, FrameNumber, Sequence, Version};
use crate::journal::{Entry, Origin, Payload};
use crate::limits::{IN_PLACE_BYTES_MAX, IN_PLACE_CELLS_MAX};
use crate::wire::{FailureCode, ToNode, ToRepository};

impl Core {
    /// Takes a record that asks for an effect; answers at once if the effect is there already.
    pub(super) fn handle_commit_record(&mut self, place: Place, record: &ToRepository<'_>) -> Result<(), Violation> {
        match *record {
            ToRepository::Commit { sequence, alias, base, is_isolated, fence, guards, delta, .. } => {
                if self.is_admitted(place, sequence) {
                    let terms = Terms { base, is_isolated, fence, guards: Bytes::copy_from_slice(guards) };
                    self.offer(place, sequence, alias, terms, Bytes::copy_from_slice(delta));
                }
                Ok(())
            }
            ToRepository::BulkCommit { sequence, alias, base, is_isolated, fence, guards, transfer, bytes, .. } => {
                let is_admitted = self.is_admitted(place, sequence);
                let terms = Terms { base, is_isolated, fence, guards: Bytes::copy_from_slice(guards) };
                self.announce_commit(place, transfer, bytes, (sequence, alias, terms), is_admitted)
            }
            ToRepository::Group(ref group) => {
                self.take_group(place, group);
                Ok(())
            }
            ToRepository::Create { sequence, class, key, expiry, value, .. } => {
                let is_admitted = self.is_admitted(place, sequence);
                self.create(place, sequence, (class, key), expiry, value, is_admitted)
            }
            ToRepository::Destroy { sequence, alias, birth, .. } => {
                if self.is_admitted(place, sequence) {
                    self.destroy(place, sequence, alias, birth);
                }
                Ok(())
            }
            ToRepository::Limit { sequence, alias, birth, expiry, .. } => {
                if self.is_admitted(place, sequence) {
                    self.limit(place, sequence, (alias, birth), expiry);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a commit is to be judged: not if its outcome is remembered, which is then the answer, nor if it may be
    /// forgotten.
    pub(super) fn is_admitted(&mut self, place: Place, sequence: Sequence) -> bool {
        let Some(node) = self.nodes.at(place) else { return false };
        let is_dubious = sequence < node.dubious_below && self.rules.has(Rule::Forgotten);
        let Some(id) = node.id else { return false };
        let known = self.outcomes.find(id, sequence).filter(|_| self.rules.has(Rule::ExactlyOnce));
        match known.filter(|_| !self.is_stopped) {
            Some(outcome) => {
                self.tell_again(place, sequence, outcome);
                false
            }
            None if is_dubious => {
                self.refuse(place, sequence, FailureCode::Forgotten, "");
                false
            }
            None => self.may_write(place, sequence),
        }
    }

    /// Whether the journal takes anything; a commit that came too late for that is refused.
    pub(super) fn may_write(&mut self, place: Place, sequence: Sequence) -> bool {
        let why = if self.is_full { "the disk of the repository is full" } else { "" };
        let may_write = !self.is_stopped && !self.is_full;
        if !may_write {
            self.refuse(place, sequence, FailureCode::Unavailable, why);
        }
        may_write
    }

    /// Answers a commit that was sent again.
    fn tell_again(&mut self, place: Place, sequence: Sequence, outcome: Outcome) {
        let Outcome { alias, birth, deed, frame } = outcome;
        let is_there = self.objects.at(alias).is_some_and(|object| object.birth == birth);
        let is_live = is_there && self.objects.at(alias).is_some_and(|object| object.is_living());
        match deed {
            Deed::Created if is_live => {
                if self.hold(place, alias, Version(1)).is_err() {
                    self.refuse(place, sequence, FailureCode::Limit, "the node holds as many objects as it may");
                    return;
                }
                self.push(place, frame, &ToNode::Created { sequence, alias, birth });
                self.tell_idle(place, alias, false);
                self.bring(place, alias, false);
            }
            Deed::Created => self.refuse(place, sequence, FailureCode::Gone, ""),
            Deed::Committed(version) | Deed::Destroyed(version) => {
                if is_there {
                    self.bring_user(place, alias);
                }
                let shown = self.objects.at(alias).filter(|_| is_there).map_or(FrameNumber(0), |object| object.frame);
                self.push(place, frame.max(shown), &ToNode::Accepted { sequence, version });
            }
            Deed::Grouped(effects) => self.tell_group_again(place, (sequence, frame), &effects),
        }
    }

    pub(super) fn judge(&mut self, alias: Alias, offer: Offer) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let Body::Live(document) = &mut object.body else { return };
        let class = self.classes.class(object.class);
        match class.and_then(|class| document.offer_schema(&class.schema)) {
            Some(fitting) => self.fit_on(alias, Box::new(fitting), offer),
            None => self.begin_judging(alias, offer),
        }
    }

    /// Holds more of an object against a newer schema; then its commit is judged.
    fn fit_on(&mut self, alias: Alias, mut fitting: Box<Fitting>, offer: Offer) {
        let mut budget = self.cost.budget();
        let fits = fitting.step(&mut budget);
        self.cost.charge(&budget);
        let Some(Body::Live(document)) = self.objects.at_mut(alias).map(|object| &mut object.body) else { return };
        match fits {
            None => self.go_on_later(alias, Underway::Fitting(fitting, offer)),
            Some(fits) => {
                document.end_fitting(&fitting, fits);
                self.begin_judging(alias, offer);
            }
        }
    }

    fn begin_judging(&mut self, alias: Alias, mut offer: Offer) {
        if self.is_fenced_off(alias, &offer) {
            self.refuse_fenced(&offer);
            return;
        }
        let Some(document) = self.objects.at(alias).and_then(|object| object.document()) else { return };
        let (head, horizon) = (document.version(), document.horizon());
        if offer.terms.base > head {
            self.refuse_offer(&offer, FailureCode::Invalid, "the base is not known here");
            return;
        }
        if !self.rules.has(Rule::Overlap) {
            offer.terms.base = head;
        }
        if !self.rules.has(Rule::Horizon) {
            offer.terms.base = offer.terms.base.max(horizon);
        }
        let scope = if offer.terms.is_isolated { Scope::WholeObject } else { Scope::Cells };
        if !self.rules.has(Rule::Guard) {
            offer.terms.guards.clear();
        }
        let judging = Judging::new(offer.delta.clone(), offer.terms.base, scope).guarded_by(offer.terms.guards.clone());
        self.judge_on(alias, Box::new(judging), offer);
    }

    fn judge_on(&mut self, alias: Alias, mut judging: Box<Judging>, offer: Offer) {
        let mut budget = self.cost.budget();
        let Some(document) = self.objects.at(alias).and_then(|object| object.document()) else { return };
        let answer = judging.step(document, &mut budget);
        self.cost.charge(&budget);
        match answer {
            None => self.go_on_later(alias, Underway::Judging(judging, offer)),
            Some(Ok(judged)) => self.take_verdict(alias, offer, judged),
            Some(Err(refusal)) => self.turn_down(alias, &offer, &refusal),
        }
    }

    /// Leaves a commit to the next step.
    fn go_on_later(&mut self, alias: Alias, underway: Underway) {
        self.keep_underway(alias, underway);
        self.work.push_back(Work::Commit(alias));
    }

    /// Leaves a commit to whoever goes on with it.
    pub(super) fn keep_underway(&mut self, alias: Alias, underway: Underway) {
        if let Some(object) = self.objects.at_mut(alias) {
            object.turn().underway = Some(underway);
        }
    }

    /// Goes on with the commit of an object that takes more than one step, then with those that wait.
    pub(super) fn commit_on(&mut self, alias: Alias) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let underway = object.turn().underway.take();
        match underway.filter(|underway| self.nodes.find(underway.offer().connection).is_some()) {
            Some(Underway::Fitting(fitting, offer)) => self.fit_on(alias, fitting, offer),
            Some(Underway::Judging(judging, offer)) => self.judge_on(alias, judging, offer),
            Some(Underway::Making(making, verdict)) => self.make_on(alias, making, verdict),
            Some(Underway::Slicing { verdict, staging, written }) => self.slice(alias, verdict, staging, written),
            Some(held @ Underway::Held { .. }) => self.keep_underway(alias, held),
            None => {}
        }
        self.judge_waiting(alias);
    }

    fn judge_waiting(&mut self, alias: Alias) {
        loop {
            if self.objects.at(alias).is_some_and(|object| object.cold().is_some()) {
                return;
            }
            let Some(object) = self.objects.at_mut(alias) else { return };
            let turn = object.turn();
            if turn.underway.is_some() || turn.waiting.is_empty() {
                object.rest();
                return;
            }
            if self.cost.is_spent() {
                self.work.push_back(Work::Commit(alias));
                return;
            }
            let Some(offer) = self.take_next(alias) else { return };
            if self.nodes.find(offer.connection) == Some(offer.place) {
                if self.is_held(offer.place, alias) {
                    self.judge(alias, offer);
                } else {
                    self.refuse_gone(alias, &offer);
                }
            }
        }
    }

    fn turn_down(&mut self, alias: Alias, offer: &Offer, refusal: &Refusal) {
        let (place, sequence) = (offer.place, offer.sequence);
        let code = match refusal {
            Refusal::Conflict => {
                self.note_conflict(alias, offer);
                let others = if offer.is_part { self.drop_group((place, sequence)) } else { Vec::new() };
                let after = self.bring_all(place, others.into_iter().chain([alias]));
                self.push(place, after, &ToNode::Conflict { sequence });
                return;
            }
            Refusal::Malformed(error) => FailureCode::of(error),
            Refusal::Overflow { .. } => FailureCode::Overflow,
            Refusal::Limit { .. } | Refusal::Splices { .. } => FailureCode::Limit,
        };
        self.end_precedence(alias, offer.connection);
        self.refuse_offer(offer, code, &refusal.to_string());
    }

    fn take_verdict(&mut self, alias: Alias, offer: Offer, judged: Judged) {
        self.end_precedence(alias, offer.connection);
        let Some(document) = self.objects.at(alias).and_then(|object| object.document()) else { return };
        let (place, sequence) = (offer.place, offer.sequence);
        let parts = self.parts_of(&offer);
        if document.encoded_bytes() + judged.delta.len() > self.caps.object_bytes_max {
            let bytes = document.encoded_bytes() + judged.delta.len();
            self.drop_group_of_part(&offer);
            self.refuse_bytes(place, sequence, bytes);
        } else if judged.is_empty && offer.is_part {
            self.hold_part(alias, Verdict { offer, judged, made: None }, None);
        } else if judged.is_empty {
            let version = document.version();
            self.bring_user(place, alias);
            let after = self.objects.at(alias).map_or(FrameNumber(0), |object| object.frame);
            self.push(place, after, &ToNode::Moot { sequence, version });
        } else if judged.cells * parts <= IN_PLACE_CELLS_MAX && judged.delta.len() * parts <= IN_PLACE_BYTES_MAX {
            self.record(alias, Verdict { offer, judged, made: None });
        } else {
            let making = Making::new(document.clone(), &judged, document.version().next());
            self.make_on(alias, Box::new(making), Verdict { offer, judged, made: None });
        }
    }

    /// Applies more of a commit of many cells, aside.
    fn make_on(&mut self, alias: Alias, mut making: Box<Making>, mut verdict: Verdict) {
        let mut budget = self.cost.budget();
        let is_made = making.step(&mut budget);
        if is_made {
            verdict.made = Some(Box::new(making.into_document(&mut budget)));
            self.cost.charge(&budget);
            self.record(alias, verdict);
        } else {
            self.cost.charge(&budget);
            self.go_on_later(alias, Underway::Making(making, verdict));
        }
    }

    /// Has a commit written to the journal, at once or in slices; then it takes effect.
    fn record(&mut self, alias: Alias, verdict: Verdict) {
        if verdict.judged.delta.len() <= self.caps.windows.inline_bytes {
            let payload = Payload::Inline(verdict.judged.delta.clone());
            self.conclude(alias, verdict, payload);
        } else {
            let staging = self.take_staging();
            self.slice(alias, verdict, staging, 0);
        }
    }

    /// Numbers a collection of slices.
    pub(super) fn take_staging(&mut self) -> u64 {
        let staging = self.next_staging;
        self.next_staging += 1;
        staging
    }

    /// Puts the next slice of a large delta into the open frame; the commit takes effect behind the last.
    fn slice(&mut self, alias: Alias, verdict: Verdict, staging: u64, mut written: usize) {
        let delta = &verdict.judged.delta;
        if !self.cost.is_spent() && !self.frames.is_full() {
            let room = Some(self.frames.room()).filter(|room| *room > 0).unwrap_or(usize::MAX);
            let slice_bytes = room.min(self.cost.bytes_left()).min(self.caps.windows.segment_bytes);
            let end = delta.len().min(written + slice_bytes);
            let bytes = delta.slice(written..end);
            self.cost.add(1, bytes.len());
            self.note_slice(staging, Owner::Commit(alias));
            self.frames.push(Entry::Slice { staging, bytes });
            written = end;
        }
        if written == delta.len() {
            self.conclude(alias, verdict, Payload::Staged(staging));
        } else if let Some(object) = self.objects.at_mut(alias) {
            object.turn().underway = Some(Underway::Slicing { verdict, staging, written });
            if self.frames.is_full() {
                self.parked.insert(alias);
            } else {
                self.work.push_back(Work::Commit(alias));
            }
        }
    }

    /// The commit takes effect: the frame has it, the document shows it, its outcome is remembered.
    fn conclude(&mut self, alias: Alias, verdict: Verdict, payload: Payload) {
        let offer = &verdict.offer;
        if offer.is_part {
            return self.hold_part(alias, verdict, Some(payload));
        }
        if self.is_fenced_off(alias, offer) {
            // The lock ended while the commit was judged in steps.
            self.refuse_fenced(offer);
            return;
        }
        let Some(id) = self.nodes.at(offer.place).and_then(|node| node.id) else { return };
        let (connection, sequence) = (offer.connection, offer.sequence);
        let first = self.first_frame(&payload);
        let Some((version, is_as_sent)) = self.apply(alias, verdict) else { return };
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.turn().results.push_back(Accepted { connection, sequence, version, is_as_sent, group: None });
        let outcome = Outcome { alias, birth: object.birth, deed: Deed::Committed(version), frame: self.frames.open() };
        self.outcomes.remember(id, sequence, outcome);
        self.frames.push(Entry::Committed { origin: Origin { node: id, sequence }, alias, version, payload });
        self.note_applied(alias, first);
    }

    /// Changes the document as was judged; answers the version that makes, and whether it is the author's base and delta.
    pub(super) fn apply(&mut self, alias: Alias, verdict: Verdict) -> Option<(Version, bool)> {
        let Verdict { offer, judged, made } = verdict;
        let now = self.now;
        let object = self.objects.at_mut(alias)?;
        let Body::Live(document) = &mut object.body else { return None };
        let version = document.version().next();
        match made {
            Some(made) => *document = made,
            None => {
                let mut budget = Budget::unlimited();
                document.apply_counted(&judged, version, &mut budget);
                self.cost.charge(&budget);
            }
        }
        let is_as_sent = judged.as_sent && !offer.is_orphan && offer.terms.base.next() == version;
        object.turn().newest = Some((version, judged.delta));
        object.use_at(now);
        Some((version, is_as_sent))
    }

    /// The document was changed by an entry of the open frame that begins in frame `first`.
    pub(super) fn note_applied(&mut self, alias: Alias, first: FrameNumber) {
        self.touch(alias);
        if self.rules.has(Rule::Index) {
            self.index(alias);
        }
        self.note_change(alias, first);
        self.freeze_if_wanted(alias);
    }

    /// Ends an object for good.
    pub(super) fn destroy(&mut self, place: Place, sequence: Sequence, alias: Alias, birth: Birth) {
        let has_birth = self.rules.has(Rule::Birth);
        let Some(node) = self.nodes.at(place) else { return };
        let (connection, id) = (node.connection, node.id);
        let (is_held, must_load) = (self.is_held(place, alias), self.must_load_to_end(alias));
        let object = self.objects.at_mut(alias).filter(|object| is_held && (!has_birth || object.birth == birth));
        let (Some(object), Some(id)) = (object, id) else {
            self.refuse(place, sequence, FailureCode::Gone, "");
            return;
        };
        let version = object.head().next();
        if must_load {
            object.turn().ends.push(End::Destroyed(connection, place, sequence));
            self.ask_load(alias);
            return;
        }
        object.turn().results.push_back(Accepted { connection, sequence, version, is_as_sent: false, group: None });
        let outcome = Outcome { alias, birth: object.birth, deed: Deed::Destroyed(version), frame: self.frames.open() };
        self.outcomes.remember(id, sequence, outcome);
        let ended = self.frames.push(Entry::Destroyed { origin: Origin { node: id, sequence }, alias });
        self.end(alias, ended.0, EventKind::Destroyed);
    }

    /// The object is no more, by the newest entry of the open frame; what it still has is to be told.
    pub(super) fn end(&mut self, alias: Alias, at: CommitNumber, kind: EventKind) {
        self.note_event(alias, kind);
        self.note_end(alias, at);
        self.unindex(alias);
        self.precedences.forget(alias);
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.body = Body::Ended(object.head().next());
        object.expires = None;
        self.wheel.remove(alias.0);
        let turn = object.turn();
        turn.newest = None;
        let mut refused: Vec<Offer> = turn.waiting.drain(..).collect();
        refused.extend(turn.underway.take().map(|underway| underway.offer().clone()));
        let (requests, ends) = (std::mem::take(&mut turn.requests), std::mem::take(&mut turn.ends));
        let birth = object.birth;
        if let Some(class) = self.classes.class_mut(object.class) {
            class.keys.remove(&object.key);
        }
        self.touch(alias);
        self.end_lock(alias, birth);
        self.answer_again(requests);
        for offer in refused {
            if self.nodes.find(offer.connection) == Some(offer.place) {
                self.refuse_gone(alias, &offer);
            }
        }
        for end in ends {
            if let End::Destroyed(connection, place, sequence) = end
                && self.nodes.find(connection) == Some(place)
            {
                self.refuse(place, sequence, FailureCode::Gone, "");
            }
        }
    }

    /// Answers a commit that can never take effect. It shows that the object is gone, so it waits for the newest frame.
    pub(super) fn refuse(&mut self, place: Place, sequence: Sequence, code: FailureCode, text: &str) {
        let after = self.frames.newest();
        self.push(place, after, &ToNode::CommitRefused { sequence, code, text });
    }

    /// Answers a commit that would make an object of `bytes`, more than it may have.
    pub(super) fn refuse_bytes(&mut self, place: Place, sequence: Sequence, bytes: usize) {
        let text = format!("the object would have {bytes} bytes, {} are allowed", self.caps.object_bytes_max);
        self.refuse(place, sequence, FailureCode::Limit, &text);
    }

    /// Frees the slot of an object that ended, once no node can mean it by its alias.
    pub(super) fn free_if_over(&mut self, alias: Alias) {
        let may_reuse_early = !self.rules.has(Rule::SlotReuse);
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.rest();
        let is_over = !object.is_living() && object.turn.is_none();
        if is_over && (object.holders.is_empty() || may_reuse_early) {
            self.objects.free(alias);
        }
    }
}

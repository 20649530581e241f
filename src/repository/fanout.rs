//! From a sealed frame to the nodes it concerns: authors get results, holders deltas or a notice.
//!
//! A change is encoded once for each base that holders have (nearly always one) and shared by all of them; a holder
//! without room is only marked, and gets what changed when it has room again. Invariants: a delta stands before the
//! result that implies it; a holder's base is what its records bring it to; what shows an object waits for the last
//! frame that touched it (I5, I6, I12). Source: rent-or-buy for push against notice (Karlin et al. 1988).

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;

use super::holders::{Holder, Place};
use super::objects::{Accepted, Object};
use super::work::Work;
use super::{Core, Rule};
use crate::coding::Writer;
use crate::document::Budget;
use crate::ids::{Alias, Version};
use crate::limits::PACKET_BYTES;
use crate::wire::ToNode;

/// Bytes that a stale notice or the word that an object is gone takes, at most.
const NOTICE_BYTES: usize = 32;

/// An object of a sealed frame whose holders are being told.
#[derive(Debug)]
pub(super) struct FanOut {
    alias: Alias,
    /// The first place that was not told; `None` before the authors were.
    next: Option<Place>,
    /// What `encoded` leads to.
    head: Version,
    encoded: BTreeMap<Version, Step>,
}

/// What brings a holder from a base to the head.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Nothing: it is there.
    Same,
    /// This record.
    Record(Bytes),
    /// Too much for a record, or unknown: it must pull.
    Pull,
    /// More than this call may cost: to be asked again in another.
    Later,
}

impl Object {
    /// What brings a holder from `base` to the head; costs what changed.
    pub(super) fn step_from(
        &self,
        alias: Alias,
        base: Version,
        has_horizon: bool,
        inline_bytes: usize,
        budget: &mut Budget,
    ) -> Step {
        let Some(document) = self.document() else {
            // Who needs it loads it: a notice costs nothing until then.
            return if self.is_living() && self.head() != base { Step::Pull } else { Step::Same };
        };
        let head = document.version();
        let span = head.0.saturating_sub(base.0);
        if span == 0 {
            return Step::Same;
        }
        if let Some((_, delta)) = self.newest().filter(|(version, _)| *version == head && span == 1) {
            return record(alias, span, delta, inline_bytes);
        }
        let from = if has_horizon { base } else { base.max(document.horizon()) };
        let mut w = Writer::new();
        match document.since_within(from, budget, &mut w) {
            Ok(Some(_)) => record(alias, span, w.as_slice(), inline_bytes),
            Ok(None) => Step::Later,
            Err(_) => Step::Pull,
        }
    }

    fn newest(&self) -> Option<&(Version, Bytes)> {
        self.turn.as_ref().and_then(|turn| turn.newest.as_ref())
    }
}

fn record(alias: Alias, span: u64, delta: &[u8], inline_bytes: usize) -> Step {
    if delta.len() > inline_bytes {
        return Step::Pull;
    }
    let mut bytes = Vec::with_capacity(delta.len() + 16);
    ToNode::Delta { alias, span, delta }.encode(&mut bytes);
    Step::Record(bytes.into())
}

impl Core {
    /// Notes that the object is changed in the open frame.
    pub(super) fn touch(&mut self, alias: Alias) {
        let frame = self.frames.open();
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.frame = frame;
        if !mem::replace(&mut object.turn().is_touched, true) {
            self.touched.push(alias);
        }
    }

    /// The open frame was sealed: its objects are to be fanned out, once it is on its way to the journal.
    pub(super) fn queue_fan_out(&mut self) {
        for alias in mem::take(&mut self.touched) {
            if let Some(object) = self.objects.at_mut(alias) {
                object.turn().is_touched = false;
                self.fanouts.push_back(FanOut { alias, next: None, head: Version(0), encoded: BTreeMap::new() });
            }
        }
    }

    /// Begins to fan out what was sealed, if that is not under way in steps.
    pub(super) fn begin_fan_out(&mut self) {
        if !self.is_fanning_out {
            self.fan_out();
        }
    }

    /// Fans out within this call's budget; what is left is a step of its own.
    pub(super) fn fan_out(&mut self) {
        self.is_fanning_out = false;
        while let Some(mut fan_out) = self.fanouts.pop_front() {
            if !self.fan_out_object(&mut fan_out) {
                self.fanouts.push_front(fan_out);
                self.is_fanning_out = true;
                self.work.push_back(Work::FanOut);
                return;
            }
        }
    }

    /// Tells an object's authors, then its holders; false when the budget is spent before the last.
    fn fan_out_object(&mut self, fan_out: &mut FanOut) -> bool {
        let alias = fan_out.alias;
        if fan_out.next.is_none() && !self.tell_authors(alias) {
            return false;
        }
        let mut next = Some(fan_out.next.unwrap_or(Place(0)));
        while let Some(from) = next {
            let Some(object) = self.objects.at_mut(alias) else { return true };
            let head = object.head();
            let Some(&mut holder) = object.holders.first_from(from) else { break };
            fan_out.next = Some(holder.place());
            if self.cost.is_spent() {
                return false;
            }
            self.cost.add(1, 0);
            if fan_out.head != head {
                fan_out.head = head;
                fan_out.encoded.clear();
            }
            self.tell_holder(alias, holder, &mut fan_out.encoded);
            next = holder.place().next();
        }
        if let Some(object) = self.objects.at_mut(alias)
            && let Some(turn) = object.turn.as_mut().filter(|turn| !turn.is_touched)
        {
            turn.newest = None;
        }
        self.free_if_over(alias);
        true
    }

    fn tell_holder(&mut self, alias: Alias, mut holder: Holder, encoded: &mut BTreeMap<Version, Step>) {
        let place = holder.place();
        let Some(object) = self.objects.at_mut(alias) else { return };
        if !object.is_living() {
            self.tell_gone(place, alias, false);
            return;
        }
        let head = object.head();
        holder.age(head);
        if let Some(known) = object.holders.find_mut(place) {
            *known = holder;
        }
        let base = holder.base(head);
        if holder.is_silent() || holder.is_dirty() || base == head {
            return;
        }
        let step = match encoded.get(&base) {
            _ if self.is_notice_due(holder) => Step::Pull,
            Some(step) => step.clone(),
            None => {
                let step = self.step_from(alias, base);
                if !matches!(step, Step::Later) {
                    encoded.insert(base, step.clone());
                }
                step
            }
        };
        self.deliver(place, alias, &step, false);
    }

    /// Brings a holder to the head before an answer that implies it: by a delta, or by a notice if that does not fit.
    pub(super) fn bring(&mut self, place: Place, alias: Alias, is_answer: bool) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        if !object.is_living() {
            self.tell_gone(place, alias, is_answer);
            return;
        }
        let head = object.head();
        let Some(holder) = object.holders.find_mut(place) else { return };
        holder.age(head);
        let holder = *holder;
        let base = holder.base(head);
        if holder.is_silent() || base == head {
            return;
        }
        let step = if self.is_notice_due(holder) { Step::Pull } else { self.step_from(alias, base) };
        self.deliver(place, alias, &step, is_answer);
    }

    /// As [`bring`](Self::bring), to a node that uses the object at this moment: what was pushed before is not unread.
    pub(super) fn bring_user(&mut self, place: Place, alias: Alias) {
        self.note_read(place, alias);
        self.bring(place, alias, true);
        self.note_read(place, alias);
    }

    fn is_notice_due(&self, holder: Holder) -> bool {
        let unread_bytes_max = if self.rules.has(Rule::Unread) { self.caps.unread_bytes_max } else { usize::MAX };
        holder.is_notice_due(unread_bytes_max)
    }

    /// What brings a holder of an object from `base` to the head, within this call's budget; what takes more than a whole
    /// call is to be pulled.
    fn step_from(&mut self, alias: Alias, base: Version) -> Step {
        let (is_fresh, has_horizon) = (self.cost.is_fresh(), self.rules.has(Rule::Horizon));
        let inline_bytes = self.caps.windows.inline_bytes;
        let Some(object) = self.objects.at(alias) else { return Step::Same };
        let mut budget = self.cost.last_budget();
        let step = object.step_from(alias, base, has_horizon, inline_bytes, &mut budget);
        self.cost.charge(&budget);
        match step {
            Step::Later if is_fresh => Step::Pull,
            step => step,
        }
    }

    /// Gives a holder its step; without room it gets a notice if an answer follows, and is marked dirty otherwise.
    fn deliver(&mut self, place: Place, alias: Alias, step: &Step, is_answer: bool) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let (head, after) = (object.head(), object.frame);
        let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
        let Some(holder) = object.holders.find_mut(place) else { return };
        let waits = !is_answer && (matches!(step, Step::Record(_)) || node.outbox.room() < NOTICE_BYTES);
        match step {
            Step::Same => holder.set_base(head),
            Step::Record(bytes) if bytes.len() <= node.outbox.room() => {
                holder.set_base(head);
                holder.add_unread(bytes.len() + PACKET_BYTES);
                node.outbox.push_shared(after, bytes.clone());
                self.stir(place, after);
            }
            Step::Record(_) | Step::Pull if waits => node.note_dirty(alias, holder),
            Step::Later if !is_answer => {
                node.note_dirty(alias, holder);
                self.catch_later(place);
            }
            Step::Record(_) | Step::Later | Step::Pull => {
                holder.set_silent(true);
                self.push(place, after, &ToNode::Stale { alias, version: head });
            }
        }
    }

    /// Tells a holder once that the object is no more.
    pub(super) fn tell_gone(&mut self, place: Place, alias: Alias, is_answer: bool) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let (birth, after) = (object.birth, object.frame);
        let Some(holder) = object.holders.find_mut(place).filter(|holder| !holder.is_told_gone()) else { return };
        let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
        if node.outbox.room() >= NOTICE_BYTES || is_answer {
            holder.set_told_gone();
            self.push(place, after, &ToNode::Gone { alias, birth, is_lost: false });
        } else {
            node.note_dirty(alias, holder);
        }
    }

    /// Tells the authors of an object's commits what became of them; false when the budget is spent before the last.
    fn tell_authors(&mut self, alias: Alias) -> bool {
        loop {
            let turn = self.objects.at_mut(alias).and_then(|object| object.turn.as_mut());
            let Some(results) = turn.map(|turn| &mut turn.results).filter(|results| !results.is_empty()) else {
                return true;
            };
            if self.cost.is_spent() {
                return false;
            }
            if let Some(accepted) = results.pop_front() {
                self.cost.add(1, 0);
                self.tell_author(alias, accepted);
            }
        }
    }

    fn tell_author(&mut self, alias: Alias, accepted: Accepted) {
        let Accepted { connection, sequence, version, is_as_sent, group } = accepted;
        let Some(place) = self.nodes.find(connection) else { return };
        if let Some(effects) = group {
            self.tell_group(place, sequence, &effects);
            return;
        }
        let Some(after) = self.objects.at(alias).map(|object| object.frame) else { return };
        if is_as_sent && self.is_brought_as_sent(place, alias, version) {
            self.push_result(place, after, &ToNode::AsSent { sequence });
            return;
        }
        self.bring_user(place, alias);
        self.push_result(place, after, &ToNode::Accepted { sequence, version });
    }

    /// Whether the author of a commit needs only hear that it took effect as it was sent; from then on it is brought.
    pub(super) fn is_brought_as_sent(&mut self, place: Place, alias: Alias, version: Version) -> bool {
        let Some(object) = self.objects.at_mut(alias).filter(|object| object.is_living()) else { return false };
        let head = object.head();
        let Some(holder) = object.holders.find_mut(place).filter(|_| version == head) else { return false };
        let is_brought = !holder.is_silent() && !holder.is_dirty() && holder.base(head).next() == version;
        if is_brought {
            holder.set_base(head);
            holder.clear_unread();
        }
        is_brought
    }
}

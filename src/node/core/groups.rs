//! Groups of objects: commits that take effect together, and joint reads.
//!
//! A group is one change with one sequence, kept over links like any other (W8), and sent once all of its replicas are
//! presented. Invariants: every part hears what became of the group; one whose outcome cannot be asked for any more,
//! because an object of it is given up, ends. Source: own reasoning (W7).

use std::collections::VecDeque;
use std::sync::Arc;

use super::commits::{Change, Outstanding};
use super::requests::Request;
use super::{Answer, Core, Violation};
use crate::ids::{Alias, Birth, RequestId, Sequence, Version};
use crate::limits::REQUESTS_MAX;
use crate::node::replica::{MarkId, Outgoing, RefusedCommit, Replica, ReplicaId, Settlement};
use crate::wire::{CloseCode, FailureCode, GroupAnswer, GroupCommit, GroupPart, GroupRead, PartOutcome, ToRepository};

/// One object's share of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) replica: Arc<dyn Replica>,
    outgoing: Outgoing,
}

impl Core {
    /// Commits what slots gave for it as one: each hears what became of it.
    pub fn commit_group(&mut self, parts: Vec<(Arc<dyn Replica>, Outgoing)>) {
        let members: Vec<Member> = parts.into_iter().map(|(replica, outgoing)| Member { replica, outgoing }).collect();
        let Some(first) = members.first().map(|member| Arc::clone(&member.replica)) else { return };
        if self.submissions.len() >= REQUESTS_MAX {
            let refused = RefusedCommit { code: FailureCode::Limit, text: format!("{REQUESTS_MAX} changes wait") };
            self.settle_members(&members, &Settlement::Refused(refused));
        } else if members.iter().any(|member| !self.replicas.contains_key(&member.replica.id())) {
            self.end_members(&members);
        } else {
            self.submissions.push_back(Outstanding::new(first, None, Change::Group(members)));
        }
    }

    /// Asks at which versions objects are at one time; answered by `Marked` when their replicas were told to keep those,
    /// or by `Unmarked` if one of them is not open.
    pub fn read_group(&mut self, marks: Vec<(ReplicaId, MarkId)>) -> RequestId {
        self.add_request(Request::ReadGroup(marks))
    }

    /// Sends a group if all of its replicas are presented; answers whether it did.
    pub(super) fn send_group(&mut self, sequence: Sequence, unacked: Sequence) -> bool {
        let replicas = &self.replicas;
        let alias_of = |member: &Member| {
            let entry = replicas.get(&member.replica.id()).filter(|entry| entry.is_presented)?;
            entry.alias
        };
        let Some(Change::Group(members)) = self.commits.get_mut(&sequence).map(Outstanding::change_mut) else {
            return false;
        };
        if members.iter().any(|member| alias_of(member).is_none()) {
            return false;
        }
        members.sort_by_key(alias_of);
        let parts = members.iter().map(|member| {
            let Outgoing { base, is_isolated, fence, ref guards, ref delta } = member.outgoing;
            let alias = alias_of(member).unwrap_or_default();
            GroupPart { alias, base, is_isolated, fence, guards, delta }
        });
        let group = GroupCommit { sequence, unacked, parts: parts.collect() };
        ToRepository::Group(group).encode(&mut self.out);
        true
    }

    /// The repository's word on a group that took effect, or the answer to a joint read.
    pub(super) fn group_answered(&mut self, answer: GroupAnswer) -> Result<(), Violation> {
        match answer {
            GroupAnswer::Committed { sequence, outcomes } => self.group_settled(sequence, &outcomes),
            GroupAnswer::Read { request, versions } => self.mark_all(request, &versions),
        }
    }

    fn group_settled(&mut self, sequence: Sequence, outcomes: &[PartOutcome]) -> Result<(), Violation> {
        let Some(outstanding) = self.take_outstanding(sequence) else { return Ok(()) };
        self.sweep_again();
        let Change::Group(members) = outstanding.into_change() else { return Err(mistaken("of one object")) };
        if members.len() != outcomes.len() {
            return Err(mistaken("of another number of objects"));
        }
        for (member, outcome) in members.iter().zip(outcomes) {
            let settlement = match *outcome {
                PartOutcome::AsSent => Settlement::AsSent,
                PartOutcome::Accepted(version) => Settlement::Accepted(version),
                PartOutcome::Moot(version) => Settlement::Moot(version),
            };
            self.settle_member(member, settlement)?;
        }
        Ok(())
    }

    fn settle_member(&mut self, member: &Member, settlement: Settlement) -> Result<(), Violation> {
        let id = member.replica.id();
        if let Some(entry) = self.replicas.get_mut(&id) {
            entry.pushes.clear();
        }
        member.replica.settle(settlement).map_err(|refusal| self.diverged(id, &refusal))
    }

    /// Tells every part of a group the same: that it did not take effect.
    pub(super) fn refuse_members(&mut self, members: &[Member], settlement: &Settlement) -> Result<(), Violation> {
        members.iter().try_for_each(|member| self.settle_member(member, settlement.clone()))
    }

    /// As [`refuse_members`](Self::refuse_members); a refusal finds nothing in a slot that could be wrong.
    fn settle_members(&mut self, members: &[Member], settlement: &Settlement) {
        let _ = self.refuse_members(members, settlement);
    }

    fn end_members(&mut self, members: &[Member]) {
        let text = "an object of the group is no longer there".to_owned();
        self.settle_members(members, &Settlement::Refused(RefusedCommit { code: FailureCode::Gone, text }));
    }

    /// Ends the groups whose outcome nobody can tell: they are not on their way, and an object of theirs is given up.
    pub(super) fn drop_groups(&mut self) {
        let replicas = &self.replicas;
        let is_lost = |outstanding: &Outstanding| {
            let mut members = outstanding.members().iter();
            !outstanding.is_sent() && members.any(|member| !replicas.contains_key(&member.replica.id()))
        };
        let sent = self.commits.extract_if(.., |_, outstanding| is_lost(outstanding));
        let mut lost: Vec<Outstanding> = sent.map(|(_, outstanding)| outstanding).collect();
        let waiting = std::mem::take(&mut self.submissions).into_iter();
        let (ended, kept): (Vec<_>, VecDeque<_>) = waiting.fold(Default::default(), |(mut ended, mut kept), one| {
            if is_lost(&one) {
                ended.push(one)
            } else {
                kept.push_back(one)
            }
            (ended, kept)
        });
        self.submissions = kept;
        lost.extend(ended);
        for outstanding in lost {
            self.end_members(outstanding.members());
        }
    }

    /// Asks for a joint read; answers false if an object of it is not open.
    pub(super) fn ask_group(&mut self, request: RequestId, marks: &[(ReplicaId, MarkId)]) -> bool {
        let Some(mut objects) = self.objects_of(marks) else { return false };
        objects.sort_unstable();
        objects.dedup();
        ToRepository::ReadGroup(GroupRead { request, objects }).encode(&mut self.out);
        true
    }

    fn objects_of(&self, marks: &[(ReplicaId, MarkId)]) -> Option<Vec<(Alias, Birth)>> {
        let object = |(id, _): &(ReplicaId, MarkId)| {
            let entry = self.replicas.get(id).filter(|entry| entry.is_presented)?;
            entry.alias.zip(entry.birth)
        };
        marks.iter().map(object).collect()
    }

    /// These versions are current at once: every replica is told to keep its own.
    fn mark_all(&mut self, request: RequestId, versions: &[Version]) -> Result<(), Violation> {
        let Some(Request::ReadGroup(marks)) = self.requests.remove(&request) else { return Ok(()) };
        let Some(mut objects) = self.objects_of(&marks) else {
            self.answer(request, Answer::Unmarked);
            return Ok(());
        };
        let of_marks = objects.clone();
        objects.sort_unstable();
        objects.dedup();
        if objects.len() != versions.len() {
            return Err(mistaken("of another number of objects"));
        }
        for ((id, mark), object) in marks.into_iter().zip(of_marks) {
            let version = objects.binary_search(&object).ok().and_then(|at| versions.get(at).copied());
            if let (Some(entry), Some(version)) = (self.replicas.get(&id), version) {
                entry.replica.mark(mark, version);
            }
        }
        self.answer(request, Answer::Marked);
        Ok(())
    }
}

/// What a peer says of a group that does not fit what was asked.
pub(super) fn mistaken(what: &str) -> Violation {
    Violation { code: CloseCode::OutOfOrder, text: format!("an answer about a group is {what}") }
}

//! Changes on their way to the repository: commits, creations, destructions.
//!
//! Each has a sequence and keeps it until its outcome is known, over reconnects; the repository remembers outcomes by
//! it, so a change that is sent again takes effect once (I7). Invariants: sequences are dense and sent in order; at most
//! [`COMMITS_UNACKNOWLEDGED_MAX`](crate::limits::COMMITS_UNACKNOWLEDGED_MAX) are without an outcome, further ones wait
//! here or in their slots. Source: own reasoning (W8, W9).

use std::sync::Arc;

use bytes::Bytes;

use super::deferred::Wish;
use super::groups::{Member, mistaken};
use super::up::Up;
use super::{Answer, Core, Violation};
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, ObjectName, RequestId, Sequence, TransferId, Version};
use crate::limits::{COMMITS_UNACKNOWLEDGED_MAX, INLINE_BYTES_MAX, REQUESTS_MAX};
use crate::node::replica::{Ending, Outgoing, RefusedCommit, Replica, ReplicaId, Settlement};
use crate::wire::{Again, CreationValue, FailureCode, ToRepository};

/// A change without an outcome.
#[derive(Debug)]
pub(super) struct Outstanding {
    replica: Arc<dyn Replica>,
    /// Who waits for a creation or destruction.
    request: Option<RequestId>,
    change: Change,
    /// Whether it was sent on this link.
    is_sent: bool,
    /// If it was ever sent: the number of the repository's next commit, as was known then.
    since: Option<CommitNumber>,
    /// The transfer that carries its value on this link.
    transfer: Option<TransferId>,
}

impl Outstanding {
    pub(super) fn new(replica: Arc<dyn Replica>, request: Option<RequestId>, change: Change) -> Self {
        Self { replica, request, change, is_sent: false, since: None, transfer: None }
    }

    pub(super) fn concerns(&self, replica: ReplicaId) -> bool {
        let mut members = self.members().iter();
        self.replica.id() == replica || members.any(|member| member.replica.id() == replica)
    }

    /// The objects of a group; none of anything else.
    pub(super) fn members(&self) -> &[Member] {
        if let Change::Group(members) = &self.change { members } else { &[] }
    }

    pub(super) fn is_sent(&self) -> bool {
        self.is_sent
    }

    pub(super) fn change_mut(&mut self) -> &mut Change {
        &mut self.change
    }

    pub(super) fn into_change(self) -> Change {
        self.change
    }

    fn note_sent(&mut self, at: CommitNumber, transfer: Option<TransferId>) {
        (self.is_sent, self.transfer) = (true, transfer);
        self.since.get_or_insert(at);
    }

    /// The link is gone.
    pub(super) fn unsend(&mut self) {
        (self.is_sent, self.transfer) = (false, None);
    }
}

#[derive(Debug)]
pub(super) enum Change {
    /// Sent by the alias under which the replica was presented on the link: an alias of an earlier link may name
    /// another object by now (I11).
    Commit(Outgoing),
    Create(Vec<Bytes>, Expiry),
    Destroy {
        alias: Alias,
        birth: Birth,
    },
    Limit {
        alias: Alias,
        birth: Birth,
        expiry: Expiry,
    },
    /// Several objects, by their aliases on the link that it was sent on.
    Group(Vec<Member>),
}

impl Core {
    /// Creates the object that `replica` drafted, from its value as deltas from nothing; answered by `Created` or
    /// `Exists`.
    pub fn create(&mut self, replica: Arc<dyn Replica>, value: Vec<Bytes>, expiry: Expiry) -> RequestId {
        self.add_replica(Arc::clone(&replica));
        self.submit(replica, Change::Create(value, expiry))
    }

    /// Ends an object for good; answered by `Destroyed`.
    pub fn destroy(&mut self, replica: ReplicaId) -> RequestId {
        self.submit_for(replica, Wish::Destroy)
    }

    /// Changes when an object ends by itself; answered by `Limited`.
    pub fn limit(&mut self, replica: ReplicaId, expiry: Expiry) -> RequestId {
        self.submit_for(replica, Wish::Limit(expiry))
    }

    /// Whether something of the object as a whole has no outcome: it is sent under the alias that it was asked by.
    pub(super) fn has_submitted(&self, replica: ReplicaId) -> bool {
        self.submissions.iter().chain(self.commits.values()).any(|outstanding| outstanding.concerns(replica))
    }

    fn submit_for(&mut self, id: ReplicaId, wish: Wish) -> RequestId {
        let known = self.replicas.get(&id).map(|entry| (Arc::clone(&entry.replica), entry.alias, entry.birth));
        match known {
            Some((replica, Some(alias), Some(birth))) => self.submit(replica, wish.change(alias, birth)),
            Some((_, None, Some(_))) => self.defer(id, wish),
            _ => {
                let request = self.new_request();
                self.answer(request, Answer::Ended(Ending::Gone));
                request
            }
        }
    }

    pub(super) fn new_request(&mut self) -> RequestId {
        self.next_request = self.next_request.wrapping_add(1);
        RequestId(self.next_request)
    }

    fn submit(&mut self, replica: Arc<dyn Replica>, change: Change) -> RequestId {
        let request = self.new_request();
        if self.submissions.len() >= REQUESTS_MAX {
            let text = format!("{REQUESTS_MAX} creations and destructions wait");
            self.answer(request, Answer::Failed { code: FailureCode::Limit, text });
            return request;
        }
        self.submissions.push_back(Outstanding::new(replica, Some(request), change));
        request
    }

    /// A slot has a batch.
    pub(super) fn mark_dirty(&mut self, id: ReplicaId) {
        if let Some(entry) = self.replicas.get_mut(&id)
            && !std::mem::replace(&mut entry.is_dirty, true)
        {
            self.dirty.push_back(id);
        }
    }

    fn has_room(&self) -> bool {
        self.commits.len() < COMMITS_UNACKNOWLEDGED_MAX
    }

    pub(super) fn send_submissions(&mut self) {
        while self.has_room()
            && let Some(outstanding) = self.submissions.pop_front()
        {
            self.commit(outstanding);
        }
    }

    /// Takes the batches of slots that have one, as far as there is room.
    pub(super) fn send_batches(&mut self) {
        while self.has_room()
            && let Some(id) = self.dirty.pop_front()
        {
            let Some(entry) = self.replicas.get_mut(&id) else { continue };
            entry.is_dirty = false;
            if entry.alias.is_none() {
                continue;
            }
            let replica = Arc::clone(&entry.replica);
            if let Some(outgoing) = replica.take_batch() {
                self.commit(Outstanding::new(replica, None, Change::Commit(outgoing)));
            }
        }
    }

    /// Gives a change its sequence and sends it.
    fn commit(&mut self, outstanding: Outstanding) {
        self.next_sequence += 1;
        let sequence = Sequence(self.next_sequence);
        self.commits.insert(sequence, outstanding);
        self.send_commit(sequence);
    }

    /// Sends everything without an outcome, in order, unless it was sent on this link: commits of replicas that are not
    /// presented wait until they are.
    pub(super) fn send_again(&mut self) {
        let unsent = self.commits.iter().filter(|(_, outstanding)| !outstanding.is_sent);
        let sequences: Vec<Sequence> = unsent.map(|(sequence, _)| *sequence).collect();
        sequences.into_iter().for_each(|sequence| self.send_commit(sequence));
    }

    /// What was sent on earlier links and has no outcome, as a greeting tells it.
    pub(super) fn again(&self) -> Option<Again> {
        let since = self.commits.values().filter_map(|outstanding| outstanding.since).min()?;
        let (last, _) = self.commits.iter().rfind(|(_, outstanding)| outstanding.since.is_some())?;
        Some(Again { below: Sequence(last.0 + 1), since })
    }

    /// Ends what nobody waits for: the commits of a replica that is forgotten. They may have taken effect, or not.
    pub(super) fn drop_commits(&mut self, replica: ReplicaId) {
        let is_dropped = |outstanding: &Outstanding| {
            outstanding.concerns(replica) && matches!(outstanding.change, Change::Commit(_))
        };
        let dropped = self.commits.extract_if(.., |_, outstanding| is_dropped(outstanding));
        let transfers: Vec<TransferId> = dropped.filter_map(|(_, outstanding)| outstanding.transfer).collect();
        transfers.into_iter().for_each(|transfer| self.end_up(transfer));
        self.drop_groups();
    }

    fn send_commit(&mut self, sequence: Sequence) {
        let unacked = self.commits.keys().next().copied().unwrap_or(sequence);
        let at = self.welcome.as_ref().map_or(CommitNumber::default(), |welcome| welcome.next);
        let Some(outstanding) = self.commits.get(&sequence) else { return };
        if matches!(outstanding.change, Change::Group(_)) {
            if self.send_group(sequence, unacked)
                && let Some(outstanding) = self.commits.get_mut(&sequence)
            {
                outstanding.note_sent(at, None);
            }
            return;
        }
        let presented = self.replicas.get(&outstanding.replica.id()).filter(|entry| entry.is_presented);
        let presented = presented.and_then(|entry| entry.alias);
        let transfer = match &outstanding.change {
            Change::Commit(_) if presented.is_none() => return,
            Change::Commit(outgoing) if outgoing.delta.len() + outgoing.guards.len() > INLINE_BYTES_MAX => {
                Some(Up::of_delta(&outgoing.delta))
            }
            Change::Create(segments, _) if !is_inline(segments) => Some(Up::of_segments(segments.clone())),
            _ => None,
        };
        let transfer = transfer.map(|up| self.begin_up(up));
        let Some(outstanding) = self.commits.get_mut(&sequence) else { return };
        outstanding.note_sent(at, transfer);
        let record = match (&outstanding.change, transfer) {
            (Change::Commit(Outgoing { base, is_isolated, fence, guards, delta }), transfer) => {
                let (alias, base) = (presented.unwrap_or_default(), *base);
                let (is_isolated, fence) = (*is_isolated, *fence);
                match transfer {
                    None => ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta },
                    Some(transfer) => {
                        let bytes = delta.len() as u64;
                        ToRepository::BulkCommit {
                            sequence,
                            unacked,
                            alias,
                            base,
                            is_isolated,
                            fence,
                            guards,
                            transfer,
                            bytes,
                        }
                    }
                }
            }
            (Change::Create(segments, expiry), transfer) => {
                let ObjectName { class, key } = outstanding.replica.name();
                let inline = segments.first().map(|segment| &segment[..]).unwrap_or_default();
                let value = transfer.map_or(CreationValue::Inline(inline), CreationValue::Transfer);
                ToRepository::Create { sequence, unacked, class, key, expiry: *expiry, value }
            }
            (Change::Destroy { alias, birth }, _) => {
                ToRepository::Destroy { sequence, unacked, alias: *alias, birth: *birth }
            }
            (Change::Limit { alias, birth, expiry }, _) => {
                ToRepository::Limit { sequence, unacked, alias: *alias, birth: *birth, expiry: *expiry }
            }
            (Change::Group(_), _) => return,
        };
        record.encode(&mut self.out);
    }

    /// Takes a change that has its outcome out of the table.
    pub(super) fn take_outstanding(&mut self, sequence: Sequence) -> Option<Outstanding> {
        let outstanding = self.commits.remove(&sequence)?;
        if let Some(transfer) = outstanding.transfer {
            self.end_up(transfer);
        }
        Some(outstanding)
    }

    pub(super) fn settled(&mut self, sequence: Sequence, settlement: Settlement) -> Result<(), Violation> {
        let Some(outstanding) = self.take_outstanding(sequence) else { return Ok(()) };
        self.sweep_again();
        let id = outstanding.replica.id();
        if let Some(entry) = self.replicas.get_mut(&id) {
            entry.pushes.clear();
        }
        match outstanding.change {
            Change::Commit(_) => outstanding.replica.settle(settlement).map_err(|refusal| self.diverged(id, &refusal)),
            Change::Destroy { alias, .. } => {
                if self.aliases.get(&alias) == Some(&id) {
                    self.end_replica(id, Ending::Gone);
                }
                self.tell(outstanding.request, Answer::Destroyed);
                Ok(())
            }
            Change::Limit { .. } => {
                self.tell(outstanding.request, Answer::Limited);
                Ok(())
            }
            Change::Create(..) => {
                self.tell(outstanding.request, Answer::Exists);
                Ok(())
            }
            Change::Group(members) if settlement == Settlement::Conflict => self.refuse_members(&members, &settlement),
            Change::Group(_) => Err(mistaken("of one object")),
        }
    }

    pub(super) fn commit_refused(
        &mut self,
        sequence: Sequence,
        code: FailureCode,
        text: &str,
    ) -> Result<(), Violation> {
        let Some(outstanding) = self.take_outstanding(sequence) else { return Ok(()) };
        let text = text.to_owned();
        match (outstanding.change, code) {
            (Change::Commit(_), _) => {
                let id = outstanding.replica.id();
                let refused = Settlement::Refused(RefusedCommit { code, text });
                outstanding.replica.settle(refused).map_err(|refusal| self.diverged(id, &refusal))?;
            }
            (Change::Group(members), _) => {
                self.refuse_members(&members, &Settlement::Refused(RefusedCommit { code, text }))?;
            }
            (Change::Destroy { .. } | Change::Limit { .. }, FailureCode::Gone) => {
                self.tell(outstanding.request, Answer::Ended(Ending::Gone));
            }
            (Change::Create(..), _) => {
                self.end_replica(outstanding.replica.id(), Ending::Gone);
                self.tell(outstanding.request, Answer::Failed { code, text });
            }
            (Change::Destroy { .. } | Change::Limit { .. }, _) => {
                self.tell(outstanding.request, Answer::Failed { code, text })
            }
        }
        Ok(())
    }

    pub(super) fn created(&mut self, sequence: Sequence, alias: Alias, birth: Birth) -> Result<(), Violation> {
        let Some(outstanding) = self.take_outstanding(sequence) else { return Ok(()) };
        let (id, at) = (outstanding.replica.id(), self.token(birth, Version(1)));
        let Some(entry) = self.replicas.get_mut(&id) else {
            self.close_unwanted(alias, birth);
            return Ok(());
        };
        entry.alias = Some(alias);
        entry.birth = Some(birth);
        entry.is_presented = true;
        self.aliases.insert(alias, id);
        outstanding.replica.created(at).map_err(|refusal| self.diverged(id, &refusal))?;
        self.note_resident(id);
        self.tell(outstanding.request, Answer::Created);
        Ok(())
    }

    pub(super) fn exists(&mut self, sequence: Sequence) -> Result<(), Violation> {
        let Some(outstanding) = self.take_outstanding(sequence) else { return Ok(()) };
        self.end_replica(outstanding.replica.id(), Ending::Gone);
        self.tell(outstanding.request, Answer::Exists);
        Ok(())
    }

    fn tell(&mut self, request: Option<RequestId>, answer: Answer) {
        if let Some(request) = request {
            self.answer(request, answer);
        }
    }
}

fn is_inline(segments: &[Bytes]) -> bool {
    matches!(segments, [only] if only.len() <= INLINE_BYTES_MAX)
}

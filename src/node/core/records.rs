//! What the repository says, record by record.
//!
//! Invariant: every record in every state has an answer: it takes effect, or it is about something this node gave up and
//! is ignored, or it is a violation that closes the link. Source: `docs/wire.md` §6.2.

use super::{Answer, Core, LinkState, Violation, Welcome};
use crate::coding::DecodeError;
use crate::ids::{Alias, Birth, CommitNumber, Version};
use crate::limits::PACKET_BYTES;
use crate::node::replica::{Applied, Ending, Refusal, ReplicaId, Settlement};
use crate::wire::{CloseCode, Found, RawRecord, Records, ToNode, ToRepository};

impl Core {
    /// A piece of the stream of records arrived.
    ///
    /// # Errors
    /// A violation: close the link with its code, then call [`handle_disconnected`](Self::handle_disconnected).
    pub fn handle_records(&mut self, piece: &[u8]) -> Result<(), Violation> {
        let mut records = std::mem::take(&mut self.records);
        records.push(piece);
        let outcome = self.handle_whole(&mut records);
        self.records = records;
        outcome?;
        self.consumed_bytes += piece.len();
        if self.consumed_bytes >= self.credit_bytes {
            let bytes = std::mem::take(&mut self.consumed_bytes) as u64;
            self.send(&ToRepository::Credit { bytes });
        }
        Ok(())
    }

    fn handle_whole(&mut self, records: &mut Records) -> Result<(), Violation> {
        while let Some(raw) = records.next().map_err(malformed)? {
            self.handle_record(raw)?;
        }
        Ok(())
    }

    fn handle_record(&mut self, raw: RawRecord<'_>) -> Result<(), Violation> {
        let record = ToNode::decode(raw).map_err(malformed)?;
        let cost = raw.encoded_bytes() + PACKET_BYTES;
        let greets = matches!(record, ToNode::Welcome { .. });
        if self.link == LinkState::Down || greets == self.is_greeted {
            let text = "a record before the greeting, or another greeting".to_owned();
            return Err(Violation { code: CloseCode::OutOfOrder, text });
        }
        match record {
            ToNode::Delta { alias, span, delta } => self.delta((alias, cost), span, delta),
            ToNode::AsSent { sequence } => self.settled(sequence, Settlement::AsSent),
            ToNode::Accepted { sequence, version } => self.settled(sequence, Settlement::Accepted(version)),
            ToNode::Moot { sequence, version } => self.settled(sequence, Settlement::Moot(version)),
            ToNode::Conflict { sequence } => self.settled(sequence, Settlement::Conflict),
            ToNode::CommitRefused { sequence, code, text } => self.commit_refused(sequence, code, text),
            ToNode::Created { sequence, alias, birth } => self.created(sequence, alias, birth),
            ToNode::Exists { sequence } => self.exists(sequence),
            ToNode::Stale { alias, version } => self.overtaken(alias, version),
            ToNode::Gone { alias, birth, is_lost } => {
                self.gone(alias, birth, is_lost);
                Ok(())
            }
            ToNode::Idle { alias, limit_ms } => {
                self.idle(alias, limit_ms);
                Ok(())
            }
            ToNode::Progress { .. } | ToNode::Registered { .. } => Ok(()),
            ToNode::Welcome { protocol, shard, epoch, lossy_epoch, next, shards } => {
                let next = CommitNumber { epoch, n: next };
                self.welcomed(protocol, Welcome { shard, epoch, lossy_epoch, next, shards })
            }
            ToNode::Lock(answer) => {
                self.lock_answered(answer);
                Ok(())
            }
            ToNode::Event(answer) => {
                self.event_answered(answer);
                Ok(())
            }
            ToNode::Group(answer) => self.group_answered(answer),
            ToNode::SchemaRefused { class, text } => {
                self.schema_refused(class, text);
                Ok(())
            }
            ToNode::Resumed => self.resumed(),
            ToNode::SegmentTaken { transfer, index } => self.segment_taken(transfer, index),
            ToNode::Opened { request, alias, birth, version, form } => {
                self.opened(request, (alias, birth, version), form)
            }
            ToNode::Pulled { request, alias: _, version, form } => self.pulled(request, version, form),
            ToNode::Missing { request } => {
                self.missing(request);
                Ok(())
            }
            ToNode::Failed { request, code, text } => {
                self.failed(request, &Answer::Failed { code, text: text.to_owned() });
                Ok(())
            }
            ToNode::KeysPage { request, keys, is_last } => {
                let keys = keys.into_iter().map(str::to_owned).collect();
                self.requests.remove(&request);
                self.answer(request, Answer::Keys { keys, is_last });
                Ok(())
            }
            ToNode::Found(Found { request, found, next }) => {
                let found = found.into_iter().map(|(key, birth)| (key.to_owned(), birth)).collect();
                self.requests.remove(&request);
                self.answer(request, Answer::Found { found, next });
                Ok(())
            }
        }
    }

    /// A push. One for an alias that was closed is ignored: it crossed the close.
    fn delta(&mut self, (alias, cost): (Alias, usize), span: u64, delta: &[u8]) -> Result<(), Violation> {
        let Some((id, entry)) = self.aliases.get(&alias).and_then(|id| Some((*id, self.replicas.get_mut(id)?))) else {
            return Ok(());
        };
        match entry.replica.apply(span, delta) {
            Ok(Applied::Taken) => self.note_push(id, cost),
            Ok(Applied::Dropped) => {}
            Ok(Applied::Overflowed) => self.rewind(id),
            Err(refusal) => return Err(self.diverged(id, &refusal)),
        }
        Ok(())
    }

    /// The object is no more. What is not known by the alias was closed before: another close might end what is being
    /// opened meanwhile, which may be the same birth after a loss.
    fn gone(&mut self, alias: Alias, birth: Birth, is_lost: bool) {
        let Some(id) = self.aliases.get(&alias).copied() else { return };
        if self.replicas.get(&id).is_some_and(|entry| entry.birth.is_none_or(|known| known == birth)) {
            self.end_replica(id, if is_lost { Ending::Lost } else { Ending::Gone });
        }
    }

    /// Forgets a replica whose object is no longer there, and ends what waits for it. Its alias is closed, once: that tells
    /// the repository that it may be used again.
    pub(super) fn end_replica(&mut self, id: ReplicaId, ending: Ending) {
        let Some(entry) = self.replicas.remove(&id) else { return };
        if let Some((alias, birth)) = entry.alias.zip(entry.birth)
            && self.aliases.get(&alias) == Some(&id)
        {
            self.aliases.remove(&alias);
            self.send(&ToRepository::Close { alias, birth });
        }
        self.dirty.retain(|dirty| *dirty != id);
        self.drop_commits(id);
        self.discard_down(id);
        self.forget_resident(id, entry.ranked);
        entry.replica.end(ending);
        self.end_deferred(id, &Answer::Ended(ending));
        self.end_locks_of(id, ending);
        let waiting: Vec<_> =
            self.requests.iter().filter(|(_, r)| r.concerns(id) || r.reads(id)).map(|(request, _)| *request).collect();
        for request in waiting {
            self.end_request(request, ending);
        }
    }

    /// A change was told of and not sent: nothing more is, until a pull.
    fn overtaken(&mut self, alias: Alias, version: Version) -> Result<(), Violation> {
        let Some(id) = self.aliases.get(&alias).copied() else { return Ok(()) };
        let Some(entry) = self.replicas.get_mut(&id) else { return Ok(()) };
        entry.pushes.clear();
        entry.replica.overtake(version).map_err(|refusal| self.diverged(id, &refusal))
    }

    /// A replica refused what the peer sent. If a delta did not fit, the replica is loaded anew.
    pub(super) fn diverged(&self, id: ReplicaId, refusal: &Refusal) -> Violation {
        let mut text = refusal.to_string();
        if let Some(entry) = self.replicas.get(&id) {
            text = format!("{}: {text}", entry.replica.name().class);
            if !matches!(refusal, Refusal::Unexpected { .. }) {
                entry.replica.distrust();
            }
        }
        Violation { code: CloseCode::Diverged, text }
    }
}

fn malformed(error: DecodeError) -> Violation {
    Violation { code: CloseCode::Malformed, text: error.to_string() }
}

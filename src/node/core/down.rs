//! Transfers from the repository: snapshots and large catch-ups, in segments.
//!
//! Segments travel beside the records and may overtake the record that announces them, and each other; here they are put
//! in order. Those of a snapshot go to the slot and are confirmed when they are decoded; those of a catch-up are
//! confirmed as they come and joined. Invariants: what waits is bounded by what may be unconfirmed; a snapshot replaces
//! what was under way for its replica; a transfer that was given up is swallowed to its end, and all its segments are
//! confirmed. Source: own reasoning.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::{Core, LinkState, Violation};
use crate::ids::{RequestId, TransferId, Version};
use crate::limits::{DELTA_BYTES_MAX, SEGMENTS_UNCONFIRMED_MAX, TRANSFERS_MAX};
use crate::node::replica::ReplicaId;
use crate::wire::{CloseCode, Segment, ToRepository};

/// One transfer.
#[derive(Debug, Default)]
struct Down {
    /// Where it leads, once announced.
    goal: Option<Goal>,
    /// Segments that came and were not handed on yet, by index.
    early: BTreeMap<u32, Segment>,
    /// How many were handed on, and how many of these are confirmed.
    next: u32,
    taken: u32,
    /// Whether the last was handed on.
    is_whole: bool,
    joined: BytesMut,
}

#[derive(Debug)]
struct Goal {
    /// `None`: it was given up.
    replica: Option<ReplicaId>,
    is_snapshot: bool,
    /// The requests that end with it: its own, and those of transfers that it replaced.
    requests: Vec<RequestId>,
    version: Version,
}

impl Down {
    fn is_of(&self, replica: ReplicaId) -> bool {
        self.goal.as_ref().is_some_and(|goal| goal.replica == Some(replica))
    }
}

/// All transfers of a link.
#[derive(Debug, Default)]
pub(super) struct DownTransfers {
    transfers: BTreeMap<TransferId, Down>,
}

/// What to do with the next segment of a transfer.
enum Next {
    Snapshot(ReplicaId, Segment),
    CaughtUp(ReplicaId, Option<Bytes>),
    Swallowed,
}

impl DownTransfers {
    pub(super) fn clear(&mut self) {
        self.transfers.clear();
    }

    fn begin(&mut self, transfer: TransferId, goal: Goal) -> Result<(), &'static str> {
        let down = self.transfers.entry(transfer).or_default();
        if down.goal.is_some() {
            return Err("a transfer is announced twice");
        }
        down.goal = Some(goal);
        Ok(())
    }

    pub(super) fn is_loading(&self, replica: ReplicaId) -> bool {
        self.transfers.values().any(|down| down.is_of(replica))
    }

    fn put(&mut self, segment: Segment) -> Result<(), &'static str> {
        let waiting: usize = self.transfers.values().map(|down| down.early.len()).sum();
        if waiting >= TRANSFERS_MAX * SEGMENTS_UNCONFIRMED_MAX as usize {
            return Err("more segments are under way than may be unconfirmed");
        }
        let down = self.transfers.entry(segment.transfer).or_default();
        if segment.index < down.next || down.early.insert(segment.index, segment).is_some() {
            return Err("a segment came twice");
        }
        Ok(())
    }

    fn next(&mut self, transfer: TransferId) -> Result<Option<Next>, &'static str> {
        let Some(down) = self.transfers.get_mut(&transfer) else { return Ok(None) };
        let Some(goal) = &down.goal else { return Ok(None) };
        let Some(segment) = down.early.remove(&down.next) else { return Ok(None) };
        down.next += 1;
        down.is_whole = segment.is_last;
        let Some(replica) = goal.replica else { return Ok(Some(Next::Swallowed)) };
        if goal.is_snapshot {
            return Ok(Some(Next::Snapshot(replica, segment)));
        }
        if down.joined.len() + segment.bytes.len() > DELTA_BYTES_MAX * 2 {
            return Err("a catch-up is larger than a delta may be");
        }
        down.joined.extend_from_slice(&segment.bytes);
        let whole = segment.is_last.then(|| std::mem::take(&mut down.joined).freeze());
        Ok(Some(Next::CaughtUp(replica, whole)))
    }
}

impl Core {
    /// A segment arrived.
    ///
    /// # Errors
    /// A violation: close the link with its code.
    pub fn handle_segment(&mut self, bytes: &Bytes) -> Result<(), Violation> {
        if self.link == LinkState::Down {
            return Ok(());
        }
        let segment = Segment::decode(bytes)
            .map_err(|error| Violation { code: CloseCode::Malformed, text: error.to_string() })?;
        let transfer = segment.transfer;
        self.down.put(segment).map_err(out_of_order)?;
        self.segments += 1;
        self.deliver(transfer)
    }

    /// A transfer to a replica is announced. A snapshot replaces what was under way for it.
    pub(super) fn begin_down(
        &mut self,
        transfer: TransferId,
        replica: ReplicaId,
        is_snapshot: bool,
        (request, version): (RequestId, Version),
    ) -> Result<(), Violation> {
        let mut requests = if is_snapshot { self.discard_down(replica) } else { Vec::new() };
        requests.push(request);
        let goal = Goal { replica: Some(replica), is_snapshot, requests, version };
        self.down.begin(transfer, goal).map_err(out_of_order)?;
        self.deliver(transfer)
    }

    /// Has a transfer swallowed that nobody waits for.
    pub(super) fn swallow_down(&mut self, transfer: TransferId) -> Result<(), Violation> {
        let goal = Goal { replica: None, is_snapshot: false, requests: Vec::new(), version: Version(0) };
        self.down.begin(transfer, goal).map_err(out_of_order)?;
        self.deliver(transfer)
    }

    /// Gives up what is under way for a replica, so that its sender comes to its end; answers the requests that waited.
    pub(super) fn discard_down(&mut self, replica: ReplicaId) -> Vec<RequestId> {
        let mut requests = Vec::new();
        let mut given_up = Vec::new();
        for (transfer, down) in self.down.transfers.iter_mut().filter(|(_, down)| down.is_of(replica)) {
            if let Some(goal) = &mut down.goal {
                goal.replica = None;
                requests.append(&mut goal.requests);
            }
            given_up.push(*transfer);
        }
        given_up.into_iter().for_each(|transfer| self.confirm_handed(transfer));
        requests
    }

    /// Confirms every segment of a transfer that was handed on.
    fn confirm_handed(&mut self, transfer: TransferId) {
        let Some(down) = self.down.transfers.get_mut(&transfer) else { return };
        let handed = std::mem::replace(&mut down.taken, down.next)..down.next;
        if down.is_whole {
            self.down.transfers.remove(&transfer);
        }
        handed.for_each(|index| self.send(&ToRepository::SegmentTaken { transfer, index }));
    }

    /// Hands on what is in order.
    fn deliver(&mut self, transfer: TransferId) -> Result<(), Violation> {
        while let Some(next) = self.down.next(transfer).map_err(out_of_order)? {
            match next {
                Next::Snapshot(id, Segment { index, is_last, bytes, .. }) => {
                    if let Some(entry) = self.replicas.get(&id) {
                        entry.replica.load_segment(transfer, index, is_last, bytes);
                    }
                }
                Next::Swallowed | Next::CaughtUp(_, None) => self.confirm_handed(transfer),
                Next::CaughtUp(id, Some(delta)) => {
                    let goal = self.down.transfers.get_mut(&transfer).and_then(|down| down.goal.take());
                    self.confirm_handed(transfer);
                    self.caught_up(id, goal, delta)?;
                }
            }
        }
        Ok(())
    }

    fn caught_up(&mut self, id: ReplicaId, goal: Option<Goal>, delta: Bytes) -> Result<(), Violation> {
        let (Some(entry), Some(goal)) = (self.replicas.get(&id), goal) else { return Ok(()) };
        entry
            .replica
            .finish_catch_up(goal.version, delta)
            .and_then(|()| entry.replica.confirm())
            .map_err(|refusal| self.diverged(id, &refusal))?;
        self.complete_all(goal);
        Ok(())
    }

    /// A slot has decoded a segment.
    pub(super) fn segment_decoded(&mut self, replica: ReplicaId, transfer: TransferId, index: u32) {
        let Some(down) = self.down.transfers.get_mut(&transfer) else { return };
        if down.is_of(replica) && index == down.taken && index < down.next {
            down.taken += 1;
            self.send(&ToRepository::SegmentTaken { transfer, index });
        }
    }

    /// A slot's snapshot is whole.
    pub(super) fn load_ended(&mut self, replica: ReplicaId) {
        self.note_resident(replica);
        let is_load = |down: &Down| down.is_of(replica) && down.goal.as_ref().is_some_and(|goal| goal.is_snapshot);
        let loads = self.down.transfers.iter();
        let Some(transfer) = loads.filter(|(_, down)| is_load(down)).map(|(id, _)| *id).next() else { return };
        let goal = self.down.transfers.remove(&transfer).and_then(|down| down.goal);
        goal.into_iter().for_each(|goal| self.complete_all(goal));
    }

    /// A slot makes nothing of a snapshot: what is left of it is swallowed, and whoever asked hears that it came.
    pub(super) fn load_given_up(&mut self, replica: ReplicaId, transfer: TransferId) {
        let Some(down) = self.down.transfers.get_mut(&transfer).filter(|down| down.is_of(replica)) else { return };
        let Some(goal) = &mut down.goal else { return };
        goal.replica = None;
        let (requests, version) = (std::mem::take(&mut goal.requests), goal.version);
        self.confirm_handed(transfer);
        requests.into_iter().for_each(|request| self.complete(request, version));
    }

    fn complete_all(&mut self, Goal { requests, version, .. }: Goal) {
        requests.into_iter().for_each(|request| self.complete(request, version));
    }
}

fn out_of_order(text: &'static str) -> Violation {
    Violation { code: CloseCode::OutOfOrder, text: text.to_owned() }
}

//! Transfers from the repository: snapshots and large catch-ups, in segments.
//!
//! Segments travel beside the records and may overtake the record that announces them, and each other; here they are put
//! in order. Those of a snapshot go to the slot and are confirmed when they are decoded; those of a catch-up are
//! confirmed as they come and joined. Invariants: what waits is bounded by what may be unconfirmed; a transfer that was
//! given up is swallowed to its end. Source: own reasoning.

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
    /// Segments that came and were not taken yet, by index.
    early: BTreeMap<u32, Segment>,
    next: u32,
    joined: BytesMut,
}

#[derive(Clone, Copy, Debug)]
struct Goal {
    /// `None`: it was given up.
    replica: Option<ReplicaId>,
    is_snapshot: bool,
    request: RequestId,
    version: Version,
}

/// All transfers of a link.
#[derive(Debug, Default)]
pub(super) struct DownTransfers {
    transfers: BTreeMap<TransferId, Down>,
}

/// What to do with the next segment of a transfer.
enum Next {
    Snapshot(ReplicaId, Segment),
    CaughtUp(ReplicaId, Segment, Option<Bytes>),
    Swallowed(Segment),
}

impl DownTransfers {
    pub(super) fn clear(&mut self) {
        self.transfers.clear();
    }

    pub(super) fn begin(
        &mut self,
        transfer: TransferId,
        replica: ReplicaId,
        is_snapshot: bool,
        (request, version): (RequestId, Version),
    ) -> Result<(), &'static str> {
        self.discard(replica);
        let down = self.transfers.entry(transfer).or_default();
        if down.goal.is_some() {
            return Err("a transfer is announced twice");
        }
        down.goal = Some(Goal { replica: Some(replica), is_snapshot, request, version });
        Ok(())
    }

    pub(super) fn is_loading(&self, replica: ReplicaId) -> bool {
        self.transfers.values().any(|down| down.goal.is_some_and(|goal| goal.replica == Some(replica)))
    }

    /// Gives up what is under way for a replica.
    pub(super) fn discard(&mut self, replica: ReplicaId) {
        for goal in self.transfers.values_mut().filter_map(|down| down.goal.as_mut()) {
            if goal.replica == Some(replica) {
                goal.replica = None;
            }
        }
    }

    /// Has a transfer swallowed that nobody waits for any more.
    pub(super) fn swallow(&mut self, transfer: TransferId, request: RequestId) {
        let goal = Goal { replica: None, is_snapshot: false, request, version: Version(0) };
        self.transfers.entry(transfer).or_default().goal = Some(goal);
    }

    fn take_goal(&mut self, replica: ReplicaId) -> Option<Goal> {
        let (transfer, goal) = self
            .transfers
            .iter()
            .find_map(|(id, down)| Some((*id, down.goal.filter(|g| g.replica == Some(replica))?)))?;
        self.transfers.remove(&transfer);
        Some(goal)
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
        let Some(goal) = down.goal else { return Ok(None) };
        let Some(segment) = down.early.remove(&down.next) else { return Ok(None) };
        down.next += 1;
        let Some(replica) = goal.replica else {
            if segment.is_last {
                self.transfers.remove(&transfer);
            }
            return Ok(Some(Next::Swallowed(segment)));
        };
        if goal.is_snapshot {
            return Ok(Some(Next::Snapshot(replica, segment)));
        }
        if down.joined.len() + segment.bytes.len() > DELTA_BYTES_MAX * 2 {
            return Err("a catch-up is larger than a delta may be");
        }
        down.joined.extend_from_slice(&segment.bytes);
        let whole = segment.is_last.then(|| std::mem::take(&mut down.joined).freeze());
        Ok(Some(Next::CaughtUp(replica, segment, whole)))
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
        self.deliver(transfer)
    }

    /// Hands on what is in order.
    pub(super) fn deliver(&mut self, transfer: TransferId) -> Result<(), Violation> {
        while let Some(next) = self.down.next(transfer).map_err(out_of_order)? {
            match next {
                Next::Snapshot(id, Segment { index, is_last, bytes, .. }) => {
                    if let Some(entry) = self.replicas.get(&id) {
                        entry.replica.load_segment(transfer, index, is_last, bytes);
                    }
                }
                Next::Swallowed(segment) => self.send(&ToRepository::SegmentTaken { transfer, index: segment.index }),
                Next::CaughtUp(id, segment, whole) => {
                    self.send(&ToRepository::SegmentTaken { transfer, index: segment.index });
                    if let Some(delta) = whole {
                        self.caught_up(id, delta)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn caught_up(&mut self, id: ReplicaId, delta: Bytes) -> Result<(), Violation> {
        let goal = self.down.take_goal(id);
        let Some(entry) = self.replicas.get(&id) else { return Ok(()) };
        entry
            .replica
            .finish_catch_up(delta)
            .and_then(|()| entry.replica.confirm())
            .map_err(|refusal| self.diverged(id, &refusal))?;
        if let Some(goal) = goal {
            self.complete(goal.request, goal.version);
        }
        Ok(())
    }

    /// A slot has decoded a segment.
    pub(super) fn segment_decoded(&mut self, replica: ReplicaId, transfer: TransferId, index: u32) {
        let is_known = self.down.transfers.get(&transfer).is_some_and(|down| {
            index < down.next && down.goal.is_some_and(|goal| goal.replica.is_none_or(|known| known == replica))
        });
        if is_known {
            self.send(&ToRepository::SegmentTaken { transfer, index });
        }
    }

    /// A slot's snapshot is whole.
    pub(super) fn load_ended(&mut self, replica: ReplicaId) {
        if let Some(goal) = self.down.take_goal(replica) {
            self.complete(goal.request, goal.version);
        }
    }
}

fn out_of_order(text: &'static str) -> Violation {
    Violation { code: CloseCode::OutOfOrder, text: text.to_owned() }
}

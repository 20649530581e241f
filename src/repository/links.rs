//! Connections: greeting, reading records, leaving; and the calls of the driver around them.
//!
//! The first and the last station of the core. Invariants: a record is understood before it is believed, and a peer
//! that breaks the rules loses its link and nothing else; a connection that ended sends nothing any more. Source: the
//! four kinds of calls are those of quinn-proto.

use std::mem;
use std::time::Duration;

use bytes::Bytes;

use super::holders::Place;
use super::nodes::Node;
use super::work::Work;
use super::{Close, ConnectionId, Core, Rank, Rule};
use crate::coding::DecodeError;
use crate::ids::{Epoch, FrameNumber, NodeId, Sequence};
use crate::journal::Append;
use crate::limits::{COMMITS_UNACKNOWLEDGED_MAX, PROGRESS_MS, RECORD_BYTES_MAX, SLOW_MS, UNREAD_RECORDS_BYTES_MAX};
use crate::time::Instant;
use crate::wire::{Again, CloseCode, GroupCommit, PROTOCOL, ToNode, ToRepository};

/// How often a link that is quiet says that it lives.
const PROGRESS: Duration = Duration::from_millis(PROGRESS_MS);

/// What a peer did wrong; ends its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    code: CloseCode,
    text: String,
}

impl Violation {
    pub(super) fn new(code: CloseCode, text: &str) -> Self {
        Self { code, text: text.to_owned() }
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self { code: CloseCode::Malformed, text: error.to_string() }
    }
}

impl Core {
    /// A node connected; its greeting follows.
    pub fn handle_connected(&mut self, now: Instant, connection: ConnectionId) {
        self.begin(now);
        let (code, text) = match self.caps.nodes_max {
            _ if self.is_stopped => (CloseCode::Stopped, String::new()),
            max => (CloseCode::TooManyNodes, format!("at most {max}")),
        };
        let (window, is_full) = (self.caps.windows.unconfirmed_bytes, self.nodes.len() >= self.caps.nodes_max);
        if self.is_stopped || is_full || self.nodes.enter(Node::new(connection, now, window)).is_none() {
            self.closes.push_back(Close { connection, code, text });
        } else {
            self.tick_at = self.tick_at.or(Some(now.after(PROGRESS)));
        }
    }

    /// The next piece of a node's records arrived.
    pub fn handle_records(&mut self, now: Instant, connection: ConnectionId, piece: &[u8]) {
        self.begin(now);
        let Some(place) = self.nodes.find(connection) else { return };
        let Some(node) = self.nodes.at_mut(place) else { return };
        if node.records.left() + piece.len() > UNREAD_RECORDS_BYTES_MAX + RECORD_BYTES_MAX {
            self.close(place, &Violation::new(CloseCode::TooManyRequests, "records were sent against the window"));
            return;
        }
        node.records.push(piece);
        if !node.is_reading {
            self.read_on(place);
        }
    }

    /// A segment of a node arrived.
    pub fn handle_segment(&mut self, now: Instant, connection: ConnectionId, bytes: &Bytes) {
        self.begin(now);
        let Some(place) = self.nodes.find(connection) else { return };
        if let Err(violation) = self.take_segment(place, bytes).and_then(|()| self.check_owed(place)) {
            self.close(place, &violation);
        }
    }

    /// A connection broke.
    pub fn handle_disconnected(&mut self, now: Instant, connection: ConnectionId) {
        self.begin(now);
        if let Some(place) = self.nodes.find(connection) {
            self.depart(place);
        }
    }

    /// Every frame up to `frame` is durable.
    pub fn handle_durable(&mut self, now: Instant, frame: FrameNumber) {
        self.begin(now);
        // Before anything is released: whoever hears of a change is woken in the order of ranks.
        self.begin_fan_out();
        self.frames.settle(frame);
        self.note_durable(self.frames.durable());
        let first_late = FrameNumber(self.frames.durable().0 + 1);
        let later = self.gated.split_off(&(first_late, Rank::Holder, Place(0)));
        for (_, _, place) in mem::replace(&mut self.gated, later) {
            self.wake(place);
        }
        self.go_on_reading();
        for alias in mem::take(&mut self.parked) {
            self.work.push_back(Work::Commit(alias));
        }
    }

    /// Reads the records that waited for the journal.
    pub(super) fn go_on_reading(&mut self) {
        for place in mem::take(&mut self.stalled) {
            self.work.push_back(Work::Read(place));
        }
    }

    /// A frame could not be made durable: the shard stops, and what was not durable is never shown.
    pub fn handle_append_failed(&mut self, now: Instant) {
        self.begin(now);
        self.is_stopped = true;
        let places: Vec<_> = self.nodes.places().collect();
        for place in places {
            self.close(place, &Violation::new(CloseCode::Stopped, "a frame could not be made durable"));
        }
    }

    /// The device of the journal is full, or has room again: until it has, no commit is taken.
    pub fn handle_room(&mut self, now: Instant, has_room: bool) {
        self.begin(now);
        self.is_full = !has_room;
    }

    /// Time passed: ends objects, and waits for locks, acknowledgements and turns, whose time is over; tells quiet links
    /// that they live, closes those that do not keep up, forgets old outcomes.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        if self.next_expiry().is_some_and(|at| at <= now) {
            self.expire_on();
        }
        self.time_out_waits();
        self.time_out_events();
        self.time_out_precedences();
        if self.tick_at.is_none_or(|at| at > now) {
            return;
        }
        let forget_at = self.outcomes.expire(now, self.frames.next_commit());
        let places: Vec<_> = self.nodes.places().collect();
        for &place in &places {
            self.tick(place);
        }
        self.tick_at = if places.is_empty() { forget_at } else { Some(now.after(PROGRESS)) };
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.locks.next_deadline().into_iter().chain(self.events.next_deadline());
        let waits = waits.chain(self.precedences.next_deadline());
        self.tick_at.into_iter().chain(self.next_expiry()).chain(waits).min()
    }

    /// A frame for the journal: when none is on its way, or when one is full. Ask until there is none: then what was sealed
    /// is fanned out, while the journal writes it.
    pub fn poll_append(&mut self) -> Option<Append> {
        self.cost.begin();
        if self.is_stopped {
            return None;
        }
        let Some(append) = self.frames.seal(self.now.0) else {
            self.begin_fan_out();
            return None;
        };
        self.note_frame(append.frame.name, append.frame.bytes.len());
        self.cost.add(0, append.frame.bytes.len());
        self.queue_fan_out();
        Some(append)
    }

    /// A node for which something is due.
    pub fn poll_wake(&mut self) -> Option<ConnectionId> {
        loop {
            let place = self.woken.pop_front()?;
            if let Some(node) = self.nodes.at_mut(place).filter(|node| node.is_woken && !node.is_leaving) {
                node.is_woken = false;
                return Some(node.connection);
            }
        }
    }

    /// Moves the records that are due to a node to the end of `out`: at most 256 KiB, or one record.
    pub fn poll_records(&mut self, connection: ConnectionId, out: &mut Vec<u8>) {
        let durable = self.durable();
        let Some(place) = self.nodes.find(connection) else { return };
        let Some(node) = self.nodes.at_mut(place) else { return };
        node.outbox.poll(durable, out);
        if node.outbox.is_due(durable) {
            self.wake(place);
        }
    }

    /// A connection that the core ended.
    pub fn poll_close(&mut self) -> Option<Close> {
        self.closes.pop_front()
    }

    /// Whether the driver should read more from this connection; ask again after the next durable frame or step of work.
    #[must_use]
    pub fn has_room(&self, connection: ConnectionId) -> bool {
        let node = self.nodes.find(connection).and_then(|place| self.nodes.at(place));
        node.is_none_or(|node| node.records.left() < UNREAD_RECORDS_BYTES_MAX / 2)
    }

    /// Bytes of a connection's records that were not read yet: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn unread_bytes(&self, connection: ConnectionId) -> usize {
        let node = self.nodes.find(connection).and_then(|place| self.nodes.at(place));
        node.map_or(0, |node| node.records.left())
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.cost.begin();
    }

    /// The newest frame whose effects may be shown.
    pub(super) fn durable(&self) -> FrameNumber {
        if self.rules.has(Rule::Gate) { self.frames.durable() } else { FrameNumber(u64::MAX) }
    }

    /// Reads a node's records until the step's budget is spent.
    pub(super) fn read_on(&mut self, place: Place) {
        let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
        node.is_reading = false;
        let mut records = mem::take(&mut node.records);
        let answer = loop {
            if self.cost.is_spent() || self.frames.is_full() || self.is_behind() {
                self.read_later(place);
                break Ok(());
            }
            match records.next() {
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
                Ok(Some(raw)) => {
                    self.cost.add(1, raw.body.len());
                    let handled = ToRepository::decode(raw).map_err(Violation::from);
                    let handled = handled.and_then(|record| self.handle_record(place, &record));
                    if let Err(violation) = handled.and_then(|()| self.check_owed(place)) {
                        break Err(violation);
                    }
                }
            }
        };
        if let Some(node) = self.nodes.at_mut(place) {
            node.records = records;
        }
        if let Err(violation) = answer {
            self.close(place, &violation);
        }
    }

    fn read_later(&mut self, place: Place) {
        if let Some(node) = self.nodes.at_mut(place) {
            node.is_reading = true;
        }
        if self.frames.is_full() || self.is_behind() {
            self.stalled.insert(place);
        } else {
            self.work.push_back(Work::Read(place));
        }
    }

    fn handle_record(&mut self, place: Place, record: &ToRepository<'_>) -> Result<(), Violation> {
        let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return Ok(()) };
        if node.id.is_none() != matches!(record, ToRepository::Hello { .. }) {
            return Err(Violation::new(CloseCode::OutOfOrder, "a link starts with one greeting"));
        }
        match *record {
            ToRepository::Hello { protocol, node, known, again } => self.greet(place, protocol, (node, known), again),
            ToRepository::Register { schema } => self.register(place, schema),
            ToRepository::Credit { bytes } => self.confirm(place, bytes),
            ToRepository::SegmentTaken { transfer, .. } => self.segment_taken(place, transfer),
            ToRepository::Read { alias } => {
                self.note_read(place, alias);
                Ok(())
            }
            ToRepository::Deliver { alias, birth, delivery } => {
                self.set_delivery(place, alias, birth, delivery);
                Ok(())
            }
            ToRepository::Touch { ref aliases } => self.touch_all(place, aliases),
            ToRepository::Close { alias, birth } => {
                node.misled.remove(&alias);
                let has_birth = self.rules.has(Rule::Birth);
                if self.objects.at(alias).is_some_and(|object| !has_birth || object.birth == birth) {
                    self.release(place, alias);
                }
                Ok(())
            }
            ToRepository::Goodbye => {
                if let Some(id) = node.id {
                    self.depart(place);
                    self.outcomes.forget(id);
                }
                Ok(())
            }
            ToRepository::Commit { sequence, unacked, .. }
            | ToRepository::BulkCommit { sequence, unacked, .. }
            | ToRepository::Create { sequence, unacked, .. }
            | ToRepository::Destroy { sequence, unacked, .. }
            | ToRepository::Limit { sequence, unacked, .. }
            | ToRepository::Group(GroupCommit { sequence, unacked, .. }) => {
                self.acknowledge(place, sequence, unacked)?;
                self.nodes.at_mut(place).map_or(Ok(()), |node| node.begin_commit(sequence))?;
                self.handle_commit_record(place, record)
            }
            ToRepository::Lock(request) => self.handle_lock(place, request),
            ToRepository::Event(request) => self.handle_event(place, request),
            ToRepository::Resume { alias, birth, version } => self.resume(place, alias, birth, version),
            ToRepository::ResumeEnd => self.end_resume(place),
            ToRepository::Open { .. }
            | ToRepository::Pull { .. }
            | ToRepository::Keys { .. }
            | ToRepository::Find(_)
            | ToRepository::ReadGroup(_) => self.request(place, record),
        }
    }

    fn greet(
        &mut self,
        place: Place,
        protocol: u32,
        (id, known): (NodeId, Epoch),
        again: Option<Again>,
    ) -> Result<(), Violation> {
        if protocol != PROTOCOL {
            let text = format!("the repository speaks {PROTOCOL}, the node {protocol}: run one version of nam on both");
            return Err(Violation { code: CloseCode::Protocol, text });
        }
        if let Some(older) = self.nodes.find_id(id) {
            self.close(older, &Violation::new(CloseCode::Superseded, ""));
        }
        self.nodes.greet(place, id);
        self.outcomes.arrive(id);
        let has_all = |again: &Again| self.outcomes.has_all_since(id, again.since);
        let dubious_below = again.filter(|again| !has_all(again)).map_or(Sequence(0), |again| again.below);
        if let Some(node) = self.nodes.at_mut(place) {
            (node.known, node.dubious_below) = (known, dubious_below);
        }
        let identity = &self.identity;
        let (shard, epoch, lossy_epoch) = (identity.shard, identity.epoch, identity.lossy_epoch);
        let shards = identity.shards.clone();
        let next = self.frames.next_commit().n;
        self.push(place, FrameNumber(0), &ToNode::Welcome { protocol, shard, epoch, lossy_epoch, next, shards });
        Ok(())
    }

    /// The node has seen the outcomes below `unacked`.
    fn acknowledge(&mut self, place: Place, sequence: Sequence, unacked: Sequence) -> Result<(), Violation> {
        let Some(id) = self.nodes.at(place).and_then(|node| node.id) else { return Ok(()) };
        self.outcomes.acknowledge(id, unacked);
        if sequence.0 - unacked.0 >= COMMITS_UNACKNOWLEDGED_MAX as u64 {
            return Err(Violation::new(CloseCode::TooManyRequests, "too many commits are unacknowledged"));
        }
        if sequence.0 == 0 || self.outcomes.is_settled(id, sequence) {
            return Err(Violation::new(CloseCode::OutOfOrder, "the commit was acknowledged before"));
        }
        Ok(())
    }

    /// Answers need no room, so who asks on and on must read them.
    fn check_owed(&self, place: Place) -> Result<(), Violation> {
        let owed_bytes = self.nodes.at(place).map_or(0, |node| node.outbox.held_bytes());
        if owed_bytes > self.caps.owed_bytes_max {
            return Err(Violation::new(CloseCode::TooManyRequests, "too much was asked and no answer confirmed"));
        }
        Ok(())
    }

    fn confirm(&mut self, place: Place, bytes: u64) -> Result<(), Violation> {
        let now = self.now;
        let Some(node) = self.nodes.at_mut(place) else { return Ok(()) };
        node.heard_at = now;
        if !node.outbox.confirm(bytes) {
            return Err(Violation::new(CloseCode::OutOfOrder, "more was confirmed than was sent"));
        }
        self.catch_later(place);
        self.feed();
        Ok(())
    }

    /// Ends a connection for a reason that the driver tells the peer.
    pub(super) fn close(&mut self, place: Place, violation: &Violation) {
        let Some(node) = self.nodes.at(place).filter(|node| !node.is_leaving) else { return };
        let (connection, code, text) = (node.connection, violation.code, violation.text.clone());
        self.closes.push_back(Close { connection, code, text });
        self.depart(place);
    }

    fn depart(&mut self, place: Place) {
        if let Some(id) = self.nodes.leave(place) {
            self.outcomes.leave(id, self.now);
            self.outcomes.press(self.caps.departed_bytes_max, self.frames.next_commit());
        }
        self.work.push_back(Work::Leave(place));
    }

    /// Ends the locks and waits of a node that left, then removes its holder entries, in steps; then its place is free.
    pub(super) fn leave_on(&mut self, place: Place) {
        while !self.cost.is_spent() {
            if self.drop_claim_of(place) || self.drop_consumer_of(place) || self.drop_group_of(place) {
                continue;
            }
            let Some(node) = self.nodes.at_mut(place) else { return };
            let Some(alias) = node.held.pop_first() else {
                self.gated.retain(|(_, _, gated)| *gated != place);
                self.stalled.remove(&place);
                self.nodes.free(place);
                return;
            };
            self.cost.add(1, 0);
            self.release(place, alias);
        }
        self.work.push_back(Work::Leave(place));
    }

    fn tick(&mut self, place: Place) {
        let (now, durable) = (self.now, self.frames.durable());
        let record_bytes = self.caps.windows.record_bytes();
        let Some(node) = self.nodes.at_mut(place).filter(|node| node.id.is_some()) else { return };
        let is_behind = !node.dirty.is_empty() || !node.requests.is_empty();
        if !is_behind || node.outbox.room() >= record_bytes {
            node.heard_at = now;
        } else if now.since(node.heard_at) >= Duration::from_millis(SLOW_MS) {
            self.close(place, &Violation::new(CloseCode::Slow, "nothing was confirmed for too long"));
            return;
        }
        if self.nodes.at(place).is_some_and(|node| node.outbox.is_empty()) {
            self.push(place, FrameNumber(0), &ToNode::Progress { frame: durable });
        }
    }

    /// Puts a record of this node alone behind all earlier ones, to leave after `after` is durable.
    pub(super) fn push(&mut self, place: Place, after: FrameNumber, record: &ToNode<'_>) {
        if let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) {
            node.push(after, record);
            self.stir(place, after);
        }
    }

    /// As [`push`](Self::push), the result of a commit, or of a lock's release: its author is woken behind the nodes that
    /// hold the object, so that whoever hears of the change from the author finds it there, and behind who has the lock next.
    pub(super) fn push_result(&mut self, place: Place, after: FrameNumber, record: &ToNode<'_>) {
        if let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) {
            node.push(after, record);
            self.stir_by_rank(place, after, Rank::Author);
        }
    }

    /// Sees to it that a node is woken when `after` is durable.
    pub(super) fn stir(&mut self, place: Place, after: FrameNumber) {
        self.stir_by_rank(place, after, Rank::Holder);
    }

    fn stir_by_rank(&mut self, place: Place, after: FrameNumber, rank: Rank) {
        if after <= self.durable() {
            self.wake(place);
        } else {
            self.gated.insert((after, rank, place));
        }
    }

    pub(super) fn wake(&mut self, place: Place) {
        if let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_woken) {
            node.is_woken = true;
            self.woken.push_back(place);
        }
    }
}

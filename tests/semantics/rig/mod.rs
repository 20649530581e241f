//! Nodes and one repository without a clock: every record is handled as it is sent, and what deliveries cost is counted.

pub(crate) mod naive;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::coding::Writer;
use nam::expiry::Expiry;
use nam::ids::{Epoch, NodeId, RequestId, ShardId, Version};
use nam::journal::{EncodedFrame, Frame};
use nam::limits::{INLINE_BYTES_MAX, PACKET_BYTES};
use nam::node::{
    Answer, Core, CoreEvent, Guard, Host, Mark, Outgoing, Replica, ReplicaId, Ring, Scope, Settled, Slot, Step, Ticket,
};
use nam::repository::{Caps, Close, ConnectionId, Core as Repository, Identity, Rule, Rules};
use nam::time::Instant;
use nam::tracked::Class;
use nam::wire::{Records, ToNode, ToRepository};
use parking_lot::Mutex;

#[derive(Debug, Default)]
struct Rings(Mutex<Vec<(ReplicaId, Ring)>>);

impl Host for Rings {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.0.lock().push((replica, ring));
    }
}

/// What deliveries to one node took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) pushes: usize,
    pub(crate) notices: usize,
    pub(crate) pulls: usize,
    /// Words that something was read.
    pub(crate) reads: usize,
    /// Own commits that took effect as they were sent.
    pub(crate) as_sent: usize,
    /// Bytes of all of these and of the answers to pulls, each record with its packet.
    pub(crate) bytes: usize,
}

impl Traffic {
    fn count_down(&mut self, bytes: &[u8]) {
        each(bytes, |length, raw| {
            let record = ToNode::decode(raw).unwrap();
            self.as_sent += usize::from(matches!(record, ToNode::AsSent { .. }));
            match record {
                ToNode::Delta { .. } => self.pushes += 1,
                ToNode::Stale { .. } => self.notices += 1,
                ToNode::Pulled { .. } => {}
                _ => return,
            }
            self.bytes += length + PACKET_BYTES;
        });
    }

    fn count_up(&mut self, bytes: &[u8]) {
        each(bytes, |length, raw| {
            match ToRepository::decode(raw).unwrap() {
                ToRepository::Pull { .. } => self.pulls += 1,
                ToRepository::Read { .. } => self.reads += 1,
                _ => return,
            }
            self.bytes += length + PACKET_BYTES;
        });
    }
}

fn each(bytes: &[u8], mut each: impl FnMut(usize, nam::wire::RawRecord<'_>)) {
    let mut records = Records::new();
    records.push(bytes);
    while let Some(raw) = records.next().unwrap() {
        each(raw.encoded_bytes(), raw);
    }
}

/// One node, its link if it has one, and what it was told.
pub(crate) struct Party {
    pub(crate) core: Core,
    rings: Arc<Rings>,
    connection: Option<ConnectionId>,
    answers: Vec<(RequestId, Answer)>,
    pub(crate) traffic: Traffic,
    /// Whether it takes nothing that arrives.
    pub(crate) is_deaf: bool,
    /// Whether its worker rests.
    pub(crate) is_lazy: bool,
    unheard: VecDeque<Vec<u8>>,
    replicas: u64,
}

pub(crate) struct Rig {
    pub(crate) repository: Repository,
    pub(crate) parties: Vec<Party>,
    pub(crate) now: Instant,
    pub(crate) closes: Vec<Close>,
    /// Whether frames become durable.
    pub(crate) is_durable: bool,
    appended: VecDeque<EncodedFrame>,
    pub(crate) journal: Vec<EncodedFrame>,
    connections: u64,
}

fn repository(epoch: u64, lossy_epoch: u64, last_crc: u32) -> Repository {
    let (shard, epoch, lossy_epoch) = (ShardId(0), Epoch(epoch), Epoch(lossy_epoch));
    Repository::new(Identity { shard, epoch, lossy_epoch, last_crc, shards: Vec::new() }, Caps::default())
}

impl Rig {
    /// So many nodes, connected.
    pub(crate) fn new(nodes: u64) -> Self {
        let party = |id| Party {
            core: Core::new(NodeId(id)),
            rings: Arc::default(),
            connection: None,
            answers: Vec::new(),
            traffic: Traffic::default(),
            is_deaf: false,
            is_lazy: false,
            unheard: VecDeque::new(),
            replicas: 0,
        };
        let mut rig = Self {
            repository: repository(1, 1, 0),
            parties: (1..=nodes).map(party).collect(),
            now: Instant(0),
            closes: Vec::new(),
            is_durable: true,
            appended: VecDeque::new(),
            journal: Vec::new(),
            connections: 0,
        };
        (0..rig.parties.len()).for_each(|at| rig.connect(at));
        rig.settle();
        rig
    }

    pub(crate) fn connect(&mut self, at: usize) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.repository.handle_connected(self.now, connection);
        self.parties[at].connection = Some(connection);
        self.parties[at].core.handle_connected();
    }

    /// Breaks a link; what the node had sent before arrives if `is_sent`.
    pub(crate) fn cut(&mut self, at: usize, is_sent: bool) {
        if is_sent {
            self.take_from(at);
        }
        let party = &mut self.parties[at];
        party.unheard.clear();
        party.core.handle_disconnected();
        if let Some(connection) = party.connection.take() {
            self.repository.handle_disconnected(self.now, connection);
        }
    }

    /// The repository ends and begins again: from its journal, or from nothing.
    pub(crate) fn restart(&mut self, epoch: u64, is_kept: bool) {
        (0..self.parties.len()).for_each(|at| self.cut(at, false));
        self.appended.clear();
        if !is_kept {
            self.journal.clear();
        }
        self.begin(epoch, if is_kept { 1 } else { epoch });
    }

    /// The repository ends and comes back from a backup, which has all that was durable.
    pub(crate) fn restore(&mut self, epoch: u64) {
        (0..self.parties.len()).for_each(|at| self.cut(at, false));
        self.appended.clear();
        self.begin(epoch, epoch);
    }

    fn begin(&mut self, epoch: u64, lossy_epoch: u64) {
        let last_crc = self.journal.last().map_or(0, |frame| frame.crc);
        self.repository = repository(epoch, lossy_epoch, last_crc);
        for frame in &self.journal {
            self.repository.replay(&Frame::decode(&frame.bytes).unwrap().0).unwrap();
        }
        self.repository.handle_replayed(self.now).unwrap();
    }

    /// Creates an object.
    pub(crate) fn create<T: Class>(&mut self, at: usize, key: &str, value: T) -> Arc<Slot<T>> {
        let slot = self.slot::<T>(at, key);
        let mut w = Writer::new();
        value.encode_root(&mut w);
        slot.draft(value, w.len());
        let pieces = match w.len() {
            0..INLINE_BYTES_MAX => vec![w.into_bytes().into()],
            _ => nam::delta::cut(&T::schema(), w.as_slice(), 50_000).map(|piece| piece.unwrap().into()).collect(),
        };
        let request = self.parties[at].core.create(Arc::clone(&slot) as _, pieces, Expiry::NEVER);
        self.settle();
        assert_eq!(self.answer(at, request), Some(Answer::Created));
        slot
    }

    /// Opens an object that exists.
    pub(crate) fn open<T: Class>(&mut self, at: usize, key: &str) -> Arc<Slot<T>> {
        let slot = self.slot::<T>(at, key);
        let request = self.parties[at].core.open(Arc::clone(&slot) as _);
        self.settle();
        assert_eq!(self.answer(at, request), Some(Answer::Opened));
        slot
    }

    pub(crate) fn slot<T: Class>(&mut self, at: usize, key: &str) -> Arc<Slot<T>> {
        let party = &mut self.parties[at];
        party.core.register(&T::schema());
        party.replicas += 1;
        Slot::<T>::new(ReplicaId(party.replicas), key, Arc::clone(&party.rings) as _)
    }

    /// Switches a rule of the repository off, or none.
    pub(crate) fn switch_off(&mut self, rule: Option<Rule>) {
        self.repository.set_rules(rule.map_or_else(Rules::default, Rules::without));
    }

    /// Has a slot depart with its change of a group: what the core is to commit, and what will tell of it.
    pub(crate) fn depart<T: Class>(
        slot: &Arc<Slot<T>>,
        change: impl Fn(&mut T::Mut<'_>),
    ) -> ((Arc<dyn Replica>, Outgoing), Ticket) {
        let context = Context::from_waker(Waker::noop());
        let mut steps = slot.begin().unwrap();
        let mut run = |value: &mut T, changes: &mut T::Changes| {
            change(&mut value.track(changes));
            Ok::<(), ()>(())
        };
        let step = slot.poll_step(&mut steps, &context, &mut run);
        assert!(matches!(step, Poll::Ready(Step::Unchanged(..))), "{step:?}");
        let Poll::Ready(Ok(mut reservation)) = slot.poll_reserve(&context) else { panic!("the slot is busy") };
        assert!(reservation.check(&mut steps));
        let (outgoing, ticket) = reservation.depart(steps);
        ((Arc::clone(slot) as Arc<dyn Replica>, outgoing), ticket)
    }

    /// What a mark kept.
    pub(crate) fn kept<T: Class>(mark: &Mark<T>) -> Option<Guard<T>> {
        match mark.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(kept) => kept,
            Poll::Pending => panic!("a joint read waits"),
        }
    }

    /// Hands what one node sends to the repository, before anybody else is heard.
    pub(crate) fn hear_first(&mut self, at: usize) {
        while self.take_from(at) {}
    }

    /// Destroys an object.
    pub(crate) fn destroy<T: Class>(&mut self, at: usize, slot: &Slot<T>) {
        let request = self.parties[at].core.destroy(slot.id());
        self.settle();
        assert_eq!(self.answer(at, request), Some(Answer::Destroyed));
    }

    /// Has a change join the batch of its slot; nothing is sent yet.
    pub(crate) fn join<T: Class>(slot: &Arc<Slot<T>>, change: impl Fn(&mut T::Mut<'_>)) -> Ticket {
        Self::join_by(slot, Scope::Shared, change)
    }

    /// As [`join`](Self::join), within a scope.
    pub(crate) fn join_by<T: Class>(slot: &Arc<Slot<T>>, scope: Scope, change: impl Fn(&mut T::Mut<'_>)) -> Ticket {
        match Self::step(slot, scope, change) {
            Step::Joined((), ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a closure that changes nothing.
    pub(crate) fn join_nothing<T: Class>(slot: &Arc<Slot<T>>, change: impl Fn(&mut T::Mut<'_>)) {
        let step = Self::step(slot, Scope::Shared, change);
        assert!(matches!(step, Step::Unchanged(..)), "{step:?}");
    }

    fn step<T: Class>(slot: &Arc<Slot<T>>, scope: Scope, change: impl Fn(&mut T::Mut<'_>)) -> Step<(), ()> {
        let context = Context::from_waker(Waker::noop());
        let mut run = |value: &mut T, changes: &mut T::Changes| {
            change(&mut value.track(changes));
            Ok::<(), ()>(())
        };
        match slot.poll_update(scope, &context, &mut run) {
            Poll::Ready(step) => step,
            Poll::Pending => panic!("an update waits: {:?}", slot.state()),
        }
    }

    /// Changes an object and lets everything happen; answers the version.
    pub(crate) fn update<T: Class>(&mut self, slot: &Arc<Slot<T>>, change: impl Fn(&mut T::Mut<'_>)) -> Version {
        let ticket = Self::join(slot, change);
        self.settle();
        match ticket.settled() {
            Some(Settled::Committed(version)) => version,
            other => panic!("{other:?}"),
        }
    }

    /// Reads as `read().await` does, and lets everything happen.
    pub(crate) fn read<T: Class>(&mut self, slot: &Arc<Slot<T>>) -> Guard<T> {
        let context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            if let Poll::Ready(guard) = slot.poll_current(&context) {
                let guard = guard.unwrap();
                self.settle();
                return guard;
            }
            self.settle();
        }
        panic!("a read waits: {:?}", slot.state())
    }

    /// What a request of a node was answered, once.
    pub(crate) fn answer(&mut self, at: usize, request: RequestId) -> Option<Answer> {
        let answers = &mut self.parties[at].answers;
        let known = answers.iter().position(|(asked, _)| *asked == request)?;
        Some(answers.remove(known).1)
    }

    /// The bytes of records that the repository keeps for a node.
    pub(crate) fn record_bytes(&self, at: usize) -> usize {
        self.parties[at].connection.map_or(0, |connection| self.repository.record_bytes(connection))
    }

    /// Hands what a node sends to the repository; answers whether there was anything.
    fn take_from(&mut self, at: usize) -> bool {
        let party = &mut self.parties[at];
        let rings = std::mem::take(&mut *party.rings.0.lock());
        let mut is_moved = !rings.is_empty();
        for (replica, ring) in rings {
            party.core.handle_ring(replica, ring).unwrap();
        }
        while !party.is_lazy
            && let Some(replica) = party.core.poll_work()
        {
            replica.work();
            is_moved = true;
        }
        while let Some(event) = party.core.poll_event() {
            if let CoreEvent::Answered { request, answer } = event {
                party.answers.push((request, answer));
            }
        }
        let Some(connection) = party.connection else { return false };
        let mut records = Vec::new();
        party.core.poll_records(&mut records);
        party.traffic.count_up(&records);
        is_moved |= !records.is_empty();
        self.repository.handle_records(self.now, connection, &records);
        while let Some(segment) = party.core.poll_segment() {
            self.repository.handle_segment(self.now, connection, &segment.concat().into());
            is_moved = true;
        }
        is_moved
    }

    /// Hands what the repository has for a node to it.
    fn give_to(&mut self, connection: ConnectionId) {
        let Some(party) = self.parties.iter_mut().find(|party| party.connection == Some(connection)) else { return };
        let mut records = Vec::new();
        self.repository.poll_records(connection, &mut records);
        party.traffic.count_down(&records);
        party.unheard.push_back(records);
        if !party.is_deaf {
            for records in party.unheard.drain(..) {
                party.core.handle_records(&records).unwrap();
            }
            while let Some(segment) = self.repository.poll_segment(connection) {
                party.core.handle_segment(&segment.concat().into()).unwrap();
            }
        }
    }

    /// A node takes what arrived while it was deaf.
    pub(crate) fn listen(&mut self, at: usize) {
        self.parties[at].is_deaf = false;
        if let Some(connection) = self.parties[at].connection {
            self.give_to(connection);
        }
        self.settle();
    }

    /// Lets time pass at the repository.
    pub(crate) fn pass(&mut self, time_ms: u64) {
        self.now = Instant(self.now.0 + time_ms);
        self.repository.handle_timeout(self.now);
        self.settle();
    }

    /// Lets everything happen until nothing does.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut is_moved = self.repository.poll_work();
            for at in 0..self.parties.len() {
                is_moved |= self.take_from(at);
            }
            while let Some(append) = self.repository.poll_append() {
                self.appended.push_back(append.frame);
                is_moved = true;
            }
            while self.is_durable
                && let Some(frame) = self.appended.pop_front()
            {
                self.repository.handle_durable(self.now, frame.name.number);
                self.journal.push(frame);
                is_moved = true;
            }
            while let Some(connection) = self.repository.poll_wake() {
                self.give_to(connection);
                is_moved = true;
            }
            while let Some(close) = self.repository.poll_close() {
                if let Some(at) = self.parties.iter().position(|party| party.connection == Some(close.connection)) {
                    self.parties[at].connection = None;
                    self.cut(at, false);
                }
                self.closes.push(close);
            }
            if !is_moved {
                return;
            }
        }
    }
}

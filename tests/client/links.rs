//! A node's core against a repository's core, record by record: links that break, come back, and carry large things.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::Tracked;
use nam::coding::Writer;
use nam::ids::{Epoch, NodeId, RequestId, ShardId};
use nam::journal::{EncodedFrame, Frame};
use nam::limits::SLOT_QUEUE_BYTES_MAX;
use nam::node::{Answer, Core, CoreEvent, Ending, Host, Replica, ReplicaId, Ring, Scope, Settled, Slot, State, Step};
use nam::node::{LinkState, Ticket};
use nam::repository::{Caps, ConnectionId, Core as Repository, Identity};
use nam::time::Instant;
use nam::tracked::Class;
use parking_lot::Mutex;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Ledger")]
pub(crate) struct Ledger {
    pub total: u64,
    pub text: String,
    pub lines: Vec<u64>,
}

#[derive(Debug, Default)]
struct Rings(Mutex<Vec<(ReplicaId, Ring)>>);

impl Host for Rings {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.0.lock().push((replica, ring));
    }
}

/// One node, its link if it has one, and what it was told.
pub(crate) struct Node {
    pub(crate) core: Core,
    rings: Arc<Rings>,
    connection: Option<ConnectionId>,
    answers: Vec<(RequestId, Answer)>,
    /// Whether the worker rests.
    is_lazy: bool,
}

pub(crate) struct World {
    repository: Repository,
    pub(crate) nodes: Vec<Node>,
    connections: u64,
    journal: Vec<EncodedFrame>,
}

fn repository(epoch: u64, lossy_epoch: u64, last_crc: u32) -> Repository {
    let (shard, epoch, lossy_epoch) = (ShardId(0), Epoch(epoch), Epoch(lossy_epoch));
    Repository::new(Identity { shard, epoch, lossy_epoch, last_crc, shards: Vec::new() }, Caps::default())
}

impl World {
    fn new(nodes: u64) -> Self {
        let node = |id| {
            let mut core = Core::new(NodeId(id));
            core.register(&Ledger::schema());
            Node { core, rings: Arc::default(), connection: None, answers: Vec::new(), is_lazy: false }
        };
        let (repository, nodes, journal) = (repository(1, 1, 0), (1..=nodes).map(node).collect(), Vec::new());
        let mut world = Self { repository, nodes, connections: 0, journal };
        (0..world.nodes.len()).for_each(|at| world.connect(at));
        world.settle();
        world
    }

    pub(crate) fn connect(&mut self, at: usize) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.repository.handle_connected(Instant(0), connection);
        self.nodes[at].connection = Some(connection);
        self.nodes[at].core.handle_connected();
    }

    /// Breaks a link; what the node had sent before arrives if `is_sent`.
    pub(crate) fn cut(&mut self, at: usize, is_sent: bool) {
        if is_sent {
            self.send(at);
        }
        let connection = self.nodes[at].connection.take().unwrap();
        self.nodes[at].core.handle_disconnected();
        self.repository.handle_disconnected(Instant(0), connection);
    }

    fn send(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        let rings = std::mem::take(&mut *node.rings.0.lock());
        let mut is_moved = !rings.is_empty();
        for (replica, ring) in rings {
            node.core.handle_ring(replica, ring).unwrap();
        }
        if !node.is_lazy {
            while let Some(replica) = node.core.poll_work() {
                replica.work();
                is_moved = true;
            }
        }
        while let Some(event) = node.core.poll_event() {
            if let CoreEvent::Answered { request, answer } = event {
                node.answers.push((request, answer));
            }
        }
        let Some(connection) = node.connection else { return false };
        let mut records = Vec::new();
        node.core.poll_records(&mut records);
        is_moved |= !records.is_empty();
        self.repository.handle_records(Instant(0), connection, &records);
        while let Some(segment) = node.core.poll_segment() {
            self.repository.handle_segment(Instant(0), connection, &segment.concat().into());
            is_moved = true;
        }
        is_moved
    }

    /// Lets everything happen until nothing does.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut is_moved = self.repository.poll_work();
            for at in 0..self.nodes.len() {
                is_moved |= self.send(at);
            }
            while let Some(append) = self.repository.poll_append() {
                self.repository.handle_durable(Instant(0), append.frame.name.number);
                self.journal.push(append.frame);
                is_moved = true;
            }
            while let Some(connection) = self.repository.poll_wake() {
                let mut records = Vec::new();
                self.repository.poll_records(connection, &mut records);
                let Some(node) = self.nodes.iter_mut().find(|node| node.connection == Some(connection)) else {
                    continue;
                };
                node.core.handle_records(&records).unwrap();
                while let Some(segment) = self.repository.poll_segment(connection) {
                    node.core.handle_segment(&segment.concat().into()).unwrap();
                }
                is_moved = true;
            }
            assert_eq!(self.repository.poll_close(), None);
            if !is_moved {
                return;
            }
        }
    }

    /// What a request of a node was answered, once.
    pub(crate) fn answer(&mut self, at: usize, request: RequestId) -> Option<Answer> {
        let answers = &mut self.nodes[at].answers;
        let known = answers.iter().position(|(asked, _)| *asked == request)?;
        Some(answers.remove(known).1)
    }

    /// The repository ends and begins again from its journal, in another term; every link is lost.
    pub(crate) fn restart(&mut self, epoch: u64) {
        (0..self.nodes.len()).for_each(|at| self.cut(at, false));
        self.repository = repository(epoch, 1, self.journal.last().map_or(0, |frame| frame.crc));
        for frame in &self.journal {
            self.repository.replay(&Frame::decode(&frame.bytes).unwrap().0).unwrap();
        }
        self.repository.handle_replayed(Instant(0)).unwrap();
    }

    fn slot(&self, at: usize) -> Arc<Slot<Ledger>> {
        Slot::<Ledger>::new(ReplicaId(at as u64), "a", Arc::clone(&self.nodes[at].rings) as _)
    }

    /// Creates the object at the first node and opens it at the others.
    pub(crate) fn with_object(nodes: u64, ledger: &Ledger) -> (Self, Vec<Arc<Slot<Ledger>>>) {
        let mut world = Self::new(nodes);
        let slots: Vec<_> = (0..world.nodes.len()).map(|at| world.slot(at)).collect();
        let mut w = Writer::new();
        ledger.encode_root(&mut w);
        slots[0].draft(ledger.clone(), w.len());
        let value = if w.len() > 60_000 {
            nam::delta::cut(&Ledger::schema(), w.as_slice(), 50_000).map(|delta| delta.unwrap().into()).collect()
        } else {
            vec![w.into_bytes().into()]
        };
        world.nodes[0].core.create(Arc::clone(&slots[0]) as _, value, nam::Expiry::NEVER);
        world.settle();
        for (at, slot) in slots.iter().enumerate().skip(1) {
            world.nodes[at].core.open(Arc::clone(slot) as _);
        }
        world.settle();
        assert!(slots.iter().all(|slot| *slot.current().expect("it is current everywhere") == *ledger));
        (world, slots)
    }
}

fn join(slot: &Slot<Ledger>, closure: impl Fn(&mut LedgerMut<'_>)) -> Ticket {
    join_by(slot, Scope::Shared, closure)
}

pub(crate) fn join_by(slot: &Slot<Ledger>, scope: Scope, closure: impl Fn(&mut LedgerMut<'_>)) -> Ticket {
    let context = Context::from_waker(Waker::noop());
    let mut run = |value: &mut Ledger, changes: &mut LedgerChanges| {
        closure(&mut value.track(changes));
        Ok::<(), ()>(())
    };
    match slot.poll_update(scope, &context, &mut run) {
        Poll::Ready(Step::Joined((), ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn version(slot: &Slot<Ledger>) -> u64 {
    slot.current().expect("it is current").version().0
}

#[test]
fn a_commit_that_was_sent_twice_takes_effect_once() {
    for is_sent in [false, true] {
        let (mut world, slots) = World::with_object(2, &Ledger::default());
        let ticket = join(&slots[0], |ledger| *ledger.total_mut() += 1);
        world.cut(0, is_sent);
        assert_eq!((slots[0].state(), ticket.settled()), (State::Unverified, None));
        assert!(slots[0].current().is_none(), "nothing is current without a link");
        world.settle();
        world.connect(0);
        assert_eq!(world.nodes[0].core.link(), LinkState::Resuming);
        assert!(slots[0].current().is_none(), "nor before the resume has ended");
        world.settle();
        assert!(matches!(ticket.settled(), Some(Settled::Committed(_))), "{:?}", ticket.settled());
        assert!(slots.iter().all(|slot| slot.current().unwrap().total == 1 && version(slot) == 2));
    }
}

#[test]
fn a_node_that_was_away_gets_what_it_missed() {
    let (mut world, slots) = World::with_object(2, &Ledger::default());
    world.cut(1, false);
    for _ in 0..5 {
        drop(join(&slots[0], |ledger| ledger.text_mut().push_str("line ")));
        world.settle();
    }
    world.connect(1);
    world.settle();
    assert_eq!((version(&slots[1]), &slots[1].current().unwrap().text[..]), (6, &*"line ".repeat(5)));
}

#[test]
fn what_waits_behind_a_guard_for_too_long_is_pulled_again() {
    let (mut world, slots) = World::with_object(2, &Ledger::default());
    world.nodes[1].is_lazy = true;
    let guard = slots[1].current().unwrap();
    for i in 0..6 {
        drop(join(&slots[0], |ledger| ledger.text_mut().push_str(&i.to_string().repeat(SLOT_QUEUE_BYTES_MAX / 4))));
        world.settle();
    }
    assert!(slots[1].current().is_none() && guard.text.is_empty());
    world.nodes[1].is_lazy = false;
    world.settle();
    let pull = world.nodes[1].core.pull(ReplicaId(1));
    world.settle();
    assert!(world.nodes[1].answers.contains(&(pull, Answer::Pulled(nam::ids::Version(7)))));
    assert_eq!(*slots[1].current().unwrap(), *slots[0].current().unwrap());
}

#[test]
fn large_things_survive_a_link_that_breaks_in_between() {
    let ledger = Ledger { lines: (0..40_000).collect(), ..Ledger::default() };
    let (mut world, slots) = World::with_object(2, &ledger);
    let ticket = join(&slots[0], |ledger| {
        let mut lines = ledger.lines_mut();
        (0..lines.len()).for_each(|at| *lines.get_mut(at).unwrap() += 1);
    });
    world.cut(0, true);
    world.connect(0);
    world.settle();
    assert!(matches!(ticket.settled(), Some(Settled::Committed(_))), "{:?}", ticket.settled());
    world.cut(1, true);
    world.connect(1);
    world.settle();
    world.nodes[1].core.pull(ReplicaId(1));
    world.settle();
    assert_eq!(slots[1].current().unwrap().lines[39_999], 40_000);
    assert_eq!(*slots[1].current().unwrap(), *slots[0].current().unwrap());
}

#[test]
fn what_a_restart_lost_is_lost_and_says_so() {
    let (mut world, slots) = World::with_object(2, &Ledger::default());
    world.cut(0, false);
    world.repository = repository(2, 2, 0);
    world.connect(0);
    world.settle();
    assert_eq!(slots[0].newest(), Err(nam::node::Unreadable::Ended(Ending::Lost)));
}

#[test]
fn a_value_dropped_to_save_memory_comes_back_when_it_is_read() {
    let (mut world, slots) = World::with_object(2, &Ledger { total: 5, ..Ledger::default() });
    assert!(world.nodes[1].core.evict(ReplicaId(1)));
    assert_eq!((slots[1].state(), slots[1].newest().unwrap().unwrap().version.0), (State::Shell, 1));
    drop(join(&slots[0], |ledger| *ledger.total_mut() += 1));
    world.settle();
    let context = Context::from_waker(Waker::noop());
    assert!(slots[1].poll_current(&context).is_pending());
    world.settle();
    assert_eq!((slots[1].current().unwrap().total, version(&slots[1])), (6, 2));
}

//! One node: a core for each shard, its slots, and what it reads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use nam::event::EventId;
use nam::ids::{Birth, Fence, NodeId, RequestId, Version};
use nam::node::{Core, Guard, Host, Memory, Replica, ReplicaId, Ring, Slot};
use nam::repository::ConnectionId;
use parking_lot::Mutex;

use crate::class::Desk;
use crate::clock::Clock;
use crate::order::Begun;
use crate::swarm::{Mutant, Swarm};
use crate::watching::Watching;

/// Collects what slots ask for, to be handled in order.
#[derive(Debug, Default)]
pub(crate) struct Bell(pub(crate) Mutex<Vec<(ReplicaId, Ring)>>, Arc<Memory>);

impl Host for Bell {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.0.lock().push((replica, ring));
    }

    fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.1)
    }
}

/// A slot that the application uses.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) slot: Arc<Slot<Desk>>,
    pub(crate) key: String,
    pub(crate) shard: usize,
    /// The newest version that was read.
    pub(crate) seen: Option<(Birth, Version)>,
    pub(crate) guard: Option<(Guard<Desk>, Desk)>,
    pub(crate) watching: Option<Watching>,
    /// When the application last read it, if that is told to the repository.
    pub(crate) read_at: Option<u64>,
    /// Whether it can still be used.
    pub(crate) is_open: bool,
    /// Whether its value was unreadable when it was last looked at.
    pub(crate) is_unreadable: bool,
    pub(crate) has_work: bool,
}

/// One end of a link.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) connection: ConnectionId,
    /// When the last records in each direction arrive.
    pub(crate) up_at: u64,
    pub(crate) down_at: u64,
}

/// A node's half of one shard.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) core: Core,
    pub(crate) bell: Arc<Bell>,
    pub(crate) link: Option<Half>,
    pub(crate) is_connecting: bool,
    pub(crate) requests: BTreeMap<RequestId, Asked>,
    /// Its consumers of events, and their groups.
    pub(crate) consumers: BTreeMap<RequestId, &'static str>,
    /// What they were told and did not acknowledge.
    pub(crate) in_hand: Vec<(RequestId, EventId)>,
    /// Whether it does not read what arrives.
    pub(crate) is_paused: bool,
    /// What arrived meanwhile, records or a segment.
    pub(crate) unread: VecDeque<(Bytes, bool)>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// The slot is being opened or created.
    Object(usize),
    /// An object is being destroyed.
    End,
    /// The lock of a slot's object is waited for.
    Lock(usize),
    /// Whether somebody's lock is still held.
    Join(Fence),
    /// A fresh read of a slot.
    Fresh(usize, Begun),
    /// A reading, or nobody, waits for the newest.
    Newest,
    /// Who has a title.
    Found,
    /// Several objects are read as of one time.
    Joint,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) sides: Vec<Side>,
    /// Slots, by the numbers of their replicas.
    pub(crate) opens: Vec<Open>,
    /// Whether it is of an older version of the program.
    pub(crate) is_old: bool,
    pub(crate) clock: Clock,
    /// What they take.
    pub(crate) memory: Arc<Memory>,
    /// What its cores keep them within: that, unless the rule is switched off.
    budget: Arc<Memory>,
}

impl Node {
    pub(crate) fn new(
        number: u64,
        is_old: bool,
        shards: usize,
        (swarm, mutant): (&Swarm, Option<Mutant>),
        clock: Clock,
    ) -> Self {
        let memory = Arc::new(Memory::new(swarm.memory_max));
        let budget = match mutant {
            Some(Mutant::Budget) => Arc::default(),
            _ => Arc::clone(&memory),
        };
        let side = |_| {
            let core = new_core(7_000 + number, swarm.credit_bytes, &budget);
            let bell = Arc::new(Bell(Mutex::default(), Arc::clone(&memory)));
            let (requests, unread) = (BTreeMap::new(), VecDeque::new());
            let (consumers, in_hand) = (BTreeMap::new(), Vec::new());
            let (link, is_connecting, is_paused) = (None, false, false);
            Side { core, bell, link, is_connecting, requests, consumers, in_hand, is_paused, unread }
        };
        let sides = (0..shards).map(side).collect();
        Self { sides, opens: Vec::new(), is_old, clock, memory, budget }
    }

    /// The process ends and begins again as another node: nothing that it had is of use any more.
    pub(crate) fn begin_anew(&mut self, shard: usize, number: u64, credit_bytes: usize) {
        let side = &mut self.sides[shard];
        side.core = new_core(number, credit_bytes, &self.budget);
        side.requests.clear();
        side.consumers.clear();
        side.in_hand.clear();
        side.unread.clear();
        side.bell.0.lock().clear();
        for open in self.opens.iter_mut().filter(|open| open.shard == shard) {
            (open.is_open, open.guard, open.read_at) = (false, None, None);
            open.watching = None;
        }
    }

    /// Makes a slot for an object; answers its number.
    pub(crate) fn add_slot(&mut self, shard: usize, key: &str) -> usize {
        let id = ReplicaId(self.opens.len() as u64);
        let host: Arc<dyn Host> = Arc::clone(&self.sides[shard].bell) as Arc<dyn Host>;
        let slot = Slot::new(id, key, host);
        let key = key.to_owned();
        let (seen, guard, watching, read_at) = (None, None, None, None);
        self.opens.push(Open {
            slot,
            key,
            shard,
            seen,
            guard,
            watching,
            read_at,
            is_open: true,
            is_unreadable: false,
            has_work: false,
        });
        self.opens.len() - 1
    }

    pub(crate) fn replica(&self, at: usize) -> Arc<dyn Replica> {
        Arc::clone(&self.opens[at].slot) as Arc<dyn Replica>
    }

    /// The open slot of an object.
    pub(crate) fn find(&self, shard: usize, key: &str) -> Option<usize> {
        self.opens.iter().position(|open| open.is_open && open.shard == shard && open.key == key)
    }
}

fn new_core(number: u64, credit_bytes: usize, memory: &Arc<Memory>) -> Core {
    let mut core = Core::new(NodeId(number));
    core.set_credit_bytes(credit_bytes);
    core.set_memory(Arc::clone(memory));
    core.register(&<Desk as nam::__private::Class>::schema());
    core
}

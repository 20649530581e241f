//! The node's half of the protocol for one shard link: a state machine without I/O.
//!
//! ```text
//!           handle_connected                     Resumed
//!   down ────────────────────▶ resuming ──────────────────▶ ready
//!    ▲                            │                            │
//!    └────────── handle_disconnected (replicas unverified) ────┘
//! ```
//! `handle_*` says what the world did, commands what the application wants, `poll_*` what the driver must do now. At a
//! connect the node greets, registers its classes, presents what it holds, sends again what has no outcome (with the
//! same sequence, so it takes effect once, I7), then asks again what was not answered. Invariants: nothing is current
//! before `Resumed`; at most one commit an object and
//! [`COMMITS_UNACKNOWLEDGED_MAX`](crate::limits::COMMITS_UNACKNOWLEDGED_MAX) a link are in flight; same inputs, same
//! effects. Source: own reasoning; the four kinds of calls are quinn-proto's.

mod budget;
mod commits;
mod deferred;
mod deliveries;
mod down;
mod events;
mod greeting;
mod groups;
mod locks;
mod records;
mod requests;
mod touches;
mod up;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::budget::Residents;
use self::commits::Outstanding;
use self::deferred::Deferred;
use self::deliveries::Pushes;
use self::down::DownTransfers;
use self::events::Consumers;
pub use self::events::Told;
use self::locks::Locks;
use self::requests::Request;
use self::touches::{KeptBack, Usage};
use self::up::Up;
use super::memory::Memory;
use super::replica::{Ending, Replica, ReplicaId, Ring};
use crate::ids::{
    Alias, Birth, CommitNumber, Epoch, Fence, NodeId, RequestId, Sequence, ShardId, Token, TransferId, Version,
};
use crate::limits::CREDIT_BYTES;
use crate::time::Instant;
use crate::wire::{CloseCode, FailureCode, Records, ShardAddress, ToRepository};

/// How far the link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// There is none.
    #[default]
    Down,
    /// It is being resumed: replicas are not verified yet.
    Resuming,
    /// Everything works.
    Ready,
}

/// The peer broke the protocol: the link must be closed with this code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Violation {
    /// What to tell the peer.
    pub code: CloseCode,
    /// More about it, for people.
    pub text: String,
}

/// What the repository answered to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The object is here and current.
    Opened,
    /// There is no such object.
    Missing,
    /// The object exists now, with the value that was sent.
    Created,
    /// There is an object of that name already.
    Exists,
    /// The replica has, or is getting from its queue, this version.
    Pulled(Version),
    /// The object is destroyed.
    Destroyed,
    /// The object ends by itself as was asked.
    Limited,
    /// The lock is this node's.
    Locked {
        /// The grant.
        fence: Fence,
        /// How many links this node had lost then: the lock is lost with the next.
        links_lost: u64,
    },
    /// The grant that was asked for is the current one.
    Joined,
    /// The lock is given back.
    Unlocked,
    /// Another kept the lock for as long as was to be waited.
    LockTimeout {
        /// The node that has it.
        holder: NodeId,
        /// Since when.
        held: Duration,
    },
    /// The node is a consumer of a group.
    Consuming {
        /// Names it.
        consumer: RequestId,
    },
    /// The group of consumers is no more.
    GroupEnded,
    /// A page of keys.
    Keys {
        /// The keys, ascending.
        keys: Vec<String>,
        /// Whether no more follow.
        is_last: bool,
    },
    /// A page of what was found.
    Found {
        /// Keys and births, by slots.
        found: Vec<(String, Birth)>,
        /// The slot to ask on from; `None` if no more follow.
        next: Option<Alias>,
    },
    /// The replicas of a joint read keep what was current at once.
    Marked,
    /// An object of a joint read is not open: to be asked again when it is.
    Unmarked,
    /// The repository refuses.
    Failed {
        /// Why.
        code: FailureCode,
        /// More about it, for people.
        text: String,
    },
    /// The object is no longer there.
    Ended(Ending),
}

/// What the driver should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreEvent {
    /// A request has its answer.
    Answered {
        /// The request.
        request: RequestId,
        /// Its answer.
        answer: Answer,
    },
    /// A consumer is told an event.
    Told(Told),
    /// A consumer is told nothing any more: its group is no more, or the repository refuses it.
    ConsumerEnded {
        /// The consumer.
        consumer: RequestId,
    },
    /// The link is ready.
    Ready,
    /// A class cannot be used; requests of it fail.
    SchemaRefused {
        /// The class.
        class: String,
        /// What to change.
        text: String,
    },
}

/// What the repository said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The shard behind the link.
    pub shard: ShardId,
    /// Its term.
    pub epoch: Epoch,
    /// The last term that began with a loss.
    pub lossy_epoch: Epoch,
    /// The number that its next commit got.
    pub next: CommitNumber,
    /// Every shard and where it is.
    pub shards: Vec<ShardAddress>,
}

/// A class as it was registered.
#[derive(Debug)]
struct ClassEntry {
    schema: Bytes,
    refusal: Option<String>,
}

/// What the core knows of one replica.
#[derive(Debug)]
struct Entry {
    replica: Arc<dyn Replica>,
    alias: Option<Alias>,
    birth: Option<Birth>,
    /// Whether it stands in the queue of those with a batch to send.
    is_dirty: bool,
    /// The pull after an overflow; all else about the object is dropped until its answer.
    rewind: Option<RequestId>,
    /// Whether it was presented on this link.
    is_presented: bool,
    /// What it was pushed, and how it wants to be told of changes.
    pushes: Pushes,
    /// If its object ends when it is unused: what was told of its use.
    usage: Option<Usage>,
    /// If a value is here: where it stands among those that may go.
    ranked: Option<u64>,
}

/// The node's half of one shard link.
#[derive(Debug)]
pub struct Core {
    node: NodeId,
    link: LinkState,
    /// Whether this link was greeted; nothing else may come before.
    is_greeted: bool,
    welcome: Option<Welcome>,
    classes: BTreeMap<String, ClassEntry>,
    replicas: BTreeMap<ReplicaId, Entry>,
    aliases: BTreeMap<Alias, ReplicaId>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u32,
    commits: BTreeMap<Sequence, Outstanding>,
    next_sequence: u64,
    /// Creations and destructions that wait for room among the commits.
    submissions: VecDeque<Outstanding>,
    dirty: VecDeque<ReplicaId>,
    deferred: Vec<Deferred>,
    memory: Arc<Memory>,
    residents: Residents,
    locks: Locks,
    consumers: Consumers,
    kept_back: KeptBack,
    now: Instant,
    down: DownTransfers,
    up: BTreeMap<TransferId, Up>,
    /// Segments that arrived so far, here or at the repository.
    segments: u64,
    next_transfer: u32,
    records: Records,
    consumed_bytes: usize,
    credit_bytes: usize,
    out: Vec<u8>,
    events: VecDeque<CoreEvent>,
    work: VecDeque<Arc<dyn Replica>>,
}

impl Core {
    /// Makes the core of a node's link to one shard, without a link yet.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            link: LinkState::Down,
            is_greeted: false,
            welcome: None,
            classes: BTreeMap::new(),
            replicas: BTreeMap::new(),
            aliases: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            commits: BTreeMap::new(),
            next_sequence: 0,
            submissions: VecDeque::new(),
            dirty: VecDeque::new(),
            deferred: Vec::new(),
            memory: Arc::default(),
            residents: Residents::default(),
            locks: Locks::default(),
            consumers: Consumers::default(),
            kept_back: KeptBack::default(),
            now: Instant(0),
            down: DownTransfers::default(),
            up: BTreeMap::new(),
            segments: 0,
            next_transfer: 0,
            records: Records::new(),
            consumed_bytes: 0,
            credit_bytes: CREDIT_BYTES,
            out: Vec::new(),
            events: VecDeque::new(),
            work: VecDeque::new(),
        }
    }

    /// Confirms records each `bytes` of them: for a repository with smaller windows than usual.
    #[doc(hidden)]
    pub fn set_credit_bytes(&mut self, bytes: usize) {
        self.credit_bytes = bytes;
    }

    /// How far the link is.
    #[must_use]
    pub fn link(&self) -> LinkState {
        self.link
    }

    /// What the repository said of itself at the last greeting.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_ref()
    }

    /// Commits, creations and destructions without an outcome.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.commits.len() + self.submissions.len() + self.dirty.len()
    }

    /// Requests without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.requests.len() + self.deferred.len() + self.locks.unanswered() + self.consumers.unanswered()
    }

    /// A replica asks for something.
    ///
    /// # Errors
    /// A violation if what the peer sent earlier turned out not to fit: close the link.
    pub fn handle_ring(&mut self, replica: ReplicaId, ring: Ring) -> Result<(), Violation> {
        match ring {
            Ring::Batch => self.mark_dirty(replica),
            Ring::Pull => self.pull_for_replica(replica),
            Ring::Used => {
                self.note_use(replica);
                self.tell_read(replica);
            }
            Ring::Work => self.work.extend(self.replicas.get(&replica).map(|entry| Arc::clone(&entry.replica))),
            Ring::Taken { transfer, index } => self.segment_decoded(replica, transfer, index),
            Ring::Loaded => self.load_ended(replica),
            Ring::GivenUp { transfer } => self.load_given_up(replica, transfer),
            Ring::Broken(refusal) => return Err(self.diverged(replica, &refusal)),
        }
        Ok(())
    }

    /// Appends the records that are due. A batch closes here, when it is taken for sending.
    pub fn poll_records(&mut self, out: &mut Vec<u8>) {
        if self.link == LinkState::Down {
            return;
        }
        self.shed();
        self.send_submissions();
        self.send_batches();
        if out.is_empty() {
            std::mem::swap(out, &mut self.out);
        } else {
            out.append(&mut self.out);
        }
    }

    /// The next thing the driver should know.
    pub fn poll_event(&mut self) -> Option<CoreEvent> {
        self.events.pop_front()
    }

    /// The next replica whose [`Replica::work`] is due, off the I/O thread.
    pub fn poll_work(&mut self) -> Option<Arc<dyn Replica>> {
        self.work.pop_front()
    }

    /// Names a version of an object as of what the repository said of itself last.
    fn token(&self, birth: Birth, version: Version) -> Token {
        let lossy_epoch = self.welcome.as_ref().map_or(Epoch(0), |welcome| welcome.lossy_epoch);
        Token { lossy_epoch, birth, version }
    }

    fn send(&mut self, record: &ToRepository<'_>) {
        if self.link != LinkState::Down {
            record.encode(&mut self.out);
        }
    }

    fn answer(&mut self, request: RequestId, answer: Answer) {
        self.events.push_back(CoreEvent::Answered { request, answer });
    }
}

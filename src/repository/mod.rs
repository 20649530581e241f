//! The repository's core: one a shard, a deterministic machine between records and frames.
//!
//! The station where changes meet. Records of nodes come in; a commit is judged against the document, put in the open
//! frame and applied; the sealed frame goes to the journal; when it is durable, holders get deltas or a notice and
//! authors their results:
//!
//! ```text
//!  handle_records ─▶ commits ─▶ frames ─▶ poll_append ─▶ (journal) ─▶ handle_durable
//!                    requests      │ seal                                   │ gate
//!                       │          ▼                                        ▼
//!                       └──────▶ fan-out ─▶ outbox of each node ─▶ poll_wake, poll_records, poll_segment
//! ```
//! Same inputs, same effects, byte for byte: no clock, no randomness, no hash order. No call does more than
//! [`SEGMENT_BYTES_MAX`](crate::limits::SEGMENT_BYTES_MAX) bytes or [`STEP_CELLS_MAX`](crate::limits::STEP_CELLS_MAX) cells of work, unless one text
//! is more; what is more waits for [`poll_work`](Core::poll_work). Invariants: I1, I5 to I9, I11, I12 of `ARCHITECTURE.md`.
//! Source: sans-I/O as in quinn-proto; the fan-out follows Quake 3's rule to keep state to send, not messages.

mod aliases;
mod answers;
mod classes;
mod clock;
mod cold;
mod commits;
mod creations;
mod downloads;
mod events;
mod expiry;
mod fanout;
mod frames;
mod groups;
mod holders;
mod imaging;
mod index;
mod links;
mod locks;
mod nodes;
mod objects;
mod offers;
mod outbox;
mod outcomes;
mod past;
mod precedence;
mod replay;
mod requests;
mod runs;
mod settings;
mod state;
mod tasks;
mod uploads;
mod wheel;
mod work;

pub use cold::Load;
pub use index::IndexEntry;
pub use replay::ReplayError;
pub use settings::{Caps, Identity, ImageCaps, Rule, Rules, Windows};
pub use state::StateError;
pub use tasks::{ImageDeed, ImageTask};

use std::collections::{BTreeSet, VecDeque};

use crate::document::Document;
use crate::ids::{Alias, Birth, FrameNumber, Version};
use crate::time::Instant;
use crate::wire::CloseCode;

use classes::Classes;
use cold::Memory;
use events::Events;
use fanout::FanOut;
use frames::Frames;
use groups::Groups;
use holders::Place;
use imaging::Imaging;
use locks::Locks;
use nodes::Nodes;
use objects::Objects;
use outcomes::Outcomes;
use precedence::Precedences;
use replay::Replay;
use wheel::Wheel;
use work::{Cost, Work};

/// Names a connection of a node, as the driver likes; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A connection that the core ended; to be closed with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Which connection.
    pub connection: ConnectionId,
    /// Why.
    pub code: CloseCode,
    /// More about it, for people.
    pub text: String,
}

/// The most that any call of a core did: for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkDone {
    /// Cells judged, applied or answered, pages trimmed, holders and records visited.
    pub cells: usize,
    /// Bytes encoded, decoded, rewritten, passed on the way to what changed, or copied because a frozen version shares them.
    pub bytes: usize,
}

/// What a core knows of one object. Whoever shows it waits for its frame (I6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its slot.
    pub alias: Alias,
    /// Its birth.
    pub birth: Birth,
    /// Its newest version.
    pub version: Version,
    /// The last frame that touched it.
    pub frame: FrameNumber,
    /// How many nodes hold it.
    pub holders: usize,
    /// Its value, encoded, if it is in memory.
    pub value: Option<Vec<u8>>,
}

/// Who is woken first when a frame is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A node that gets a change, or an answer that waited.
    Holder,
    /// A node that made one, or gave a lock back.
    Author,
}

/// The state machine of one shard.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    caps: Caps,
    rules: Rules,
    classes: Classes,
    objects: Objects,
    nodes: Nodes,
    outcomes: Outcomes,
    locks: Locks,
    events: Events,
    precedences: Precedences,
    groups: Groups,
    frames: Frames,
    /// Objects touched in the open frame.
    touched: Vec<Alias>,
    /// Objects of sealed frames whose holders were not all told.
    fanouts: VecDeque<FanOut>,
    /// Whether a step that goes on with them is queued.
    is_fanning_out: bool,
    work: VecDeque<Work>,
    /// When to look at which object that may have reached a limit.
    wheel: Wheel,
    /// Whether a step that looks at objects that are due is queued.
    is_expiring: bool,
    /// Nodes for which a record waits, by the frame it waits for.
    gated: BTreeSet<(FrameNumber, Rank, Place)>,
    woken: VecDeque<Place>,
    /// Nodes whose records wait until a frame is durable, because the open one is full.
    stalled: BTreeSet<Place>,
    /// Objects whose slices wait for the same.
    parked: BTreeSet<Alias>,
    closes: VecDeque<Close>,
    next_staging: u64,
    imaging: Imaging,
    memory: Memory,
    replay: Replay,
    cost: Cost,
    now: Instant,
    tick_at: Option<Instant>,
    is_stopped: bool,
    /// Whether the device of the journal is full.
    is_full: bool,
}

impl Core {
    /// Starts a shard without objects; replay what the journal has before anything else.
    #[must_use]
    pub fn new(identity: Identity, caps: Caps) -> Self {
        let frames = Frames::new(identity.shard, identity.epoch, identity.last_crc);
        Self {
            identity,
            caps,
            rules: Rules::default(),
            classes: Classes::default(),
            objects: Objects::default(),
            nodes: Nodes::default(),
            outcomes: Outcomes::default(),
            locks: Locks::default(),
            events: Events::default(),
            precedences: Precedences::default(),
            groups: Groups::default(),
            frames,
            touched: Vec::new(),
            fanouts: VecDeque::new(),
            is_fanning_out: false,
            work: VecDeque::new(),
            wheel: Wheel::default(),
            is_expiring: false,
            gated: BTreeSet::new(),
            woken: VecDeque::new(),
            stalled: BTreeSet::new(),
            parked: BTreeSet::new(),
            closes: VecDeque::new(),
            next_staging: 1,
            imaging: Imaging::default(),
            memory: Memory::default(),
            replay: Replay::default(),
            cost: Cost::default(),
            now: Instant(0),
            tick_at: None,
            is_stopped: false,
            is_full: false,
        }
    }

    /// Switches a rule off, to see what it is for.
    #[cfg(any(test, feature = "mutants"))]
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Who this core is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The newest time that it was told; after a replay, the shard's time at which its term begins.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Objects, those included whose aliases are not free yet.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Nodes connected.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes that left and were forgotten before their time, because too much was remembered of such.
    #[must_use]
    pub fn departed_dropped(&self) -> u64 {
        self.outcomes.dropped()
    }

    /// Whether the journal failed and the shard takes no commits any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The most that any call did so far.
    #[must_use]
    pub fn work_done(&self) -> WorkDone {
        self.cost.most()
    }

    /// Bytes of records kept for a node: queued, or sent and not confirmed.
    #[must_use]
    pub fn record_bytes(&self, connection: ConnectionId) -> usize {
        self.nodes.find(connection).and_then(|place| self.nodes.at(place)).map_or(0, |node| node.outbox.held_bytes())
    }

    /// What is known of an object; encodes its whole value, if that is in memory ([`fetch`](Self::fetch) asks for it).
    /// `None` if there is none of that name.
    #[must_use]
    pub fn inspect(&self, class: &str, key: &str) -> Option<Inspection> {
        let class = self.classes.class(self.classes.find(class)?)?;
        let alias = *class.keys.get(key)?;
        let object = self.objects.at(alias)?;
        let encoded = |document: &Document| {
            let mut w = crate::coding::Writer::new();
            document.freeze().encode(&mut w);
            w.into_bytes()
        };
        Some(Inspection {
            alias,
            birth: object.birth,
            version: object.head(),
            frame: object.frame,
            holders: object.holders.len(),
            value: object.document().map(encoded),
        })
    }
}

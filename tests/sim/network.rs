//! The network: what is under way, by the virtual time at which it arrives.
//!
//! Records of one direction of a link arrive in order, segments whenever; a link that was cut delivers nothing more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use nam::ids::FrameNumber;
use nam::repository::ConnectionId;

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Act,
    Work {
        node: usize,
        slot: usize,
    },
    Step {
        shard: usize,
    },
    Tick {
        shard: usize,
    },
    Durable {
        shard: usize,
        incarnation: u64,
        frame: FrameNumber,
    },
    Up {
        link: LinkName,
        bytes: Bytes,
        is_segment: bool,
    },
    Down {
        link: LinkName,
        bytes: Bytes,
        is_segment: bool,
    },
    /// A side learns that the link is gone.
    CutUp {
        link: LinkName,
    },
    CutDown {
        link: LinkName,
    },
    Connect {
        node: usize,
        shard: usize,
    },
    /// The oldest task for the images is done, or fails.
    Imaged {
        shard: usize,
        incarnation: u64,
    },
    /// A document is brought to memory.
    Loaded {
        shard: usize,
        incarnation: u64,
    },
    /// Frames of the journal are forgotten.
    Cut {
        shard: usize,
        incarnation: u64,
    },
    /// A shard's timer, where that is nearer than its tick.
    Due {
        shard: usize,
    },
    /// There is room on a shard's disk again.
    Room {
        shard: usize,
    },
    /// A node reads again.
    Read {
        node: usize,
        shard: usize,
    },
}

/// One connection of a node to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkName {
    pub(crate) node: usize,
    pub(crate) shard: usize,
    pub(crate) connection: ConnectionId,
}

/// Events by time, then by the order in which they were planned.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    planned: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned)));
        self.events.insert(self.planned, event);
    }

    /// Whether nothing is on its way to anybody.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.values().all(|event| matches!(event, Event::Act | Event::Tick { .. } | Event::Due { .. }))
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        let Reverse((at, planned)) = self.heap.pop()?;
        Some((at, self.events.remove(&planned).unwrap()))
    }
}

/// FNV-1a over everything that was done: equal runs, equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effects(u64);

impl Default for Effects {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Effects {
    pub(crate) fn add(&mut self, now: u64, kind: u8, bytes: &[u8]) {
        // Words, not bytes: large objects are most of what is hashed.
        let mut mix = |word: u64| self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
        mix(now << 8 | u64::from(kind));
        mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(word));
        }
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

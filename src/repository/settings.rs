//! What a core is told at its start: who it is, how much it may hold, and which rules a test switches off.
//!
//! Source: own reasoning; the caps and their reasons stand in `limits.rs`.

use crate::document::Tuning;
use crate::ids::{Epoch, ShardId};
use crate::limits::{
    DEPARTED_BYTES_MAX, INLINE_BYTES_MAX, JOURNAL_BYTES, LOCK_WAITS_MAX, LOCKS_MAX, NODES_MAX, OBJECT_BYTES_MAX,
    OBJECTS_MAX, OWED_BYTES_MAX, RECORD_BYTES_MAX, SEGMENT_BYTES_MAX, SUBSCRIPTIONS_MAX, UNCONFIRMED_BYTES_MAX,
    UNREAD_BYTES_MAX,
};
use crate::wire::ShardAddress;

/// Who a core is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The shard it serves.
    pub shard: ShardId,
    /// Its term, from the journal's claim.
    pub epoch: Epoch,
    /// The last term that began with a loss.
    pub lossy_epoch: Epoch,
    /// The checksum of the last frame in the journal, from the claim.
    pub last_crc: u32,
    /// Every shard and where it is, for nodes.
    pub shards: Vec<ShardAddress>,
}

/// How much a core may hold; each with the default of `limits.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Nodes connected at a time.
    pub nodes_max: usize,
    /// Objects.
    pub objects_max: usize,
    /// Objects one node holds.
    pub subscriptions_max: usize,
    /// Waits for the lock of one object.
    pub lock_waits_max: usize,
    /// Locks that one node has or waits for.
    pub locks_max: usize,
    /// Encoded bytes of one object.
    pub object_bytes_max: usize,
    /// Bytes of the outcomes of nodes that left.
    pub departed_bytes_max: usize,
    /// Sizes of documents' pages and stamps.
    #[doc(hidden)]
    pub tuning: Tuning,
    /// Sizes beyond which data takes another way.
    #[doc(hidden)]
    pub windows: Windows,
    /// Bytes pushed to a holder that does not read beyond which it gets a notice instead.
    pub unread_bytes_max: usize,
    /// Bytes that a node may leave unconfirmed, answers included that need no room.
    #[doc(hidden)]
    pub owed_bytes_max: usize,
    /// How images of objects are kept; none with a journal that keeps nothing.
    pub images: Option<ImageCaps>,
}

/// What images are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCaps {
    /// Bytes of the journal beyond which images are made and the journal is cut behind them.
    pub journal_bytes: u64,
    /// Bytes of documents in memory beyond which those that were not used for long are left to their images.
    pub memory_max: usize,
}

impl Default for ImageCaps {
    fn default() -> Self {
        Self { journal_bytes: JOURNAL_BYTES, memory_max: usize::MAX }
    }
}

/// Sizes beyond which data takes another way; smaller ones let a test meet all ways with small objects.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Bytes of a delta inside a record.
    pub inline_bytes: usize,
    /// Bytes of a segment.
    pub segment_bytes: usize,
    /// Bytes of records to one node that it has not confirmed: a record more than a node gathers before it confirms.
    pub unconfirmed_bytes: usize,
}

impl Windows {
    /// Bytes of a record.
    pub(super) fn record_bytes(&self) -> usize {
        self.inline_bytes + (RECORD_BYTES_MAX - INLINE_BYTES_MAX)
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            inline_bytes: INLINE_BYTES_MAX,
            segment_bytes: SEGMENT_BYTES_MAX,
            unconfirmed_bytes: UNCONFIRMED_BYTES_MAX,
        }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            nodes_max: NODES_MAX,
            objects_max: OBJECTS_MAX,
            subscriptions_max: SUBSCRIPTIONS_MAX,
            lock_waits_max: LOCK_WAITS_MAX,
            locks_max: LOCKS_MAX,
            object_bytes_max: OBJECT_BYTES_MAX,
            departed_bytes_max: DEPARTED_BYTES_MAX,
            tuning: Tuning::default(),
            windows: Windows::default(),
            unread_bytes_max: UNREAD_BYTES_MAX,
            owed_bytes_max: OWED_BYTES_MAX,
            images: None,
        }
    }
}

/// A rule that a test can switch off, to see that some invariant then fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing leaves before it is durable (I6).
    Gate,
    /// Overlapping commits conflict (I9).
    Overlap,
    /// What a commit requires has not changed (W5).
    Guard,
    /// What happened below the horizon is unknown (I2).
    Horizon,
    /// An alias is free only when no node can mean the old object by it (I11).
    SlotReuse,
    /// A commit takes effect once, however often it is sent (I7).
    ExactlyOnce,
    /// A commit of which nobody knows whether it took effect takes none (I7).
    Forgotten,
    /// What names a birth means that birth (I11).
    Birth,
    /// Idle limits count anew when a term begins (E1).
    Anew,
    /// A commit takes effect only under the lock that it names (I15).
    Fence,
    /// A grant leaves when it is durable (I6).
    GrantGate,
    /// An event leaves when it is durable (I6).
    EventGate,
    /// The journal is cut only in front of what no image contains (I7).
    Cut,
    /// An image is in force only when the newest frame in it is durable (I6).
    Image,
    /// A document is its image and the commits behind it (I2).
    Tail,
    /// A holder that does not read is pushed to only until a pull would have cost less (P1).
    Unread,
    /// The commit that changes an indexed field changes the index (I2).
    Index,
    /// A node that lost again and again goes first (W3).
    Precedence,
    /// A group takes effect as a whole or not at all (W7).
    Group,
    /// A joint read shows the newest of every object (W7).
    Joint,
}

/// Which rules hold: all, outside of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    off: Option<Rule>,
}

impl Rules {
    /// All rules but one.
    #[cfg(any(test, feature = "mutants"))]
    #[must_use]
    pub fn without(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }

    /// Whether `rule` holds.
    pub(super) fn has(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }
}

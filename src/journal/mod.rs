//! Frames: commits that become durable together, and what a place that keeps them must promise.
//!
//! The station between a repository's order and its answers: a sealed frame is appended, and only when the journal
//! says it is durable may anyone see what is in it (I6, I7). Invariants: frames of a shard form one chain, each naming
//! the CRC of the one before; a frame carries verdicts, so replay judges nothing; damage is refused with its place,
//! never skipped. Source: group commit as in ARIES-style logs; the claim as in Chubby's sequencers.

mod chain;
mod entry;
mod frame;
mod head;
mod image;
mod term;

pub use chain::{Chain, FrameName};
pub use entry::{Entry, Origin, Payload, Share};
pub use frame::{EncodedFrame, Frame};
pub use head::{decode_state, encode_state};
pub use image::{
    DamagedImage, Head, HeadBody, ImageError, ImageName, Images, IndexedValue, LiveHead, Part, PartName, PutHead,
};
pub use term::Term;

use crate::coding::DecodeError;
use crate::ids::{Epoch, FrameNumber, ShardId};

/// Says why a frame is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not start with the magic of a frame.
    #[error("there is no frame here")]
    Magic,
    /// It was written by a version with another format.
    #[error("frame format {found}, this version reads {known}")]
    Format {
        /// The format found.
        found: u8,
        /// The format of this version.
        known: u8,
    },
    /// Its bytes changed after they were written.
    #[error("checksum {found:#010x} where {computed:#010x} was expected")]
    Checksum {
        /// The checksum in the frame.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// Its content does not decode.
    #[error("frame content: {0}")]
    Content(#[from] DecodeError),
    /// It does not follow the frame before it.
    #[error("frame {found} does not follow frame {last}")]
    Chain {
        /// The frame that was read.
        found: FrameName,
        /// The frame before it.
        last: FrameName,
    },
}

/// Says why a journal could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another process claimed the shard since; this one must stop.
    #[error("the shard was claimed by another process")]
    Fenced,
    /// Whether what was written is durable is unknown; the shard must stop and learn it by replay.
    #[error("it is unknown whether what was written is durable: {0}")]
    InDoubt(String),
    /// A frame is damaged.
    #[error("damaged behind frame {last}: {error}")]
    Damaged {
        /// The last good frame.
        last: FrameName,
        /// What is wrong.
        error: FrameError,
    },
    /// A frame that was acknowledged is not there.
    #[error("frame {acknowledged} was acknowledged and is not there; the last one there is {last}")]
    Missing {
        /// The newest frame that was acknowledged.
        acknowledged: FrameName,
        /// The newest frame that is there.
        last: FrameName,
    },
    /// An image is damaged.
    #[error("{0}")]
    Image(Box<DamagedImage>),
    /// What was written before the last cut of a shard's journal is not there.
    #[error("the {what} of shard {shard} are older than its journal")]
    Older {
        /// The shard.
        shard: ShardId,
        /// What is older.
        what: &'static str,
    },
    /// The state of a shard is damaged.
    #[error("the state of shard {shard} is damaged: {error}")]
    State {
        /// The shard.
        shard: ShardId,
        /// What is wrong.
        error: ImageError,
    },
    /// The store could not be read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
}

/// What a claim gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The new term, above every earlier one.
    pub epoch: Epoch,
    /// The last term that began with a loss; this one, if it does.
    pub lossy_epoch: Epoch,
    /// The checksum of the last frame, 0 if there is none: what the first frame of the term names as its predecessor.
    pub last_crc: u32,
    /// The shard's time at which the term begins, in milliseconds.
    pub time_ms: u64,
}

/// A sealed frame on its way to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// What to append.
    pub frame: EncodedFrame,
    /// The checksum of the frame it follows.
    pub expected: u32,
}

/// A place that keeps the frames of shards. Calls may block until the device answers.
///
/// # Laws
/// 1. `claim` gives a term above all earlier ones and fences their holders: their `append` fails from then on.
/// 2. When `append` answers `Ok` the frame survives whatever this backend promises to survive, and so do all before it.
/// 3. `append` takes a frame only behind the one whose checksum is expected.
/// 4. `append` that fails leaves the frame there wholly or not at all; it is never retried.
/// 5. `replay` visits every frame that `append` acknowledged and that was not truncated, in order, and at most one that
///    was in doubt, at the end; a damaged or missing frame ends it with its place.
/// 6. `truncate` forgets whole frames from the old end only, and never the newest.
pub trait Journal: Send {
    /// Takes a shard over at `wall_ms` milliseconds since 1970.
    ///
    /// # Errors
    /// `Unreadable` or `Damaged`.
    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError>;

    /// Makes a frame durable.
    ///
    /// # Errors
    /// `Fenced`, or `InDoubt` after which the shard must stop.
    fn append(&mut self, append: &Append) -> Result<(), JournalError>;

    /// Makes frames durable together, at most one of a shard; one answer each, in their order.
    fn append_all(&mut self, appends: &[Append]) -> Vec<Result<(), JournalError>> {
        appends.iter().map(|append| self.append(append)).collect()
    }

    /// Visits the frames of a shard from the oldest to the newest; stops early when `visit` answers false.
    ///
    /// # Errors
    /// `Unreadable` or `Damaged`.
    fn replay(&mut self, shard: ShardId, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError>;

    /// Forgets the frames of a shard before `(epoch, number)`.
    ///
    /// # Errors
    /// `InDoubt`: some of them may still be there.
    fn truncate(&mut self, shard: ShardId, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError>;

    /// Whether there is room for the frames of commits that are not judged yet.
    fn has_room(&mut self) -> bool {
        true
    }
}

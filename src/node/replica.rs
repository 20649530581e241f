//! What the core orders of a replica without knowing its type, and what a replica asks of the process around it.
//!
//! The core never holds a user's struct: it orders `apply`, `load`, `take_batch` and `settle` on a [`Replica`], which is
//! a [`Slot`](super::Slot) of some class. A slot's refusal is an input of the core. Invariants: no call waits for I/O,
//! for a guard or for a copy; what takes long happens in [`Replica::work`], off the I/O thread. Source: own reasoning.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::memory::Memory;
use super::state::{Event, State};
use crate::coding::DecodeError;
use crate::ids::{Birth, Fence, ObjectName, Token, TransferId, Version};
use crate::wire::FailureCode;

/// Names a replica within its node and shard link; given by whoever makes the slot, never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

/// Names what a slot is to keep for a joint read; given by the slot, never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkId(pub u64);

/// Says why a replica cannot do what was ordered: the peer or the driver broke a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The event has no meaning in this state.
    #[error("{event:?} came to a replica that is {state:?}")]
    Unexpected {
        /// The state.
        state: State,
        /// The event.
        event: Event,
    },
    /// A delta or result is for another version than the one here (I4).
    #[error("a change of version {base} came to a replica at {reached}")]
    Base {
        /// The version the change applies to.
        base: Version,
        /// The version that is here, with all that waits.
        reached: Version,
    },
    /// A delta does not decode or does not fit the value; the value is as it was.
    #[error("a delta does not fit its replica: {0}")]
    Delta(#[from] DecodeError),
}

/// What became of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the value, or waits for a guard or a snapshot and will be.
    Taken,
    /// It was dropped with others: too much waits. The replica is stale and must be pulled from what it holds.
    Overflowed,
    /// It was dropped, as everything is until the pull after an overflow is answered, or for a value that is unreadable.
    Dropped,
}

/// Says why an object is no longer there for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was destroyed.
    Gone,
    /// It, or its newest versions, were lost in a restart of the repository.
    Lost,
    /// The node is closing.
    Closed,
}

/// A commit that the repository will never accept: not any more, if its outcome is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCommit {
    /// Why.
    pub code: FailureCode,
    /// More about it, for people.
    pub text: String,
}

impl RefusedCommit {
    /// Whether the commit certainly took no effect, so that what it is of may run again.
    #[must_use]
    pub fn left_nothing(&self) -> bool {
        self.code != FailureCode::Forgotten
    }
}

/// A batch that leaves the slot as one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The version it was made on.
    pub base: Version,
    /// Whether anything newer in the object conflicts.
    pub is_isolated: bool,
    /// The lock that it was made under.
    pub fence: Option<Fence>,
    /// What must not have changed after the base, besides: edits, each sized.
    pub guards: Bytes,
    /// The edit body of the root struct.
    pub delta: Bytes,
}

/// The repository's word on the commit in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It took effect as it was sent, on its base.
    AsSent,
    /// It is this version; all up to there was ordered before, or a notice told of it.
    Accepted(Version),
    /// It changes nothing: this version, by others, has it all.
    Moot(Version),
    /// It overlaps a later commit.
    Conflict,
    /// It can never take effect.
    Refused(RefusedCommit),
}

/// What a replica asks for, by [`Host::ring`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ring {
    /// A batch is ready to be taken.
    Batch,
    /// Somebody waits for a newer value than the one here.
    Pull,
    /// The value was read, as [`Replica::expect_use`] asked to be told.
    Used,
    /// [`Replica::work`] has something to do.
    Work,
    /// A segment of a snapshot is part of the value under construction.
    Taken {
        /// The transfer.
        transfer: TransferId,
        /// The segment.
        index: u32,
    },
    /// The snapshot is the value now.
    Loaded,
    /// The snapshot holds what this program does not know, and the rest of it is of no use.
    GivenUp {
        /// The transfer.
        transfer: TransferId,
    },
    /// What was taken earlier turned out not to fit.
    Broken(Refusal),
}

/// What a slot needs from the process around it. Called under the slot's lock: it must only note and wake.
pub trait Host: Debug + Send + Sync {
    /// Hears what a replica asks for.
    fn ring(&self, replica: ReplicaId, ring: Ring);

    /// The budget that its replicas share.
    fn memory(&self) -> Arc<Memory> {
        Arc::default()
    }
}

/// A replica of any class, as the core sees it.
pub trait Replica: Debug + Send + Sync {
    /// Its name within the link.
    fn id(&self) -> ReplicaId;

    /// The object's class and key.
    fn name(&self) -> &ObjectName;

    /// How far it can be trusted.
    fn state(&self) -> State;

    /// The object and version here, with all that waits; `None` if nothing is. Of an unreadable value only these are.
    fn reached(&self) -> Option<(Birth, Version)>;

    /// What is here is the newest version.
    ///
    /// # Errors
    /// `Unexpected`.
    fn confirm(&self) -> Result<(), Refusal>;

    /// A push of `span` versions.
    ///
    /// # Errors
    /// `Unexpected`, or `Delta` if it does not fit.
    fn apply(&self, span: u64, delta: &[u8]) -> Result<Applied, Refusal>;

    /// The answer to a pull begins: from `base` to `version`, by `delta` or, if that comes in segments, by what
    /// [`finish_catch_up`](Self::finish_catch_up) brings. Ends the dropping after an overflow.
    ///
    /// # Errors
    /// `Unexpected`, `Base` or `Delta`.
    fn catch_up(&self, base: Version, version: Version, delta: Option<&[u8]>) -> Result<(), Refusal>;

    /// The delta of the catch-up to `version`, which came in segments.
    ///
    /// # Errors
    /// `Delta`.
    fn finish_catch_up(&self, version: Version, delta: Bytes) -> Result<(), Refusal>;

    /// A snapshot of what `at` names is on its way, of about so many bytes. Ends the dropping after an overflow.
    ///
    /// # Errors
    /// `Unexpected`.
    fn begin_load(&self, at: Token, bytes: usize) -> Result<(), Refusal>;

    /// A whole object, as `at` names it, came in one record.
    ///
    /// # Errors
    /// `Unexpected` or `Delta`.
    fn load_whole(&self, at: Token, delta: &[u8]) -> Result<(), Refusal>;

    /// The next segment of the snapshot, in order; decoded by [`work`](Self::work).
    fn load_segment(&self, transfer: TransferId, index: u32, is_last: bool, bytes: Bytes);

    /// A version newer than what is here exists.
    ///
    /// # Errors
    /// `Unexpected`.
    fn overtake(&self, version: Version) -> Result<(), Refusal>;

    /// A pull that was asked for failed: the next reader asks again.
    fn pull_failed(&self);

    /// Takes the batch that gathers, unless a commit of this object is in flight already.
    fn take_batch(&self) -> Option<Outgoing>;

    /// Settles the commit in flight.
    ///
    /// # Errors
    /// `Base` or `Delta` if the node's own change does not fit.
    fn settle(&self, settlement: Settlement) -> Result<(), Refusal>;

    /// `version` is current at one time with versions of other objects: keeps it for who asked, if it comes here.
    fn mark(&self, mark: MarkId, version: Version);

    /// The creation that this replica drafted took effect: it is what `at` names.
    ///
    /// # Errors
    /// `Unexpected` if nothing was drafted.
    fn created(&self, at: Token) -> Result<(), Refusal>;

    /// The link broke.
    fn disconnect(&self);

    /// What is here is wrong: it is loaded anew before anything else is believed.
    fn distrust(&self);

    /// The object is no longer there.
    fn end(&self, ending: Ending);

    /// Drops the value to save memory, if nothing needs it; identity and version stay.
    fn evict(&self) -> bool;

    /// When it was used last, by the clock of [`Memory`].
    fn used_at(&self) -> u64;

    /// Whether somebody watches it, and so reads every change.
    fn is_watched(&self) -> bool;

    /// Has the next read ring [`Ring::Used`], once; or none any more.
    fn expect_use(&self, is_expected: bool);

    /// Bytes of the value, encoded, roughly.
    fn bytes(&self) -> usize;

    /// How long to wait for guards before [`work`](Self::work) copies the value; `None` if none is in the way.
    fn copy_patience(&self) -> Option<Duration>;

    /// Does what takes long: decodes segments, copies a value that a guard pins and applies what waits. Never called on
    /// the I/O thread.
    fn work(&self);
}

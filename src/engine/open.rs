//! From a journal to a core that knows what is in it.
//!
//! Invariant: the claim comes before the replay, so that no earlier owner of the shard adds a frame in between.
//! Source: own reasoning.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::ids::ShardId;
use crate::journal::{Claim, FrameName, Journal, JournalError};
use crate::repository::{Caps, Core, Identity, ReplayError};
use crate::time::Instant;
use crate::wire::ShardAddress;

/// Why a shard does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The journal cannot be claimed or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A frame of the journal does not fit those before it.
    #[error("frame {frame} does not fit those before it: {error}")]
    Replay {
        /// The frame.
        frame: FrameName,
        /// What does not fit.
        error: ReplayError,
    },
    /// The system gives no thread or no event queue.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Takes a shard over, in the name of the present time.
///
/// # Errors
/// Those of [`Journal::claim`].
pub fn claim(journal: &mut impl Journal, shard: ShardId) -> Result<Claim, JournalError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    journal.claim(shard, u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes the core of a shard from its claim and replays what the journal has.
///
/// # Errors
/// [`OpenError::Journal`] and [`OpenError::Replay`].
pub fn replay(
    journal: &mut impl Journal,
    shard: ShardId,
    claim: Claim,
    shards: Vec<ShardAddress>,
) -> Result<Core, OpenError> {
    let Claim { epoch, lossy_epoch, last_crc, time_ms } = claim;
    let mut core = Core::new(Identity { shard, epoch, lossy_epoch, last_crc, shards }, Caps::default());
    let mut failed = None;
    journal.replay(shard, &mut |frame| {
        failed = core.replay(&frame).err().map(|error| (frame.name(), error));
        failed.is_none()
    })?;
    match failed {
        None => {
            core.handle_replayed(Instant(time_ms));
            Ok(core)
        }
        Some((frame, error)) => Err(OpenError::Replay { frame, error }),
    }
}

//! From a journal to a core that knows what is in it.
//!
//! Invariant: the claim comes before the replay, so that no earlier owner of the shard adds a frame in between.
//! Source: own reasoning.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::ids::ShardId;
use crate::journal::{Claim, FrameName, Images, Journal, JournalError};
use crate::repository::{Caps, Core, Identity, ImageCaps, ReplayError, StateError};
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
    /// The images do not fit the frames.
    #[error("the images of shard {shard} do not fit its journal: {error}")]
    Images {
        /// The shard.
        shard: ShardId,
        /// What does not fit.
        error: ReplayError,
    },
    /// The state that was stored beside the images is none.
    #[error("the state of shard {shard}: {error}")]
    State {
        /// The shard.
        shard: ShardId,
        /// What is wrong.
        error: StateError,
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

/// Where the images of a shard are, and what they are made for.
pub struct Restore<'i> {
    /// The place.
    pub images: &'i mut dyn Images,
    /// How much is kept in memory and in the journal.
    pub caps: ImageCaps,
}

impl fmt::Debug for Restore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restore").field("caps", &self.caps).finish_non_exhaustive()
    }
}

/// Makes the core of a shard from its claim: takes over what its images say, if it has any, and replays what the journal
/// has behind them. No image is read: that is done when somebody wants its object.
///
/// # Errors
/// [`OpenError`], but not `Thread`.
pub fn replay(
    journal: &mut impl Journal,
    restore: Option<Restore<'_>>,
    shard: ShardId,
    claim: Claim,
    shards: Vec<ShardAddress>,
) -> Result<Core, OpenError> {
    let started = std::time::Instant::now();
    let Claim { epoch, lossy_epoch, last_crc, time_ms } = claim;
    let caps = Caps { images: restore.as_ref().map(|restore| restore.caps), ..Caps::default() };
    let mut core = Core::new(Identity { shard, epoch, lossy_epoch, last_crc, shards }, caps);
    if let Some(Restore { images, .. }) = restore {
        if let Some(state) = images.state(shard)? {
            core.restore_state(&state).map_err(|error| OpenError::State { shard, error })?;
        }
        images.heads(shard, &mut |head| {
            core.restore_head(head);
            true
        })?;
    }
    let mut failed = None;
    journal.replay(shard, &mut |frame| {
        failed = core.replay(&frame).err().map(|error| (frame.name(), error));
        failed.is_none()
    })?;
    if let Some((frame, error)) = failed {
        return Err(OpenError::Replay { frame, error });
    }
    core.handle_replayed(Instant(time_ms)).map_err(|error| OpenError::Images { shard, error })?;
    let (objects, journal_bytes, took_ms) = (core.objects(), core.journal_bytes(), started.elapsed().as_millis());
    tracing::info!(%shard, objects, journal_bytes, took_ms, "the shard is open");
    Ok(core)
}

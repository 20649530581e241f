//! Reads a whole data directory: every sum, every frame, every chain.
//!
//! Source: own reasoning.

use std::path::Path;

use super::{DataError, DiskJournal, DiskSettings};
use crate::ids::ShardId;
use crate::journal::{Frame, FrameName, Journal, JournalError};

/// What was found of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The shard.
    pub shard: ShardId,
    /// Frames that are whole and in their place.
    pub frames: u64,
    /// Creations, commits and destructions in them.
    pub commits: u64,
    /// The last of them.
    pub last: FrameName,
    /// What ends them before their end, if anything does.
    pub damage: Option<JournalError>,
}

/// Reads everything in the data directory `path` and shows each good frame to `visit`; no term begins.
///
/// # Errors
/// [`DataError`]: there is none, it is in use, or so damaged that its frames cannot be reached.
pub fn verify(path: &Path, visit: &mut dyn FnMut(&Frame)) -> Result<Vec<Verified>, DataError> {
    if !path.join("format").exists() {
        return Err(DataError::Absent { path: path.into() });
    }
    let mut journal = DiskJournal::open(path, DiskSettings::default())?;
    let mut found = Vec::new();
    for shard in (0..journal.shards()).map(ShardId) {
        let last = FrameName::before_all(shard);
        let mut verified = Verified { shard, frames: 0, commits: 0, last, damage: None };
        let replayed = journal.replay(shard, &mut |frame| {
            verified.frames += 1;
            verified.commits += frame.entries.iter().filter(|entry| entry.is_commit()).count() as u64;
            verified.last = frame.name();
            visit(&frame);
            true
        });
        verified.damage = replayed.err();
        found.push(verified);
    }
    Ok(found)
}

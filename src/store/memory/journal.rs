//! A journal in memory: for tests, caches and first steps.
//!
//! What it promises to survive is the end of a core, not of the process. Kept frames make a restart within the process
//! lossless; without them every claim begins a lossy epoch (F3). Invariant: its epochs come from the wall clock and
//! rise even if that does not. Source: own reasoning.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{Append, Chain, Claim, Frame, FrameName, Journal, JournalError, Term};

/// Frames in memory; clones share them.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    shards: Arc<Mutex<BTreeMap<ShardId, Kept>>>,
    claimed: BTreeMap<ShardId, Epoch>,
    is_kept: bool,
}

/// What is kept of one shard.
#[derive(Clone, Debug, Default)]
struct Kept {
    frames: VecDeque<(FrameName, Bytes)>,
    term: Term,
    /// The checksum that the oldest frame names as its predecessor's.
    first_crc: u32,
    last_crc: u32,
    last_ms: u64,
    /// Whether this is a copy of what went on elsewhere.
    is_restored: bool,
}

impl MemoryJournal {
    /// A journal that forgets frames at once: each claim begins a lossy epoch. Costs no memory.
    #[must_use]
    pub fn forgetful() -> Self {
        Self::new(false)
    }

    /// A journal that keeps its frames until they are truncated: a later claim of a clone replays them.
    #[must_use]
    pub fn kept() -> Self {
        Self::new(true)
    }

    /// A journal of its own with the same content, as if restored from a backup: its next claims begin with a loss.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut shards = self.shards.lock().clone();
        shards.values_mut().for_each(|kept| kept.is_restored = true);
        Self { shards: Arc::new(Mutex::new(shards)), claimed: BTreeMap::new(), is_kept: self.is_kept }
    }

    fn new(is_kept: bool) -> Self {
        Self { shards: Arc::default(), claimed: BTreeMap::new(), is_kept }
    }
}

impl Journal for MemoryJournal {
    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        let mut shards = self.shards.lock();
        let kept = shards.entry(shard).or_default();
        let is_lossy = std::mem::take(&mut kept.is_restored) || !self.is_kept;
        kept.term = kept.term.next(kept.last_ms, wall_ms, is_lossy);
        if !self.is_kept {
            kept.last_crc = 0;
        }
        self.claimed.insert(shard, kept.term.epoch);
        Ok(kept.term.claim(kept.last_crc))
    }

    fn append(&mut self, append: &Append) -> Result<(), JournalError> {
        let Append { frame, expected } = append;
        let mut shards = self.shards.lock();
        let kept = shards.get_mut(&frame.name.shard).ok_or(JournalError::Fenced)?;
        let claimed = self.claimed.get(&frame.name.shard);
        if claimed != Some(&kept.term.epoch) || claimed != Some(&frame.name.epoch) {
            return Err(JournalError::Fenced);
        }
        if kept.last_crc != *expected {
            return Err(JournalError::InDoubt("the frame does not follow the last one".to_owned()));
        }
        kept.last_crc = frame.crc;
        if self.is_kept {
            kept.last_ms = frame.time_ms;
            kept.frames.push_back((frame.name, frame.bytes.clone()));
        }
        Ok(())
    }

    fn replay(&mut self, shard: ShardId, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
        let mut shards = self.shards.lock();
        let kept = shards.entry(shard).or_default();
        let (frames, mut chain) = (kept.frames.clone(), Chain::of(shard, kept.first_crc));
        drop(shards);
        for (_, bytes) in &frames {
            if !visit(chain.next(bytes)?) {
                break;
            }
        }
        Ok(())
    }

    fn truncate(&mut self, shard: ShardId, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError> {
        let mut shards = self.shards.lock();
        let kept = shards.entry(shard).or_default();
        let first = FrameName { shard, epoch, number };
        while kept.frames.len() > 1 {
            let Some((_, bytes)) = kept.frames.pop_front_if(|(name, _)| *name < first) else { break };
            let damaged = |error| JournalError::Damaged { last: first, error };
            kept.first_crc = Frame::decode(&bytes).map_err(damaged)?.1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn a_kept_journal_keeps_the_laws() {
        let journal = MemoryJournal::kept();
        conformance::laws(&mut || Box::new(journal.clone()));
        conformance::long_cut(&mut MemoryJournal::kept());
    }

    #[test]
    fn a_copy_begins_with_a_loss_once() {
        let mut journal = MemoryJournal::kept();
        let first = journal.claim(ShardId(0), 5).unwrap();
        let mut copy = journal.copy();
        let lossy = [6, 7].map(|wall_ms| copy.claim(ShardId(0), wall_ms).unwrap().lossy_epoch);
        assert_eq!(lossy, [Epoch(6); 2]);
        assert_eq!(journal.claim(ShardId(0), 8).unwrap().lossy_epoch, first.epoch, "the copied one lost nothing");
    }

    #[test]
    fn a_forgetful_journal_says_so() {
        let mut journal = MemoryJournal::forgetful();
        for (wall_ms, epoch) in [(5, 5), (5, 6), (3, 7)] {
            let claim = journal.claim(ShardId(0), wall_ms).unwrap();
            assert_eq!((claim.epoch, claim.lossy_epoch, claim.last_crc), (Epoch(epoch), Epoch(epoch), 0));
        }
    }
}

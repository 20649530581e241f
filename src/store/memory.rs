//! A journal in memory: for tests, caches and first steps.
//!
//! What it promises to survive is the end of a core, not of the process. Kept frames make a restart within the process
//! lossless; without them every claim begins a lossy epoch (F3). Invariant: its epochs come from the wall clock and
//! rise even if that does not. Source: own reasoning.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{Chain, Claim, EncodedFrame, Frame, Journal, JournalError};

/// Frames of one shard in memory; clones share them.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
    epoch: Epoch,
    is_kept: bool,
}

#[derive(Debug, Default)]
struct Shared {
    frames: VecDeque<(Epoch, FrameNumber, Bytes)>,
    epoch: Epoch,
    lossy_epoch: Epoch,
    last_crc: u32,
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

    fn new(is_kept: bool) -> Self {
        Self { shared: Arc::default(), epoch: Epoch(0), is_kept }
    }
}

impl Journal for MemoryJournal {
    fn claim(&mut self, _shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        let mut shared = self.shared.lock();
        let is_first = shared.epoch == Epoch(0);
        let epoch = Epoch(wall_ms.max(shared.epoch.0 + 1));
        shared.epoch = epoch;
        if !self.is_kept || is_first {
            shared.lossy_epoch = epoch;
            shared.last_crc = 0;
        }
        self.epoch = epoch;
        Ok(Claim { epoch, lossy_epoch: shared.lossy_epoch, last_crc: shared.last_crc })
    }

    fn append(&mut self, frame: &EncodedFrame, expected: u32) -> Result<(), JournalError> {
        let mut shared = self.shared.lock();
        if shared.epoch != self.epoch || frame.epoch != self.epoch {
            return Err(JournalError::Fenced);
        }
        if shared.last_crc != expected {
            return Err(JournalError::InDoubt("the frame does not follow the last one".to_owned()));
        }
        shared.last_crc = frame.crc;
        if self.is_kept {
            shared.frames.push_back((frame.epoch, frame.number, frame.bytes.clone()));
        }
        Ok(())
    }

    fn replay(&mut self, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
        let frames = self.shared.lock().frames.clone();
        let mut chain = Chain::default();
        for (_, _, bytes) in &frames {
            if !visit(chain.next(bytes)?) {
                break;
            }
        }
        Ok(())
    }

    fn truncate(&mut self, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError> {
        let mut shared = self.shared.lock();
        while shared.frames.front().is_some_and(|(e, n, _)| (*e, *n) < (epoch, number)) {
            shared.frames.pop_front();
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
    }

    #[test]
    fn a_forgetful_journal_says_so() {
        let mut journal = MemoryJournal::forgetful();
        for wall_ms in [5, 5, 3] {
            let claim = journal.claim(ShardId(0), wall_ms).unwrap();
            assert_eq!((claim.lossy_epoch, claim.last_crc), (claim.epoch, 0));
        }
        assert_eq!(journal.epoch, Epoch(7));
    }
}

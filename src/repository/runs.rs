//! How long the journal is, and where its last so many bytes begin.
//!
//! Frames are counted in runs, so that a journal of millions of small ones costs no more to measure than one of few.
//! Source: own reasoning.

use std::collections::VecDeque;

use crate::journal::FrameName;

/// Into so many runs a journal of the allowed length is parted, to know how long its end is.
const RUNS: u64 = 64;

/// How long the journal is, in runs of frames.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: VecDeque<(FrameName, u64)>,
    bytes: u64,
}

impl Runs {
    /// Bytes of all frames.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A frame of so many bytes follows, in a journal that is to have `journal_bytes`.
    pub(super) fn push(&mut self, frame: FrameName, bytes: u64, journal_bytes: u64) {
        self.bytes += bytes;
        match self.runs.back_mut() {
            Some((_, run)) if *run < journal_bytes / RUNS => *run += bytes,
            _ => self.runs.push_back((frame, bytes)),
        }
    }

    /// The first frame of the runs that a journal of `bytes_max` holds, at the least one run.
    pub(super) fn front(&self, bytes_max: u64) -> Option<FrameName> {
        let mut kept = 0;
        let fits = |(_, bytes): &&(FrameName, u64)| {
            kept += bytes;
            kept <= bytes_max
        };
        let last = self.runs.back();
        self.runs.iter().rev().take_while(fits).last().or(last).map(|(first, _)| *first)
    }

    /// Bytes of the runs that are wholly before `frame`.
    pub(super) fn before(&self, frame: FrameName) -> u64 {
        let starts = self.runs.iter().skip(1).map(|(first, _)| *first);
        self.runs.iter().zip(starts).take_while(|(_, next)| *next <= frame).map(|((_, bytes), _)| bytes).sum()
    }

    /// Forgets the runs that are wholly before `frame`.
    pub(super) fn cut(&mut self, frame: FrameName) {
        while self.runs.get(1).is_some_and(|(next, _)| *next <= frame) {
            let bytes = self.runs.pop_front().map_or(0, |(_, bytes)| bytes);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, FrameNumber, ShardId};

    fn name(number: u64) -> FrameName {
        FrameName { shard: ShardId(0), epoch: Epoch(1), number: FrameNumber(number) }
    }

    #[test]
    fn a_journal_is_as_long_as_its_runs() {
        let mut runs = Runs::default();
        for number in 1..=10 {
            runs.push(name(number), 10, 20 * RUNS);
        }
        assert_eq!((runs.runs.len(), runs.bytes), (5, 100), "two frames a run");
        assert_eq!(runs.front(100), Some(name(1)));
        assert_eq!(runs.front(59), Some(name(7)), "a run stays whole");
        assert_eq!(runs.front(0), Some(name(9)), "the last run is always needed");
        assert_eq!([1, 2, 3, 6, 10, 99].map(|number| runs.before(name(number))), [0, 0, 20, 40, 80, 80]);
        runs.cut(name(6));
        assert_eq!((runs.runs.front(), runs.bytes), (Some(&(name(5), 20)), 60));
    }
}

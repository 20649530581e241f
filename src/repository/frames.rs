//! The open frame, the frames on their way to the journal, and the gate.
//!
//! A verdict goes into the open frame; a sealed frame goes out; when it is durable, whatever waited for it may leave
//! (I6). Invariants: frames are numbered without a gap; at most [`FRAMES_IN_FLIGHT_MAX`] are on their way, so what is held
//! back is bounded. Source: group commit; own reasoning.

use std::mem;

use crate::ids::{Birth, CommitNumber, Epoch, FrameNumber, ShardId};
use crate::journal::{Append, Entry, Frame};
use crate::limits::{FRAME_BYTES_MAX, FRAMES_IN_FLIGHT_MAX};

/// The frames of a term.
#[derive(Debug)]
pub(super) struct Frames {
    shard: ShardId,
    epoch: Epoch,
    entries: Vec<Entry>,
    entry_bytes: usize,
    sealed: FrameNumber,
    durable: FrameNumber,
    last_crc: u32,
    first_commit: u64,
    next_commit: u64,
    time_ms: u64,
}

impl Frames {
    pub(super) fn new(shard: ShardId, epoch: Epoch, last_crc: u32) -> Self {
        Self {
            shard,
            epoch,
            entries: Vec::new(),
            entry_bytes: 0,
            sealed: FrameNumber(0),
            durable: FrameNumber(0),
            last_crc,
            first_commit: 1,
            next_commit: 1,
            time_ms: 0,
        }
    }

    /// Takes over the time of a frame that was replayed.
    pub(super) fn follow(&mut self, time_ms: u64) {
        self.time_ms = self.time_ms.max(time_ms);
    }

    /// The frame that the next entry goes into.
    pub(super) fn open(&self) -> FrameNumber {
        FrameNumber(self.sealed.0 + 1)
    }

    /// The newest frame that has anything in it.
    pub(super) fn newest(&self) -> FrameNumber {
        if self.entries.is_empty() { self.sealed } else { self.open() }
    }

    pub(super) fn durable(&self) -> FrameNumber {
        self.durable
    }

    /// Puts an entry into the open frame; answers its number as a birth.
    pub(super) fn push(&mut self, entry: Entry) -> Birth {
        let birth = Birth(CommitNumber { epoch: self.epoch, n: self.next_commit });
        if entry.is_commit() {
            self.next_commit += 1;
        }
        self.entry_bytes += entry.bytes();
        self.entries.push(entry);
        birth
    }

    /// The number that the next commit gets.
    pub(super) fn next_commit(&self) -> CommitNumber {
        CommitNumber { epoch: self.epoch, n: self.next_commit }
    }

    /// Bytes the open frame still takes.
    pub(super) fn room(&self) -> usize {
        FRAME_BYTES_MAX.saturating_sub(self.entry_bytes)
    }

    /// Whether nothing more should be put in before the journal answers.
    pub(super) fn is_full(&self) -> bool {
        self.room() == 0 && self.sealed.0 - self.durable.0 >= FRAMES_IN_FLIGHT_MAX
    }

    /// Seals the open frame if there is something in it and either nothing is on its way or it is full.
    pub(super) fn seal(&mut self, now_ms: u64) -> Option<Append> {
        let in_flight = self.sealed.0 - self.durable.0;
        let is_due = in_flight == 0 || (self.room() == 0 && in_flight < FRAMES_IN_FLIGHT_MAX);
        if self.entries.is_empty() || !is_due {
            return None;
        }
        self.time_ms = self.time_ms.max(now_ms);
        let frame = Frame {
            shard: self.shard,
            epoch: self.epoch,
            number: self.open(),
            time_ms: self.time_ms,
            first_commit: self.first_commit,
            previous_crc: self.last_crc,
            entries: mem::take(&mut self.entries),
        }
        .encode();
        let expected = mem::replace(&mut self.last_crc, frame.crc);
        self.entry_bytes = 0;
        self.first_commit = self.next_commit;
        self.sealed = frame.name.number;
        Some(Append { frame, expected })
    }

    /// Everything up to `frame` is durable.
    pub(super) fn settle(&mut self, frame: FrameNumber) {
        self.durable = self.durable.max(frame.min(self.sealed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Alias;
    use bytes::Bytes;

    fn slice(bytes: usize) -> Entry {
        Entry::Slice { staging: 1, bytes: Bytes::from(vec![0; bytes]) }
    }

    #[test]
    fn a_frame_is_sealed_when_none_is_on_its_way_or_when_it_is_full() {
        let mut frames = Frames::new(ShardId(0), Epoch(1), 0);
        assert_eq!(frames.seal(0), None);
        frames.push(slice(1));
        let first = frames.seal(5).unwrap();
        assert_eq!((first.frame.name.number, first.expected), (FrameNumber(1), 0));
        frames.push(slice(1));
        assert_eq!(frames.seal(5), None, "one is on its way");
        frames.push(slice(FRAME_BYTES_MAX));
        let second = frames.seal(5).unwrap();
        assert_eq!(second.expected, first.frame.crc);
        frames.push(slice(FRAME_BYTES_MAX));
        assert!(frames.is_full());
        assert_eq!(frames.seal(5), None, "two are on their way");
        frames.settle(FrameNumber(1));
        assert!(!frames.is_full());
        assert!(frames.seal(5).is_some());
    }

    #[test]
    fn only_commits_are_numbered() {
        let mut frames = Frames::new(ShardId(0), Epoch(9), 0);
        frames.push(slice(1));
        let origin = crate::journal::Origin { node: crate::ids::NodeId(1), sequence: crate::ids::Sequence(1) };
        let destroyed = Entry::Destroyed { origin, alias: Alias(0) };
        assert_eq!(frames.push(destroyed.clone()).0.n, 1);
        assert_eq!(frames.push(destroyed).0.n, 2);
    }
}

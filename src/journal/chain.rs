//! The one unbroken chain that the frames of a shard form, and the names of its links.
//!
//! Invariant: no frame can be missing, doubled or exchanged between the first and the last without notice. Source: own
//! reasoning.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::{Frame, FrameError, JournalError};
use crate::ids::{Epoch, FrameNumber, ShardId};

/// Names a frame of a journal: `shard:epoch.number`. Number 0 is the place before the first frame of a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameName {
    /// Whose frame.
    pub shard: ShardId,
    /// Its term.
    pub epoch: Epoch,
    /// Its place in the term.
    pub number: FrameNumber,
}

impl FrameName {
    /// The place before the first frame of a shard.
    #[must_use]
    pub fn before_all(shard: ShardId) -> Self {
        Self { shard, ..Self::default() }
    }
}

impl fmt::Display for FrameName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.shard, self.epoch, self.number)
    }
}

/// A text that names no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is named shard:epoch.number, as in 0:17.4")]
pub struct NoFrameName;

impl FromStr for FrameName {
    type Err = NoFrameName;

    fn from_str(text: &str) -> Result<Self, NoFrameName> {
        let (shard, place) = text.split_once(':').ok_or(NoFrameName)?;
        let (epoch, number) = place.split_once('.').ok_or(NoFrameName)?;
        let number_of = |text: &str| text.parse().map_err(|_| NoFrameName);
        Ok(Self {
            shard: ShardId(shard.parse().map_err(|_| NoFrameName)?),
            epoch: Epoch(number_of(epoch)?),
            number: FrameNumber(number_of(number)?),
        })
    }
}

/// Checks, frame by frame, that a stored sequence is one unbroken chain.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    last: FrameName,
    last_crc: u32,
}

impl Chain {
    /// The chain of a shard whose first frame names `previous_crc`: 0, unless older frames were forgotten.
    #[must_use]
    pub fn of(shard: ShardId, previous_crc: u32) -> Self {
        Self { last: FrameName::before_all(shard), last_crc: previous_crc }
    }

    /// Decodes the next stored frame and checks that it follows the one before.
    ///
    /// # Errors
    /// `Damaged`, with the last good frame.
    pub fn next(&mut self, bytes: &Bytes) -> Result<Frame, JournalError> {
        let damaged = |error| JournalError::Damaged { last: self.last, error };
        let (frame, crc) = Frame::decode(bytes).map_err(damaged)?;
        let name = frame.name();
        let is_first = self.last.epoch == Epoch(0);
        let is_next = name.epoch == self.last.epoch && name.number.0.checked_sub(1) == Some(self.last.number.0);
        let begins = name.epoch > self.last.epoch && name.number == FrameNumber(1);
        if name.shard != self.last.shard || frame.previous_crc != self.last_crc || !(is_next || begins || is_first) {
            return Err(damaged(FrameError::Chain { found: name, last: self.last }));
        }
        (self.last, self.last_crc) = (name, crc);
        Ok(frame)
    }

    /// The last good frame.
    #[must_use]
    pub fn last(&self) -> FrameName {
        self.last
    }

    /// The checksum of the last frame.
    #[must_use]
    pub fn last_crc(&self) -> u32 {
        self.last_crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_frames_are_written_and_read() {
        let name = FrameName { shard: ShardId(3), epoch: Epoch(17), number: FrameNumber(4) };
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in ["", "3", "3:17", "3.17.4", "x:17.4", "70000:17.4", "3:17.4.1"] {
            assert_eq!(text.parse::<FrameName>(), Err(NoFrameName), "{text}");
        }
    }
}

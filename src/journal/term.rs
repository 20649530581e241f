//! A shard's terms: epochs that rise, losses that are named, a clock that counts the time between two of them.
//!
//! ```text
//! term    "namT" · epoch · lossy epoch · wall clock and shard time at its claim, in ms: varints · crc: 4 LE
//! ```
//! Invariants: epochs rise whatever the wall clock says, so that a journal that was thrown away does not come back under
//! an old number; shard time never goes back, and counts at most a day of a pause (E1), and no pause twice when a clock
//! that was set back is put right. Source: own reasoning.

use super::{Claim, FrameError};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::Epoch;

const MAGIC: [u8; 4] = *b"namT";

/// Milliseconds of a pause that count: a wall clock that jumps ahead must not let everything expire.
const PAUSE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// A term as a journal remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Its number.
    pub epoch: Epoch,
    /// The last term that began with a loss.
    pub lossy_epoch: Epoch,
    /// The wall clock at its claim, in milliseconds since 1970; if the term before had counted further, up to where that
    /// was, by a day at most.
    pub wall_ms: u64,
    /// The shard's time at its claim.
    pub time_ms: u64,
}

impl Term {
    /// The term that begins at `wall_ms`, after this one whose newest frame was made at shard time `last_ms`.
    #[must_use]
    pub fn next(self, last_ms: u64, wall_ms: u64, is_lossy: bool) -> Self {
        let is_first = self.epoch == Epoch(0);
        let epoch = Epoch(wall_ms.max(self.epoch.0.saturating_add(1)));
        let reached_ms = self.time_ms.max(last_ms);
        let ended_ms = self.wall_ms.saturating_add(reached_ms - self.time_ms);
        let pause_ms = if is_first { 0 } else { wall_ms.saturating_sub(ended_ms).min(PAUSE_MS_MAX) };
        let lossy_epoch = if is_first || is_lossy { epoch } else { self.lossy_epoch };
        // A clock that was set back says nothing new until it has passed what was counted already.
        let wall_ms = ended_ms.clamp(wall_ms, wall_ms.saturating_add(PAUSE_MS_MAX));
        Self { epoch, lossy_epoch, wall_ms, time_ms: reached_ms.saturating_add(pause_ms) }
    }

    /// The claim of this term, behind the frame whose checksum is `last_crc`.
    #[must_use]
    pub fn claim(self, last_crc: u32) -> Claim {
        Claim { epoch: self.epoch, lossy_epoch: self.lossy_epoch, last_crc, time_ms: self.time_ms }
    }

    /// Encodes the term.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(&MAGIC);
        for number in [self.epoch.0, self.lossy_epoch.0, self.wall_ms, self.time_ms] {
            w.varint(number);
        }
        let crc = crc32fast::hash(w.as_slice());
        w.raw(&crc.to_le_bytes());
        w.into_bytes()
    }

    /// Decodes a term.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (content, tail) =
            bytes.split_last_chunk::<4>().ok_or(DecodeError::Truncated { needed: 4, left: bytes.len() })?;
        let (found, computed) = (u32::from_le_bytes(*tail), crc32fast::hash(content));
        if found != computed {
            return Err(FrameError::Checksum { found, computed });
        }
        let mut r = Reader::new(content);
        if r.array::<4>()? != MAGIC {
            return Err(FrameError::Magic);
        }
        let term = Self {
            epoch: Epoch(r.varint()?),
            lossy_epoch: Epoch(r.varint()?),
            wall_ms: r.varint()?,
            time_ms: r.varint()?,
        };
        r.finish()?;
        Ok(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_time_counts_pauses_and_never_goes_back() {
        let first = Term::default().next(0, 5_000, false);
        assert_eq!(first, Term { epoch: Epoch(5_000), lossy_epoch: Epoch(5_000), wall_ms: 5_000, time_ms: 0 });
        let second = first.next(700, 9_000, false);
        assert_eq!((second.lossy_epoch, second.time_ms), (Epoch(5_000), 4_000), "700 ms of frames, 3,300 ms of pause");
        let back = second.next(4_100, 2_000, false);
        assert_eq!((back.epoch, back.time_ms), (Epoch(9_001), 4_100), "the clock was set back: no pause is known");
        let ahead = back.next(4_100, 1 << 50, true);
        assert_eq!(ahead.time_ms, 4_100 + PAUSE_MS_MAX);
        assert_eq!(ahead.lossy_epoch, ahead.epoch);
    }

    #[test]
    fn a_clock_that_was_set_back_and_put_right_counts_nothing_twice() {
        const DAY: u64 = PAUSE_MS_MAX;
        let before = Term::default().next(0, 9 * DAY, false);
        let back = before.next(1_000, 8 * DAY + 1_000, false);
        assert_eq!((back.wall_ms, back.time_ms), (9 * DAY + 1_000, 1_000));
        let right = back.next(3_000, 9 * DAY + 4_000, false);
        assert_eq!((right.wall_ms, right.time_ms), (9 * DAY + 4_000, 4_000), "2 s of frames, 1 s of pause");
        let ahead = right.next(4_000, 400 * DAY, false);
        let right = ahead.next(ahead.time_ms, 9 * DAY + 4_000, false);
        assert_eq!(right.wall_ms, 10 * DAY + 4_000, "no more than a day is taken for counted");
    }

    #[test]
    fn a_term_comes_back_and_every_flipped_bit_shows() {
        let term = Term { epoch: Epoch(9), lossy_epoch: Epoch(7), wall_ms: 1 << 41, time_ms: 300 };
        let bytes = term.encode();
        assert_eq!(Term::decode(&bytes), Ok(term));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Term::decode(&bytes).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Term::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}

//! Transfers to the repository: creations and commits too large for a record.
//!
//! A creation's segments are deltas, each on what the ones before made; a commit's are slices of one delta. Invariants:
//! segments of the first [`TRANSFERS_MAX`] transfers only are on their way, at most [`SEGMENTS_UNCONFIRMED_MAX`] of each
//! unconfirmed; every transfer is ended, if only by an empty segment; after a reconnect it starts anew, under another
//! number. Source: own reasoning.

use bytes::Bytes;

use super::{Core, Violation};
use crate::ids::TransferId;
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENTS_UNCONFIRMED_MAX, TRANSFERS_MAX};
use crate::wire::{CloseCode, Segment};

/// One transfer.
#[derive(Debug)]
pub(super) struct Up {
    segments: Vec<Bytes>,
    next: usize,
    taken: usize,
}

impl Up {
    pub(super) fn of_segments(segments: Vec<Bytes>) -> Self {
        Self { segments, next: 0, taken: 0 }
    }

    /// Slices one delta.
    pub(super) fn of_delta(delta: &Bytes) -> Self {
        let count = delta.len().div_ceil(SEGMENT_BYTES_MAX);
        let slice = |i: usize| delta.slice(i * SEGMENT_BYTES_MAX..((i + 1) * SEGMENT_BYTES_MAX).min(delta.len()));
        Self::of_segments((0..count).map(slice).collect())
    }

    /// The next segment, encoded, if the window has room.
    pub(super) fn next_segment(&mut self, transfer: TransferId) -> Option<[Bytes; 2]> {
        if self.next - self.taken >= SEGMENTS_UNCONFIRMED_MAX as usize {
            return None;
        }
        let bytes = self.segments.get(self.next)?.clone();
        let index = u32::try_from(self.next).ok()?;
        self.next += 1;
        let is_last = self.next == self.segments.len();
        Some(Segment { transfer, index, is_last, bytes }.encode())
    }

    /// Nobody needs the rest any more: an empty segment ends it, so that the repository need not wait for more.
    fn give_up(&mut self) {
        if self.next < self.segments.len() {
            self.segments.truncate(self.next);
            self.segments.push(Bytes::new());
        }
    }
}

impl Core {
    pub(super) fn begin_up(&mut self, up: Up) -> TransferId {
        self.next_transfer = self.next_transfer.wrapping_add(1);
        let transfer = TransferId(self.next_transfer);
        self.up.insert(transfer, up);
        transfer
    }

    /// The next segment to send.
    pub fn poll_segment(&mut self) -> Option<[Bytes; 2]> {
        self.up.iter_mut().take(TRANSFERS_MAX).find_map(|(transfer, up)| up.next_segment(*transfer))
    }

    /// How many segments arrived so far, here or at the repository.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// The change that a transfer was for has its outcome.
    pub(super) fn end_up(&mut self, transfer: TransferId) {
        if let Some(up) = self.up.get_mut(&transfer) {
            up.give_up();
        }
    }

    /// The repository took a segment. A transfer that ended with its commit is no longer known.
    pub(super) fn segment_taken(&mut self, transfer: TransferId, index: u32) -> Result<(), Violation> {
        let Some(up) = self.up.get_mut(&transfer) else { return Ok(()) };
        if index as usize != up.taken || up.taken >= up.next {
            let text = format!("segment {index} is confirmed where {} is due", up.taken);
            return Err(Violation { code: CloseCode::OutOfOrder, text });
        }
        up.taken += 1;
        self.segments += 1;
        if up.taken == up.segments.len() {
            self.up.remove(&transfer);
        }
        Ok(())
    }
}

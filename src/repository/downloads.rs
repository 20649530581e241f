//! Transfers to a node: a whole object, or a delta too large for a record.
//!
//! A snapshot is a frozen version: pointers, not bytes; a segment is filled when the link asks for it, while commits go
//! on. Invariants: at most [`TRANSFERS_MAX`] transfers a node, at most [`SEGMENTS_UNCONFIRMED_MAX`] segments of each
//! unconfirmed (I12); no segment leaves before what it shows is durable (I6). Source: own reasoning.

use std::collections::VecDeque;

use bytes::Bytes;

use super::holders::Place;
use super::{ConnectionId, Core};
use crate::document::{Frozen, Segments};
use crate::ids::{FrameNumber, TransferId};
use crate::limits::{SEGMENTS_UNCONFIRMED_MAX, TRANSFERS_MAX};
use crate::wire::Segment;

/// Bytes of the first segment of a transfer; each next one is twice as long, up to the cap.
const SEGMENT_BYTES_FIRST: usize = 64 * 1024;

/// A transfer to a node.
#[derive(Debug)]
pub(super) struct Download {
    transfer: TransferId,
    after: FrameNumber,
    source: Source,
    /// The next segment, cut ahead to know whether it is the last.
    ahead: Option<Bytes>,
    index: u32,
    unconfirmed: u32,
    is_sent: bool,
}

#[derive(Debug)]
enum Source {
    Snapshot(Frozen, Segments),
    Slices(VecDeque<Bytes>),
}

impl Source {
    /// Makes the next segment, of at most `bytes_max` unless one entry is longer.
    fn next(&mut self, bytes_max: usize) -> Option<Bytes> {
        match self {
            Self::Snapshot(frozen, segments) => segments.next(frozen, bytes_max),
            Self::Slices(pieces) => {
                let slice = slice(pieces, bytes_max);
                (!slice.is_empty()).then_some(slice)
            }
        }
    }
}

/// Takes up to `bytes_max` from the front; copies only what stands in more than one piece.
fn slice(pieces: &mut VecDeque<Bytes>, bytes_max: usize) -> Bytes {
    let mut joined = Vec::new();
    while let Some(mut piece) = pieces.pop_front() {
        let part = piece.split_to(piece.len().min(bytes_max - joined.len()));
        if !piece.is_empty() {
            pieces.push_front(piece);
        }
        let is_last = joined.len() + part.len() == bytes_max || pieces.is_empty();
        if is_last && joined.is_empty() {
            return part;
        }
        joined.extend_from_slice(&part);
        if is_last {
            break;
        }
    }
    joined.into()
}

impl Download {
    fn next(&mut self, bytes_max: usize) -> Segment {
        // Small ones first, so that the node decodes early.
        let bytes_max = |index: u32| (SEGMENT_BYTES_FIRST << index.min(8)).min(bytes_max);
        let bytes = self.ahead.take().or_else(|| self.source.next(bytes_max(0))).unwrap_or_default();
        self.ahead = self.source.next(bytes_max(self.index));
        let segment = Segment { transfer: self.transfer, index: self.index, is_last: self.ahead.is_none(), bytes };
        self.index += 1;
        self.unconfirmed += 1;
        self.is_sent = segment.is_last;
        segment
    }

    fn is_ready(&self, durable: FrameNumber) -> bool {
        !self.is_sent && self.after <= durable && self.unconfirmed < SEGMENTS_UNCONFIRMED_MAX
    }
}

impl Core {
    /// The next segment due to a node; filling one costs at most its bytes.
    pub fn poll_segment(&mut self, connection: ConnectionId) -> Option<[Bytes; 2]> {
        self.cost.begin();
        let durable = self.durable();
        let place = self.nodes.find(connection)?;
        let node = self.nodes.at_mut(place)?;
        let at = node.downloads.iter().position(|download| download.is_ready(durable))?;
        let mut download = node.downloads.remove(at)?;
        let segment = download.next(self.caps.windows.segment_bytes);
        node.downloads.push_back(download);
        self.cost.add(1, segment.bytes.len());
        Some(segment.encode())
    }

    pub(super) fn send_snapshot(&mut self, place: Place, after: FrameNumber, frozen: Frozen) -> Option<TransferId> {
        let segments = frozen.segments();
        self.send(place, after, Source::Snapshot(frozen, segments))
    }

    pub(super) fn send_slices(
        &mut self,
        place: Place,
        after: FrameNumber,
        delta: VecDeque<Bytes>,
    ) -> Option<TransferId> {
        self.send(place, after, Source::Slices(delta))
    }

    /// Starts a transfer; `None` while the node has as many as it may.
    fn send(&mut self, place: Place, after: FrameNumber, source: Source) -> Option<TransferId> {
        let node = self.nodes.at_mut(place).filter(|node| node.downloads.len() < TRANSFERS_MAX)?;
        let transfer = node.next_transfer;
        node.next_transfer = TransferId(transfer.0.wrapping_add(1));
        let download = Download { transfer, after, source, ahead: None, index: 0, unconfirmed: 0, is_sent: false };
        node.downloads.push_back(download);
        self.stir(place, after);
        Some(transfer)
    }

    /// A node took a segment: another may follow, or a request that waited for the end.
    pub(super) fn segment_taken(&mut self, place: Place, transfer: TransferId) -> Result<(), super::links::Violation> {
        let Some(node) = self.nodes.at_mut(place) else { return Ok(()) };
        let at = node.downloads.iter().position(|download| download.transfer == transfer && download.unconfirmed > 0);
        let Some(download) = at.and_then(|at| node.downloads.get_mut(at)) else {
            let text = "a segment was confirmed that was not sent";
            return Err(super::links::Violation::new(crate::wire::CloseCode::OutOfOrder, text));
        };
        download.unconfirmed -= 1;
        if download.is_sent && download.unconfirmed == 0 {
            at.and_then(|at| node.downloads.remove(at));
            self.catch_later(place);
        } else {
            self.wake(place);
        }
        Ok(())
    }
}

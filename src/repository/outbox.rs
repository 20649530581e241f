//! What is due to one node: records in order, each with the frame it waits for.
//!
//! The last station before a link. Invariants: records leave in the order they were put in; none leaves before its
//! frame is durable (I6); records with deltas are put in only while fewer than
//! [`UNCONFIRMED_BYTES_MAX`] bytes are queued or unconfirmed (I12). Results and notices are small and bounded by what
//! an honest node may have open, so they need no room; one that asks without end and does not confirm loses its link
//! ([`OWED_BYTES_MAX`](crate::limits::OWED_BYTES_MAX)). Source: own reasoning.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::ids::FrameNumber;
use crate::limits::UNCONFIRMED_BYTES_MAX;
use crate::wire::ToNode;

/// Bytes that a poll moves at most, unless one record is larger.
const POLL_BYTES_MAX: usize = UNCONFIRMED_BYTES_MAX;

#[derive(Debug)]
enum Due {
    /// A record that other nodes get too.
    Shared(Bytes),
    /// Small records of this node, one after the other.
    Own(Vec<u8>),
}

/// The records due to a node.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Bytes that may be queued or unconfirmed while a record with a delta is put in.
    window: usize,
    queue: VecDeque<(FrameNumber, Due)>,
    queued_bytes: usize,
    unconfirmed_bytes: usize,
}

impl Outbox {
    pub(super) fn new(window: usize) -> Self {
        Self { window, queue: VecDeque::new(), queued_bytes: 0, unconfirmed_bytes: 0 }
    }

    /// Bytes of records that may still be put in.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.queued_bytes + self.unconfirmed_bytes)
    }

    /// Bytes queued or sent and not confirmed.
    pub(super) fn held_bytes(&self) -> usize {
        self.queued_bytes + self.unconfirmed_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts in a record of this node alone.
    pub(super) fn push(&mut self, after: FrameNumber, record: &ToNode<'_>) {
        if let Some((frame, Due::Own(bytes))) = self.queue.back_mut()
            && *frame == after
        {
            let before = bytes.len();
            record.encode(bytes);
            self.queued_bytes += bytes.len() - before;
            return;
        }
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.queued_bytes += bytes.len();
        self.queue.push_back((after, Due::Own(bytes)));
    }

    /// Puts in a record that was encoded once for many.
    pub(super) fn push_shared(&mut self, after: FrameNumber, record: Bytes) {
        self.queued_bytes += record.len();
        self.queue.push_back((after, Due::Shared(record)));
    }

    /// Whether the first record's frame is durable.
    pub(super) fn is_due(&self, durable: FrameNumber) -> bool {
        self.queue.front().is_some_and(|(after, _)| *after <= durable)
    }

    /// Moves what is due to the end of `out`.
    pub(super) fn poll(&mut self, durable: FrameNumber, out: &mut Vec<u8>) {
        let from = out.len();
        while self.is_due(durable) && out.len() - from < POLL_BYTES_MAX {
            let Some((_, due)) = self.queue.pop_front() else { break };
            match due {
                Due::Shared(bytes) => out.extend_from_slice(&bytes),
                Due::Own(bytes) => out.extend_from_slice(&bytes),
            }
        }
        let moved = out.len() - from;
        self.queued_bytes -= moved;
        self.unconfirmed_bytes += moved;
    }

    /// The node is done with `bytes`; answers false if it never got that many.
    pub(super) fn confirm(&mut self, bytes: u64) -> bool {
        let known = usize::try_from(bytes).ok().filter(|bytes| *bytes <= self.unconfirmed_bytes);
        self.unconfirmed_bytes -= known.unwrap_or(0);
        known.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Sequence;

    #[test]
    fn records_leave_in_order_and_after_their_frames() {
        let mut outbox = Outbox::new(UNCONFIRMED_BYTES_MAX);
        outbox.push(FrameNumber(2), &ToNode::Conflict { sequence: Sequence(1) });
        outbox.push(FrameNumber(2), &ToNode::Conflict { sequence: Sequence(2) });
        outbox.push_shared(FrameNumber(1), Bytes::from_static(b"shared"));
        let mut out = Vec::new();
        outbox.poll(FrameNumber(1), &mut out);
        assert!(out.is_empty(), "the first record waits, so all do");
        outbox.poll(FrameNumber(2), &mut out);
        assert_eq!(out.len(), 2 + 2 + 6);
        assert_eq!(outbox.held_bytes(), 10);
        assert!(outbox.is_empty() && outbox.confirm(10) && !outbox.confirm(1));
        assert_eq!(outbox.room(), UNCONFIRMED_BYTES_MAX);
    }
}

//! What one link is owed and owes: what a node that stops reading costs the repository (I12).

use std::collections::BTreeMap;

use bytes::Bytes;
use nam::ids::TransferId;
use nam::limits::{SEGMENTS_UNCONFIRMED_MAX, TRANSFERS_MAX};
use nam::wire::{RawRecord, Records, Segment, ToNode, ToRepository};

/// Every whole record of `bytes`.
pub(crate) fn each_record(bytes: &[u8], mut each: impl FnMut(RawRecord<'_>)) {
    let mut records = Records::new();
    records.push(bytes);
    while let Some(raw) = records.next().unwrap() {
        each(raw);
    }
}

/// Segments to one node that it has not confirmed, by transfer.
#[derive(Debug, Default)]
pub(crate) struct SegmentWindow {
    unconfirmed: BTreeMap<TransferId, usize>,
}

impl SegmentWindow {
    /// A segment leaves; answers whether its transfer now waits for the node.
    pub(crate) fn send(&mut self, bytes: &Bytes) -> bool {
        let transfer = Segment::decode(bytes).unwrap().transfer;
        let count = self.unconfirmed.entry(transfer).or_default();
        *count += 1;
        let is_full = *count == SEGMENTS_UNCONFIRMED_MAX as usize;
        assert!(*count <= SEGMENTS_UNCONFIRMED_MAX as usize, "I12: {count} segments of {transfer:?} are unconfirmed");
        let transfers = self.unconfirmed.values().filter(|count| **count > 0).count();
        assert!(transfers <= TRANSFERS_MAX, "I12: {transfers} transfers are under way");
        is_full
    }

    /// Records of the node arrive.
    pub(crate) fn confirm(&mut self, bytes: &[u8]) {
        each_record(bytes, |raw| {
            if let Ok(ToRepository::SegmentTaken { transfer, .. }) = ToRepository::decode(raw)
                && let Some(count) = self.unconfirmed.get_mut(&transfer)
            {
                *count -= 1;
            }
        });
    }
}

/// What was sent to nodes that had no room when it came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collapsed {
    /// Deltas of several versions.
    pub(crate) merged: u64,
    /// Stale notices.
    pub(crate) notices: u64,
}

impl Collapsed {
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        each_record(bytes, |raw| match ToNode::decode(raw) {
            Ok(ToNode::Delta { span, .. }) if span > 1 => self.merged += 1,
            Ok(ToNode::Stale { .. }) => self.notices += 1,
            _ => {}
        });
    }
}

//! The referee of pushes and notices: what a holder that does not read may be sent (P1).
//!
//! It stands where records enter and leave the repository. What was queued when a read was told of it sees behind that
//! read, so a few more pushes than the limit allows prove nothing; a notice on a notice, or a push on one, proves all.

use std::collections::BTreeMap;

use nam::ids::Alias;
use nam::limits::{PACKET_BYTES, UNREAD_BYTES_MAX};
use nam::wire::{Delivery, ToNode, ToRepository};

use crate::windows::each_record;

/// Pushes beyond the limit that may have been under way when a read was told.
const UNDER_WAY: usize = 8;

/// What one holder of one object was sent.
#[derive(Debug, Default)]
struct Tally {
    /// Whether it had a notice and no answer to a pull since.
    is_silent: bool,
    unread_bytes: usize,
    beyond: usize,
    /// Whether it did not leave the choice to the repository.
    has_chosen: bool,
}

impl Tally {
    fn clear(&mut self) {
        (self.unread_bytes, self.beyond) = (0, 0);
    }
}

/// The holdings of one link.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    tallies: BTreeMap<Alias, Tally>,
}

impl Holdings {
    /// Records leave for the node.
    pub(crate) fn send(&mut self, bytes: &[u8], unread_bytes_max: usize) {
        each_record(bytes, |raw| match ToNode::decode(raw) {
            Ok(ToNode::Delta { alias, .. }) => {
                let tally = self.tallies.entry(alias).or_default();
                assert!(!tally.is_silent, "P1: a push of {alias:?} to a holder that was told to be stale");
                tally.beyond += usize::from(tally.unread_bytes > unread_bytes_max.max(UNREAD_BYTES_MAX));
                let is_within = tally.has_chosen || tally.beyond <= UNDER_WAY;
                assert!(is_within, "P1: {} unread bytes of {alias:?} and a push", tally.unread_bytes);
                tally.unread_bytes = tally.unread_bytes.saturating_add(raw.encoded_bytes() + PACKET_BYTES);
            }
            Ok(ToNode::Stale { alias, .. }) => {
                let tally = self.tallies.entry(alias).or_default();
                assert!(!tally.is_silent, "P1: a second notice of {alias:?}");
                tally.is_silent = true;
            }
            Ok(ToNode::Pulled { alias, .. } | ToNode::Opened { alias, .. } | ToNode::Created { alias, .. }) => {
                let tally = self.tallies.entry(alias).or_default();
                tally.is_silent = false;
                tally.clear();
            }
            Ok(ToNode::Gone { alias, .. }) => drop(self.tallies.remove(&alias)),
            // An answer about a node's own use of some object.
            Ok(
                ToNode::AsSent { .. }
                | ToNode::Accepted { .. }
                | ToNode::Moot { .. }
                | ToNode::Conflict { .. }
                | ToNode::Lock(_),
            ) => self.tallies.values_mut().for_each(Tally::clear),
            _ => {}
        });
    }

    /// Records of the node arrive; answers how often it told of reads.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> u64 {
        let mut reads = 0;
        each_record(bytes, |raw| match ToRepository::decode(raw) {
            Ok(ToRepository::Read { alias }) => {
                reads += 1;
                self.tallies.entry(alias).or_default().clear();
            }
            Ok(ToRepository::Deliver { alias, delivery, .. }) => {
                let tally = self.tallies.entry(alias).or_default();
                tally.clear();
                tally.has_chosen = delivery != Delivery::Adaptive;
            }
            _ => {}
        });
        reads
    }
}

//! What came for a replica and waits: for a guard to go, a copy to be made, or a snapshot to be whole.
//!
//! Invariants: strictly in the order of arrival; deltas that were pushed are at most
//! [`SLOT_QUEUE_BYTES_MAX`](crate::limits::SLOT_QUEUE_BYTES_MAX) bytes, or one delta. Source: own reasoning.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::ids::Version;
use crate::limits::SLOT_QUEUE_BYTES_MAX;
use crate::node::replica::{MarkId, Settlement};

/// One thing that waits.
#[derive(Debug)]
pub(super) enum Item {
    /// A delta and the version it makes.
    Delta { to: Version, delta: Bytes },
    /// A delta that is still on its way in segments.
    Pending { to: Version },
    /// The repository's word on the commit in flight.
    Settle(Settlement),
    /// The value at this version is to be kept for a joint read.
    Mark { id: MarkId, version: Version },
}

/// Things that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes > SLOT_QUEUE_BYTES_MAX && self.items.len() > 1
    }

    pub(super) fn push(&mut self, item: Item) {
        if let Item::Delta { delta, .. } = &item {
            self.bytes += delta.len();
        }
        self.items.push_back(item);
    }

    /// The next item, unless it is still on its way.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front_if(|item| !matches!(item, Item::Pending { .. }))?;
        if let Item::Delta { delta, .. } = &item {
            self.bytes = self.bytes.saturating_sub(delta.len());
        }
        Some(item)
    }

    /// Whether the next item can be applied now.
    pub(super) fn is_ready(&self) -> bool {
        self.items.front().is_some_and(|item| !matches!(item, Item::Pending { .. }))
    }

    /// Whether the next item changes nothing.
    pub(super) fn is_mark_next(&self) -> bool {
        matches!(self.items.front(), Some(Item::Mark { .. }))
    }

    /// Puts the delta that was on its way to `version` in its place; ignored if the queue was dropped meanwhile.
    pub(super) fn fulfil(&mut self, version: Version, delta: Bytes) {
        let pending = self.items.iter_mut().find(|item| matches!(item, Item::Pending { to } if *to == version));
        if let Some(item) = pending {
            *item = Item::Delta { to: version, delta };
        }
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> VecDeque<Item> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

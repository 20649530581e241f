//! Whether pushes are worth their bytes: what this node tells of its reads, and how it wants to be told of changes.
//!
//! ```text
//!             pushes cost more than a pull            read
//!   counting ────────────────────────────▶ awaiting ─────────▶ told, and counting from 0
//!      ▲  ▲         own commit, pull           │
//!      │  └────────────────────────────────────┘
//!      └── own commit, pull
//! ```
//! This side counts as the repository does. Until the count is at the limit a read needs no telling; from then on the
//! slot rings at the next one, and before the next change the repository knows. So an object that is read between its
//! changes costs one small record for every two or three pushes, and a read costs a flag. Source: own reasoning (P1).

use super::{Core, LinkState};
use crate::limits::UNREAD_BYTES_MAX;
use crate::node::replica::ReplicaId;
use crate::wire::{Delivery, ToRepository};

/// What a replica knows of its pushes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pushes {
    delivery: Delivery,
    /// Bytes pushed since the repository last knew of a read.
    unread_bytes: usize,
    /// Whether the next read is to be told.
    pub(super) is_read_awaited: bool,
}

impl Pushes {
    /// The repository knows that the object is used here.
    pub(super) fn clear(&mut self) {
        (self.unread_bytes, self.is_read_awaited) = (0, false);
    }
}

impl Core {
    /// Sets how changes of a replica's object reach this node from now on.
    pub fn set_delivery(&mut self, id: ReplicaId, delivery: Delivery) {
        let Some(entry) = self.replicas.get_mut(&id) else { return };
        let former = std::mem::replace(&mut entry.pushes.delivery, delivery);
        if former != delivery && entry.is_presented {
            self.tell_delivery(id);
        }
    }

    /// The repository made this node a holder: says how it wants to be told of changes, unless as everybody.
    pub(super) fn begin_pushes(&mut self, id: ReplicaId) {
        let Some(entry) = self.replicas.get_mut(&id) else { return };
        entry.pushes.clear();
        if entry.pushes.delivery != Delivery::Adaptive {
            self.tell_delivery(id);
        }
    }

    fn tell_delivery(&mut self, id: ReplicaId) {
        let Some(entry) = self.replicas.get(&id) else { return };
        if let Some((alias, birth)) = entry.alias.zip(entry.birth) {
            let delivery = entry.pushes.delivery;
            self.send(&ToRepository::Deliver { alias, birth, delivery });
        }
    }

    /// A push was taken that cost so much.
    pub(super) fn note_push(&mut self, id: ReplicaId, cost: usize) {
        let Some(entry) = self.replicas.get_mut(&id) else { return };
        let pushes = &mut entry.pushes;
        pushes.unread_bytes = pushes.unread_bytes.saturating_add(cost);
        if pushes.delivery != Delivery::Adaptive || pushes.unread_bytes <= UNREAD_BYTES_MAX {
            return;
        }
        let is_watched = entry.replica.is_watched();
        if !std::mem::replace(&mut pushes.is_read_awaited, true) && !is_watched {
            entry.replica.expect_use(true);
        }
        if is_watched {
            // A watcher reads every change.
            self.tell_read(id);
        }
    }

    /// A replica was read as was expected.
    pub(super) fn tell_read(&mut self, id: ReplicaId) {
        let Some(entry) = self.replicas.get_mut(&id).filter(|entry| entry.pushes.is_read_awaited) else { return };
        entry.pushes.clear();
        if let Some(alias) = entry.alias.filter(|_| self.link != LinkState::Down) {
            self.send(&ToRepository::Read { alias });
        }
    }
}

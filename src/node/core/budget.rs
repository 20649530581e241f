//! Keeping the replicas of a node within its budget: what was not used for longest goes.
//!
//! Every replica with a value stands in an order by when it was last known to be used; one that turns out to have been
//! used since is put where it belongs when its turn comes, so a read costs no order. Each link sheds its own share, since
//! they are driven by one thread. Invariants: nothing goes without a link, for it could not come back; what is pinned by a
//! guard, watched, or has a change or transaction under way stays, and so does what somebody waited for and has not seen
//! yet, until many others came; a sweep tries each replica once. Source: own reasoning (V1).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Core, LinkState};
use crate::limits::MEMORY_LOOK_MS;
use crate::node::memory::Memory;
use crate::node::replica::{Replica, ReplicaId};
use crate::time::Instant;

/// Replicas that have a value, by when they were used.
#[derive(Debug, Default)]
pub(super) struct Residents {
    by_use: BTreeSet<(u64, ReplicaId)>,
    /// What was used, and when, at the end of a sweep that did not find enough: another would not either, until values come
    /// or go, or a commit is settled.
    fruitless: Option<(u64, usize)>,
    /// When it was looked at regardless of that.
    looked_at: Instant,
    /// Replicas whose values went, for the process around to forget if nobody has a handle.
    gone: Vec<ReplicaId>,
}

impl Core {
    /// Has this core keep within a budget, which others may share.
    pub fn set_memory(&mut self, memory: Arc<Memory>) {
        self.memory = memory;
    }

    /// The next replica whose value was dropped. If nobody has a handle to it, [`release`](Self::release) frees the rest.
    pub fn poll_dropped(&mut self) -> Option<ReplicaId> {
        self.residents.gone.pop()
    }

    /// A replica of this link.
    #[must_use]
    pub fn replica(&self, id: ReplicaId) -> Option<&dyn Replica> {
        self.replicas.get(&id).map(|entry| &*entry.replica)
    }

    /// A replica has a value.
    pub(super) fn note_resident(&mut self, id: ReplicaId) {
        let Some(entry) = self.replicas.get(&id) else { return };
        let (known, used_at) = (entry.ranked, entry.replica.used_at());
        self.forget_resident(id, known);
        self.rank(id, used_at);
    }

    fn rank(&mut self, id: ReplicaId, used_at: u64) {
        if let Some(entry) = self.replicas.get_mut(&id) {
            entry.ranked = Some(used_at);
            self.residents.by_use.insert((used_at, id));
        }
    }

    /// A replica has none any more.
    pub(super) fn forget_resident(&mut self, id: ReplicaId, ranked: Option<u64>) {
        if let Some(used_at) = ranked {
            self.residents.by_use.remove(&(used_at, id));
        }
    }

    /// Drops values until the node is within its budget, if it is not.
    pub(super) fn shed(&mut self) {
        let clock = self.memory.clock();
        let is_fruitless = self.residents.fruitless == Some((clock, self.memory.used()));
        if self.link != LinkState::Ready || is_fruitless || !self.memory.is_over() {
            return;
        }
        let count = self.residents.by_use.len();
        // The one that came last stays: alone it may be larger than the budget.
        let mut tries = count.saturating_sub(1);
        let mut kept = Vec::new();
        for _ in 0..2 * count {
            if tries == 0 {
                break;
            }
            let Some((ranked, id)) = self.residents.by_use.pop_first() else { break };
            let Some(used_at) = self.replicas.get(&id).map(|entry| entry.replica.used_at()) else { continue };
            if used_at > ranked {
                self.rank(id, used_at);
                continue;
            }
            tries -= 1;
            if !self.evict(id) {
                kept.push(id);
                continue;
            }
            self.residents.gone.push(id);
            if !self.memory.is_above_low_mark() {
                break;
            }
        }
        // What must stay is as good as used just before the one that came last.
        kept.into_iter().for_each(|id| self.rank(id, clock.saturating_sub(2)));
        self.residents.fruitless = self.memory.is_over().then_some((clock, self.memory.used()));
    }

    /// Has the next sweep look at everything, from time to time.
    pub(super) fn look_at_memory(&mut self) {
        if self.residents.looked_at.after(Duration::from_millis(MEMORY_LOOK_MS)) <= self.now {
            (self.residents.looked_at, self.residents.fruitless) = (self.now, None);
        }
    }

    /// A commit was settled: its replica may go now.
    pub(super) fn sweep_again(&mut self) {
        self.residents.fruitless = None;
    }
}

//! Use of objects that end when they are unused: told to the repository, seldom and many at a time.
//!
//! ```text
//!            Idle                    read                      due, or Idle again
//!   untold ────────▶ expecting ─────────────▶ kept back ───────────────────────────▶ told, and expecting
//!                                   a thirtieth of the limit after the last touch
//! ```
//! A slot rings at the first read that is expected, so reads of other objects cost nothing and further reads of this one
//! neither. What is due within one second leaves in one record. Invariants: an object is told of at most once in a
//! thirtieth of its limit and once a second, unless it is about to end (E2); what a node keeps back it tells before it
//! gives the replica up. Source: own reasoning (E2, E3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Core, LinkState};
use crate::ids::Alias;
use crate::limits::{TOUCH_MS_MIN, TOUCHES_AN_IDLE_LIMIT, TOUCHES_MAX};
use crate::node::replica::ReplicaId;
use crate::time::Instant;
use crate::wire::ToRepository;

/// What is known of the use of an object with an idle limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// The least time between two touches.
    window: Duration,
    told_at: Option<Instant>,
    /// When the use that is kept back is to be told.
    due: Option<Instant>,
}

/// Replicas whose use is kept back, by when it is to be told.
#[derive(Debug, Default)]
pub(super) struct KeptBack {
    by_due: BTreeMap<Instant, BTreeSet<ReplicaId>>,
}

impl KeptBack {
    fn put(&mut self, due: Instant, id: ReplicaId) {
        self.by_due.entry(due).or_default().insert(id);
    }

    fn remove(&mut self, due: Instant, id: ReplicaId) {
        if let Some(ids) = self.by_due.get_mut(&due) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_due.remove(&due);
            }
        }
    }

    /// Takes those that are to be told by `now`.
    fn take(&mut self, now: Instant) -> BTreeSet<ReplicaId> {
        let later = self.by_due.split_off(&Instant(now.0.saturating_add(1)));
        std::mem::replace(&mut self.by_due, later).into_values().flatten().collect()
    }
}

impl Core {
    /// Time passed: tells of the use that is due, and looks at the budget.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.link == LinkState::Ready {
            self.look_at_memory();
            let due = self.kept_back.take(self.now);
            self.tell_use(due);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, unless [`MEMORY_LOOK_MS`](crate::limits::MEMORY_LOOK_MS) pass
    /// before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = self.kept_back.by_due.keys().next().copied();
        first.filter(|_| self.link == LinkState::Ready)
    }

    /// The object ends when it is unused for so long, 0 for never: use that is kept back is told now.
    pub(super) fn idle(&mut self, alias: Alias, limit_ms: u64) {
        let Some(id) = self.aliases.get(&alias).copied() else { return };
        let Some(entry) = self.replicas.get_mut(&id) else { return };
        let former = entry.usage.take();
        let due = former.and_then(|usage| usage.due);
        if let Some(due) = due {
            self.kept_back.remove(due, id);
        }
        if limit_ms == 0 {
            entry.replica.expect_use(entry.pushes.is_read_awaited);
            return;
        }
        let window = Duration::from_millis((limit_ms / TOUCHES_AN_IDLE_LIMIT).max(TOUCH_MS_MIN));
        let told_at = former.and_then(|usage| usage.told_at);
        let due = due.map(|_| self.now);
        entry.usage = Some(Usage { window, told_at, due });
        match due {
            Some(due) => self.kept_back.put(due, id),
            None => entry.replica.expect_use(true),
        }
    }

    /// A replica was read as was expected.
    pub(super) fn note_use(&mut self, id: ReplicaId) {
        let now = self.now;
        let Some(usage) = self.replicas.get_mut(&id).and_then(|entry| entry.usage.as_mut()) else { return };
        if usage.due.is_none() {
            let earliest = usage.told_at.map_or(now, |told_at| told_at.after(usage.window).max(now));
            let due = Instant(earliest.0.saturating_add(1).next_multiple_of(TOUCH_MS_MIN));
            usage.due = Some(due);
            self.kept_back.put(due, id);
        }
    }

    /// Tells now of a use that is kept back: its replica is given up.
    pub(super) fn tell_use_of(&mut self, id: ReplicaId) {
        let due = self.replicas.get(&id).and_then(|entry| entry.usage).and_then(|usage| usage.due);
        if let Some(due) = due.filter(|_| self.link == LinkState::Ready) {
            self.kept_back.remove(due, id);
            self.tell_use([id].into());
        }
    }

    /// Tells now of all use that is kept back.
    pub(super) fn tell_all_use(&mut self) {
        if self.link == LinkState::Ready {
            let all = self.kept_back.take(Instant(u64::MAX));
            self.tell_use(all);
        }
    }

    fn tell_use(&mut self, ids: BTreeSet<ReplicaId>) {
        let now = self.now;
        let mut aliases = Vec::new();
        for id in ids {
            let Some(entry) = self.replicas.get_mut(&id) else { continue };
            let Some(usage) = &mut entry.usage else { continue };
            usage.due = None;
            // The object of a replica without an alias is opened when its value is asked for, which is a use.
            if let Some(alias) = entry.alias {
                usage.told_at = Some(now);
                aliases.push(alias);
            }
            entry.replica.expect_use(true);
        }
        aliases.sort_unstable();
        for aliases in aliases.chunks(TOUCHES_MAX) {
            self.send(&ToRepository::Touch { aliases: aliases.to_vec() });
        }
    }
}

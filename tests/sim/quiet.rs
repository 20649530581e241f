//! When nothing is under way any more: is it so, and does everybody have the newest?

use std::sync::Arc;

use nam::__private::{Class, Reader};
use nam::ids::Token;
use nam::limits::MEMORY_LOOK_MS;
use nam::node::{Replica, State};

use crate::class::Desk;
use crate::node::Node;
use crate::world::World;

impl World {
    pub(crate) fn is_quiet(&mut self) -> bool {
        for node in &mut self.nodes {
            node.opens.iter_mut().for_each(|open| open.guard = None);
        }
        let is_idle = |node: &Node| {
            node.sides.iter().all(|side| {
                side.link.is_some()
                    && side.core.link() == nam::node::LinkState::Ready
                    && side.core.unsettled() == 0
                    && side.core.unanswered() == 0
            })
        };
        self.agenda.is_quiet()
            && self.tasks.is_empty()
            && self.readings.is_empty()
            && self.groupings.is_empty()
            && self.joinings.is_empty()
            && self.nodes.iter().all(is_idle)
            && self
                .shards
                .iter()
                .all(|shard| shard.appending.is_empty() && !shard.has_step && shard.history.events.is_done())
    }

    /// What is not quiet.
    pub(crate) fn unrest(&self) -> String {
        let mut unrest = String::new();
        for (n, node) in self.nodes.iter().enumerate() {
            for side in &node.sides {
                let core = &side.core;
                unrest += &format!("node {n} {:?} {} {}; ", core.link(), core.unsettled(), core.unanswered());
                if core.unanswered() > 0 && self.is_traced {
                    unrest += &format!("{core:?}");
                }
            }
            for open in node.opens.iter().filter(|open| open.is_open) {
                let guard = open.slot.peek().ok().flatten().map(|guard| guard.version());
                let newest = open.slot.newest().ok().flatten().map(|newest| newest.version);
                let (key, state) = (&open.key, open.slot.state());
                unrest += &format!("{key} {state:?} {guard:?} of {newest:?} work {}; ", open.has_work);
            }
        }
        for task in &self.tasks {
            unrest += &format!("{:?} {:?} {task:?}; ", task.slot.state(), task.slot.newest());
        }
        for grouping in &self.groupings {
            unrest += &format!("{grouping:?}; ");
        }
        for joining in &self.joinings {
            unrest += &format!("{joining:?}; ");
        }
        for shard in &self.shards {
            unrest += &shard.history.events.unrest();
        }
        for reading in &self.readings {
            unrest += &format!("{reading:?}; ");
        }
        unrest
    }

    /// Has every replica that is not current asked for; answers whether all are.
    pub(crate) fn pull_stale(&mut self) -> bool {
        let mut is_current = true;
        for node in &mut self.nodes {
            for open in node.opens.iter().filter(|open| open.is_open) {
                let state = open.slot.state();
                if open.slot.unreadable().is_some_and(|(found, newest)| newest > found) {
                    is_current = false;
                    node.sides[open.shard].core.open(Arc::clone(&open.slot) as _);
                }
                // Where memory is short it would be dropped again.
                if state == State::Shell && self.swarm.memory_max < 1 << 20 {
                    continue;
                }
                if matches!(state, State::Stale | State::Shell | State::Unverified | State::Loading) {
                    is_current = false;
                    if open.slot.unreadable().is_some_and(|(found, newest)| newest > found) {
                        is_current = false;
                        node.sides[open.shard].core.open(Arc::clone(&open.slot) as _);
                    }
                    if matches!(state, State::Stale | State::Shell) {
                        node.sides[open.shard].core.pull(open.slot.id());
                    }
                }
            }
        }
        is_current
    }

    /// A node that is above its budget has nothing left that may go, but what came last by each link.
    pub(crate) fn check_budgets(&mut self) {
        for (n, node) in self.nodes.iter_mut().enumerate() {
            let later = node.clock.at(self.now + 2 * MEMORY_LOOK_MS);
            for side in &mut node.sides {
                side.core.handle_timeout(later);
                side.core.poll_records(&mut Vec::new());
            }
            for (shard, side) in node.sides.iter_mut().enumerate() {
                if node.memory.used() <= self.swarm.memory_max {
                    break;
                }
                let opens = node.opens.iter().filter(|open| open.is_open && open.shard == shard);
                // Counts what may go by taking it, of those that have a value.
                let left = opens.filter(|open| side.core.evict(open.slot.id())).count();
                assert!(left <= 1, "V1: node {n} is above its budget, and {left} objects of shard {shard} may go");
            }
        }
    }

    /// The world is quiet: everybody has the newest, and nothing is left that nobody did.
    pub(crate) fn check_quiet(&mut self) {
        for (n, node) in self.nodes.iter_mut().enumerate() {
            for open in node.opens.iter_mut().filter(|open| open.is_open) {
                let history = &self.shards[open.shard].history;
                if let (Some((found, _)), Ok(Some(Token { birth, .. }))) = (open.slot.unreadable(), open.slot.newest())
                {
                    let head = history.head(birth).map(|(head, _)| head);
                    assert_eq!(Some(found), head, "I5: node {n} with {}, which it could not read", open.key);
                }
                let Ok(Some(guard)) = open.slot.inspect() else { continue };
                let (birth, version) = (guard.birth(), guard.version());
                assert_eq!(guard.token().lossy_epoch, history.lossy_epoch, "I10: node {n} with {}", open.key);
                assert_eq!(open.slot.state(), State::Current, "I5: node {n} with {}", open.key);
                let head = history.head(birth);
                let Some((head, value)) = head else { panic!("I11: node {n} holds {}, which is destroyed", open.key) };
                assert_eq!(version, head, "I5: node {n} is current and old with {}", open.key);
                assert_eq!(*guard, *value, "I2: node {n} at the head of {}", open.key);
                if let Some(watching) = &mut open.watching {
                    watching.check_quiet(history, value.cash);
                }
            }
        }
        for shard in &mut self.shards {
            let living: Vec<_> =
                shard.history.objects.iter().map(|(birth, object)| (*birth, object.key.clone())).collect();
            for (birth, key) in living {
                let Some((version, value)) = shard.history.head(birth) else { continue };
                shard.fetch(&key);
                let seen = shard.core.inspect(Desk::NAME, &key).unwrap_or_else(|| panic!("I2: {key} is not there"));
                assert_eq!((seen.birth, seen.version), (birth, version), "I1: the head of {key}");
                let document = Desk::decode_root(Reader::new(&seen.value.unwrap())).unwrap();
                assert_eq!(document, *value, "I2: the document of {key} at {version}");
            }
            shard.check_index();
            shard.history.check_claims();
            self.report.commits += shard.history.commits;
            self.report.stale_commits += shard.history.stale_commits;
        }
        self.report.stale_commits += self.report.conflicts;
        self.report.commits += self.report.conflicts;
    }
}

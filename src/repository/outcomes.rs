//! Exactly once: what became of each node's commits, until the node has seen it (W8).
//!
//! A commit that is sent again gets the outcome that is remembered here instead of a second effect; a refused commit
//! leaves nothing and is judged anew. What is forgotten must not look like what never was:
//!
//! ```text
//!   entry made ────────────── forgotten ── entry made anew
//!   │◀─ every outcome is here ─▶│             │◀─ every outcome is here ─
//!   complete from              forgotten before = complete from
//! ```
//! A node says since when it may have sent what it sends again. If that is before its entry is complete, what is not here
//! may have taken effect, and is never judged. Invariants: at most
//! [`COMMITS_UNACKNOWLEDGED_MAX`](crate::limits::COMMITS_UNACKNOWLEDGED_MAX) outcomes a node; those of a node that left
//! are kept [`OUTCOMES_KEPT_MS`](crate::limits::OUTCOMES_KEPT_MS), or until those of all that left are more than a cap:
//! then those of the node that left first go; nothing of a connected node is forgotten. Source: RIFL (Lee et al., SOSP
//! 2015); the horizon is own reasoning.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::groups::Effect;
use crate::ids::{Alias, Birth, CommitNumber, FrameNumber, NodeId, Sequence, Version};
use crate::limits::{OUTCOMES_KEPT_MS, STEP_CELLS_MAX};
use crate::time::Instant;

/// Bytes that a node is counted with, whatever it has done.
const NODE_BYTES: usize = 256;

/// Bytes that an outcome is counted with, besides those of a group.
const OUTCOME_BYTES: usize = 96;

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Committed(Version),
    Created,
    Destroyed(Version),
    /// To several objects at once.
    Grouped(Arc<[Effect]>),
}

/// A remembered outcome; of a group, its first object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) alias: Alias,
    pub(super) birth: Birth,
    pub(super) deed: Deed,
    /// The frame that makes it durable.
    pub(super) frame: FrameNumber,
}

impl Outcome {
    fn bytes(&self) -> usize {
        let effects = if let Deed::Grouped(effects) = &self.deed { effects.len() } else { 0 };
        OUTCOME_BYTES + effects * size_of::<Effect>()
    }
}

/// What is remembered of one node.
#[derive(Debug)]
pub(super) struct Remembered {
    outcomes: BTreeMap<Sequence, Outcome>,
    /// The lowest sequence whose outcome the node may still ask for.
    unacked: Sequence,
    /// Every outcome of a commit from this one on is here, unless the node has seen it.
    complete_from: CommitNumber,
    bytes: usize,
    /// Its place among those that left, and when to forget it; `None` while it is connected.
    left: Option<(u64, Instant)>,
}

impl Remembered {
    pub(super) fn outcomes(&self) -> &BTreeMap<Sequence, Outcome> {
        &self.outcomes
    }

    pub(super) fn unacked(&self) -> Sequence {
        self.unacked
    }

    pub(super) fn complete_from(&self) -> CommitNumber {
        self.complete_from
    }
}

/// The outcomes of all nodes.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    nodes: BTreeMap<NodeId, Remembered>,
    /// The nodes that left, by when.
    left: BTreeMap<u64, NodeId>,
    /// Bytes of what is remembered of those.
    left_bytes: usize,
    departures: u64,
    /// Outcomes before this commit may be forgotten of nodes that are not here.
    forgotten_before: CommitNumber,
    dropped: u64,
}

impl Outcomes {
    /// A node is here: keeps what is remembered of it.
    pub(super) fn arrive(&mut self, node: NodeId) {
        let remembered = self.entry(node);
        let bytes = remembered.bytes;
        if let Some((departure, _)) = remembered.left.take() {
            self.left.remove(&departure);
            self.left_bytes -= bytes;
        }
    }

    /// A node is gone: keeps its outcomes for a while.
    pub(super) fn leave(&mut self, node: NodeId, now: Instant) {
        let Some(remembered) = self.nodes.get_mut(&node).filter(|remembered| remembered.left.is_none()) else { return };
        self.departures += 1;
        remembered.left = Some((self.departures, now.after(Duration::from_millis(OUTCOMES_KEPT_MS))));
        self.left.insert(self.departures, node);
        self.left_bytes += remembered.bytes;
    }

    /// All nodes are gone, as they are when a term begins: keeps their outcomes for a while, in the order in which they
    /// left or committed last.
    pub(super) fn leave_all(&mut self, now: Instant) {
        let here = self.nodes.iter().filter(|(_, remembered)| remembered.left.is_none());
        let here: Vec<NodeId> = here.map(|(node, _)| *node).collect();
        here.into_iter().for_each(|node| self.leave(node, now));
        let forget_at = now.after(Duration::from_millis(OUTCOMES_KEPT_MS));
        self.nodes.values_mut().filter_map(|remembered| remembered.left.as_mut()).for_each(|left| left.1 = forget_at);
    }

    /// A node is gone for good.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.arrive(node);
        self.nodes.remove(&node);
    }

    /// Forgets nodes whose time has come, as many as one call may; answers when the next one's comes.
    pub(super) fn expire(&mut self, now: Instant, next: CommitNumber) -> Option<Instant> {
        for _ in 0..STEP_CELLS_MAX {
            if self.first_left()?.1 > now {
                break;
            }
            self.drop_first(next);
        }
        self.first_left().map(|(_, forget_at)| forget_at)
    }

    /// Forgets those that left first, as long as what is remembered of all that left is more than `bytes_max`; the next
    /// commit is `next`.
    pub(super) fn press(&mut self, bytes_max: usize, next: CommitNumber) {
        while self.left_bytes > bytes_max && self.drop_first(next) {
            self.dropped += 1;
        }
    }

    fn first_left(&self) -> Option<(NodeId, Instant)> {
        let node = *self.left.first_key_value()?.1;
        Some((node, self.nodes.get(&node)?.left?.1))
    }

    /// Forgets the node that left first. It loses nothing by that if it has seen all of its outcomes.
    fn drop_first(&mut self, next: CommitNumber) -> bool {
        let Some((_, node)) = self.left.pop_first() else { return false };
        let Some(remembered) = self.nodes.remove(&node) else { return false };
        self.left_bytes -= remembered.bytes;
        if !remembered.outcomes.is_empty() {
            self.forgotten_before = self.forgotten_before.max(next);
        }
        true
    }

    /// Nodes that were forgotten early, because too much was remembered of those that left.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The node has seen every outcome below `unacked`.
    pub(super) fn acknowledge(&mut self, node: NodeId, unacked: Sequence) {
        if let Some(remembered) = self.nodes.get_mut(&node)
            && unacked > remembered.unacked
        {
            remembered.unacked = unacked;
            let kept = remembered.outcomes.split_off(&unacked);
            let seen = mem::replace(&mut remembered.outcomes, kept);
            let bytes: usize = seen.values().map(Outcome::bytes).sum();
            remembered.bytes -= bytes;
            self.left_bytes -= if remembered.left.is_some() { bytes } else { 0 };
        }
    }

    /// Whether the node said that it knows the outcome already.
    pub(super) fn is_settled(&self, node: NodeId, sequence: Sequence) -> bool {
        self.nodes.get(&node).is_some_and(|remembered| sequence < remembered.unacked)
    }

    /// Whether every outcome of the node's commits since `since` is here, unless it has seen it.
    pub(super) fn has_all_since(&self, node: NodeId, since: CommitNumber) -> bool {
        let complete_from = self.nodes.get(&node).map_or(self.forgotten_before, Remembered::complete_from);
        since >= complete_from
    }

    /// What is remembered of the first node from `node` on.
    pub(super) fn from(&self, node: NodeId) -> Option<(NodeId, &Remembered)> {
        self.nodes.range(node..).next().map(|(node, remembered)| (*node, remembered))
    }

    /// Outcomes before this commit may be forgotten of nodes that are not here.
    pub(super) fn forgotten_before(&self) -> CommitNumber {
        self.forgotten_before
    }

    /// As a shard's state says.
    pub(super) fn restore_forgotten(&mut self, before: CommitNumber) {
        self.forgotten_before = before;
    }

    /// As a shard's state says.
    pub(super) fn restore_complete(&mut self, node: NodeId, from: CommitNumber) {
        self.entry(node).complete_from = from;
    }

    pub(super) fn find(&self, node: NodeId, sequence: Sequence) -> Option<Outcome> {
        self.nodes.get(&node)?.outcomes.get(&sequence).cloned()
    }

    /// Remembers an outcome, unless the node has seen it: a state that was written in steps may know that already of a
    /// commit that is replayed behind it.
    pub(super) fn remember(&mut self, node: NodeId, sequence: Sequence, outcome: Outcome) {
        let remembered = self.entry(node);
        if sequence < remembered.unacked {
            return;
        }
        let more = outcome.bytes();
        let less = remembered.outcomes.insert(sequence, outcome).map_or(0, |former| former.bytes());
        remembered.bytes = remembered.bytes + more - less;
        if remembered.left.is_some() {
            self.left_bytes = self.left_bytes + more - less;
        }
    }

    fn entry(&mut self, node: NodeId) -> &mut Remembered {
        let complete_from = self.forgotten_before;
        self.nodes.entry(node).or_insert_with(|| Remembered {
            outcomes: BTreeMap::new(),
            unacked: Sequence(0),
            complete_from,
            bytes: NODE_BYTES,
            left: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn outcome(version: u64) -> Outcome {
        let deed = Deed::Committed(Version(version));
        Outcome { alias: Alias(1), birth: Birth::default(), deed, frame: FrameNumber(1) }
    }

    fn at(n: u64) -> CommitNumber {
        CommitNumber { epoch: Epoch(3), n }
    }

    #[test]
    fn an_outcome_lasts_until_it_was_seen() {
        let (mut outcomes, node) = (Outcomes::default(), NodeId(7));
        outcomes.arrive(node);
        for sequence in 1..=4 {
            outcomes.remember(node, Sequence(sequence), outcome(sequence));
        }
        outcomes.acknowledge(node, Sequence(3));
        assert_eq!(outcomes.find(node, Sequence(2)), None);
        assert!(outcomes.is_settled(node, Sequence(2)) && !outcomes.is_settled(node, Sequence(3)));
        assert_eq!(outcomes.find(node, Sequence(3)), Some(outcome(3)));
        outcomes.remember(node, Sequence(2), outcome(2));
        assert_eq!(outcomes.find(node, Sequence(2)), None, "it was seen, also if it is replayed");
        assert_eq!(outcomes.find(NodeId(8), Sequence(3)), None);
        outcomes.leave(node, Instant(1));
        assert_eq!(outcomes.left_bytes, NODE_BYTES + 2 * OUTCOME_BYTES);
    }

    #[test]
    fn a_node_that_left_is_remembered_for_a_while() {
        let (mut outcomes, node) = (Outcomes::default(), NodeId(7));
        outcomes.arrive(node);
        outcomes.remember(node, Sequence(1), outcome(1));
        outcomes.leave(node, Instant(5));
        assert_eq!(outcomes.expire(Instant(OUTCOMES_KEPT_MS), at(9)), Some(Instant(5 + OUTCOMES_KEPT_MS)));
        assert!(outcomes.find(node, Sequence(1)).is_some() && outcomes.has_all_since(node, at(1)));
        assert_eq!(outcomes.expire(Instant(5 + OUTCOMES_KEPT_MS), at(9)), None);
        assert!(outcomes.find(node, Sequence(1)).is_none());
        assert!(!outcomes.has_all_since(node, at(8)) && outcomes.has_all_since(node, at(9)));
    }

    #[test]
    fn who_left_first_is_forgotten_first_and_nobody_who_is_here() {
        let mut outcomes = Outcomes::default();
        let each = NODE_BYTES + OUTCOME_BYTES;
        for n in [4, 2, 3, 1, 5] {
            outcomes.arrive(NodeId(n));
            outcomes.remember(NodeId(n), Sequence(1), outcome(1));
        }
        for n in [3, 1, 4, 5] {
            outcomes.leave(NodeId(n), Instant(n));
        }
        outcomes.arrive(NodeId(1));
        outcomes.press(2 * each, at(6));
        assert_eq!((outcomes.dropped(), outcomes.left_bytes), (1, 2 * each));
        let known =
            |outcomes: &Outcomes| (1..=5).filter(|n| outcomes.find(NodeId(*n), Sequence(1)).is_some()).collect();
        let left: Vec<u64> = known(&outcomes);
        assert_eq!(left, [1, 2, 4, 5]);
        outcomes.press(0, at(6));
        let left: Vec<u64> = known(&outcomes);
        assert_eq!((left, outcomes.left_bytes), (vec![1, 2], 0));
    }

    #[test]
    fn who_comes_back_forgotten_is_complete_from_then_on_only() {
        let (mut outcomes, node) = (Outcomes::default(), NodeId(7));
        outcomes.arrive(node);
        outcomes.remember(node, Sequence(1), outcome(1));
        outcomes.leave(node, Instant(1));
        outcomes.press(0, at(4));
        outcomes.arrive(node);
        assert!(!outcomes.has_all_since(node, at(3)) && outcomes.has_all_since(node, at(4)));
        outcomes.arrive(NodeId(8));
        outcomes.leave(NodeId(8), Instant(1));
        outcomes.press(0, at(5));
        assert_eq!(outcomes.forgotten_before(), at(4), "one without outcomes loses none");
        assert!(outcomes.has_all_since(node, at(4)));
    }
}

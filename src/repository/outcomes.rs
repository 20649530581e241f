//! Exactly once: what became of each node's commits, until the node has seen it (W8).
//!
//! A commit that is sent again gets the outcome that is remembered here instead of a second effect; a refused commit
//! leaves nothing and is judged anew. Invariants: at most
//! [`COMMITS_UNACKNOWLEDGED_MAX`](crate::limits::COMMITS_UNACKNOWLEDGED_MAX) outcomes a node; those of a node that left
//! are kept [`OUTCOMES_KEPT_MS`](crate::limits::OUTCOMES_KEPT_MS). Source: RIFL (Lee et al., SOSP 2015).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::groups::Effect;
use crate::ids::{Alias, Birth, FrameNumber, NodeId, Sequence, Version};
use crate::limits::OUTCOMES_KEPT_MS;
use crate::time::Instant;

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

#[derive(Debug, Default)]
struct Remembered {
    outcomes: BTreeMap<Sequence, Outcome>,
    /// The lowest sequence whose outcome the node may still ask for.
    unacked: Sequence,
    /// When to forget the node; `None` while it is connected.
    forget_at: Option<Instant>,
}

/// The outcomes of all nodes.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    nodes: BTreeMap<NodeId, Remembered>,
}

impl Outcomes {
    /// A node is here: keeps what is remembered of it.
    pub(super) fn arrive(&mut self, node: NodeId) {
        self.nodes.entry(node).or_default().forget_at = None;
    }

    /// A node is gone: keeps its outcomes for a while.
    pub(super) fn leave(&mut self, node: NodeId, now: Instant) {
        if let Some(remembered) = self.nodes.get_mut(&node) {
            remembered.forget_at = Some(now.after(Duration::from_millis(OUTCOMES_KEPT_MS)));
        }
    }

    /// All nodes are gone, as they are when a term begins: keeps their outcomes for a while.
    pub(super) fn leave_all(&mut self, now: Instant) {
        let forget_at = Some(now.after(Duration::from_millis(OUTCOMES_KEPT_MS)));
        self.nodes.values_mut().for_each(|remembered| remembered.forget_at = forget_at);
    }

    /// A node is gone for good.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Forgets the nodes whose time has come; answers when the next one's comes.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.nodes.retain(|_, remembered| remembered.forget_at.is_none_or(|at| at > now));
        self.nodes.values().filter_map(|remembered| remembered.forget_at).min()
    }

    /// The node has seen every outcome below `unacked`.
    pub(super) fn acknowledge(&mut self, node: NodeId, unacked: Sequence) {
        if let Some(remembered) = self.nodes.get_mut(&node)
            && unacked > remembered.unacked
        {
            remembered.unacked = unacked;
            remembered.outcomes = remembered.outcomes.split_off(&unacked);
        }
    }

    /// Whether the node said that it knows the outcome already.
    pub(super) fn is_settled(&self, node: NodeId, sequence: Sequence) -> bool {
        self.nodes.get(&node).is_some_and(|remembered| sequence < remembered.unacked)
    }

    /// What is remembered of the first node from `node` on: the lowest sequence it may ask for, and its outcomes.
    pub(super) fn from(&self, node: NodeId) -> Option<(&NodeId, Sequence, &BTreeMap<Sequence, Outcome>)> {
        let (node, remembered) = self.nodes.range(node..).next()?;
        Some((node, remembered.unacked, &remembered.outcomes))
    }

    pub(super) fn find(&self, node: NodeId, sequence: Sequence) -> Option<Outcome> {
        self.nodes.get(&node)?.outcomes.get(&sequence).cloned()
    }

    pub(super) fn remember(&mut self, node: NodeId, sequence: Sequence, outcome: Outcome) {
        self.nodes.entry(node).or_default().outcomes.insert(sequence, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(version: u64) -> Outcome {
        let deed = Deed::Committed(Version(version));
        Outcome { alias: Alias(1), birth: Birth::default(), deed, frame: FrameNumber(1) }
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
        assert_eq!(outcomes.find(NodeId(8), Sequence(3)), None);
    }

    #[test]
    fn a_node_that_left_is_remembered_for_a_while() {
        let (mut outcomes, node) = (Outcomes::default(), NodeId(7));
        outcomes.arrive(node);
        outcomes.remember(node, Sequence(1), outcome(1));
        outcomes.leave(node, Instant(5));
        assert_eq!(outcomes.expire(Instant(OUTCOMES_KEPT_MS)), Some(Instant(5 + OUTCOMES_KEPT_MS)));
        assert!(outcomes.find(node, Sequence(1)).is_some());
        assert_eq!(outcomes.expire(Instant(5 + OUTCOMES_KEPT_MS)), None);
        assert!(outcomes.find(node, Sequence(1)).is_none());
    }
}

//! The nodes that are connected: a place each, and everything that is kept for one.
//!
//! Invariants: a node id is connected at most once; a place is reused only when no holder entry names it any more; all
//! that is kept for one node is bounded, whatever it sends and however slow it is (I12, I14). Source: own reasoning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ConnectionId;
use super::aliases::Aliases;
use super::answers::Answer;
use super::classes::ClassIndex;
use super::creations::Creating;
use super::downloads::Download;
use super::holders::{Holder, Place};
use super::links::Violation;
use super::outbox::Outbox;
use super::requests::Request;
use super::uploads::Upload;
use crate::ids::{Alias, Epoch, FrameNumber, NodeId, Sequence, TransferId};
use crate::limits::COMMITS_UNACKNOWLEDGED_MAX;
use crate::time::Instant;
use crate::wire::{CloseCode, Records, ToNode};

/// Commits of a link that have no outcome yet. An honest node has half as many, and as many again that it gave up with
/// the replicas they were made on.
const COMMITS_MAX: usize = 2 * COMMITS_UNACKNOWLEDGED_MAX;

/// A connected node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) connection: ConnectionId,
    /// Who it is, once it greeted.
    pub(super) id: Option<NodeId>,
    /// The term in which it was welcomed last, 0 for never: if that is before the last loss, then so is all that it holds.
    pub(super) known: Epoch,
    /// Its commits below this one may have taken effect although no outcome is remembered.
    pub(super) dubious_below: Sequence,
    /// Its commits of this link that were taken and have no outcome yet.
    commits: BTreeSet<Sequence>,
    /// What arrived and was not handled.
    pub(super) records: Records,
    pub(super) outbox: Outbox,
    /// Known classes that it presented with a schema that does not fit, and why: it names no object of theirs.
    pub(super) refused: BTreeMap<ClassIndex, String>,
    /// The objects it holds.
    pub(super) held: Aliases,
    /// How many it presented on this link.
    pub(super) presented: usize,
    /// Aliases that it presented and that name something else or nothing now, until it answered that it knows.
    pub(super) misled: BTreeSet<Alias>,
    /// Objects that changed while there was no room: each at most once.
    pub(super) dirty: VecDeque<Alias>,
    /// How many of `dirty`, from the front, stand before the end of its resume.
    pub(super) resuming: Option<usize>,
    /// Requests that wait for room or for a transfer to end.
    pub(super) requests: VecDeque<Request>,
    /// The answer to the first of them, if it takes more than one step.
    pub(super) answer: Option<Box<Answer>>,
    /// How many of its requests wait for objects to be loaded.
    pub(super) awaiting: usize,
    /// Creations whose values are being loaded.
    pub(super) creating: VecDeque<Creating>,
    pub(super) uploads: BTreeMap<TransferId, Upload>,
    pub(super) downloads: VecDeque<Download>,
    pub(super) next_transfer: TransferId,
    /// When it last confirmed anything, or had nothing to confirm.
    pub(super) heard_at: Instant,
    pub(super) is_woken: bool,
    /// Whether a step that reads its records is queued.
    pub(super) is_reading: bool,
    /// Whether a step that catches it up is queued.
    pub(super) is_catching: bool,
    pub(super) is_leaving: bool,
}

impl Node {
    /// Puts an object into the queue of those that changed, unless it stands there; grows it by little, because every
    /// subscription may stand in it.
    pub(super) fn note_dirty(&mut self, alias: Alias, holder: &mut Holder) {
        if holder.is_dirty() {
            return;
        }
        holder.set_dirty(true);
        if self.dirty.len() == self.dirty.capacity() {
            self.dirty.reserve_exact(self.dirty.len() / 8 + 4);
        }
        self.dirty.push_back(alias);
    }

    /// A commit is under way until its outcome is in the outbox: never twice, and never too many, whatever the node says
    /// that it has seen.
    pub(super) fn begin_commit(&mut self, sequence: Sequence) -> Result<(), Violation> {
        if !self.commits.insert(sequence) {
            return Err(Violation::new(CloseCode::OutOfOrder, "a commit was sent twice"));
        }
        if self.commits.len() > COMMITS_MAX {
            return Err(Violation::new(CloseCode::TooManyRequests, "too many commits have no outcome yet"));
        }
        Ok(())
    }

    /// Puts a record of this node alone in its outbox.
    pub(super) fn push(&mut self, after: FrameNumber, record: &ToNode<'_>) {
        if let Some(sequence) = record.outcome_of() {
            self.commits.remove(&sequence);
        }
        self.outbox.push(after, record);
    }

    pub(super) fn new(connection: ConnectionId, now: Instant, window: usize) -> Self {
        Self {
            connection,
            id: None,
            known: Epoch(0),
            dubious_below: Sequence(0),
            commits: BTreeSet::new(),
            records: Records::new(),
            outbox: Outbox::new(window),
            refused: BTreeMap::new(),
            held: Aliases::default(),
            presented: 0,
            misled: BTreeSet::new(),
            dirty: VecDeque::new(),
            resuming: None,
            requests: VecDeque::new(),
            answer: None,
            awaiting: 0,
            creating: VecDeque::new(),
            uploads: BTreeMap::new(),
            downloads: VecDeque::new(),
            next_transfer: TransferId(1),
            heard_at: now,
            is_woken: false,
            is_reading: false,
            is_catching: false,
            is_leaving: false,
        }
    }
}

/// The table of connected nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    places: Vec<Option<Box<Node>>>,
    by_connection: BTreeMap<ConnectionId, Place>,
    by_id: BTreeMap<NodeId, Place>,
}

impl Nodes {
    /// Nodes connected.
    pub(super) fn len(&self) -> usize {
        self.by_connection.len()
    }

    pub(super) fn find(&self, connection: ConnectionId) -> Option<Place> {
        self.by_connection.get(&connection).copied()
    }

    pub(super) fn find_id(&self, id: NodeId) -> Option<Place> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn at(&self, place: Place) -> Option<&Node> {
        self.places.get(usize::from(place.0))?.as_deref()
    }

    pub(super) fn at_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.places.get_mut(usize::from(place.0))?.as_deref_mut()
    }

    /// Every connected node, by connection.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.by_connection.values().copied()
    }

    /// Gives a connection the lowest free place; `None` if there is none.
    pub(super) fn enter(&mut self, node: Node) -> Option<Place> {
        let free = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        let place = Place(u16::try_from(free).ok()?);
        self.by_connection.insert(node.connection, place);
        match self.places.get_mut(free) {
            Some(slot) => *slot = Some(Box::new(node)),
            None => self.places.push(Some(Box::new(node))),
        }
        Some(place)
    }

    pub(super) fn greet(&mut self, place: Place, id: NodeId) {
        self.by_id.insert(id, place);
        if let Some(node) = self.at_mut(place) {
            node.id = Some(id);
        }
    }

    /// Takes a node out of the table of names; its place stays taken until [`free`](Self::free).
    pub(super) fn leave(&mut self, place: Place) -> Option<NodeId> {
        let node = self.places.get_mut(usize::from(place.0))?.as_deref_mut()?;
        node.is_leaving = true;
        let (connection, id) = (node.connection, node.id);
        self.by_connection.remove(&connection);
        if let Some(id) = id.filter(|id| self.by_id.get(id) == Some(&place)) {
            self.by_id.remove(&id);
        }
        id
    }

    pub(super) fn free(&mut self, place: Place) {
        if let Some(slot) = self.places.get_mut(usize::from(place.0)) {
            *slot = None;
        }
    }
}

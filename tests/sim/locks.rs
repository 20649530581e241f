//! Locks in the simulation: what nodes do with them, and the referee of who may have them (I15).
//!
//! The referee knows what was handed to the repository, what stands in its frames, and what nodes were told. A grant is
//! surely held while its node was told of it, gave it not back, and both sides have the same link.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nam::ids::{Alias, Birth, Fence, NodeId, RequestId, Sequence, Token};
use nam::journal::Origin;
use nam::node::{Answer, Replica, Slot};
use nam::repository::ConnectionId;
use nam::wire::{LockRequest, ToRepository};

use crate::class::Desk;
use crate::network::{Event, LinkName};
use crate::node::Asked;
use crate::shard::Shard;
use crate::tasks::Task;
use crate::windows::each_record;
use crate::world::World;

/// Grants that are remembered, so that old tokens are used.
const GRANTS: usize = 24;

/// A lock that a node was told to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    node: usize,
    shard: usize,
    birth: Birth,
    fence: Fence,
    connection: ConnectionId,
    is_given_back: bool,
}

/// A wait as it was handed to the repository.
#[derive(Debug)]
struct Wait {
    birth: Birth,
    handed: u64,
    /// Since when the repository has read it.
    read: Option<u64>,
    granted: Option<Fence>,
}

/// What one shard's history knows of locks.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    /// The newest grant of each object in the order of entries, in this term.
    current: BTreeMap<Birth, Fence>,
    /// Of which object a grant is, and whether it is durable.
    grants: BTreeMap<Fence, (Birth, bool)>,
    /// Commits under a lock that were handed to the repository, and whether the lock had been given back before that was done first.
    fenced: BTreeMap<(NodeId, Sequence, Alias), (Fence, bool)>,
    waits: BTreeMap<(ConnectionId, RequestId), Wait>,
    /// Releases that were handed to the repository and perhaps not read, and those that were read.
    leaving: BTreeMap<Fence, ConnectionId>,
    left: BTreeSet<Fence>,
    nodes: BTreeMap<ConnectionId, NodeId>,
    steps: u64,
}

impl Locks {
    /// A frame grants a lock.
    pub(crate) fn grant(&mut self, birth: Birth, fence: Fence) {
        let former = self.current.insert(birth, fence);
        assert!(former.is_none_or(|former| former < fence), "I15: {fence} is granted behind {former:?}");
        self.grants.insert(fence, (birth, false));
    }

    pub(crate) fn settle(&mut self, fence: Fence) {
        self.grants.entry(fence).and_modify(|grant| grant.1 = true);
    }

    /// The repository ends, and with it every lock.
    pub(crate) fn crash(&mut self) {
        self.current.clear();
        self.grants.retain(|_, (_, is_durable)| *is_durable);
        self.waits.clear();
        self.leaving.clear();
        self.nodes.clear();
    }

    /// A frame says that a commit took effect: if it names a lock, under the current grant.
    pub(crate) fn check_commit(&self, birth: Birth, alias: Alias, origin: Origin) {
        let Some((fence, is_left)) = self.fenced.get(&(origin.node, origin.sequence, alias)) else { return };
        assert_eq!(Some(fence), self.current.get(&birth), "I15: a commit under {fence} took effect");
        assert!(!is_left, "I15: a commit under {fence} took effect, which had been given back");
    }

    /// A node is told that this grant is in force.
    pub(crate) fn check_shown(&self, fence: Fence) -> Birth {
        let Some((birth, is_durable)) = self.grants.get(&fence) else { panic!("I6: {fence} was never granted") };
        assert!(is_durable, "I6: {fence} is shown before that is durable");
        *birth
    }

    /// A wait was granted: nobody whose wait was handed in when this one had been read was granted before it.
    fn check_order(&mut self, connection: ConnectionId, request: RequestId, birth: Birth, fence: Fence) {
        let Some(wait) = self.waits.get_mut(&(connection, request)) else { return };
        wait.granted = Some(fence);
        let Some(read) = wait.read else { return };
        let is_before = |other: &&Wait| {
            other.birth == birth && other.handed > read && other.granted.is_some_and(|granted| granted < fence)
        };
        let first = self.waits.values().find(is_before);
        assert!(first.is_none(), "L1: {fence} came first and was served behind {first:?}");
    }

    fn hand(&mut self, connection: ConnectionId, record: &ToRepository<'_>) {
        self.steps += 1;
        let handed = self.steps;
        match *record {
            ToRepository::Hello { node, .. } => {
                self.nodes.insert(connection, node);
            }
            ToRepository::Commit { sequence, alias, fence: Some(fence), .. }
            | ToRepository::BulkCommit { sequence, alias, fence: Some(fence), .. } => {
                self.hand_fenced(connection, sequence, alias, fence);
            }
            ToRepository::Group(ref group) => {
                let fences = group.parts.iter().filter_map(|part| Some((part.alias, part.fence?)));
                fences.for_each(|(alias, fence)| self.hand_fenced(connection, group.sequence, alias, fence));
            }
            ToRepository::Lock(LockRequest::Wait { request, birth, .. }) => {
                self.waits.insert((connection, request), Wait { birth, handed, read: None, granted: None });
            }
            ToRepository::Lock(LockRequest::Release { fence, .. }) => {
                self.leaving.insert(fence, connection);
            }
            _ => {}
        }
    }
}

impl Locks {
    fn hand_fenced(&mut self, connection: ConnectionId, sequence: Sequence, alias: Alias, fence: Fence) {
        // One that is sent again may stand in a frame since it was sent first.
        let is_left = self.left.contains(&fence);
        self.fenced.entry((self.nodes[&connection], sequence, alias)).or_insert((fence, is_left));
    }
}

impl Shard {
    /// Records of a node are handed to the repository.
    pub(crate) fn note_locks(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let locks = &mut self.history.locks;
        each_record(bytes, |raw| {
            if let Ok(record) = ToRepository::decode(raw) {
                locks.hand(connection, &record);
            }
        });
    }

    /// Notes what the repository has read by now.
    pub(crate) fn note_read(&mut self) {
        let (core, locks) = (&self.core, &mut self.history.locks);
        let read = locks.steps;
        for ((connection, _), wait) in locks.waits.iter_mut().filter(|(_, wait)| wait.read.is_none()) {
            wait.read = (core.unread_bytes(*connection) == 0).then_some(read);
        }
        let Locks { leaving, left, .. } = locks;
        let read = leaving.extract_if(.., |_, connection| core.unread_bytes(*connection) == 0);
        left.extend(read.map(|(fence, _)| fence));
    }
}

impl World {
    /// Whether nobody else can have this lock by rights.
    fn is_surely_held(&self, grant: &Grant) -> bool {
        let half = self.nodes[grant.node].sides[grant.shard].link.as_ref();
        let is_linked = half.is_some_and(|half| half.connection == grant.connection);
        !grant.is_given_back && is_linked && self.shards[grant.shard].links.contains_key(&grant.connection)
    }

    /// The repository answers one that waits for a lock.
    pub(crate) fn hear_of_lock(&mut self, node: usize, shard: usize, slot: usize, request: RequestId, answer: &Answer) {
        if let Answer::LockTimeout { .. } = answer {
            self.report.waited_in_vain += 1;
        }
        let Answer::Locked { fence, links_lost } = *answer else { return };
        self.report.locked += 1;
        let side = &mut self.nodes[node].sides[shard];
        assert_eq!(links_lost, side.core.links_lost(), "the answer is as new as the link");
        let Some(connection) = side.link.as_ref().map(|half| half.connection) else { return };
        if !self.nodes[node].opens[slot].is_open {
            self.nodes[node].sides[shard].core.unlock(fence);
            return;
        }
        let locks = &mut self.shards[shard].history.locks;
        let birth = locks.check_shown(fence);
        locks.check_order(connection, request, birth, fence);
        for other in self.grants.iter().filter(|other| (other.shard, other.birth) == (shard, birth)) {
            let is_twice = other.fence < fence && self.is_surely_held(other);
            assert!(!is_twice, "I15: {fence} is granted to node {node}, and {} to node {}", other.fence, other.node);
        }
        if self.grants.len() == GRANTS {
            self.grants.remove(0);
        }
        self.grants.push(Grant { node, shard, birth, fence, connection, is_given_back: false });
    }

    /// The application does something with the lock of an object, or with a token that it was given once.
    pub(crate) fn use_lock(&mut self, node: usize, slot: usize) {
        let open = &self.nodes[node].opens[slot];
        let (shard, id, replica, is_old) = (open.shard, open.slot.id(), open.slot.clone(), self.nodes[node].is_old);
        let Ok(Some(Token { birth, .. })) = open.slot.newest() else { return };
        let is_known = |grant: &Grant| (grant.shard, grant.birth) == (shard, birth);
        let known: Vec<usize> = (0..self.grants.len()).filter(|at| is_known(&self.grants[*at])).collect();
        let is_own = |at: &usize| self.grants[*at].node == node && self.is_surely_held(&self.grants[*at]);
        let own = known.iter().copied().find(is_own);
        let drawn = if known.is_empty() { None } else { Some(known[self.dice.index(known.len())]) };
        let drawn = drawn.map(|at| self.grants[at].fence);
        let side = &mut self.nodes[node].sides[shard];
        match (self.dice.below(8), own, drawn) {
            (0..3, Some(at), _) => {
                self.grants[at].is_given_back = true;
                side.core.unlock(self.grants[at].fence);
            }
            (3..7, Some(at), _) => {
                let fence = self.grants[at].fence;
                let task = Task::fenced(shard, &replica, is_old, fence, &mut self.dice);
                self.tasks.push(task);
            }
            (0..2, None, Some(fence)) => {
                let task = Task::fenced(shard, &replica, is_old, fence, &mut self.dice);
                self.tasks.push(task);
            }
            (2, None, Some(fence)) => {
                let request = side.core.join_lock(id, fence);
                side.requests.insert(request, Asked::Join(fence));
            }
            (3, None, _) => self.give_up_lock(node, shard),
            _ => {
                let wait = Duration::from_millis([0, 40, 400, 3_000][self.dice.index(4)]);
                let request = side.core.lock(id, wait);
                side.requests.insert(request, Asked::Lock(slot));
            }
        }
    }

    /// The lock that a part of a group is made under: mostly none, and of those that were granted any.
    pub(crate) fn some_fence(&mut self, shard: usize, slot: &Slot<Desk>) -> Option<Fence> {
        let Ok(Some(Token { birth, .. })) = slot.newest() else { return None };
        let mut known = self.grants.iter().filter(|grant| (grant.shard, grant.birth) == (shard, birth));
        let newest = known.next_back().map(|grant| grant.fence);
        newest.filter(|_| self.dice.one_in(3))
    }

    /// Somebody who waits for a lock goes away.
    fn give_up_lock(&mut self, node: usize, shard: usize) {
        let side = &mut self.nodes[node].sides[shard];
        let waiting = side.requests.iter().find(|(_, asked)| matches!(asked, Asked::Lock(_)));
        if let Some(request) = waiting.map(|(request, _)| *request) {
            side.requests.remove(&request);
            side.core.give_up_lock(request);
        }
    }

    /// A node's process ends, with a goodbye if it has nothing under way, and another begins in its place.
    pub(crate) fn end_process(&mut self, node: usize, shard: usize) {
        self.report.left += 1;
        let side = &mut self.nodes[node].sides[shard];
        let link = side.link.take().map(|half| (LinkName { node, shard, connection: half.connection }, half.up_at));
        let is_clean = side.core.unsettled() == 0 && self.dice.one_in(2);
        if !is_clean {
            side.core.handle_disconnected();
        }
        side.core.close();
        let mut goodbye = Vec::new();
        side.core.poll_records(&mut goodbye);
        if let Some((link, up_at)) = link {
            let at = up_at.max(self.now + 1);
            if !goodbye.is_empty() {
                self.effects.add(self.now, 6, &goodbye);
                self.agenda.plan(at, Event::Up { link, bytes: goodbye.into(), is_segment: false });
            }
            let late = self.dice.below(150);
            self.agenda.plan(at + late, Event::CutUp { link });
        }
        self.processes += 1;
        self.forget_finds(node, shard);
        self.nodes[node].begin_anew(shard, 8_000 + self.processes, self.swarm.credit_bytes);
        self.reconnect_later(node, shard);
    }
}

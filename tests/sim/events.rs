//! Events in the simulation: what frames say, held against the history, and what consumers are told, held against frames
//! (E4): at least once, never before it is durable, never what did not happen, of one key in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nam::__private::{Class, Reader, Writer};
use nam::event::{EventId, EventKind, GroupId};
use nam::ids::{Birth, CommitNumber, RequestId};
use nam::journal::{Entry, Frame};
use nam::node::Told;

use crate::class::Desk;
use crate::history::History;
use crate::world::World;

const GROUPS: [&str; 2] = ["audit", "billing"];

/// An event as a frame has it.
#[derive(Debug)]
struct Known {
    kind: EventKind,
    birth: Birth,
    key: String,
    last: Option<Vec<u8>>,
    is_durable: bool,
    /// Whether a restart lost everything since.
    is_lost: bool,
}

/// What is to stand behind an entry.
#[derive(Debug)]
struct Due {
    kind: EventKind,
    birth: Birth,
    key: String,
    last: Option<Arc<Desk>>,
}

/// The events and groups that a backup has.
#[derive(Debug)]
pub(crate) struct Remembered {
    known: BTreeSet<EventId>,
    founded: BTreeMap<String, GroupId>,
}

/// What one shard's history knows of events.
#[derive(Debug, Default)]
pub(crate) struct Happenings {
    known: BTreeMap<EventId, Known>,
    /// Groups, and whether they are durable.
    founded: BTreeMap<String, (GroupId, bool)>,
    /// Groups whose end is not durable yet, by name, and whether they themselves are.
    ended: Vec<(String, GroupId, bool)>,
    due: Option<Due>,
    /// What consumers of a group acknowledged.
    done: BTreeSet<(String, EventId)>,
    told: BTreeSet<(String, EventId)>,
    pub(crate) last_bytes_max: usize,
}

impl Happenings {
    /// Something became of an object, by an entry: if anybody wants to hear of it, the next one says so.
    pub(crate) fn happen(&mut self, kind: EventKind, birth: Birth, key: &str, last: Option<Arc<Desk>>) {
        assert!(self.due.is_none(), "E4: {:?} is in no event", self.due);
        if !self.founded.is_empty() {
            self.due = Some(Due { kind, birth, key: key.to_owned(), last });
        }
    }

    /// Takes an entry about events; any other must not stand where one is due.
    pub(crate) fn take(&mut self, entry: &Entry, at: CommitNumber) {
        match entry {
            Entry::Founded { group, .. } => {
                let former = self.founded.insert(group.clone(), (GroupId(at), false));
                assert!(former.is_none(), "E4: {group} is founded twice");
            }
            Entry::GroupEnded { group } => {
                let name = self.founded.iter().find(|(_, (id, _))| id == group).map(|(name, _)| name.clone());
                let Some(name) = name else { panic!("E4: a group ends that is not there: {group:?}") };
                let (id, is_durable) = self.founded.remove(&name).unwrap();
                self.ended.push((name, id, is_durable));
            }
            Entry::Happened { kind, birth, class, key, last } => {
                let Some(due) = self.due.take() else { panic!("E4: {kind:?} of {key} did not happen") };
                assert_eq!((due.kind, due.birth, &due.key, Desk::NAME), (*kind, *birth, key, &class[..]), "E4");
                let last = last.as_ref().map(|last| last.to_vec());
                self.check_last(&due, last.as_deref());
                let (kind, birth, key) = (*kind, *birth, key.clone());
                let known = Known { kind, birth, key, last, is_durable: false, is_lost: false };
                self.known.insert(EventId(at), known);
            }
            _ => {}
        }
    }

    fn check_last(&self, due: &Due, last: Option<&[u8]>) {
        match (&due.last, last) {
            (None, None) => {}
            (None, Some(_)) => panic!("E4: {} has a last state when it is created", due.key),
            (Some(value), Some(last)) => {
                let last = Desk::decode_root(Reader::new(last)).unwrap();
                assert_eq!(last, **value, "E4: the last state of {}", due.key);
            }
            (Some(value), None) => {
                let mut w = Writer::new();
                value.encode_root(&mut w);
                // The document's own bytes are about as many.
                assert!(w.len() * 2 > self.last_bytes_max, "E4: {} ends without its last state", due.key);
            }
        }
    }

    /// A frame ends.
    pub(crate) fn end_frame(&self) {
        assert!(self.due.is_none(), "E4: {:?} is in no event", self.due);
    }

    /// A frame is durable.
    pub(crate) fn settle(&mut self, frame: &Frame) {
        let mut n = frame.first_commit;
        for entry in &frame.entries {
            let at = CommitNumber { epoch: frame.epoch, n };
            match entry {
                Entry::Founded { .. } => {
                    let ended = self.ended.iter_mut().map(|(_, id, is_durable)| (&*id, is_durable));
                    let mut all = self.founded.values_mut().map(|(id, is_durable)| (&*id, is_durable)).chain(ended);
                    *all.find(|(id, _)| **id == GroupId(at)).unwrap().1 = true;
                }
                Entry::GroupEnded { group } => self.ended.retain(|(_, id, _)| id != group),
                Entry::Happened { .. } => self.known.get_mut(&EventId(at)).unwrap().is_durable = true,
                _ => {}
            }
            n += u64::from(entry.is_commit());
        }
    }

    pub(crate) fn crash(&mut self, is_lossy: bool) {
        self.due = None;
        self.known.retain(|_, known| known.is_durable);
        self.founded.retain(|_, (_, is_durable)| *is_durable);
        for (name, id, _) in self.ended.drain(..).filter(|(.., is_durable)| *is_durable) {
            self.founded.insert(name, (id, true));
        }
        self.founded.retain(|_, _| !is_lossy);
        if is_lossy {
            self.known.values_mut().for_each(|known| known.is_lost = true);
        }
    }

    /// What a backup made now has: what is durable.
    pub(crate) fn remember(&self) -> Remembered {
        let durable = self.known.iter().filter(|(_, known)| known.is_durable && !known.is_lost);
        let founded = self.founded.iter().map(|(name, (group, is_durable))| (name, group, is_durable));
        let ended = self.ended.iter().map(|(name, group, is_durable)| (name, group, is_durable));
        let durable_groups = founded.chain(ended).filter(|(.., is_durable)| **is_durable);
        let founded = durable_groups.map(|(name, group, _)| (name.clone(), *group)).collect();
        Remembered { known: durable.map(|(id, _)| *id).collect(), founded }
    }

    /// What came after the backup never was; consumers may hear of it still.
    pub(crate) fn restore(&mut self, remembered: &Remembered) {
        let later = self.known.iter_mut().filter(|(id, _)| !remembered.known.contains(id));
        later.for_each(|(_, known)| known.is_lost = true);
        self.ended.clear();
        let founded = remembered.founded.iter();
        self.founded = founded.map(|(name, group)| (name.clone(), (*group, true))).collect();
    }

    /// A consumer is told an event; answers whether the group was told it before.
    fn check_told(&mut self, group: &str, told: &Told) -> bool {
        let Told { event, missed, kind, birth, key, last, .. } = told;
        let Some(known) = self.known.get(event) else { panic!("I6: {event} is told, which never was") };
        assert!(known.is_durable, "I6: {event} is told before that is durable");
        let told = (*kind, *birth, key, last.as_deref());
        assert_eq!(told, (known.kind, known.birth, &known.key, known.last.as_deref()), "E4: {event}");
        assert_eq!(*missed, 0, "E4: {event} has lost others");
        if !known.is_lost {
            let open = self.open(group).filter(|(id, known)| **id < *event && known.key == *key);
            let open: Vec<_> = open.collect();
            assert!(open.is_empty(), "E4: {event} is told to {group} before {open:?}");
        }
        !self.told.insert((group.to_owned(), *event))
    }

    /// What a group was to be told and did not acknowledge.
    fn open(&self, group: &str) -> impl Iterator<Item = (&EventId, &Known)> {
        let since = self.founded.get(group).map(|(id, _)| id.0);
        let known = self.known.iter().filter(move |(id, _)| since.is_some_and(|since| id.0 > since));
        let group = group.to_owned();
        known.filter(move |(id, known)| !known.is_lost && !self.done.contains(&(group.clone(), **id)))
    }

    /// Whether every group was told everything.
    pub(crate) fn is_done(&self) -> bool {
        self.founded.keys().all(|group| self.open(group).next().is_none())
    }

    pub(crate) fn unrest(&self) -> String {
        let open = |group: &String| format!("{group}: {:?}; ", self.open(group).collect::<Vec<_>>());
        self.founded.keys().map(open).collect()
    }
}

impl History {
    /// What the object of this birth was when it ended.
    pub(crate) fn last_of(&self, birth: Birth) -> Option<Arc<Desk>> {
        self.head(birth).map(|(_, value)| value)
    }
}

impl World {
    /// A consumer is told an event; the application deals with it later, if it does.
    pub(crate) fn hear_of_event(&mut self, node: usize, shard: usize, told: Told) {
        let Some(group) = self.nodes[node].sides[shard].consumers.get(&told.consumer).copied() else { return };
        self.report.told += 1;
        let is_again = self.shards[shard].history.events.check_told(group, &told);
        self.report.told_again += u64::from(is_again);
        self.nodes[node].sides[shard].in_hand.push((told.consumer, told.event));
        if self.actions == 0 || self.dice.one_in(2) {
            self.deal_with_events(node, shard);
        }
    }

    /// The application has dealt with what it was told.
    fn deal_with_events(&mut self, node: usize, shard: usize) {
        let side = &mut self.nodes[node].sides[shard];
        for (consumer, event) in std::mem::take(&mut side.in_hand) {
            let Some(group) = side.consumers.get(&consumer) else { continue };
            self.shards[shard].history.events.done.insert(((*group).to_owned(), event));
            side.core.acknowledge(consumer, event);
        }
    }

    /// The application does something about events.
    pub(crate) fn use_events(&mut self, node: usize, shard: usize) {
        let group = GROUPS[self.dice.index(GROUPS.len())];
        let side = &mut self.nodes[node].sides[shard];
        let known = side.consumers.iter().find(|(_, of)| **of == group).map(|(consumer, _)| *consumer);
        match (known, self.dice.below(8)) {
            (_, 7) if self.dice.one_in(4) => {
                let _ = side.core.end_group(Desk::NAME, group);
            }
            (Some(consumer), 0) => self.leave_group(node, shard, consumer),
            (Some(_), 1) => side.in_hand.clear(),
            (Some(_), _) => self.deal_with_events(node, shard),
            (None, _) => self.consume(node, shard, group),
        }
    }

    fn consume(&mut self, node: usize, shard: usize, group: &'static str) {
        let side = &mut self.nodes[node].sides[shard];
        let consumer = side.core.consume(Desk::NAME, group);
        side.consumers.insert(consumer, group);
    }

    /// A group was ended, and with it this consumer, whether or not it had heard that it joined.
    pub(crate) fn lose_consumer(&mut self, node: usize, shard: usize, consumer: RequestId) {
        let side = &mut self.nodes[node].sides[shard];
        side.in_hand.retain(|(of, _)| *of != consumer);
        if side.consumers.remove(&consumer).is_some() {
            self.report.groups_ended += 1;
        }
    }

    fn leave_group(&mut self, node: usize, shard: usize, consumer: RequestId) {
        let side = &mut self.nodes[node].sides[shard];
        side.consumers.remove(&consumer);
        side.in_hand.retain(|(of, _)| *of != consumer);
        side.core.leave(consumer);
    }

    /// The application does nothing else any more: somebody takes what every group is told.
    pub(crate) fn take_events(&mut self) {
        for shard in 0..self.shards.len() {
            let groups: Vec<String> = self.shards[shard].history.events.founded.keys().cloned().collect();
            for group in GROUPS.into_iter().filter(|group| groups.iter().any(|founded| founded == group)) {
                let has_one = |side: &crate::node::Side| side.consumers.values().any(|of| *of == group);
                if !self.nodes.iter().any(|node| has_one(&node.sides[shard])) {
                    self.consume(0, shard, group);
                }
            }
            (0..self.nodes.len()).for_each(|node| self.deal_with_events(node, shard));
        }
    }
}

//! A group of consumers: what it was not told yet, what it was told, and who its consumers are.
//!
//! ```text
//!            older ones of its key are done         a consumer has room              acknowledged
//!   waiting ─────────────────────────────▶ ready ───────────────────────▶ told ─────────────────────▶ nothing
//!                                            ▲                              │
//!                                            └── the consumer left, or the time is over
//! ```
//! Invariants: of one key at most one event is ready or told, the oldest; what came once is not taken again, however
//! often it is replayed; over its bounds the group gives up its oldest events, and the next one says how many. Source:
//! own reasoning (E4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::event::{EventId, EventKind, Happening};
use crate::ids::{Birth, CommitNumber, RequestId};
use crate::limits::{EVENTS_MAX, EVENTS_TOLD_MAX};
use crate::repository::holders::Place;
use crate::time::Instant;

/// Bytes that an event takes beyond its key and its last state, about.
const EVENT_BYTES: usize = 128;

/// What happened to an object; groups share it.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) kind: EventKind,
    pub(super) birth: Birth,
    pub(super) key: Box<str>,
    pub(super) last: Option<Bytes>,
}

impl Happened {
    pub(super) fn shown(&self) -> Happening<'_> {
        Happening { kind: self.kind, birth: self.birth, key: &self.key, last: self.last.as_deref() }
    }

    fn bytes(&self) -> usize {
        EVENT_BYTES + self.key.len() + self.last.as_ref().map_or(0, Bytes::len)
    }
}

/// To whom an event was told, and until when it is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) place: Place,
    pub(super) request: RequestId,
    pub(super) until: Instant,
}

/// An event that was not acknowledged.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) happened: Arc<Happened>,
    /// Events before it that the group had to give up.
    pub(super) missed: u64,
    pub(super) told: Option<Telling>,
}

/// A consumer of the group, and what it was told and did not acknowledge.
#[derive(Debug)]
struct Consumer {
    place: Place,
    request: RequestId,
    told: BTreeSet<EventId>,
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) class: String,
    pub(super) name: String,
    /// The newest event that it took.
    pub(super) through: EventId,
    events: BTreeMap<EventId, Kept>,
    /// The events of each key, in order.
    lines: BTreeMap<Box<str>, VecDeque<EventId>>,
    ready: BTreeSet<EventId>,
    bytes: usize,
    /// Who is told next comes first.
    consumers: VecDeque<Consumer>,
    /// Whether its consumers are to be told on, in a later step.
    pub(super) is_due: bool,
}

impl Group {
    pub(super) fn new(class: String, name: String, through: EventId) -> Self {
        let (events, lines, ready) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { class, name, through, events, lines, ready, bytes: 0, consumers: VecDeque::new(), is_due: false }
    }

    /// Takes an event that is newer than all it took, and keeps `bytes_max` of them; answers those that it gave up and that
    /// somebody was told.
    pub(super) fn take(&mut self, id: EventId, kept: Kept, bytes_max: usize) -> Vec<(EventId, Telling)> {
        if id <= self.through {
            return Vec::new();
        }
        self.put(id, kept);
        let mut given_up = Vec::new();
        while self.events.len() > EVENTS_MAX || (self.bytes > bytes_max && self.events.len() > 1) {
            let Some(oldest) = self.events.keys().next().copied() else { break };
            let Some(kept) = self.remove(oldest) else { break };
            given_up.extend(kept.told.map(|telling| (oldest, telling)));
            if let Some(next) = self.events.values_mut().next() {
                next.missed = next.missed.saturating_add(kept.missed).saturating_add(1);
            }
        }
        given_up
    }

    fn put(&mut self, id: EventId, kept: Kept) {
        self.through = id;
        self.bytes += kept.happened.bytes();
        let line = self.lines.entry(kept.happened.key.clone()).or_default();
        line.push_back(id);
        if line.len() == 1 {
            self.ready.insert(id);
        }
        self.events.insert(id, kept);
    }

    /// Everything up to this event was taken.
    pub(super) fn bound(&mut self, through: EventId) {
        self.through = self.through.max(through);
    }

    /// Has an event again that it had while the state was written; they come in order, and what it gave up meanwhile is
    /// among them.
    pub(super) fn restore(&mut self, id: EventId, kept: Kept) {
        let through = self.through;
        if self.events.last_key_value().is_none_or(|(last, _)| *last < id) {
            self.put(id, kept);
        }
        self.bound(through);
    }

    /// The oldest event that it keeps, and how many before it it gave up; if it keeps none, what is behind all it took.
    pub(super) fn oldest(&self) -> (EventId, u64) {
        let oldest = self.events.first_key_value().map(|(id, kept)| (*id, kept.missed));
        oldest.unwrap_or((after(self.through), 0))
    }

    /// This was the oldest event when the state had all of the group: what was before it is done with, and counted.
    pub(super) fn restore_oldest(&mut self, id: EventId, missed: u64) {
        while let Some(first) = self.events.keys().next().copied().filter(|first| *first < id) {
            self.remove(first);
        }
        if let Some(kept) = self.events.get_mut(&id) {
            kept.missed = missed;
        }
    }

    /// The event is done with; the next one of its key is ready.
    pub(super) fn remove(&mut self, id: EventId) -> Option<Kept> {
        let kept = self.events.remove(&id)?;
        self.bytes -= kept.happened.bytes();
        self.ready.remove(&id);
        if let Some(telling) = kept.told {
            self.release(id, telling);
        }
        let line = self.lines.get_mut(&kept.happened.key)?;
        let at = line.binary_search(&id).ok()?;
        line.remove(at);
        match line.front().copied() {
            None => {
                self.lines.remove(&kept.happened.key);
            }
            Some(next) if at == 0 => {
                self.ready.insert(next);
            }
            Some(_) => {}
        }
        Some(kept)
    }

    /// The oldest event that may be told.
    pub(super) fn ready(&self) -> Option<EventId> {
        self.ready.first().copied()
    }

    pub(super) fn kept(&self, id: EventId) -> Option<&Kept> {
        self.events.get(&id)
    }

    /// The first event from `id` on.
    pub(super) fn from(&self, id: EventId) -> Option<(EventId, &Kept)> {
        self.events.range(id..).next().map(|(id, kept)| (*id, kept))
    }

    /// The consumers that may be told more, the one that waits for longest first.
    pub(super) fn takers(&self) -> impl Iterator<Item = (Place, RequestId)> + '_ {
        let takers = self.consumers.iter().filter(|consumer| consumer.told.len() < EVENTS_TOLD_MAX);
        takers.map(|consumer| (consumer.place, consumer.request))
    }

    /// The event goes to a consumer.
    pub(super) fn tell(&mut self, id: EventId, telling: Telling) {
        self.ready.remove(&id);
        if let Some(kept) = self.events.get_mut(&id) {
            kept.told = Some(telling);
        }
        if let Some(at) = self.find(telling.place, telling.request)
            && let Some(mut consumer) = self.consumers.remove(at)
        {
            consumer.told.insert(id);
            self.consumers.push_back(consumer);
        }
    }

    /// Nobody acknowledged it: it may be told again.
    pub(super) fn take_back(&mut self, id: EventId) {
        let Some(telling) = self.events.get_mut(&id).and_then(|kept| kept.told.take()) else { return };
        self.ready.insert(id);
        self.release(id, telling);
    }

    /// A consumer more.
    pub(super) fn join(&mut self, place: Place, request: RequestId) {
        self.consumers.push_back(Consumer { place, request, told: BTreeSet::new() });
    }

    /// A consumer less; answers what it was told and did not acknowledge, which may be told again.
    pub(super) fn leave(&mut self, place: Place, request: RequestId) -> Vec<(EventId, Telling)> {
        let consumer = self.find(place, request).and_then(|at| self.consumers.remove(at));
        let told = consumer.into_iter().flat_map(|consumer| consumer.told);
        let told: Vec<_> = told.filter_map(|id| Some((id, self.events.get(&id)?.told?))).collect();
        told.iter().for_each(|(id, _)| self.take_back(*id));
        told
    }

    /// Every consumer.
    pub(super) fn consumers(&self) -> impl ExactSizeIterator<Item = (Place, RequestId)> + '_ {
        self.consumers.iter().map(|consumer| (consumer.place, consumer.request))
    }

    fn find(&self, place: Place, request: RequestId) -> Option<usize> {
        self.consumers.iter().position(|consumer| (consumer.place, consumer.request) == (place, request))
    }

    fn release(&mut self, id: EventId, telling: Telling) {
        let consumer = self.find(telling.place, telling.request).and_then(|at| self.consumers.get_mut(at));
        if let Some(consumer) = consumer {
            consumer.told.remove(&id);
        }
    }
}

/// The least id behind this one.
pub(super) fn after(event: EventId) -> EventId {
    EventId(CommitNumber { n: event.0.n.saturating_add(1), ..event.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn id(n: u64) -> EventId {
        EventId(CommitNumber { epoch: Epoch(1), n })
    }

    fn kept(key: &str, last: usize) -> Kept {
        let last = Some(Bytes::from(vec![0; last]));
        let (kind, birth) = (EventKind::Expired, Birth(id(0).0));
        let happened = Arc::new(Happened { kind, birth, key: key.into(), last });
        Kept { happened, missed: 0, told: None }
    }

    fn group() -> Group {
        Group::new("Cart".into(), "billing".into(), id(0))
    }

    impl Group {
        fn take_small(&mut self, n: u64, key: &str) {
            assert!(self.take(id(n), kept(key, 0), usize::MAX).is_empty());
        }
    }

    fn telling(request: u32) -> Telling {
        Telling { place: Place(0), request: RequestId(request), until: Instant(9) }
    }

    #[test]
    fn one_event_of_a_key_at_a_time() {
        let mut group = group();
        [(1, "a"), (2, "a"), (3, "b")].into_iter().for_each(|(n, key)| group.take_small(n, key));
        group.join(Place(0), RequestId(7));
        assert_eq!(group.ready(), Some(id(1)));
        group.tell(id(1), telling(7));
        assert_eq!(group.ready(), Some(id(3)), "the next of its key waits");
        group.take_back(id(1));
        assert_eq!(group.ready(), Some(id(1)));
        assert!(group.remove(id(1)).is_some() && group.remove(id(1)).is_none());
        assert_eq!(group.ready(), Some(id(2)));
        group.tell(id(2), telling(7));
        assert_eq!(group.leave(Place(0), RequestId(7)), [(id(2), telling(7))]);
        assert_eq!(group.ready(), Some(id(2)));
        group.take_small(2, "a");
        assert_eq!(group.events.len(), 2, "what came once is not taken again");
    }

    #[test]
    fn consumers_are_told_in_turn_and_no_more_than_they_may_hold() {
        let mut group = group();
        [7, 8].into_iter().for_each(|request| group.join(Place(0), RequestId(request)));
        for n in 1..=2 * EVENTS_TOLD_MAX as u64 {
            group.take_small(n, &n.to_string());
            let (_, request) = group.takers().next().unwrap();
            assert_eq!(request.0, if n % 2 == 1 { 7 } else { 8 });
            group.tell(id(n), telling(request.0));
        }
        assert_eq!(group.takers().count(), 0);
        group.remove(id(2));
        assert_eq!(group.takers().next(), Some((Place(0), RequestId(8))));
    }

    #[test]
    fn over_its_bounds_the_oldest_go_and_the_next_one_says_so() {
        let mut group = group();
        let (last, most) = (1_000, 4_000);
        group.join(Place(0), RequestId(7));
        group.take(id(1), kept("a", last), most);
        group.tell(id(1), telling(7));
        assert!((2..=3).all(|n| group.take(id(n), kept("a", last), most).is_empty()));
        assert_eq!(group.take(id(4), kept("a", last), most), [(id(1), telling(7))]);
        group.take(id(5), kept("a", last), most);
        assert_eq!(group.ready(), Some(id(3)));
        assert_eq!(group.kept(id(3)).unwrap().missed, 2);
        assert_eq!(group.takers().count(), 1);
    }
}

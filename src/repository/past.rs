//! What images say of the slots before the journal is replayed, and which of its entries they contain.
//!
//! ```text
//!  entries of a slot     ... B1 ... end of B1 │ creation of B2 ... v5 │ v6 ... v9
//!  head of B2 at v5      ────── passed over ──┴───── contained ───────┤ kept with the cold object
//!  tombstone of B1       ── passed over ──────┤
//! ```
//! A slot has one object at a time, so whoever was there before the birth of a head has ended, and so has what a
//! tombstone names. Invariants: an entry is passed over only when a head or a tombstone proves that it may be; an image
//! whose end is in the journal is told by its own tombstone before that end is cut; what does not fit is damage and is
//! named. Source: own reasoning.

use std::collections::BTreeMap;

use super::Core;
use super::expiry::Expires;
use super::objects::{Body, Cold};
use super::outcomes::Deed;
use super::replay::ReplayError;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, FrameNumber, Version};
use crate::journal::{Entry, FrameName, Head, HeadBody, IndexedValue, LiveHead, Payload};
use crate::time::Instant;

/// What is known of an object that was in a slot.
#[derive(Debug)]
struct Known {
    version: Version,
    head: KnownBy,
    /// The first of its entries that was passed over.
    first: Option<FrameName>,
    /// The commit that ended it, and its frame.
    ended: Option<(CommitNumber, FrameName)>,
}

/// By what an object is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownBy {
    /// An image.
    Image,
    /// A tombstone.
    Tomb,
    /// Its creation, which was passed over.
    Journal,
}

/// A slot of which a head speaks.
#[derive(Debug, Default)]
struct Slot {
    /// Entries up to this commit are passed over.
    floor: CommitNumber,
    births: BTreeMap<Birth, Known>,
    /// The object that lives there, until its class is known.
    living: Option<(Birth, Living)>,
}

/// What an image says of an object that lives.
#[derive(Debug)]
struct Living {
    class: String,
    key: String,
    version: Version,
    expiry: Expiry,
    since: Instant,
    indexed: Vec<IndexedValue>,
}

/// All slots of which heads speak.
#[derive(Debug, Default)]
pub(super) struct Past {
    slots: BTreeMap<Alias, Slot>,
    /// The latest of their floors: most entries of a journal are behind it, and need no look at their slot.
    floor: CommitNumber,
    /// Slots whose objects' classes are not known yet.
    unsettled: BTreeMap<String, Vec<Alias>>,
    has_begun: bool,
}

impl Past {
    /// Whether the entry at `at` is about what a head or a tombstone contains or ends.
    pub(super) fn is_passed(&self, alias: Alias, at: CommitNumber) -> bool {
        at <= self.floor && self.slots.get(&alias).is_some_and(|slot| at <= slot.floor)
    }

    /// The object that an entry is about: the last one born in the slot before it.
    fn known(&mut self, alias: Alias, at: CommitNumber, frame: FrameName) -> Result<(Birth, &mut Known), ReplayError> {
        let slot = self.slots.get_mut(&alias);
        let known = slot.and_then(|slot| slot.births.range_mut(..=Birth(at)).next_back());
        let (&birth, known) =
            known.filter(|(_, known)| known.ended.is_none()).ok_or(ReplayError::Absent { what: "an object" })?;
        known.first.get_or_insert(frame);
        Ok((birth, known))
    }
}

impl Core {
    /// Takes over what the head of an image says, before any frame is replayed; heads come by ascending births.
    pub fn restore_head(&mut self, head: Head) {
        let Head { alias, birth, body } = head;
        let slot = self.replay.past.slots.entry(alias).or_default();
        let (version, head, floor) = match body {
            HeadBody::Ended { at } => (Version(0), KnownBy::Tomb, at),
            HeadBody::Live(live) => {
                let LiveHead { class, key, version, expiry, limited_at_ms, indexed, .. } = *live;
                let since = Instant(limited_at_ms);
                slot.living = Some((birth, Living { class, key, version, expiry, since, indexed }));
                (version, KnownBy::Image, birth.0)
            }
        };
        if head == KnownBy::Tomb {
            slot.living = None;
        }
        slot.floor = slot.floor.max(floor);
        slot.births.insert(birth, Known { version, head, first: None, ended: None });
        self.replay.past.floor = self.replay.past.floor.max(floor);
    }

    /// Puts the objects of the heads into their slots, before the first frame.
    pub(super) fn begin_replay(&mut self) {
        if std::mem::replace(&mut self.replay.past.has_begun, true) {
            return;
        }
        let living: Vec<_> = self.replay.past.slots.iter().filter(|(_, slot)| slot.living.is_some()).collect();
        let aliases: Vec<Alias> = living.into_iter().map(|(alias, _)| *alias).collect();
        aliases.into_iter().for_each(|alias| self.settle_head(alias));
    }

    /// A class is known: its objects can be put into their slots.
    pub(super) fn settle_heads_of(&mut self, class: &str) {
        for alias in self.replay.past.unsettled.remove(class).unwrap_or_default() {
            self.settle_head(alias);
        }
    }

    fn settle_head(&mut self, alias: Alias) {
        let Some(slot) = self.replay.past.slots.get_mut(&alias) else { return };
        let Some((birth, living)) = slot.living.take() else { return };
        let Some(class) = self.classes.find(&living.class) else {
            self.replay.past.unsettled.entry(living.class.clone()).or_default().push(alias);
            slot.living = Some((birth, living));
            return;
        };
        let body = Body::Cold(Box::new(Cold::new(living.version)));
        self.settle_object(alias, birth, (class, living.key.into()), body, FrameNumber(0));
        if let Some(object) = self.objects.at_mut(alias) {
            object.expires = Expires::new(living.expiry, living.since).map(Box::new);
        }
        self.index_as(alias, living.indexed);
    }

    /// Passes an entry over that a head or a tombstone contains or ends, but for what became of the commit.
    pub(super) fn pass_over(&mut self, entry: &Entry, at: CommitNumber, frame: FrameName) -> Result<(), ReplayError> {
        if let Entry::Created { payload, .. } | Entry::Committed { payload, .. } = entry {
            self.replay.take_payload(payload);
        }
        let Some(alias) = entry.alias().filter(|_| !matches!(entry, Entry::Granted { .. })) else { return Ok(()) };
        let past = &mut self.replay.past;
        if let (Entry::Created { .. }, Some(slot)) = (entry, past.slots.get_mut(&alias)) {
            let (version, head) = (Version(1), KnownBy::Journal);
            slot.births.entry(Birth(at)).or_insert(Known { version, head, first: None, ended: None });
        }
        let (birth, known) = past.known(alias, at, frame)?;
        let (origin, deed) = match entry {
            Entry::Created { origin, .. } => (origin, Deed::Created),
            Entry::Committed { origin, version, .. } => {
                known.version = known.version.max(*version);
                (origin, Deed::Committed(*version))
            }
            Entry::Limited { origin, .. } => (origin, Deed::Committed(known.version)),
            Entry::Destroyed { origin, .. } => {
                known.ended = Some((at, frame));
                (origin, Deed::Destroyed(known.version.next()))
            }
            _ => {
                known.ended = Some((at, frame));
                return Ok(());
            }
        };
        self.remember(*origin, (alias, birth), deed, frame);
        Ok(())
    }

    /// As [`pass_over`](Self::pass_over), what a group did to one object; answers which.
    pub(super) fn pass_over_change(
        &mut self,
        alias: Alias,
        (version, payload): (Version, &Payload),
        at: Birth,
        frame: FrameName,
    ) -> Result<Birth, ReplayError> {
        self.replay.take_payload(payload);
        let (birth, known) = self.replay.past.known(alias, at.0, frame)?;
        known.version = known.version.max(version);
        Ok(birth)
    }

    /// The journal has nothing more: what ended needs its tombstone for as long as the journal has its entries.
    ///
    /// # Errors
    /// An image is of an object that is not there any more, or of a class that never was.
    pub(super) fn end_past(&mut self) -> Result<(), ReplayError> {
        let past = std::mem::take(&mut self.replay.past);
        if !past.unsettled.is_empty() {
            return Err(ReplayError::Absent { what: "the class of an image" });
        }
        for (alias, slot) in past.slots {
            for (birth, known) in slot.births {
                let is_there = self.objects.at(alias).is_some_and(|object| object.birth == birth);
                match (known.head, known.ended) {
                    (KnownBy::Tomb, Some((_, frame))) => self.imaging.bury(frame, birth),
                    (KnownBy::Tomb, None) => self.imaging.remove_tomb(birth),
                    (KnownBy::Image | KnownBy::Journal, Some((at, frame))) => {
                        let first = known.first.unwrap_or(frame);
                        self.imaging.mark_end(birth, alias, at, (first, frame));
                    }
                    (KnownBy::Image, None) if !is_there && !self.imaging.is_ended(birth) => {
                        return Err(ReplayError::Absent { what: "the end of an image" });
                    }
                    (KnownBy::Image | KnownBy::Journal, None) => {}
                }
            }
        }
        Ok(())
    }
}

//! Images: which object is frozen when, what is in force, and how far the journal can be cut.
//!
//! ```text
//!             first change          the journal is long,           its newest frame      in force
//!   clean ───────────────▶ dirty ────────────────────────▶ frozen ────────────────▶ on its way ─────▶ clean
//!                            ▲      or memory is short         │      is durable
//!                            └────────── changed again ────────┘
//! ```
//! The oldest change goes first, so that each image takes with it as many commits as the journal holds. An object that
//! ended leaves a tombstone in the place of its image until the journal is cut behind its end. Before a cut the shard's
//! state is stored. Invariants: an image is put in force only when its newest frame is durable (I6); the journal is
//! never cut behind what no image in force contains, behind the first slice of what is not whole, or behind the state
//! (I7). Source: own reasoning; the table of first changes is the dirty page table of ARIES (Mohan et al. 1992).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::holders::Place;
use super::links::Violation;
use super::objects::{Body, Underway};
use super::runs::Runs;
use super::state::Saving;
use super::tasks::{ImageDeed, ImageTask};
use super::{Core, Rule};
use crate::document::first_tails;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, FrameNumber, Version};
use crate::journal::{FrameName, Head, HeadBody, ImageName, LiveHead, Payload};
use crate::limits::IMAGES_IN_FLIGHT_MAX;
use crate::time::Instant;
use crate::wire::CloseCode;

/// What the journal has and no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Changes of the object in this slot.
    Object(Alias),
    /// The end of the object of this birth.
    End(Birth),
}

/// An end that no tombstone tells.
#[derive(Clone, Copy, Debug)]
struct End {
    alias: Alias,
    at: CommitNumber,
    frame: FrameName,
}

/// A task that is not done.
#[derive(Clone, Copy, Debug)]
enum Flight {
    /// An image, and the first frame that the one before does not contain.
    Image { birth: Birth, first: FrameName },
    /// A tombstone, the first frame that it is for, and the one of the end.
    End { birth: Birth, first: FrameName, frame: FrameName },
    /// A tombstone that nobody needs any more goes.
    Remove { birth: Birth },
    /// The state, which stands for the frames up to this one.
    State { stands: FrameName },
}

/// Who puts slices into frames.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// A commit of this object.
    Commit(Alias),
    /// A creation of this node.
    Creation(Place),
}

/// What a core knows of its images.
#[derive(Debug, Default)]
pub(super) struct Imaging {
    journal: Runs,
    /// The newest frame that is durable.
    pub(super) last: FrameName,
    /// What no image contains, by the first frame of it.
    dirty: BTreeSet<(FrameName, Subject)>,
    ends: BTreeMap<Birth, End>,
    flights: BTreeMap<u64, Flight>,
    /// Whose images are on their way.
    flying: BTreeSet<Birth>,
    next_task: u64,
    /// Tasks that wait until this frame is durable.
    ready: VecDeque<(FrameNumber, ImageTask)>,
    /// Objects that are frozen when the commit under way is done.
    wanted: BTreeSet<Alias>,
    /// Tombstones in force, by the frame of the end.
    tombs: BTreeSet<(FrameName, Birth)>,
    /// Tombstones that go.
    removals: VecDeque<Birth>,
    /// The first slices of what is not whole.
    stagings: BTreeMap<u64, (FrameNumber, Owner)>,
    pub(super) saving: Saving,
}

impl Imaging {
    /// A tombstone is in force, for an end in this frame.
    pub(super) fn bury(&mut self, frame: FrameName, birth: Birth) {
        self.tombs.insert((frame, birth));
    }

    /// A tombstone is in force whose end the journal does not have any more.
    pub(super) fn remove_tomb(&mut self, birth: Birth) {
        self.removals.push_back(birth);
    }

    /// An object ended in `frame`, and no tombstone tells it of the frames from `first` on.
    pub(super) fn mark_end(
        &mut self,
        birth: Birth,
        alias: Alias,
        at: CommitNumber,
        (first, frame): (FrameName, FrameName),
    ) {
        self.ends.insert(birth, End { alias, at, frame });
        self.dirty.insert((first, Subject::End(birth)));
    }

    /// Whether the object is known to have ended.
    pub(super) fn is_ended(&self, birth: Birth) -> bool {
        self.ends.contains_key(&birth)
    }

    pub(super) fn is_flying(&self, birth: Birth) -> bool {
        self.flying.contains(&birth)
    }

    /// Whether no more images may be on their way.
    pub(super) fn is_busy(&self) -> bool {
        self.flights.len() >= IMAGES_IN_FLIGHT_MAX
    }

    fn first_in_flight(&self, birth: Birth) -> Option<FrameName> {
        self.flights.values().find_map(|flight| match flight {
            Flight::Image { birth: other, first } if *other == birth => Some(*first),
            _ => None,
        })
    }

    fn fly(&mut self, flight: Flight, after: FrameNumber, deed: ImageDeed) {
        self.next_task += 1;
        let id = self.next_task;
        if let Flight::Image { birth, .. } | Flight::End { birth, .. } | Flight::Remove { birth } = flight {
            self.flying.insert(birth);
        }
        self.flights.insert(id, flight);
        self.ready.push_back((after, ImageTask { id, deed }));
    }
}

impl Core {
    fn name_of(&self, number: FrameNumber) -> FrameName {
        FrameName { shard: self.identity.shard, epoch: self.identity.epoch, number }
    }

    /// The frame that the next entry is put into.
    pub(super) fn open_frame(&self) -> FrameName {
        self.name_of(self.frames.open())
    }

    /// A frame is in the journal or on its way there.
    pub(super) fn note_frame(&mut self, frame: FrameName, bytes: usize) {
        if let Some(images) = self.caps.images {
            self.imaging.journal.push(frame, bytes as u64, images.journal_bytes);
        }
    }

    /// Frames up to this one of the term are durable.
    pub(super) fn note_durable(&mut self, frame: FrameNumber) {
        if frame > FrameNumber(0) {
            self.imaging.last = self.name_of(frame);
        }
    }

    /// An object changed, by entries from the frame `first` on.
    pub(super) fn note_change(&mut self, alias: Alias, first: FrameNumber) {
        let first = self.name_of(first);
        self.mark_dirty(alias, first);
        self.count_heap(alias);
    }

    /// No image contains what the object is by the frames from `first` on.
    pub(super) fn mark_dirty(&mut self, alias: Alias, first: FrameName) {
        let Some(object) = self.objects.at_mut(alias).filter(|_| self.caps.images.is_some()) else { return };
        if object.dirty.is_some_and(|known| known <= first) {
            return;
        }
        if let Some(later) = object.dirty.replace(first) {
            self.imaging.dirty.remove(&(later, Subject::Object(alias)));
        }
        self.imaging.dirty.insert((first, Subject::Object(alias)));
    }

    /// An object ends by the commit `at`, which is in the open frame.
    pub(super) fn note_end(&mut self, alias: Alias, at: CommitNumber) {
        let frame = self.open_frame();
        self.note_end_in(alias, at, frame);
    }

    /// An object ends by the commit `at`, which is in `frame`.
    pub(super) fn note_end_in(&mut self, alias: Alias, at: CommitNumber, frame: FrameName) {
        self.count_out(alias);
        self.imaging.wanted.remove(&alias);
        let Some(object) = self.objects.at_mut(alias).filter(|_| self.caps.images.is_some()) else { return };
        let (birth, dirty) = (object.birth, object.dirty.take());
        if let Some(first) = dirty {
            self.imaging.dirty.remove(&(first, Subject::Object(alias)));
        }
        let first = dirty.into_iter().chain(self.imaging.first_in_flight(birth)).min().unwrap_or(frame);
        self.imaging.mark_end(birth, alias, at, (first, frame));
    }

    /// A slice goes into the open frame.
    pub(super) fn note_slice(&mut self, staging: u64, owner: Owner) {
        if self.caps.images.is_some() {
            let open = self.frames.open();
            self.imaging.stagings.entry(staging).or_insert((open, owner));
        }
    }

    /// The frame in which what an entry of the open frame brings begins.
    pub(super) fn first_frame(&mut self, payload: &Payload) -> FrameNumber {
        let open = self.frames.open();
        match payload {
            Payload::Staged(staging) => self.imaging.stagings.remove(staging).map_or(open, |(first, _)| first),
            Payload::Inline(_) => open,
        }
    }

    /// The first slice of what is not whole, and whose it is; forgets those that nobody goes on with.
    fn first_slice(&mut self) -> Option<(FrameName, Owner)> {
        let (objects, nodes) = (&self.objects, &self.nodes);
        self.imaging.stagings.retain(|staging, (_, owner)| match *owner {
            Owner::Commit(alias) => {
                let turn = objects.at(alias).and_then(|object| object.turn.as_ref());
                let underway = turn.and_then(|turn| turn.underway.as_ref());
                match underway {
                    Some(Underway::Slicing { staging: known, .. })
                    | Some(Underway::Held { payload: Some(Payload::Staged(known)), .. }) => known == staging,
                    _ => false,
                }
            }
            Owner::Creation(place) => {
                let node = nodes.at(place).filter(|node| !node.is_leaving);
                node.is_some_and(|node| node.uploads.values().any(|upload| upload.is_staging(*staging)))
            }
        });
        // A staging is numbered when it begins, its first slice stands where a frame had room for it.
        let (first, owner) = self.imaging.stagings.values().min_by_key(|(first, _)| *first)?;
        Some((self.name_of(*first), *owner))
    }

    /// The frame before which nothing is needed: all of it is in images and in the state that is to be stored.
    fn bound(&mut self) -> FrameName {
        let slice = self.first_slice().map(|(first, _)| first);
        let imaging = &self.imaging;
        let dirty = imaging.dirty.first().map(|(first, _)| *first);
        let flying = imaging.flights.values().filter_map(|flight| match flight {
            Flight::Image { first, .. } | Flight::End { first, .. } => Some(*first),
            Flight::Remove { .. } | Flight::State { .. } => None,
        });
        flying.chain(dirty).chain(slice).chain([imaging.last]).min().unwrap_or_default()
    }

    /// Whether the journal is so much too long that commits wait until images are in force.
    pub(super) fn is_behind(&self) -> bool {
        let bytes_max = self.caps.images.map_or(u64::MAX, |images| images.journal_bytes.saturating_mul(2));
        self.imaging.journal.bytes() > bytes_max && !self.imaging.flights.is_empty()
    }

    /// Bytes of the frames that the journal has, roughly; only with images.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        self.imaging.journal.bytes()
    }

    /// Something for the keeper of the images; several may be on their way.
    pub fn poll_image(&mut self) -> Option<ImageTask> {
        self.cost.begin();
        if self.is_stopped {
            return None;
        }
        self.plan_images();
        let has_rule = self.rules.has(Rule::Image);
        let durable = self.frames.durable();
        let at = self.imaging.ready.iter().position(|(after, _)| *after <= durable || !has_rule)?;
        self.imaging.ready.remove(at).map(|(_, task)| task)
    }

    /// A task of [`poll_image`](Self::poll_image) is done and durable.
    pub fn handle_imaged(&mut self, now: Instant, task: u64) {
        self.begin(now);
        let Some(flight) = self.imaging.flights.remove(&task) else { return };
        match flight {
            Flight::Image { birth, .. } | Flight::Remove { birth } => {
                self.imaging.flying.remove(&birth);
            }
            Flight::End { birth, frame, .. } => {
                self.imaging.flying.remove(&birth);
                self.imaging.bury(frame, birth);
            }
            Flight::State { stands } => self.imaging.saving = Saving::Stored { stands },
        }
        self.evict_later();
        self.go_on_reading();
    }

    /// An image could not be stored: the shard stops.
    pub fn handle_image_failed(&mut self, now: Instant) {
        self.handle_append_failed(now);
    }

    /// Frames before the one that this answers are to be forgotten.
    pub fn poll_cut(&mut self) -> Option<FrameName> {
        let Saving::Stored { stands } = self.imaging.saving else { return None };
        let mut frame = self.bound().min(stands);
        if !self.rules.has(Rule::Cut) {
            frame.number.0 += 1;
        }
        self.imaging.saving = Saving::Cutting { frame };
        Some(frame)
    }

    /// They are forgotten.
    pub fn handle_cut(&mut self, now: Instant) {
        self.begin(now);
        let Saving::Cutting { frame } = self.imaging.saving else { return };
        self.imaging.saving = Saving::Idle;
        self.imaging.journal.cut(frame);
        let kept = self.imaging.tombs.split_off(&(frame, Birth::default()));
        let gone = std::mem::replace(&mut self.imaging.tombs, kept);
        self.imaging.removals.extend(gone.into_iter().map(|(_, birth)| birth));
        self.go_on_reading();
    }

    /// Freezes what the journal is too long for, and sees to the next cut.
    fn plan_images(&mut self) {
        let Some(images) = self.caps.images else { return };
        while !self.imaging.is_busy()
            && let Some(birth) = self.imaging.removals.pop_front()
        {
            let shard = self.identity.shard;
            let deed = ImageDeed::Remove(ImageName { shard, birth });
            self.imaging.fly(Flight::Remove { birth }, FrameNumber(0), deed);
        }
        if self.imaging.journal.bytes() <= images.journal_bytes {
            return;
        }
        let Some(front) = self.imaging.journal.front(images.journal_bytes) else { return };
        self.image_before(front);
        if matches!(self.imaging.saving, Saving::Idle) {
            let bound = self.bound();
            if self.imaging.journal.before(bound) > images.journal_bytes / 8 {
                self.begin_saving();
            } else if self.imaging.journal.bytes() > images.journal_bytes.saturating_mul(2) + self.longest_creation() {
                self.drop_slow_creation(bound);
            }
        }
    }

    /// Freezes what is dirty since before `front`, the oldest first.
    fn image_before(&mut self, front: FrameName) {
        let mut from = None;
        while !self.imaging.is_busy() && !self.cost.is_spent() {
            use std::ops::Bound::{Excluded, Unbounded};
            let next = match from {
                None => self.imaging.dirty.first(),
                Some(from) => self.imaging.dirty.range((Excluded(from), Unbounded)).next(),
            };
            let Some(&(first, subject)) = next.filter(|(first, _)| *first < front) else { return };
            from = Some((first, subject));
            self.cost.add(1, 0);
            match subject {
                Subject::Object(alias) => {
                    if self.objects.at(alias).is_some_and(|object| object.cold().is_some()) {
                        if self.memory.may_load_for_image() {
                            self.ask_load(alias);
                        }
                    } else if self.freeze(alias) {
                        return;
                    }
                }
                Subject::End(birth) if !self.imaging.is_flying(birth) => self.tell_end(birth, first),
                Subject::End(_) => {}
            }
        }
    }

    fn tell_end(&mut self, birth: Birth, first: FrameName) {
        let Some(End { alias, at, frame }) = self.imaging.ends.remove(&birth) else { return };
        self.imaging.dirty.remove(&(first, Subject::End(birth)));
        let after = if frame.epoch == self.identity.epoch { frame.number } else { FrameNumber(0) };
        let head = Head { alias, birth, body: HeadBody::Ended { at } };
        let flight = Flight::End { birth, first, frame };
        self.imaging.fly(flight, after, ImageDeed::End(Box::new(head)));
    }

    /// Freezes an object that changed since its last image, or has that done when the commit under way is. Whether it
    /// looked for what changed: the next object is to have a whole step for that too.
    pub(super) fn freeze(&mut self, alias: Alias) -> bool {
        let Some(object) = self.objects.at_mut(alias) else { return false };
        let (birth, after) = (object.birth, object.frame);
        if object.dirty.is_none() || self.imaging.is_flying(birth) {
            return false;
        }
        if object.is_making() {
            self.imaging.wanted.insert(alias);
            return false;
        }
        self.index(alias);
        let Some(object) = self.objects.at_mut(alias) else { return false };
        let Body::Live(document) = &mut object.body else { return false };
        let Some(first) = object.dirty.take() else { return false };
        let mut budget = self.cost.budget();
        let image = document.image_within(&mut budget, first_tails(birth.0.n));
        self.cost.charge(&budget);
        let (expiry, since) = object.expires.as_ref().map_or((Expiry::NEVER, Instant(0)), |it| it.limits());
        let class = self.classes.class(object.class).map(|class| class.schema.class.clone()).unwrap_or_default();
        let live = LiveHead {
            class,
            key: object.key.to_string(),
            version: image.version(),
            expiry,
            limited_at_ms: since.0,
            indexed: object.indexed.to_vec(),
            ..LiveHead::default()
        };
        let head = Head { alias, birth, body: HeadBody::Live(Box::new(live)) };
        self.imaging.dirty.remove(&(first, Subject::Object(alias)));
        let deed = ImageDeed::Put(Box::new(head), Box::new(image));
        self.imaging.fly(Flight::Image { birth, first }, after, deed);
        self.count_heap(alias);
        budget.bytes() > 0
    }

    /// The commit under way of an object is done: freezes it now if that was asked for meanwhile.
    pub(super) fn freeze_if_wanted(&mut self, alias: Alias) {
        if self.imaging.wanted.remove(&alias) {
            self.freeze(alias);
        }
    }

    /// The state was encoded: it can be stored when the newest frame in it is durable.
    pub(super) fn store_state(&mut self, stands: FrameName, state: Vec<u8>) {
        self.imaging.saving = Saving::Storing;
        let after = self.frames.newest();
        self.imaging.fly(Flight::State { stands }, after, ImageDeed::State(state.into()));
    }

    /// Bytes of the journal that a creation may hold which arrives at a good pace.
    fn longest_creation(&self) -> u64 {
        (self.caps.object_bytes_max as u64).saturating_mul(2)
    }

    /// A creation whose value does not arrive holds a journal that is far too long: its node is given up.
    fn drop_slow_creation(&mut self, bound: FrameName) {
        if let Some((first, Owner::Creation(place))) = self.first_slice()
            && first == bound
        {
            self.close(
                place,
                &Violation::new(CloseCode::Slow, "the value of a new object did not arrive for too long"),
            );
        }
    }

    /// What an image in force is of: a version, and no change since.
    pub(super) fn is_imaged(&self, alias: Alias) -> Option<Version> {
        let object = self.objects.at(alias).filter(|object| object.dirty.is_none())?;
        if self.imaging.is_flying(object.birth) { None } else { object.document().map(|document| document.version()) }
    }
}

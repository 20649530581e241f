//! From the journal's frames back to the state they made.
//!
//! A frame carries verdicts, so nothing is judged again; a frame that does not fit what came before is damage and is
//! named. Invariant: after replay the core is as it was when the last frame was made, but for the nodes, whose outcomes
//! are remembered as if they had just left. Source: own reasoning.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Core;
use super::classes::ClassIndex;
use super::expiry::Expires;
use super::objects::Body;
use super::outcomes::{Deed, Outcome};
use super::past::Past;
use crate::coding::DecodeError;
use crate::document::Document;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FrameNumber, Sequence, Version};
use crate::journal::{Entry, Frame, FrameName, Origin, Payload};
use crate::limits::COMMITS_UNACKNOWLEDGED_MAX;
use crate::schema::{Schema, SchemaError};
use crate::time::Instant;

/// Says why a frame does not fit what came before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A delta does not fit its object.
    #[error("a delta does not fit: {0}")]
    Delta(#[from] DecodeError),
    /// A schema does not decode.
    #[error("a schema does not decode: {0}")]
    Schema(#[from] SchemaError),
    /// An entry names something that is not there.
    #[error("an entry names {what} that is not there")]
    Absent {
        /// What it names.
        what: &'static str,
    },
    /// An object is created in a slot that another one has.
    #[error("an object is created as {alias}, which another one is")]
    Taken {
        /// The slot.
        alias: Alias,
    },
    /// A version is not the next one.
    #[error("version {found} of object {alias} follows {head}")]
    Version {
        /// The object.
        alias: Alias,
        /// The version in the entry.
        found: Version,
        /// The version before it.
        head: Version,
    },
}

/// What replay keeps from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Replay {
    epoch: Epoch,
    slices: BTreeMap<u64, Slices>,
    /// The frame that the shard's state stands for: outcomes up to it are known.
    stands: FrameName,
    pub(super) past: Past,
}

/// The slices of a later entry.
#[derive(Debug)]
struct Slices {
    first: FrameName,
    bytes: Vec<Bytes>,
}

impl Replay {
    /// The outcomes of the frames up to this one are known.
    pub(super) fn stand(&mut self, stands: FrameName) {
        self.stands = stands;
    }

    /// The deltas of a payload, and the frame in which they begin if that is an earlier one.
    pub(super) fn take_payload(&mut self, payload: &Payload) -> (Vec<Bytes>, Option<FrameName>) {
        match payload {
            Payload::Inline(bytes) => (vec![bytes.clone()], None),
            Payload::Staged(staging) => match self.slices.remove(staging) {
                Some(Slices { first, bytes }) => (bytes, Some(first)),
                None => (Vec::new(), None),
            },
        }
    }
}

impl Core {
    /// Takes the next frame of the journal, before any node connects.
    ///
    /// # Errors
    /// The frame does not fit; the core is not to be used.
    pub fn replay(&mut self, frame: &Frame) -> Result<(), ReplayError> {
        self.begin_replay();
        if frame.epoch != self.replay.epoch {
            self.replay.epoch = frame.epoch;
            self.replay.slices.clear();
        }
        let name = frame.name();
        self.note_frame(name, frame.entries.iter().map(Entry::bytes).sum());
        self.imaging.last = name;
        self.frames.follow(frame.time_ms);
        self.now = self.now.max(Instant(frame.time_ms));
        let mut n = frame.first_commit;
        for entry in &frame.entries {
            let birth = Birth(CommitNumber { epoch: frame.epoch, n });
            self.replay_entry(entry, birth, name)?;
            n += u64::from(entry.is_commit());
        }
        self.outcomes.press(self.caps.departed_bytes_max, CommitNumber { epoch: frame.epoch, n });
        Ok(())
    }

    /// The journal has nothing more: a term begins at `now`, and every node as if it had just left.
    ///
    /// # Errors
    /// The images do not fit the frames; the core is not to be used.
    pub fn handle_replayed(&mut self, now: Instant) -> Result<(), ReplayError> {
        self.begin_replay();
        self.end_past()?;
        self.now = self.now.max(now);
        self.outcomes.leave_all(self.now);
        self.outcomes.press(self.caps.departed_bytes_max, self.frames.next_commit());
        self.begin_expiry();
        self.replay = Replay::default();
        Ok(())
    }

    fn replay_entry(&mut self, entry: &Entry, at: Birth, frame: FrameName) -> Result<(), ReplayError> {
        if entry.alias().is_some_and(|alias| self.is_passed(alias, at)) {
            return self.pass_over(entry, at.0, frame);
        }
        match entry {
            Entry::Schema { schema } => {
                let schema = Schema::decode(schema)?;
                let class = schema.class.clone();
                self.classes.put(schema);
                self.settle_heads_of(&class);
            }
            Entry::Slice { staging, bytes } => {
                let slices = self.replay.slices.entry(*staging);
                slices.or_insert(Slices { first: frame, bytes: Vec::new() }).bytes.push(bytes.clone());
            }
            Entry::Created { origin, alias, class, key, expiry, payload } => {
                let class = self.classes.find(class).ok_or(ReplayError::Absent { what: "a class" })?;
                if self.objects.at(*alias).is_some() {
                    return Err(ReplayError::Taken { alias: *alias });
                }
                let (deltas, first) = self.replay.take_payload(payload);
                self.replay_creation(*alias, at, class, key, &deltas)?;
                self.mark_dirty(*alias, first.unwrap_or(frame));
                self.count_heap(*alias);
                self.replay_expiry(*alias, *expiry)?;
                self.remember(*origin, (*alias, at), Deed::Created, frame);
            }
            Entry::Committed { origin, alias, version, payload } => {
                let birth = self.replay_change(*alias, (*version, payload), frame)?;
                self.remember(*origin, (*alias, birth), Deed::Committed(*version), frame);
            }
            Entry::Grouped { origin, shares } => self.replay_group(*origin, shares, at, frame)?,
            Entry::Destroyed { origin, alias } => {
                let object = self.objects.at(*alias).ok_or(ReplayError::Absent { what: "an object" })?;
                let (birth, version) = (object.birth, object.head().next());
                self.remember(*origin, (*alias, birth), Deed::Destroyed(version), frame);
                self.replay_end(*alias, at.0, frame)?;
            }
            Entry::Limited { origin, alias, expiry } => {
                let (birth, version) = self.replay_expiry(*alias, *expiry)?;
                self.mark_dirty(*alias, frame);
                self.remember(*origin, (*alias, birth), Deed::Committed(version), frame);
            }
            Entry::Expired { alias } => self.replay_end(*alias, at.0, frame)?,
            // Its connection is gone.
            Entry::Granted { .. } => {}
            Entry::Founded { .. } | Entry::Acknowledged { .. } | Entry::GroupEnded { .. } | Entry::Happened { .. } => {
                self.replay_event(entry, at);
            }
        }
        Ok(())
    }

    /// Whether the entry at `at` says of a slot what an image contains, or an end has taken.
    pub(super) fn is_passed(&self, alias: Alias, at: Birth) -> bool {
        self.replay.past.is_passed(alias, at.0)
    }

    /// Applies a change again; answers of which object.
    pub(super) fn replay_change(
        &mut self,
        alias: Alias,
        (version, payload): (Version, &Payload),
        frame: FrameName,
    ) -> Result<Birth, ReplayError> {
        let (delta, first) = match payload {
            Payload::Inline(delta) => (delta.clone(), None),
            Payload::Staged(_) => {
                let (deltas, first) = self.replay.take_payload(payload);
                (deltas.concat().into(), first)
            }
        };
        self.replay_commit(alias, version, delta, first.unwrap_or(frame))
    }

    /// Applies a commit again, or keeps it until the object's document is loaded.
    fn replay_commit(
        &mut self,
        alias: Alias,
        version: Version,
        delta: Bytes,
        first: FrameName,
    ) -> Result<Birth, ReplayError> {
        let object = self.objects.at_mut(alias).ok_or(ReplayError::Absent { what: "an object" })?;
        let (birth, head) = (object.birth, object.head());
        if object.cold().is_some_and(|cold| cold.tail.is_empty() && version <= cold.image) {
            return Ok(birth);
        }
        if head.next() != version {
            return Err(ReplayError::Version { alias, found: version, head });
        }
        match &mut object.body {
            Body::Live(document) => {
                if let Some(class) = self.classes.class(object.class) {
                    document.set_schema(&class.schema);
                }
                document.replay(&delta, version)?;
            }
            Body::Cold(cold) => {
                cold.tail.push(delta.clone());
                self.index_by_delta(alias, &delta);
            }
            Body::Ended(_) => return Err(ReplayError::Absent { what: "an object" }),
        }
        self.mark_dirty(alias, first);
        self.count_heap(alias);
        Ok(birth)
    }

    fn replay_expiry(&mut self, alias: Alias, expiry: Expiry) -> Result<(Birth, Version), ReplayError> {
        let object = self.objects.at_mut(alias).ok_or(ReplayError::Absent { what: "an object" })?;
        object.expires = Expires::new(expiry, self.now).map(Box::new);
        Ok((object.birth, object.head()))
    }

    fn replay_end(&mut self, alias: Alias, at: CommitNumber, frame: FrameName) -> Result<(), ReplayError> {
        self.note_end_in(alias, at, frame);
        self.unindex(alias);
        let object = self.objects.at(alias).ok_or(ReplayError::Absent { what: "an object" })?;
        let (class, key) = (object.class, object.key.clone());
        if let Some(class) = self.classes.class_mut(class).filter(|class| class.keys.get(&key) == Some(&alias)) {
            class.keys.remove(&key);
        }
        self.objects.free(alias);
        Ok(())
    }

    fn replay_creation(
        &mut self,
        alias: Alias,
        birth: Birth,
        class: ClassIndex,
        key: &str,
        deltas: &[Bytes],
    ) -> Result<(), ReplayError> {
        let known = self.classes.class(class).ok_or(ReplayError::Absent { what: "a class" })?;
        let mut document = Box::new(Document::with_tuning(known.schema.clone(), self.caps.tuning));
        for delta in deltas {
            document.replay(delta, Version(1))?;
        }
        self.settle_object(alias, birth, (class, key.into()), Body::Live(document), FrameNumber(0));
        Ok(())
    }

    /// Remembers what became of a commit, unless the shard's state does.
    pub(super) fn remember(&mut self, origin: Origin, (alias, birth): (Alias, Birth), deed: Deed, frame: FrameName) {
        if frame <= self.replay.stands {
            return;
        }
        let outcome = Outcome { alias, birth, deed, frame: FrameNumber(0) };
        let unacked = origin.sequence.0.saturating_sub(COMMITS_UNACKNOWLEDGED_MAX as u64 - 1);
        // Who committed last left last.
        self.outcomes.arrive(origin.node);
        self.outcomes.remember(origin.node, origin.sequence, outcome);
        self.outcomes.acknowledge(origin.node, Sequence(unacked));
        self.outcomes.leave(origin.node, self.now);
    }
}

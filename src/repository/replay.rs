//! From the journal's frames back to the state they made.
//!
//! A frame carries verdicts, so nothing is judged again; a frame that does not fit what came before is damage and is
//! named. Invariant: after replay the core is as it was when the last frame was made, but for the nodes, whose outcomes
//! are remembered as if they had just left. Source: own reasoning.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::Core;
use super::classes::ClassIndex;
use super::expiry::Expires;
use super::objects::Body;
use super::outcomes::{Deed, Outcome};
use crate::coding::DecodeError;
use crate::document::Document;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FrameNumber, Sequence, Version};
use crate::journal::{Entry, Frame, Origin, Payload};
use crate::limits::{COMMITS_UNACKNOWLEDGED_MAX, OUTCOMES_KEPT_MS};
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
    slices: BTreeMap<u64, Vec<Bytes>>,
    /// When outcomes that nobody can ask for any more are looked for again.
    expire_at: Instant,
}

impl Core {
    /// Takes the next frame of the journal, before any node connects.
    ///
    /// # Errors
    /// The frame does not fit; the core is not to be used.
    pub fn replay(&mut self, frame: &Frame) -> Result<(), ReplayError> {
        if frame.epoch != self.replay.epoch {
            self.replay = Replay { epoch: frame.epoch, slices: BTreeMap::new(), ..self.replay };
        }
        self.frames.follow(frame.time_ms);
        self.now = self.now.max(Instant(frame.time_ms));
        if self.now >= self.replay.expire_at {
            self.outcomes.expire(self.now);
            self.replay.expire_at = self.now.after(Duration::from_millis(OUTCOMES_KEPT_MS));
        }
        let mut n = frame.first_commit;
        for entry in &frame.entries {
            let birth = Birth(CommitNumber { epoch: frame.epoch, n });
            self.replay_entry(entry, birth)?;
            n += u64::from(entry.is_commit());
        }
        Ok(())
    }

    /// The journal has nothing more: a term begins at `now`, and every node as if it had just left.
    pub fn handle_replayed(&mut self, now: Instant) {
        self.outcomes.expire(self.now);
        self.now = self.now.max(now);
        self.outcomes.leave_all(self.now);
        self.begin_expiry();
        self.replay = Replay::default();
    }

    fn replay_entry(&mut self, entry: &Entry, birth: Birth) -> Result<(), ReplayError> {
        match entry {
            Entry::Schema { schema } => self.classes.put(Schema::decode(schema)?),
            Entry::Slice { staging, bytes } => {
                self.replay.slices.entry(*staging).or_default().push(bytes.clone());
            }
            Entry::Created { origin, alias, class, key, expiry, payload } => {
                let class = self.classes.find(class).ok_or(ReplayError::Absent { what: "a class" })?;
                let deltas = self.take_payload(payload);
                self.replay_creation(*alias, birth, class, key, &deltas)?;
                self.replay_expiry(*alias, *expiry)?;
                self.remember(*origin, *alias, Deed::Created);
            }
            Entry::Committed { origin, alias, version, payload } => {
                let delta = self.take_payload(payload).concat();
                let object = self.objects.at_mut(*alias).ok_or(ReplayError::Absent { what: "an object" })?;
                let schema = self.classes.class(object.class).map(|class| class.schema.clone());
                let head = object.head();
                let Body::Live(document) = &mut object.body else {
                    return Err(ReplayError::Absent { what: "an object" });
                };
                if head.next() != *version {
                    return Err(ReplayError::Version { alias: *alias, found: *version, head });
                }
                if let Some(schema) = schema {
                    document.set_schema(&schema);
                }
                document.replay(&delta, *version)?;
                self.remember(*origin, *alias, Deed::Committed(*version));
            }
            Entry::Destroyed { origin, alias } => {
                let object = self.objects.at(*alias).ok_or(ReplayError::Absent { what: "an object" })?;
                let version = object.head().next();
                self.remember(*origin, *alias, Deed::Destroyed(version));
                self.replay_end(*alias)?;
            }
            Entry::Limited { origin, alias, expiry } => {
                let version = self.replay_expiry(*alias, *expiry)?;
                self.remember(*origin, *alias, Deed::Committed(version));
            }
            Entry::Expired { alias } => self.replay_end(*alias)?,
            // Its connection is gone.
            Entry::Granted { .. } => {}
        }
        Ok(())
    }

    fn replay_expiry(&mut self, alias: Alias, expiry: Expiry) -> Result<Version, ReplayError> {
        let object = self.objects.at_mut(alias).ok_or(ReplayError::Absent { what: "an object" })?;
        object.expires = Expires::new(expiry, self.now).map(Box::new);
        Ok(object.head())
    }

    fn replay_end(&mut self, alias: Alias) -> Result<(), ReplayError> {
        let object = self.objects.at(alias).ok_or(ReplayError::Absent { what: "an object" })?;
        let (class, key) = (object.class, object.key.clone());
        if let Some(class) = self.classes.class_mut(class) {
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
        self.settle_object(alias, birth, class, key.into(), document, FrameNumber(0));
        Ok(())
    }

    fn take_payload(&mut self, payload: &Payload) -> Vec<Bytes> {
        match payload {
            Payload::Inline(bytes) => vec![bytes.clone()],
            Payload::Staged(staging) => self.replay.slices.remove(staging).unwrap_or_default(),
        }
    }

    fn remember(&mut self, origin: Origin, alias: Alias, deed: Deed) {
        let Some(birth) = self.objects.at(alias).map(|object| object.birth) else { return };
        let outcome = Outcome { alias, birth, deed, frame: FrameNumber(0) };
        let unacked = origin.sequence.0.saturating_sub(COMMITS_UNACKNOWLEDGED_MAX as u64 - 1);
        self.outcomes.remember(origin.node, origin.sequence, outcome);
        self.outcomes.acknowledge(origin.node, Sequence(unacked));
        self.outcomes.leave(origin.node, self.now);
    }
}

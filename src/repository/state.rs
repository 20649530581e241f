//! The state of a shard: what the frames before a cut said of anything but objects.
//!
//! ```text
//! state    format 01 · stands for: epoch, number · record*
//! record   01 · schema: sized
//!          02 · node: 8 LE · lowest sequence it may ask for · count · outcome*
//!          03, 04, 07: a group of consumers, an event that it keeps, its oldest (events/kept.rs)
//!          05 · node: 8 LE · commit: epoch, n       from this commit on, it has all outcomes that the node has not seen
//!          06 · commit: epoch, n                    outcomes before it may be forgotten, of nodes without an entry
//! outcome  sequence · alias · birth: epoch, n · deed
//! deed     00 · version committed  |  01 created  |  02 · version of the end  |  03 · count · effect*
//! effect   alias · birth: epoch, n · version << 1 | it changed nothing
//! ```
//! Numbers are varints. A node with many outcomes has several records. It is encoded in steps while commits go on, so it
//! may say more than the frame that it stands for: it is stored when the newest frame in it is durable, and replay says
//! the same again. Invariant: whatever the bytes, decoding neither panics nor makes room for what is not there (I14).
//! Source: own reasoning; a checkpoint that is not sharp as in ARIES (Mohan et al. 1992).

use super::Core;
use super::groups::Effect;
use super::outcomes::{Deed, Outcome};
use super::work::Work;
use crate::coding::{DecodeError, Reader, Writer};
use crate::event::{EventId, GroupId};
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FrameNumber, NodeId, Sequence, Version};
use crate::journal::FrameName;
use crate::limits::{CLASSES_MAX, COMMITS_UNACKNOWLEDGED_MAX, GROUP_OBJECTS_MAX};
use crate::schema::{Schema, SchemaError};

const FORMAT: u8 = 1;

/// Outcomes in one record, one step of work; a group counts as its objects.
const OUTCOMES_A_RECORD: usize = 256;

/// Says why a state is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It was written by a version with another format.
    #[error("the state's format is {found}, this version reads {FORMAT}")]
    Format {
        /// The format found.
        found: u8,
    },
    /// Its content does not decode.
    #[error("the state does not decode: {0}")]
    Content(#[from] DecodeError),
    /// A schema in it does not decode.
    #[error("a schema in the state does not decode: {0}")]
    Schema(#[from] SchemaError),
}

/// How far the next cut is.
#[derive(Debug, Default)]
pub(super) enum Saving {
    /// There is none.
    #[default]
    Idle,
    /// The state for it is being encoded.
    Encoding { stands: FrameName, state: Writer, next: Next },
    /// It is on its way.
    Storing,
    /// It is stored.
    Stored { stands: FrameName },
    /// The frames before this one are being forgotten.
    Cutting { frame: FrameName },
}

/// What comes next in a state.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Class(usize),
    Node(NodeId, Sequence),
    Event(GroupId, EventId),
}

impl Core {
    /// Begins to encode the state for a cut.
    pub(super) fn begin_saving(&mut self) {
        let (stands, mut state) = (self.imaging.last, Writer::new());
        state.byte(FORMAT);
        state.varint(stands.epoch.0);
        state.varint(stands.number.0);
        self.imaging.saving = Saving::Encoding { stands, state, next: Next::Class(0) };
        self.work.push_back(Work::Save);
    }

    /// Encodes more of it.
    pub(super) fn save_on(&mut self) {
        let Saving::Encoding { stands, mut state, mut next } = std::mem::take(&mut self.imaging.saving) else { return };
        while !self.cost.is_spent() {
            let before = state.len();
            let cells;
            (next, cells) = match next {
                Next::Class(index) => match self.classes.schemas().nth(index) {
                    Some(schema) => {
                        state.byte(1);
                        state.sized(&schema.to_bytes());
                        (Next::Class(index + 1), 1)
                    }
                    None => (Next::Node(NodeId(0), Sequence(0)), 0),
                },
                Next::Node(node, sequence) => match self.outcomes.write_next(node, sequence, &mut state) {
                    Some((node, sequence, cells)) => (Next::Node(node, sequence), cells),
                    None => {
                        // Behind all nodes: whoever is forgotten before this is covered by it.
                        self.outcomes.write_forgotten(&mut state);
                        (Next::Event(GroupId::default(), EventId::default()), 0)
                    }
                },
                Next::Event(group, event) => match self.events.write_next((group, event), &mut state) {
                    Some((group, event)) => (Next::Event(group, event), 1),
                    None => return self.store_state(stands, state.into_bytes()),
                },
            };
            self.cost.add(cells, state.len() - before);
        }
        self.imaging.saving = Saving::Encoding { stands, state, next };
        self.work.push_back(Work::Save);
    }

    /// Takes over the stored state, before anything else of a start.
    ///
    /// # Errors
    /// [`StateError`]; the core is not to be used.
    pub fn restore_state(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let mut r = Reader::new(bytes);
        let found = r.byte()?;
        if found != FORMAT {
            return Err(StateError::Format { found });
        }
        let (epoch, number) = (Epoch(r.varint()?), FrameNumber(r.varint()?));
        let stands = FrameName { shard: self.identity.shard, epoch, number };
        while !r.is_done() {
            match r.byte()? {
                1 => {
                    self.classes.put(Schema::decode(r.sized()?)?);
                    let (found, max) = (self.classes.schemas().len() as u64, CLASSES_MAX as u64);
                    if found > max {
                        return Err(DecodeError::Limit { what: "classes", found, max }.into());
                    }
                }
                2 => self.outcomes.read_node(&mut r)?,
                3 => self.events.read_group(&mut r)?,
                4 => self.events.read_event(&mut r)?,
                5 => self.outcomes.read_complete(&mut r)?,
                7 => self.events.read_oldest(&mut r)?,
                6 => self.outcomes.restore_forgotten(CommitNumber::read(&mut r)?),
                found => {
                    return Err(DecodeError::Unknown { what: "record of a state", found: u64::from(found) }.into());
                }
            }
        }
        self.replay.stand(stands);
        Ok(())
    }
}

impl super::outcomes::Outcomes {
    /// Writes a record of what is remembered of `node` or the next one, from `sequence` on; answers where to go on, and
    /// how many outcomes that was.
    fn write_next(&self, node: NodeId, sequence: Sequence, w: &mut Writer) -> Option<(NodeId, Sequence, usize)> {
        let (found, remembered) = self.from(node)?;
        let from = if found == node { sequence } else { Sequence(0) };
        let (mut taken, mut cells) = (Vec::new(), 1);
        let mut rest = remembered.outcomes().range(from..).peekable();
        while let Some((sequence, outcome)) = rest.next_if(|_| cells <= OUTCOMES_A_RECORD) {
            cells += outcome.cells();
            taken.push((sequence, outcome));
        }
        w.byte(2);
        w.raw(&found.0.to_le_bytes());
        w.varint(remembered.unacked().0);
        w.length(taken.len());
        for (sequence, outcome) in &taken {
            w.varint(sequence.0);
            outcome.write(w);
        }
        if let Some((sequence, _)) = rest.peek() {
            return Some((found, **sequence, cells));
        }
        let complete_from = remembered.complete_from();
        if complete_from != CommitNumber::default() {
            w.byte(5);
            w.raw(&found.0.to_le_bytes());
            complete_from.write(w);
        }
        Some((NodeId(found.0.checked_add(1)?), Sequence(0), cells))
    }

    fn write_forgotten(&self, w: &mut Writer) {
        if self.forgotten_before() != CommitNumber::default() {
            w.byte(6);
            self.forgotten_before().write(w);
        }
    }

    fn read_complete(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let node = NodeId(u64::from_le_bytes(r.array()?));
        self.restore_complete(node, CommitNumber::read(r)?);
        Ok(())
    }

    fn read_node(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let node = NodeId(u64::from_le_bytes(r.array()?));
        let unacked = Sequence(r.varint()?);
        for _ in 0..r.count(5)? {
            let sequence = Sequence(r.varint()?);
            let outcome = Outcome::read(r)?;
            if sequence < unacked || sequence.0 - unacked.0 >= COMMITS_UNACKNOWLEDGED_MAX as u64 {
                return Err(DecodeError::Unknown { what: "sequence that a node may ask for", found: sequence.0 });
            }
            self.remember(node, sequence, outcome);
        }
        self.arrive(node);
        self.acknowledge(node, unacked);
        Ok(())
    }
}

impl Outcome {
    /// How many objects it is about.
    fn cells(&self) -> usize {
        if let Deed::Grouped(effects) = &self.deed { effects.len() } else { 1 }
    }

    fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.alias.0));
        self.birth.0.write(w);
        match &self.deed {
            Deed::Committed(version) => {
                w.byte(0);
                w.varint(version.0);
            }
            Deed::Created => w.byte(1),
            Deed::Destroyed(version) => {
                w.byte(2);
                w.varint(version.0);
            }
            Deed::Grouped(effects) => {
                w.byte(3);
                w.length(effects.len());
                effects.iter().for_each(|effect| effect.write(w));
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let alias = Alias(r.varint32()?);
        let birth = Birth(CommitNumber::read(r)?);
        let deed = match r.byte()? {
            0 => Deed::Committed(Version::read(r)?),
            1 => Deed::Created,
            2 => Deed::Destroyed(Version::read(r)?),
            3 => {
                let count = r.count(4)?;
                if count > GROUP_OBJECTS_MAX {
                    let (found, max) = (count as u64, GROUP_OBJECTS_MAX as u64);
                    return Err(DecodeError::Limit { what: "objects of a group", found, max });
                }
                Deed::Grouped((0..count).map(|_| Effect::read(r)).collect::<Result<_, _>>()?)
            }
            found => return Err(DecodeError::Unknown { what: "deed", found: u64::from(found) }),
        };
        Ok(Self { alias, birth, deed, frame: FrameNumber(0) })
    }
}

impl Effect {
    fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.alias.0));
        self.birth.0.write(w);
        self.version.write_marked(self.is_moot, w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let alias = Alias(r.varint32()?);
        let birth = Birth(CommitNumber::read(r)?);
        let (version, is_moot) = Version::read_marked(r)?;
        Ok(Self { alias, birth, version, is_moot, is_as_sent: false })
    }
}

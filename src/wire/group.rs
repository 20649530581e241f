//! What is said about several objects of one shard at once: commits that take effect together, and joint reads.
//!
//! ```text
//! commit   sequence · back · part+             part     alias · base << 1 | isolated · form · [fence] · [guards] · delta: sized
//! read     request · { alias · birth }+        answers  00 · sequence · outcome+ | 01 · request · { version }+
//! ```
//! Objects stand by ascending aliases, so none stands twice; outcomes and versions stand in the same order. Invariant: at
//! most [`GROUP_OBJECTS_MAX`] objects, at least one. Source: `docs/wire.md` §6.9.

use super::commit::{read_base, read_guards, read_sequence, write_base, write_sequence};
use super::lock::{read_fence, write_fence};
use super::to_node::{read_birth, write_birth};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Alias, Birth, Fence, RequestId, Sequence, Version};
use crate::limits::GROUP_OBJECTS_MAX;

/// What a part has in front of its change.
const FENCED: u8 = 1;
const GUARDED: u8 = 2;

/// Changes several objects, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCommit<'a> {
    /// Its number among the node's commits to this shard.
    pub sequence: Sequence,
    /// The lowest number whose outcome the node has not seen; at most `sequence`.
    pub unacked: Sequence,
    /// The changes, by ascending aliases.
    pub parts: Vec<GroupPart<'a>>,
}

/// The change of one object of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPart<'a> {
    /// The object.
    pub alias: Alias,
    /// The version the change was made on.
    pub base: Version,
    /// Whether anything newer in the object conflicts.
    pub is_isolated: bool,
    /// The lock that it is made under.
    pub fence: Option<Fence>,
    /// What must not have changed after the base, besides: edits, each sized.
    pub guards: &'a [u8],
    /// An edit body of the root struct, operations allowed; empty if the part only requires.
    pub delta: &'a [u8],
}

/// Asks for the versions of several objects at one point of the repository's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRead {
    /// Names the answer.
    pub request: RequestId,
    /// The objects, by ascending aliases, and which objects of those aliases.
    pub objects: Vec<(Alias, Birth)>,
}

/// What a repository says of several objects at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAnswer {
    /// The commit took effect. What the outcomes imply came before, or stale notices did.
    Committed {
        /// The commit.
        sequence: Sequence,
        /// What became of each part.
        outcomes: Vec<PartOutcome>,
    },
    /// These are the versions, all current at once. What leads to them came before, or stale notices did.
    Read {
        /// The request.
        request: RequestId,
        /// The version of each object.
        versions: Vec<Version>,
    },
}

/// What became of a part of a group that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// It took effect as it was sent: the replica is at its base and becomes base + 1 by the node's own delta.
    AsSent,
    /// It is this version.
    Accepted(Version),
    /// It changes nothing: this version, by others, has it all.
    Moot(Version),
}

impl<'a> GroupCommit<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        write_sequence(self.sequence, self.unacked, w);
        self.parts.iter().for_each(|part| part.write(w));
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (sequence, unacked) = read_sequence(r)?;
        let parts = read_all(r, GroupPart::read)?;
        check_ascending(parts.iter().map(|part| part.alias))?;
        Ok(Self { sequence, unacked, parts })
    }
}

impl<'a> GroupPart<'a> {
    fn write(&self, w: &mut Writer) {
        write_base(self.alias, self.base, self.is_isolated, w);
        let fenced = if self.fence.is_some() { FENCED } else { 0 };
        w.byte(if self.guards.is_empty() { fenced } else { fenced | GUARDED });
        if let Some(fence) = self.fence {
            write_fence(fence, w);
        }
        if !self.guards.is_empty() {
            w.sized(self.guards);
        }
        w.sized(self.delta);
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (alias, base, is_isolated) = read_base(r)?;
        let form = r.byte()?;
        if form > FENCED | GUARDED {
            return Err(DecodeError::Unknown { what: "part of a group", found: u64::from(form) });
        }
        let fence = if form & FENCED == 0 { None } else { Some(read_fence(r)?) };
        let guards = if form & GUARDED == 0 { &[] } else { read_guards(r)? };
        Ok(Self { alias, base, is_isolated, fence, guards, delta: r.sized()? })
    }
}

impl GroupRead {
    pub(super) fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.request.0));
        for (alias, birth) in &self.objects {
            w.varint(u64::from(alias.0));
            write_birth(*birth, w);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let request = RequestId(r.varint32()?);
        let objects = read_all(r, |r| Ok((Alias(r.varint32()?), read_birth(r)?)))?;
        check_ascending(objects.iter().map(|(alias, _)| *alias))?;
        Ok(Self { request, objects })
    }
}

impl GroupAnswer {
    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Self::Committed { sequence, outcomes } => {
                w.byte(0);
                w.varint(sequence.0);
                outcomes.iter().for_each(|outcome| outcome.write(w));
            }
            Self::Read { request, versions } => {
                w.byte(1);
                w.varint(u64::from(request.0));
                versions.iter().for_each(|version| w.varint(version.0));
            }
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Committed { sequence: Sequence(r.varint()?), outcomes: read_all(r, PartOutcome::read)? },
            1 => {
                let request = RequestId(r.varint32()?);
                Self::Read { request, versions: read_all(r, Version::read)? }
            }
            found => return Err(DecodeError::Unknown { what: "answer about a group", found: u64::from(found) }),
        })
    }
}

impl PartOutcome {
    /// 0, or the version << 1, and 1 more if others made it.
    fn write(self, w: &mut Writer) {
        match self {
            Self::AsSent => w.byte(0),
            Self::Accepted(version) => version.write_marked(false, w),
            Self::Moot(version) => version.write_marked(true, w),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match Version::read_marked(r)? {
            (Version(0), false) => Self::AsSent,
            (version, false) => Self::Accepted(version),
            (version, true) => Self::Moot(version),
        })
    }
}

/// Everything to the end: one thing at least, one for each object a group may have at most.
fn read_all<'a, T>(
    r: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut all = vec![read(r)?];
    while !r.is_done() {
        if all.len() == GROUP_OBJECTS_MAX {
            let max = GROUP_OBJECTS_MAX as u64;
            return Err(DecodeError::Limit { what: "objects of a group", found: max + 1, max });
        }
        all.push(read(r)?);
    }
    Ok(all)
}

fn check_ascending(aliases: impl Iterator<Item = Alias>) -> Result<(), DecodeError> {
    let mut least = 0;
    for alias in aliases {
        if u64::from(alias.0) < least {
            return Err(DecodeError::Unknown { what: "order of a group", found: u64::from(alias.0) });
        }
        least = u64::from(alias.0) + 1;
    }
    Ok(())
}

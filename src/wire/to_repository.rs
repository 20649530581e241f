//! Records from a node to a repository, on the control stream.
//!
//! A link starts with a greeting, then the schemas, then what the node still holds (each a `Resume`, then `ResumeEnd`),
//! then its commits without an outcome in the order of their sequences; only then anything else. Invariant: a commit
//! names an object by alias alone, which is safe because an alias is not reused while a node can still mean the old
//! object by it. Source: `docs/wire.md` §6.3.

use super::commit::{self, read_sequence, write_sequence};
use super::framing::{EXTENDED, append, append_extended};
use super::lock::LockRequest;
use super::to_node::{read_birth, write_birth};
use super::{Delivery, EventRequest, Find, GroupCommit, GroupRead, RawRecord};
use crate::coding::{DecodeError, Reader, Writer};
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, Epoch, Fence, NodeId, RequestId, Sequence, TransferId, Version};
use crate::limits::{NAME_BYTES_MAX, TOUCHES_MAX};

/// What a node that greets will send again, because it has no outcome of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Above all of its sequences.
    pub below: Sequence,
    /// None of it was sent before this was the number of the repository's next commit.
    pub since: CommitNumber,
}

impl Again {
    fn read(r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(if r.is_done() { None } else { Some(Self { below: Sequence(r.varint()?), since: CommitNumber::read(r)? }) })
    }
}

/// A record from a node to a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToRepository<'a> {
    /// Changes one object.
    Commit {
        /// Its number among the node's commits to this shard.
        sequence: Sequence,
        /// The lowest number whose outcome the node has not seen; at most `sequence`.
        unacked: Sequence,
        /// The object.
        alias: Alias,
        /// The version the change was made on.
        base: Version,
        /// Whether anything newer in the object conflicts.
        is_isolated: bool,
        /// The lock that it is made under.
        fence: Option<Fence>,
        /// What must not have changed after the base, besides: edits, each sized.
        guards: &'a [u8],
        /// An edit body of the root struct, operations allowed.
        delta: &'a [u8],
    },
    /// The node is done with this many bytes of records.
    Credit {
        /// Bytes since the last credit.
        bytes: u64,
    },
    /// Asks for what changed.
    Pull {
        /// Names the answer.
        request: RequestId,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// `None`: from where the stream of records stands. Else the node dropped records after this version, and
        /// drops all about this object until the answer.
        rewind: Option<Version>,
    },
    /// The segment was taken; another may follow.
    SegmentTaken {
        /// The repository's transfer.
        transfer: TransferId,
        /// The segment.
        index: u32,
    },
    /// What was pushed for the object has been read: it is worth pushing.
    Read {
        /// The object.
        alias: Alias,
    },
    /// Says how changes of an object are to reach the node, until it opens or resumes it again.
    Deliver {
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// How.
        delivery: Delivery,
    },
    /// The objects were used here: their idle limits count from now. Carries no data and makes no version.
    Touch {
        /// The objects, ascending, at most [`TOUCHES_MAX`].
        aliases: Vec<Alias>,
    },
    /// The node holds the object no longer; answers `Gone` too.
    Close {
        /// The object.
        alias: Alias,
        /// Which object of that alias: after a restart that lost something the alias may name another one already.
        birth: Birth,
    },
    /// Greets: the first record of a link.
    Hello {
        /// The version of the protocol, [`PROTOCOL`](super::PROTOCOL).
        protocol: u32,
        /// Who speaks.
        node: NodeId,
        /// The last term that it was welcomed in, 0 if in none: what it holds is not newer.
        known: Epoch,
        /// What it sent on earlier links and has no outcome of, if there is anything.
        again: Option<Again>,
    },
    /// Presents a class.
    Register {
        /// Its schema, encoded.
        schema: &'a [u8],
    },
    /// Asks for an object.
    Open {
        /// Names the answer.
        request: RequestId,
        /// Its class.
        class: &'a str,
        /// Its key.
        key: &'a str,
        /// What the node has of it.
        held: Option<(Birth, Version)>,
    },
    /// Creates an object, unless there is one of that name.
    Create {
        /// Its number among the node's commits to this shard.
        sequence: Sequence,
        /// The lowest number whose outcome the node has not seen.
        unacked: Sequence,
        /// Its class.
        class: &'a str,
        /// Its key.
        key: &'a str,
        /// When it ends by itself.
        expiry: Expiry,
        /// Its value.
        value: CreationValue<'a>,
    },
    /// A commit whose delta comes in segments, slices of one delta.
    BulkCommit {
        /// Its number among the node's commits to this shard.
        sequence: Sequence,
        /// The lowest number whose outcome the node has not seen.
        unacked: Sequence,
        /// The object.
        alias: Alias,
        /// The version the change was made on.
        base: Version,
        /// Whether anything newer in the object conflicts.
        is_isolated: bool,
        /// The lock that it is made under.
        fence: Option<Fence>,
        /// What must not have changed after the base, besides: edits, each sized.
        guards: &'a [u8],
        /// Names its segments.
        transfer: TransferId,
        /// Bytes of the delta.
        bytes: u64,
    },
    /// Ends an object for good.
    Destroy {
        /// Its number among the node's commits to this shard.
        sequence: Sequence,
        /// The lowest number whose outcome the node has not seen.
        unacked: Sequence,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
    },
    /// Changes when an object ends by itself.
    Limit {
        /// Its number among the node's commits to this shard.
        sequence: Sequence,
        /// The lowest number whose outcome the node has not seen.
        unacked: Sequence,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// The limits from now on.
        expiry: Expiry,
    },
    /// Asks for the keys of a class that start with `prefix`, in order, behind `after`.
    Keys {
        /// Names the answer.
        request: RequestId,
        /// The class.
        class: &'a str,
        /// What the keys start with.
        prefix: &'a str,
        /// The last key the node has seen; empty at the beginning.
        after: &'a str,
    },
    /// Presents a replica that the node still holds from an earlier link.
    Resume {
        /// The object, as it was named.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// The version held.
        version: Version,
    },
    /// About locks.
    Lock(LockRequest),
    /// About events.
    Event(EventRequest<'a>),
    /// Changes several objects, all or none.
    Group(GroupCommit<'a>),
    /// Asks for the versions of several objects at one time.
    ReadGroup(GroupRead),
    /// Asks for the objects whose indexed field has a value.
    Find(Find<'a>),
    /// Everything held was presented.
    ResumeEnd,
    /// The node leaves for good; its outcomes can be forgotten.
    Goodbye,
}

/// The value of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreationValue<'a> {
    /// Here: a delta from nothing.
    Inline(&'a [u8]),
    /// In segments, each a delta from nothing or on what the ones before made.
    Transfer(TransferId),
}

impl<'a> ToRepository<'a> {
    /// Appends the record to a stream.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Commit { .. } | Self::BulkCommit { .. } => commit::encode(self, out),
            Self::Credit { bytes } => append(out, 1, |w| w.varint(bytes)),
            Self::Pull { request, alias, birth, rewind } => append(out, 2, |w| {
                w.varint(u64::from(request.0));
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
                if let Some(version) = rewind {
                    w.varint(version.0);
                }
            }),
            Self::SegmentTaken { transfer, index } => append(out, 3, |w| {
                w.varint(u64::from(transfer.0));
                w.varint(u64::from(index));
            }),
            Self::Read { alias } => append(out, 4, |w| w.varint(u64::from(alias.0))),
            Self::Close { alias, birth } => append(out, 5, |w| {
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
            }),
            Self::Touch { ref aliases } => append(out, 6, |w| write_ascending(aliases, w)),
            Self::Deliver { alias, birth, delivery } => append_extended(out, 18, |w| {
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
                delivery.write(w);
            }),
            _ => self.encode_extended(out),
        }
    }

    fn encode_extended(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello { protocol, node, known, again } => append_extended(out, 0, |w| {
                w.varint(u64::from(protocol));
                w.raw(&node.0.to_le_bytes());
                w.varint(known.0);
                if let Some(Again { below, since }) = again {
                    w.varint(below.0);
                    since.write(w);
                }
            }),
            Self::Register { schema } => append_extended(out, 1, |w| w.raw(schema)),
            Self::Open { request, class, key, held } => append_extended(out, 2, |w| {
                w.varint(u64::from(request.0));
                write_name(class, key, w);
                if let Some((birth, version)) = held {
                    write_birth(birth, w);
                    w.varint(version.0);
                }
            }),
            Self::Create { sequence, unacked, class, key, expiry, value } => append_extended(out, 3, |w| {
                write_sequence(sequence, unacked, w);
                write_name(class, key, w);
                write_creation(expiry, value, w);
            }),
            Self::Destroy { sequence, unacked, alias, birth } => append_extended(out, 5, |w| {
                write_sequence(sequence, unacked, w);
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
            }),
            Self::Keys { request, class, prefix, after } => append_extended(out, 6, |w| {
                w.varint(u64::from(request.0));
                w.sized(class.as_bytes());
                w.sized(prefix.as_bytes());
                w.sized(after.as_bytes());
            }),
            Self::Resume { alias, birth, version } => append_extended(out, 7, |w| {
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
                w.varint(version.0);
            }),
            Self::ResumeEnd => append_extended(out, 8, |_| ()),
            Self::Goodbye => append_extended(out, 9, |_| ()),
            Self::Limit { sequence, unacked, alias, birth, expiry } => append_extended(out, 10, |w| {
                write_sequence(sequence, unacked, w);
                w.varint(u64::from(alias.0));
                write_birth(birth, w);
                expiry.write(w);
            }),
            Self::Lock(request) => append_extended(out, 11, |w| request.write(w)),
            Self::Event(request) => append_extended(out, 14, |w| request.write(w)),
            Self::Group(ref group) => append_extended(out, 15, |w| group.write(w)),
            Self::ReadGroup(ref read) => append_extended(out, 17, |w| read.write(w)),
            Self::Find(find) => append_extended(out, 20, |w| find.write(w)),
            _ => {}
        }
    }

    /// Understands a record.
    ///
    /// # Errors
    /// Any [`DecodeError`] of bytes that are not such a record.
    pub fn decode(raw: RawRecord<'a>) -> Result<Self, DecodeError> {
        let mut r = Reader::new(raw.body);
        let record = match raw.kind {
            0 => commit::decode(None, &mut r)?,
            1 => Self::Credit { bytes: r.varint()? },
            2 => Self::Pull {
                request: RequestId(r.varint32()?),
                alias: Alias(r.varint32()?),
                birth: read_birth(&mut r)?,
                rewind: if r.is_done() { None } else { Some(Version::read(&mut r)?) },
            },
            3 => Self::SegmentTaken { transfer: TransferId(r.varint32()?), index: r.varint32()? },
            4 => Self::Read { alias: Alias(r.varint32()?) },
            5 => Self::Close { alias: Alias(r.varint32()?), birth: read_birth(&mut r)? },
            6 => Self::Touch { aliases: read_ascending(&mut r)? },
            EXTENDED => Self::decode_extended(&mut r)?,
            kind => return Err(DecodeError::Unknown { what: "record kind", found: u64::from(kind) }),
        };
        r.finish()?;
        Ok(record)
    }

    fn decode_extended(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Hello {
                protocol: r.varint32()?,
                node: NodeId(u64::from_le_bytes(r.array()?)),
                known: Epoch(r.varint()?),
                again: Again::read(r)?,
            },
            1 => Self::Register { schema: r.take(r.left())? },
            2 => {
                let request = RequestId(r.varint32()?);
                let (class, key) = read_name(r)?;
                let held = if r.is_done() { None } else { Some((read_birth(r)?, Version::read(r)?)) };
                Self::Open { request, class, key, held }
            }
            3 => {
                let (sequence, unacked) = read_sequence(r)?;
                let (class, key) = read_name(r)?;
                let (expiry, value) = read_creation(r)?;
                Self::Create { sequence, unacked, class, key, expiry, value }
            }
            kind @ (commit::BULK | commit::FENCED | commit::FENCED_BULK | commit::GUARDED) => {
                commit::decode(Some(kind), r)?
            }
            5 => {
                let (sequence, unacked) = read_sequence(r)?;
                Self::Destroy { sequence, unacked, alias: Alias(r.varint32()?), birth: read_birth(r)? }
            }
            6 => Self::Keys {
                request: RequestId(r.varint32()?),
                class: read_bounded(r)?,
                prefix: read_bounded(r)?,
                after: read_bounded(r)?,
            },
            7 => Self::Resume { alias: Alias(r.varint32()?), birth: read_birth(r)?, version: Version::read(r)? },
            8 => Self::ResumeEnd,
            9 => Self::Goodbye,
            10 => {
                let (sequence, unacked) = read_sequence(r)?;
                let (alias, birth) = (Alias(r.varint32()?), read_birth(r)?);
                Self::Limit { sequence, unacked, alias, birth, expiry: Expiry::read(r)? }
            }
            11 => Self::Lock(LockRequest::read(r)?),
            14 => Self::Event(EventRequest::read(r)?),
            15 => Self::Group(GroupCommit::read(r)?),
            17 => Self::ReadGroup(GroupRead::read(r)?),
            18 => Self::Deliver { alias: Alias(r.varint32()?), birth: read_birth(r)?, delivery: Delivery::read(r)? },
            20 => Self::Find(Find::read(r)?),
            which => return Err(DecodeError::Unknown { what: "record kind", found: u64::from(which) }),
        })
    }
}

const TRANSFERRED: u8 = 1;
const EXPIRING: u8 = 2;

/// Marks, the limits if there are any, then the value.
fn write_creation(expiry: Expiry, value: CreationValue<'_>, w: &mut Writer) {
    let is_expiring = expiry != Expiry::NEVER;
    let marks = if is_expiring { EXPIRING } else { 0 };
    w.byte(if matches!(value, CreationValue::Transfer(_)) { marks | TRANSFERRED } else { marks });
    if is_expiring {
        expiry.write(w);
    }
    match value {
        CreationValue::Inline(delta) => w.raw(delta),
        CreationValue::Transfer(transfer) => w.varint(u64::from(transfer.0)),
    }
}

fn read_creation<'a>(r: &mut Reader<'a>) -> Result<(Expiry, CreationValue<'a>), DecodeError> {
    let marks = r.byte()?;
    let expiry = if marks & EXPIRING == 0 { Expiry::NEVER } else { Expiry::read(r)? };
    if marks > (TRANSFERRED | EXPIRING) || (marks & EXPIRING != 0 && expiry == Expiry::NEVER) {
        return Err(DecodeError::Unknown { what: "creation", found: u64::from(marks) });
    }
    let value = match marks & TRANSFERRED {
        0 => CreationValue::Inline(r.take(r.left())?),
        _ => CreationValue::Transfer(TransferId(r.varint32()?)),
    };
    Ok((expiry, value))
}

/// The first alias, then how many are left out before each further one.
fn write_ascending(aliases: &[Alias], w: &mut Writer) {
    let mut least = 0;
    for alias in aliases {
        w.varint(u64::from(alias.0).saturating_sub(least));
        least = u64::from(alias.0) + 1;
    }
}

fn read_ascending(r: &mut Reader<'_>) -> Result<Vec<Alias>, DecodeError> {
    let (mut aliases, mut least) = (Vec::new(), 0_u64);
    while !r.is_done() {
        if aliases.len() == TOUCHES_MAX {
            return Err(DecodeError::Limit { what: "touches", found: least, max: TOUCHES_MAX as u64 });
        }
        let alias = least + u64::from(r.varint32()?);
        aliases.push(Alias(u32::try_from(alias).map_err(|_| DecodeError::Varint)?));
        least = alias + 1;
    }
    Ok(aliases)
}

fn write_name(class: &str, key: &str, w: &mut Writer) {
    w.sized(class.as_bytes());
    w.sized(key.as_bytes());
}

fn read_name<'a>(r: &mut Reader<'a>) -> Result<(&'a str, &'a str), DecodeError> {
    Ok((read_bounded(r)?, read_bounded(r)?))
}

pub(super) fn read_bounded<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let text = r.text()?;
    if text.len() > NAME_BYTES_MAX {
        return Err(DecodeError::Limit { what: "a name", found: text.len() as u64, max: NAME_BYTES_MAX as u64 });
    }
    Ok(text)
}

//! Records from a repository to a node, on the ordered stream.
//!
//! Everything about an object's versions stands on this one stream, so its order says which base a delta has: the
//! version the node's replica reached by the record before. Invariant: what a result implies (the delta of a commit)
//! stands before the result. Source: `docs/wire.md` §6.2.

use super::framing::{EXTENDED, append, append_extended};
use super::shard_address::read_shard;
use super::{EventAnswer, FailureCode, Found, GroupAnswer, LockAnswer, RawRecord, ShardAddress};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FrameNumber, RequestId, Sequence, ShardId, TransferId, Version};

/// A record from a repository to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToNode<'a> {
    /// Changes a replica: from the version the node was brought to by the record before, `span` versions on.
    Delta {
        /// The object.
        alias: Alias,
        /// Versions covered, 1 and up.
        span: u64,
        /// An edit body of the root struct.
        delta: &'a [u8],
    },
    /// The commit took effect as it was sent: the replica is at its base and becomes base + 1 by the node's own delta.
    AsSent {
        /// The commit.
        sequence: Sequence,
    },
    /// The commit took effect. Deltas to `version` or later came before, or a stale notice did.
    Accepted {
        /// The commit.
        sequence: Sequence,
        /// The version it made. For a destruction, the one after the last.
        version: Version,
    },
    /// The object is at `version` or later; nothing more about it comes until the node pulls.
    Stale {
        /// The object.
        alias: Alias,
        /// The version the repository has.
        version: Version,
    },
    /// The link lives, and everything up to this frame is durable.
    Progress {
        /// The newest durable frame.
        frame: FrameNumber,
    },
    /// The commit overlaps a later one and left nothing. The delta to the head came before, or a stale notice did.
    Conflict {
        /// The commit.
        sequence: Sequence,
    },
    /// Answers a greeting.
    Welcome {
        /// The version of the protocol, [`PROTOCOL`](super::PROTOCOL).
        protocol: u32,
        /// The shard this link serves.
        shard: ShardId,
        /// Its current term.
        epoch: Epoch,
        /// The last term that began with a loss: births and versions of earlier terms may be void.
        lossy_epoch: Epoch,
        /// The place that the next commit of the term gets: no commit of this link gets an earlier one.
        next: u64,
        /// Every shard and where it is.
        shards: Vec<ShardAddress>,
    },
    /// The commit changes nothing: the deltas that stood before it did it all. Only operations are so.
    Moot {
        /// The commit.
        sequence: Sequence,
        /// The version the repository has.
        version: Version,
    },
    /// The class can be used.
    Registered {
        /// The class.
        class: &'a str,
    },
    /// The class cannot be used with the node's schema.
    SchemaRefused {
        /// The class.
        class: &'a str,
        /// What to change.
        text: &'a str,
    },
    /// Answers an open: from now on the node holds the object.
    Opened {
        /// The request.
        request: RequestId,
        /// Names the object from now on.
        alias: Alias,
        /// Which object of that name it is.
        birth: Birth,
        /// The version that `form` leads to.
        version: Version,
        /// How the node gets there.
        form: Form<'a>,
    },
    /// Answers an open: there is no such object.
    Missing {
        /// The request.
        request: RequestId,
    },
    /// Answers any request that is refused.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        code: FailureCode,
        /// More about it, for people.
        text: &'a str,
    },
    /// Answers a pull; pushes come again from now on.
    Pulled {
        /// The request.
        request: RequestId,
        /// The object.
        alias: Alias,
        /// The version that `form` leads to.
        version: Version,
        /// How the node gets there.
        form: Form<'a>,
    },
    /// The object is no more. The node answers with a close, after which it does not mean this object by the alias.
    Gone {
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// Whether it was lost in a restart rather than destroyed.
        is_lost: bool,
    },
    /// The commit can never take effect and left nothing.
    CommitRefused {
        /// The commit.
        sequence: Sequence,
        /// Why.
        code: FailureCode,
        /// More about it, for people.
        text: &'a str,
    },
    /// The object exists now, at version 1 with the value that was sent; the node holds it.
    Created {
        /// The creation.
        sequence: Sequence,
        /// Names the object from now on.
        alias: Alias,
        /// Which object of that name it is.
        birth: Birth,
    },
    /// The name is taken; the creation left nothing.
    Exists {
        /// The creation.
        sequence: Sequence,
    },
    /// Answers a request for keys, ascending.
    KeysPage {
        /// The request.
        request: RequestId,
        /// Keys of the class, the next in order.
        keys: Vec<&'a str>,
        /// Whether no more follow; otherwise ask again after the last one.
        is_last: bool,
    },
    /// All that differs from what the node presented came before; the rest is current.
    Resumed,
    /// The object ends once it is unused for so long: use that the node has not told of is to be told now.
    Idle {
        /// The object.
        alias: Alias,
        /// The limit in milliseconds; 0: it has none any more, and use of it is not to be told.
        limit_ms: u64,
    },
    /// About locks.
    Lock(LockAnswer),
    /// About events.
    Event(EventAnswer<'a>),
    /// About several objects.
    Group(GroupAnswer),
    /// Answers a search.
    Found(Found<'a>),
    /// The segment was taken; another may follow.
    SegmentTaken {
        /// The node's transfer.
        transfer: TransferId,
        /// The segment.
        index: u32,
    },
}

/// How a node gets from what it holds to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// It is there.
    Same,
    /// By one delta from `base`.
    Delta {
        /// The version the delta applies to; 0 for a whole object.
        base: Version,
        /// An edit body of the root struct.
        delta: &'a [u8],
    },
    /// By a transfer. Deltas for later versions come on this stream meanwhile and wait for its end.
    Loading {
        /// Names its segments.
        transfer: TransferId,
        /// What it applies to: `None` starts from nothing, each segment a delta; else the segments are slices of one delta.
        base: Option<Version>,
        /// About how many bytes it has, for progress.
        bytes: u64,
    },
}

impl<'a> ToNode<'a> {
    /// The commit whose outcome the record is.
    pub(crate) fn outcome_of(&self) -> Option<Sequence> {
        match *self {
            Self::AsSent { sequence }
            | Self::Accepted { sequence, .. }
            | Self::Conflict { sequence }
            | Self::Moot { sequence, .. }
            | Self::CommitRefused { sequence, .. }
            | Self::Created { sequence, .. }
            | Self::Exists { sequence }
            | Self::Group(GroupAnswer::Committed { sequence, .. }) => Some(sequence),
            _ => None,
        }
    }

    /// Appends the record to a stream.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Delta { alias, span: 1, delta } => append(out, 0, |w| {
                w.varint(u64::from(alias.0));
                w.raw(delta);
            }),
            Self::Delta { alias, span, delta } => append(out, 1, |w| {
                w.varint(u64::from(alias.0));
                w.varint(span);
                w.raw(delta);
            }),
            Self::AsSent { sequence } => append(out, 2, |w| w.varint(sequence.0)),
            Self::Accepted { sequence, version } => append(out, 3, |w| {
                w.varint(sequence.0);
                w.varint(version.0);
            }),
            Self::Stale { alias, version } => append(out, 4, |w| {
                w.varint(u64::from(alias.0));
                w.varint(version.0);
            }),
            Self::Progress { frame } => append(out, 5, |w| w.varint(frame.0)),
            Self::Conflict { sequence } => append(out, 6, |w| w.varint(sequence.0)),
            _ => self.encode_extended(out),
        }
    }

    fn encode_extended(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome { protocol, shard, epoch, lossy_epoch, next, shards } => append_extended(out, 0, |w| {
                w.varint(u64::from(*protocol));
                w.varint(u64::from(shard.0));
                w.varint(epoch.0);
                w.varint(lossy_epoch.0);
                w.varint(*next);
                w.length(shards.len());
                shards.iter().for_each(|address| address.write(w));
            }),
            Self::Registered { class } => append_extended(out, 2, |w| w.sized(class.as_bytes())),
            Self::SchemaRefused { class, text } => append_extended(out, 3, |w| {
                w.sized(class.as_bytes());
                w.sized(text.as_bytes());
            }),
            Self::Gone { alias, birth, is_lost } => append_extended(out, 8, |w| {
                w.varint(u64::from(alias.0));
                write_birth(*birth, w);
                w.byte(u8::from(*is_lost));
            }),
            Self::Resumed => append_extended(out, 13, |_| ()),
            Self::Idle { alias, limit_ms } => append_extended(out, 14, |w| {
                w.varint(u64::from(alias.0));
                w.varint(*limit_ms);
            }),
            Self::Moot { sequence, version } => append_extended(out, 15, |w| {
                w.varint(sequence.0);
                w.varint(version.0);
            }),
            Self::Lock(answer) => append_extended(out, 16, |w| answer.write(w)),
            Self::Event(answer) => append_extended(out, 17, |w| answer.write(w)),
            Self::Group(answer) => append_extended(out, 18, |w| answer.write(w)),
            Self::Found(found) => append_extended(out, 20, |w| found.write(w)),
            Self::SegmentTaken { transfer, index } => append_extended(out, 1, |w| {
                w.varint(u64::from(transfer.0));
                w.varint(u64::from(*index));
            }),
            _ => self.encode_result(out),
        }
    }

    fn encode_result(&self, out: &mut Vec<u8>) {
        match self {
            Self::CommitRefused { sequence, code, text } => append_extended(out, 9, |w| {
                w.varint(sequence.0);
                w.varint(u64::from(code.number()));
                w.sized(text.as_bytes());
            }),
            Self::Created { sequence, alias, birth } => append_extended(out, 10, |w| {
                w.varint(sequence.0);
                w.varint(u64::from(alias.0));
                write_birth(*birth, w);
            }),
            Self::Exists { sequence } => append_extended(out, 11, |w| w.varint(sequence.0)),
            _ => self.encode_answer(out),
        }
    }

    fn encode_answer(&self, out: &mut Vec<u8>) {
        match self {
            Self::Opened { request, alias, birth, version, form } => append_extended(out, 4, |w| {
                w.varint(u64::from(request.0));
                w.varint(u64::from(alias.0));
                write_birth(*birth, w);
                w.varint(version.0);
                form.write(w);
            }),
            Self::Missing { request } => append_extended(out, 5, |w| w.varint(u64::from(request.0))),
            Self::Failed { request, code, text } => append_extended(out, 6, |w| {
                w.varint(u64::from(request.0));
                w.varint(u64::from(code.number()));
                w.sized(text.as_bytes());
            }),
            Self::Pulled { request, alias, version, form } => append_extended(out, 7, |w| {
                w.varint(u64::from(request.0));
                w.varint(u64::from(alias.0));
                w.varint(version.0);
                form.write(w);
            }),
            Self::KeysPage { request, keys, is_last } => append_extended(out, 12, |w| {
                w.varint(u64::from(request.0));
                w.byte(u8::from(*is_last));
                w.length(keys.len());
                keys.iter().for_each(|key| w.sized(key.as_bytes()));
            }),
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
            kind @ (0 | 1) => {
                let alias = Alias(r.varint32()?);
                let span = if kind == 0 { 1 } else { r.varint()? };
                if span == 0 || (kind == 1 && span == 1) {
                    return Err(DecodeError::Unknown { what: "span", found: span });
                }
                let delta = r.take(r.left())?;
                Self::Delta { alias, span, delta }
            }
            2 => Self::AsSent { sequence: Sequence(r.varint()?) },
            3 => Self::Accepted { sequence: Sequence(r.varint()?), version: Version::read(&mut r)? },
            4 => Self::Stale { alias: Alias(r.varint32()?), version: Version::read(&mut r)? },
            5 => Self::Progress { frame: FrameNumber(r.varint()?) },
            6 => Self::Conflict { sequence: Sequence(r.varint()?) },
            EXTENDED => Self::decode_extended(&mut r)?,
            kind => return Err(DecodeError::Unknown { what: "record kind", found: u64::from(kind) }),
        };
        r.finish()?;
        Ok(record)
    }

    fn decode_extended(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::decode_welcome(r)?,
            1 => Self::SegmentTaken { transfer: TransferId(r.varint32()?), index: r.varint32()? },
            2 => Self::Registered { class: r.text()? },
            3 => Self::SchemaRefused { class: r.text()?, text: r.text()? },
            4 => Self::Opened {
                request: RequestId(r.varint32()?),
                alias: Alias(r.varint32()?),
                birth: read_birth(r)?,
                version: Version::read(r)?,
                form: Form::read(r)?,
            },
            5 => Self::Missing { request: RequestId(r.varint32()?) },
            6 => Self::Failed {
                request: RequestId(r.varint32()?),
                code: FailureCode::from_number(r.varint32()?),
                text: r.text()?,
            },
            7 => Self::Pulled {
                request: RequestId(r.varint32()?),
                alias: Alias(r.varint32()?),
                version: Version::read(r)?,
                form: Form::read(r)?,
            },
            8 => Self::Gone { alias: Alias(r.varint32()?), birth: read_birth(r)?, is_lost: read_bool(r)? },
            9 => Self::CommitRefused {
                sequence: Sequence(r.varint()?),
                code: FailureCode::from_number(r.varint32()?),
                text: r.text()?,
            },
            10 => Self::Created { sequence: Sequence(r.varint()?), alias: Alias(r.varint32()?), birth: read_birth(r)? },
            11 => Self::Exists { sequence: Sequence(r.varint()?) },
            12 => {
                let request = RequestId(r.varint32()?);
                let is_last = read_bool(r)?;
                let count = r.count(1)?;
                let keys = (0..count).map(|_| r.text()).collect::<Result<_, _>>()?;
                Self::KeysPage { request, keys, is_last }
            }
            13 => Self::Resumed,
            14 => Self::Idle { alias: Alias(r.varint32()?), limit_ms: r.varint()? },
            15 => Self::Moot { sequence: Sequence(r.varint()?), version: Version::read(r)? },
            16 => Self::Lock(LockAnswer::read(r)?),
            17 => Self::Event(EventAnswer::read(r)?),
            18 => Self::Group(GroupAnswer::read(r)?),
            20 => Self::Found(Found::read(r)?),
            which => return Err(DecodeError::Unknown { what: "record kind", found: u64::from(which) }),
        })
    }

    fn decode_welcome(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let protocol = r.varint32()?;
        let shard = read_shard(r)?;
        let epoch = Epoch(r.varint()?);
        let lossy_epoch = Epoch(r.varint()?);
        let next = r.varint()?;
        let count = r.count(3)?;
        let shards = (0..count).map(|_| ShardAddress::read(r)).collect::<Result<_, _>>()?;
        Ok(Self::Welcome { protocol, shard, epoch, lossy_epoch, next, shards })
    }
}

impl<'a> Form<'a> {
    fn write(&self, w: &mut Writer) {
        match *self {
            Self::Same => w.byte(0),
            Self::Delta { base, delta } => {
                w.byte(1);
                w.varint(base.0);
                w.raw(delta);
            }
            Self::Loading { transfer, base, bytes } => {
                w.byte(2);
                w.varint(u64::from(transfer.0));
                w.varint(bytes);
                w.byte(u8::from(base.is_some()));
                if let Some(base) = base {
                    w.varint(base.0);
                }
            }
        }
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Same,
            1 => Self::Delta { base: Version::read(r)?, delta: r.take(r.left())? },
            2 => {
                let transfer = TransferId(r.varint32()?);
                let bytes = r.varint()?;
                let base = if read_bool(r)? { Some(Version::read(r)?) } else { None };
                Self::Loading { transfer, base, bytes }
            }
            form => return Err(DecodeError::Unknown { what: "form", found: u64::from(form) }),
        })
    }
}

pub(super) fn write_birth(birth: Birth, w: &mut Writer) {
    birth.0.write(w);
}

pub(super) fn read_birth(r: &mut Reader<'_>) -> Result<Birth, DecodeError> {
    CommitNumber::read(r).map(Birth)
}

pub(super) fn read_bool(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::Unknown { what: "flag", found: u64::from(found) }),
    }
}

//! What a frame remembers: verdicts in the repository's order.
//!
//! ```text
//! entry   0 schema: class, schema · 1 slice: staging, bytes · 2 created: origin, alias, class, key, expiry, payload
//!         3 committed: origin, alias, version, payload · 4 destroyed: origin, alias
//!         5 limited: origin, alias, expiry · 6 expired: alias · 7 granted: node, alias
//! origin  node 8 LE, sequence varint        payload  0 and bytes | 1 and the staging whose slices precede
//! expiry  idle limit and lifetime in ms, 0 for none: varints
//! ```
//! Names, bytes and schemas stand behind their lengths. Invariant: an entry needs no judgement to be applied again.
//! Source: own reasoning.

use bytes::Bytes;

use crate::coding::{DecodeError, Reader, Writer};
use crate::expiry::Expiry;
use crate::ids::{Alias, NodeId, Sequence, Version};

/// Which commit of which node an entry is: the key of exactly-once (W8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// Its commit.
    pub sequence: Sequence,
}

/// A delta in a frame, or in slices in the frames before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Here.
    Inline(Bytes),
    /// The slices of this staging: for a creation each a delta, for a commit the parts of one delta.
    Staged(u64),
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A class has this schema from now on.
    Schema {
        /// The encoded schema, which names the class.
        schema: Bytes,
    },
    /// Bytes for a later entry; they mean nothing until then, and nothing if the term ends first.
    Slice {
        /// Which collection they belong to.
        staging: u64,
        /// The next bytes of it.
        bytes: Bytes,
    },
    /// An object exists, at version 1.
    Created {
        /// Whose doing.
        origin: Origin,
        /// Its slot.
        alias: Alias,
        /// Its class.
        class: String,
        /// Its key.
        key: String,
        /// When it ends by itself; its lifetime counts from this frame.
        expiry: Expiry,
        /// Its value, as deltas from nothing.
        payload: Payload,
    },
    /// An object changed.
    Committed {
        /// Whose doing.
        origin: Origin,
        /// Its slot.
        alias: Alias,
        /// The version that the change made.
        version: Version,
        /// The change, rewritten by the verdict.
        payload: Payload,
    },
    /// An object is no more.
    Destroyed {
        /// Whose doing.
        origin: Origin,
        /// Its slot.
        alias: Alias,
    },
    /// An object has these limits from now on.
    Limited {
        /// Whose doing.
        origin: Origin,
        /// Its slot.
        alias: Alias,
        /// When it ends by itself; its lifetime counts from this frame.
        expiry: Expiry,
    },
    /// An object reached a limit and is no more.
    Expired {
        /// Its slot.
        alias: Alias,
    },
    /// A node has the lock of an object; this entry's commit number is the fencing token. Changes nothing: locks end
    /// with the term, tokens are never given twice.
    Granted {
        /// The node.
        node: NodeId,
        /// The object's slot.
        alias: Alias,
    },
}

impl Entry {
    /// Whether the entry has a commit number of its own.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        !matches!(self, Self::Schema { .. } | Self::Slice { .. } | Self::Limited { .. })
    }

    /// The slot of the object that the entry is about.
    #[must_use]
    pub fn alias(&self) -> Option<Alias> {
        match self {
            Self::Schema { .. } | Self::Slice { .. } => None,
            Self::Created { alias, .. }
            | Self::Granted { alias, .. }
            | Self::Committed { alias, .. }
            | Self::Destroyed { alias, .. }
            | Self::Limited { alias, .. }
            | Self::Expired { alias } => Some(*alias),
        }
    }

    /// About how many bytes the entry takes in a frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const HEADER: usize = 32;
        let payload = |payload: &Payload| match payload {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Staged(_) => 0,
        };
        HEADER
            + match self {
                Self::Schema { schema: bytes } | Self::Slice { bytes, .. } => bytes.len(),
                Self::Created { class, key, payload: value, .. } => class.len() + key.len() + payload(value),
                Self::Committed { payload: change, .. } => payload(change),
                Self::Destroyed { .. } | Self::Limited { .. } | Self::Expired { .. } | Self::Granted { .. } => 0,
            }
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        match self {
            Self::Schema { schema } => {
                w.byte(0);
                w.sized(schema);
            }
            Self::Slice { staging, bytes } => {
                w.byte(1);
                w.varint(*staging);
                w.sized(bytes);
            }
            Self::Created { origin, alias, class, key, expiry, payload } => {
                w.byte(2);
                origin.write(w);
                w.varint(u64::from(alias.0));
                w.sized(class.as_bytes());
                w.sized(key.as_bytes());
                expiry.write(w);
                payload.write(w);
            }
            Self::Committed { origin, alias, version, payload } => {
                w.byte(3);
                origin.write(w);
                w.varint(u64::from(alias.0));
                w.varint(version.0);
                payload.write(w);
            }
            Self::Destroyed { origin, alias } => {
                w.byte(4);
                origin.write(w);
                w.varint(u64::from(alias.0));
            }
            Self::Limited { origin, alias, expiry } => {
                w.byte(5);
                origin.write(w);
                w.varint(u64::from(alias.0));
                expiry.write(w);
            }
            Self::Expired { alias } => {
                w.byte(6);
                w.varint(u64::from(alias.0));
            }
            Self::Granted { node, alias } => {
                w.byte(7);
                w.raw(&node.0.to_le_bytes());
                w.varint(u64::from(alias.0));
            }
        }
    }

    /// Reads an entry whose bytes are shared with `frame`, which `r` reads.
    pub(super) fn decode(r: &mut Reader<'_>, frame: &Bytes) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Schema { schema: frame.slice_ref(r.sized()?) },
            1 => Self::Slice { staging: r.varint()?, bytes: frame.slice_ref(r.sized()?) },
            2 => Self::Created {
                origin: Origin::read(r)?,
                alias: Alias(r.varint32()?),
                class: r.text()?.to_owned(),
                key: r.text()?.to_owned(),
                expiry: Expiry::read(r)?,
                payload: Payload::read(r, frame)?,
            },
            3 => Self::Committed {
                origin: Origin::read(r)?,
                alias: Alias(r.varint32()?),
                version: Version(r.varint()?),
                payload: Payload::read(r, frame)?,
            },
            4 => Self::Destroyed { origin: Origin::read(r)?, alias: Alias(r.varint32()?) },
            5 => Self::Limited { origin: Origin::read(r)?, alias: Alias(r.varint32()?), expiry: Expiry::read(r)? },
            6 => Self::Expired { alias: Alias(r.varint32()?) },
            7 => Self::Granted { node: NodeId(u64::from_le_bytes(r.array()?)), alias: Alias(r.varint32()?) },
            found => return Err(DecodeError::Unknown { what: "frame entry", found: u64::from(found) }),
        })
    }
}

impl Origin {
    fn write(self, w: &mut Writer) {
        w.raw(&self.node.0.to_le_bytes());
        w.varint(self.sequence.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { node: NodeId(u64::from_le_bytes(r.array()?)), sequence: Sequence(r.varint()?) })
    }
}

impl Payload {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Inline(bytes) => {
                w.byte(0);
                w.sized(bytes);
            }
            Self::Staged(staging) => {
                w.byte(1);
                w.varint(*staging);
            }
        }
    }

    fn read(r: &mut Reader<'_>, frame: &Bytes) -> Result<Self, DecodeError> {
        match r.byte()? {
            0 => Ok(Self::Inline(frame.slice_ref(r.sized()?))),
            1 => Ok(Self::Staged(r.varint()?)),
            found => Err(DecodeError::Unknown { what: "payload", found: u64::from(found) }),
        }
    }
}

//! What a frame remembers: verdicts in the repository's order.
//!
//! ```text
//! entry   0 schema: class, schema · 1 slice: staging, bytes · 2 created: origin, alias, class, key, expiry, payload
//!         3 committed: origin, alias, version, payload · 4 destroyed: origin, alias
//!         5 limited: origin, alias, expiry · 6 expired: alias · 7 granted: node, alias
//!         8 group: 0 founded: class, group | 1 acknowledged: group, event | 2 ended: group · 9 happened: class, happening
//!         10 grouped: origin, count, { alias, version, payload }*
//! origin  node 8 LE, sequence varint        payload  0 and bytes | 1 and the staging whose slices precede
//! expiry  idle limit and lifetime in ms, 0 for none: varints
//! ```
//! Names, bytes and schemas stand behind their lengths. Invariant: an entry needs no judgement to be applied again.
//! Source: own reasoning.

use bytes::Bytes;

use crate::coding::{DecodeError, Reader, Writer};
use crate::event::{EventId, EventKind, GroupId, Happening};
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, NodeId, Sequence, Version};
use crate::limits::GROUP_OBJECTS_MAX;

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

/// What a group did to one of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its slot.
    pub alias: Alias,
    /// The version that the change made.
    pub version: Version,
    /// The change, rewritten by the verdict.
    pub payload: Payload,
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
    /// Several objects changed at once.
    Grouped {
        /// Whose doing.
        origin: Origin,
        /// The objects, by ascending slots.
        shares: Vec<Share>,
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
    /// There is a group of consumers; this entry's commit number names it.
    Founded {
        /// The class whose objects it hears of.
        class: String,
        /// Its name.
        group: String,
    },
    /// A group is done with an event.
    Acknowledged {
        /// The group.
        group: GroupId,
        /// The event.
        event: EventId,
    },
    /// A group is no more, nor is what it was not told.
    GroupEnded {
        /// The group.
        group: GroupId,
    },
    /// Something became of an object, by the entry before: every group of its class is to be told. This entry's commit
    /// number names the event.
    Happened {
        /// What became of it.
        kind: EventKind,
        /// Which object.
        birth: Birth,
        /// Its class.
        class: String,
        /// Its key.
        key: String,
        /// Its value when it ended, as a delta from nothing.
        last: Option<Bytes>,
    },
}

impl Entry {
    /// Whether the entry has a commit number of its own.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        !matches!(self, Self::Schema { .. } | Self::Slice { .. } | Self::Limited { .. })
    }

    /// The slot of the object that the entry is about, if it is about one.
    #[must_use]
    pub fn alias(&self) -> Option<Alias> {
        match self {
            Self::Schema { .. } | Self::Slice { .. } | Self::Grouped { .. } => None,
            Self::Founded { .. } | Self::Acknowledged { .. } | Self::GroupEnded { .. } | Self::Happened { .. } => None,
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
        const SHARE_HEADER: usize = 18;
        let payload = |payload: &Payload| match payload {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Staged(_) => 0,
        };
        HEADER
            + match self {
                Self::Schema { schema: bytes } | Self::Slice { bytes, .. } => bytes.len(),
                Self::Created { class, key, payload: value, .. } => class.len() + key.len() + payload(value),
                Self::Committed { payload: change, .. } => payload(change),
                Self::Grouped { shares, .. } => shares.iter().map(|share| SHARE_HEADER + payload(&share.payload)).sum(),
                Self::Destroyed { .. } | Self::Limited { .. } | Self::Expired { .. } | Self::Granted { .. } => 0,
                Self::Founded { class, group } => class.len() + group.len(),
                Self::Acknowledged { .. } | Self::GroupEnded { .. } => 0,
                Self::Happened { class, key, last, .. } => {
                    class.len() + key.len() + last.as_ref().map_or(0, Bytes::len)
                }
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
            Self::Grouped { origin, shares } => {
                w.byte(10);
                origin.write(w);
                w.length(shares.len());
                shares.iter().for_each(|share| share.write(w));
            }
            Self::Granted { node, alias } => {
                w.byte(7);
                w.raw(&node.0.to_le_bytes());
                w.varint(u64::from(alias.0));
            }
            _ => self.encode_event(w),
        }
    }

    fn encode_event(&self, w: &mut Writer) {
        match self {
            Self::Founded { class, group } => {
                w.raw(&[8, 0]);
                w.sized(class.as_bytes());
                w.sized(group.as_bytes());
            }
            Self::Acknowledged { group, event } => {
                w.raw(&[8, 1]);
                group.write(w);
                event.write(w);
            }
            Self::GroupEnded { group } => {
                w.raw(&[8, 2]);
                group.write(w);
            }
            Self::Happened { kind, birth, class, key, last } => {
                w.byte(9);
                w.sized(class.as_bytes());
                Happening { kind: *kind, birth: *birth, key, last: last.as_deref() }.write(w);
            }
            _ => {}
        }
    }

    fn decode_group(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Founded { class: r.text()?.to_owned(), group: r.text()?.to_owned() },
            1 => Self::Acknowledged { group: GroupId::read(r)?, event: EventId::read(r)? },
            2 => Self::GroupEnded { group: GroupId::read(r)? },
            found => return Err(DecodeError::Unknown { what: "group entry", found: u64::from(found) }),
        })
    }

    /// Reads an entry whose bytes are shared with `frame`, which `r` reads.
    pub(super) fn decode(r: &mut Reader<'_>, frame: &Bytes) -> Result<Self, DecodeError> {
        Ok(match r.byte()? {
            0 => Self::Schema { schema: frame.slice_ref(r.sized()?) },
            1 => Self::Slice { staging: r.varint()?, bytes: frame.slice_ref(r.sized()?) },
            2 => Self::Created {
                origin: Origin::read(r)?,
                alias: Alias::read_slot(r)?,
                class: r.text()?.to_owned(),
                key: r.text()?.to_owned(),
                expiry: Expiry::read(r)?,
                payload: Payload::read(r, frame)?,
            },
            3 => Self::Committed {
                origin: Origin::read(r)?,
                alias: Alias(r.varint32()?),
                version: Version::read(r)?,
                payload: Payload::read(r, frame)?,
            },
            4 => Self::Destroyed { origin: Origin::read(r)?, alias: Alias(r.varint32()?) },
            5 => Self::Limited { origin: Origin::read(r)?, alias: Alias(r.varint32()?), expiry: Expiry::read(r)? },
            6 => Self::Expired { alias: Alias(r.varint32()?) },
            7 => Self::Granted { node: NodeId(u64::from_le_bytes(r.array()?)), alias: Alias(r.varint32()?) },
            8 => Self::decode_group(r)?,
            9 => {
                let class = r.text()?.to_owned();
                let Happening { kind, birth, key, last } = Happening::read(r)?;
                Self::Happened { kind, birth, class, key: key.to_owned(), last: last.map(|last| frame.slice_ref(last)) }
            }
            10 => Self::Grouped { origin: Origin::read(r)?, shares: Share::read_all(r, frame)? },
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

impl Share {
    fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.alias.0));
        w.varint(self.version.0);
        self.payload.write(w);
    }

    fn read_all(r: &mut Reader<'_>, frame: &Bytes) -> Result<Vec<Self>, DecodeError> {
        let count = r.count(4)?;
        if count == 0 || count > GROUP_OBJECTS_MAX {
            let (found, max) = (count as u64, GROUP_OBJECTS_MAX as u64);
            return Err(DecodeError::Limit { what: "objects of a group", found, max });
        }
        let mut shares: Vec<Self> = Vec::with_capacity(count);
        for _ in 0..count {
            let (alias, version) = (Alias(r.varint32()?), Version::read(r)?);
            if shares.last().is_some_and(|last| last.alias >= alias) {
                return Err(DecodeError::Unknown { what: "order of a group", found: u64::from(alias.0) });
            }
            shares.push(Self { alias, version, payload: Payload::read(r, frame)? });
        }
        Ok(shares)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CommitNumber, Epoch};

    /// `docs/journal.md` §2: the entries about events.
    #[test]
    fn golden_events() {
        let number = |n| CommitNumber { epoch: Epoch(7), n };
        let (group, event, birth) = (GroupId(number(4)), EventId(number(300)), Birth(number(9)));
        let (class, key) = ("c".to_owned(), "k".to_owned());
        let last = Some(Bytes::from_static(&[8, 1]));
        let cases: [(Entry, &[u8]); 5] = [
            (Entry::Founded { class: class.clone(), group: "g".into() }, &[8, 0, 1, b'c', 1, b'g']),
            (Entry::Acknowledged { group, event }, &[8, 1, 7, 4, 7, 0xac, 2]),
            (Entry::GroupEnded { group }, &[8, 2, 7, 4]),
            (
                Entry::Happened { kind: EventKind::Created, birth, class: class.clone(), key: key.clone(), last: None },
                &[9, 1, b'c', 0, 7, 9, 1, b'k', 0],
            ),
            (
                Entry::Happened { kind: EventKind::Expired, birth, class, key, last },
                &[9, 1, b'c', 2, 7, 9, 1, b'k', 1, 2, 8, 1],
            ),
        ];
        for (entry, bytes) in cases {
            let mut w = Writer::new();
            entry.encode(&mut w);
            assert_eq!(w.as_slice(), bytes);
            let bytes = Bytes::copy_from_slice(bytes);
            assert_eq!(Entry::decode(&mut Reader::new(&bytes), &bytes), Ok(entry));
            for len in 0..bytes.len() {
                let cut = bytes.slice(..len);
                assert!(Entry::decode(&mut Reader::new(&cut), &cut).is_err(), "{len} bytes of {bytes:?}");
            }
        }
        let unknown = Bytes::from_static(&[9, 1, b'c', 3, 7, 9, 1, b'k', 0]);
        assert!(Entry::decode(&mut Reader::new(&unknown), &unknown).is_err(), "a change of the id is not told yet");
    }
}

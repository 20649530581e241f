//! The bytes of heads and of states.
//!
//! ```text
//! head    "namH" · format: 1 byte · shard · alias · birth: epoch, number · body · crc of everything before: 4 LE
//! body    0 · class: sized · key: sized · version · expiry · lifetime counts from · trunk: sized · count · part*
//!         1 · commit that ended it: epoch, number
//!         2 · count · (field · 0 | field · 1 · value: sized)* · as 0, for an object that is found by these
//! part    id minus the id before it minus 1 · crc: 4 LE
//! state   "namS" · format: 1 byte · content · crc of everything before: 4 LE
//! ```
//! Numbers are varints. `docs/journal.md` §4 is normative. Invariants: no bit can change without notice; nothing is
//! allocated by a count that the bytes cannot hold; a head does not stand in another's place. Source: own reasoning.

use std::sync::Arc;

use bytes::Bytes;

use super::{Head, HeadBody, ImageError, ImageName, IndexedValue, LiveHead, Part};
use crate::coding::{DecodeError, Reader, Writer};
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, FieldId, PartId, ShardId, Version};
use crate::limits::{INDEXED_BYTES_MAX, INDEXES_MAX, NAME_BYTES_MAX};

const HEAD: [u8; 4] = *b"namH";
const STATE: [u8; 4] = *b"namS";
const FORMAT: u8 = 1;
const MAGIC_BYTES: usize = HEAD.len() + 1;
const CRC_BYTES: usize = 4;

/// Bytes of a part in a head, at least.
const PART_BYTES_MIN: usize = 1 + CRC_BYTES;

impl Head {
    /// Encodes the head of an image in `shard`. The ids of its parts must ascend.
    #[must_use]
    pub fn encode(&self, shard: ShardId) -> Vec<u8> {
        let mut w = begin(HEAD);
        w.varint(u64::from(shard.0));
        w.varint(u64::from(self.alias.0));
        self.birth.0.write(&mut w);
        match &self.body {
            HeadBody::Live(live) => {
                if live.indexed.is_empty() {
                    w.byte(0);
                } else {
                    w.byte(2);
                    write_indexed(&live.indexed, &mut w);
                }
                live.write(&mut w);
            }
            HeadBody::Ended { at } => {
                w.byte(1);
                at.write(&mut w);
            }
        }
        seal(w)
    }

    /// Decodes the head that stands where that of `image` belongs.
    ///
    /// # Errors
    /// [`ImageError`]: it is none, damaged, or another's.
    pub fn decode(image: ImageName, bytes: &Bytes) -> Result<Self, ImageError> {
        let mut r = Reader::new(opened(HEAD, bytes)?);
        let shard = ShardId(u16::try_from(r.varint()?).map_err(|_| DecodeError::Varint)?);
        let alias = Alias::read_slot(&mut r)?;
        let birth = Birth(CommitNumber::read(&mut r)?);
        let body = match r.byte()? {
            0 => HeadBody::Live(Box::new(LiveHead::read(&mut r, bytes)?)),
            1 => HeadBody::Ended { at: CommitNumber::read(&mut r)? },
            2 => {
                let indexed = read_indexed(&mut r)?;
                HeadBody::Live(Box::new(LiveHead { indexed, ..LiveHead::read(&mut r, bytes)? }))
            }
            found => return Err(DecodeError::Unknown { what: "body of a head", found: found.into() }.into()),
        };
        r.finish()?;
        let found = ImageName { shard, birth };
        if found == image { Ok(Self { alias, birth, body }) } else { Err(ImageError::Elsewhere { found }) }
    }
}

impl LiveHead {
    fn write(&self, w: &mut Writer) {
        w.sized(self.class.as_bytes());
        w.sized(self.key.as_bytes());
        w.varint(self.version.0);
        self.expiry.write(w);
        w.varint(self.limited_at_ms);
        w.sized(&self.trunk);
        w.length(self.parts.len());
        let mut next = 0;
        for Part { id, crc } in &self.parts {
            w.varint(u64::from(id.0).wrapping_sub(next));
            w.raw(&crc.to_le_bytes());
            next = u64::from(id.0) + 1;
        }
    }

    fn read(r: &mut Reader<'_>, whole: &Bytes) -> Result<Self, DecodeError> {
        let (class, key) = (name(r, "bytes of a class name")?, name(r, "bytes of a key")?);
        let version = Version::read(r)?;
        let expiry = Expiry::read(r)?;
        let limited_at_ms = r.varint()?;
        let trunk = whole.slice_ref(r.sized()?);
        let count = r.count(PART_BYTES_MIN)?;
        let mut parts = Vec::with_capacity(count);
        let mut next = 0_u64;
        for _ in 0..count {
            let id = next + u64::from(r.varint32()?);
            let id = u32::try_from(id).map_err(|_| DecodeError::Order { what: "parts" })?;
            parts.push(Part { id: PartId(id), crc: u32::from_le_bytes(r.array()?) });
            next = u64::from(id) + 1;
        }
        Ok(Self { class, key, version, expiry, limited_at_ms, indexed: Vec::new(), trunk, parts })
    }
}

fn write_indexed(indexed: &[IndexedValue], w: &mut Writer) {
    w.length(indexed.len());
    for IndexedValue { field, value } in indexed {
        w.varint(u64::from(field.0));
        w.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            w.sized(value);
        }
    }
}

fn read_indexed(r: &mut Reader<'_>) -> Result<Vec<IndexedValue>, DecodeError> {
    let count = r.count(2)?;
    if count == 0 || count > INDEXES_MAX {
        return Err(DecodeError::Limit { what: "indexed values", found: count as u64, max: INDEXES_MAX as u64 });
    }
    let mut indexed: Vec<IndexedValue> = Vec::with_capacity(count);
    for _ in 0..count {
        let field = FieldId(r.varint32()?);
        if indexed.last().is_some_and(|last| last.field >= field) {
            return Err(DecodeError::Order { what: "indexed fields" });
        }
        let value = match r.byte()? {
            0 => None,
            1 => Some(Arc::from(r.sized()?)),
            found => return Err(DecodeError::Unknown { what: "indexed value", found: u64::from(found) }),
        };
        if let Some(found) = value.as_ref().map(|value: &Arc<[u8]>| value.len()).filter(|len| *len > INDEXED_BYTES_MAX)
        {
            let (found, max) = (found as u64, INDEXED_BYTES_MAX as u64);
            return Err(DecodeError::Limit { what: "bytes of an indexed value", found, max });
        }
        indexed.push(IndexedValue { field, value });
    }
    Ok(indexed)
}

/// Puts the content of a shard's state into an envelope.
#[must_use]
pub fn encode_state(content: &[u8]) -> Vec<u8> {
    let mut w = begin(STATE);
    w.raw(content);
    seal(w)
}

/// Takes the content of a shard's state out of its envelope.
///
/// # Errors
/// [`ImageError`]: it is none, or damaged.
pub fn decode_state(bytes: &Bytes) -> Result<Bytes, ImageError> {
    opened(STATE, bytes).map(|content| bytes.slice_ref(content))
}

fn begin(magic: [u8; 4]) -> Writer {
    let mut w = Writer::new();
    w.raw(&magic);
    w.byte(FORMAT);
    w
}

fn seal(mut w: Writer) -> Vec<u8> {
    let crc = crc32fast::hash(w.as_slice());
    w.raw(&crc.to_le_bytes());
    w.into_bytes()
}

/// What stands between the format and the checksum.
fn opened(magic: [u8; 4], bytes: &[u8]) -> Result<&[u8], ImageError> {
    let mut r = Reader::new(bytes);
    if r.array::<4>().ok() != Some(magic) {
        return Err(ImageError::Magic);
    }
    let found = r.byte()?;
    if found != FORMAT {
        return Err(ImageError::Format { found, known: FORMAT });
    }
    let short = DecodeError::Truncated { needed: CRC_BYTES, left: r.left() };
    let (content, tail) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(short.clone())?;
    let inner = content.get(MAGIC_BYTES..).ok_or(short)?;
    let (found, computed) = (u32::from_le_bytes(*tail), crc32fast::hash(content));
    if found == computed { Ok(inner) } else { Err(ImageError::Checksum { found, computed }) }
}

fn name(r: &mut Reader<'_>, what: &'static str) -> Result<String, DecodeError> {
    let text = r.text()?;
    if text.len() > NAME_BYTES_MAX {
        return Err(DecodeError::Limit { what, found: text.len() as u64, max: NAME_BYTES_MAX as u64 });
    }
    Ok(text.to_owned())
}

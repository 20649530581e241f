//! A frame's bytes.
//!
//! ```text
//! frame   "namF" · format: 1 byte · shard · epoch · number · shard time in ms · first commit number: varints
//!         previous crc: 4 LE · count: varint · entry* · crc: 4 LE
//! ```
//! The CRC-32 (IEEE) covers everything before it. Invariant: no bit of a frame can change without notice, and no frame
//! can stand where another stood. Source: own reasoning; CRC-32 as in IEEE 802.3.

use bytes::Bytes;

use super::{Entry, FrameError, FrameName};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Epoch, FrameNumber, ShardId};

const MAGIC: [u8; 4] = *b"namF";
const FORMAT: u8 = 1;
const CRC_BYTES: usize = 4;

/// Commits that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose commits.
    pub shard: ShardId,
    /// The term.
    pub epoch: Epoch,
    /// Its place in the term, 1 and up.
    pub number: FrameNumber,
    /// The shard's time, in milliseconds; never goes back.
    pub time_ms: u64,
    /// The number, within the term, of its first entry that is a commit.
    pub first_commit: u64,
    /// The checksum of the frame before, 0 for the very first.
    pub previous_crc: u32,
    /// What happened, in order.
    pub entries: Vec<Entry>,
}

/// A frame ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Its name.
    pub name: FrameName,
    /// The shard's time, in milliseconds.
    pub time_ms: u64,
    /// The frame, its checksum included.
    pub bytes: Bytes,
    /// Its checksum.
    pub crc: u32,
}

impl Frame {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> FrameName {
        FrameName { shard: self.shard, epoch: self.epoch, number: self.number }
    }

    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> EncodedFrame {
        let size = self.entries.iter().map(Entry::bytes).sum::<usize>() + 64;
        let mut w = Writer::append_to(Vec::with_capacity(size));
        w.raw(&MAGIC);
        w.byte(FORMAT);
        w.varint(u64::from(self.shard.0));
        w.varint(self.epoch.0);
        w.varint(self.number.0);
        w.varint(self.time_ms);
        w.varint(self.first_commit);
        w.raw(&self.previous_crc.to_le_bytes());
        w.length(self.entries.len());
        for entry in &self.entries {
            entry.encode(&mut w);
        }
        let crc = crc32fast::hash(w.as_slice());
        w.raw(&crc.to_le_bytes());
        EncodedFrame { name: self.name(), time_ms: self.time_ms, bytes: w.into_bytes().into(), crc }
    }

    /// Decodes one whole frame; answers its checksum too.
    ///
    /// # Errors
    /// Any [`FrameError`] but `Chain`.
    pub fn decode(bytes: &Bytes) -> Result<(Self, u32), FrameError> {
        let mut r = Reader::new(bytes);
        if r.array::<4>().ok() != Some(MAGIC) {
            return Err(FrameError::Magic);
        }
        let format = r.byte()?;
        if format != FORMAT {
            return Err(FrameError::Format { found: format, known: FORMAT });
        }
        let (content, tail) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(DecodeError::Truncated { needed: CRC_BYTES, left: bytes.len() })?;
        let (found, computed) = (u32::from_le_bytes(*tail), crc32fast::hash(content));
        if found != computed {
            return Err(FrameError::Checksum { found, computed });
        }
        let mut r = Reader::new(content.get(MAGIC.len() + 1..).unwrap_or_default());
        let shard = ShardId(u16::try_from(r.varint()?).map_err(|_| DecodeError::Varint)?);
        let epoch = Epoch(r.varint()?);
        let number = FrameNumber(r.varint()?);
        let time_ms = r.varint()?;
        let first_commit = r.varint()?;
        let previous_crc = u32::from_le_bytes(r.array()?);
        let count = r.count(2)?;
        if first_commit.checked_add(count as u64).is_none() {
            return Err(DecodeError::Unknown { what: "first commit of a frame", found: first_commit }.into());
        }
        let entries = (0..count).map(|_| Entry::decode(&mut r, bytes)).collect::<Result<_, _>>()?;
        r.finish()?;
        Ok((Self { shard, epoch, number, time_ms, first_commit, previous_crc, entries }, computed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, EventKind, GroupId};
    use crate::expiry::Expiry;
    use crate::ids::{Alias, Birth, CommitNumber, NodeId, Sequence, Version};
    use crate::journal::{Chain, JournalError, Origin, Payload, Share};
    use std::time::Duration;

    fn frame(number: u64, previous_crc: u32) -> Frame {
        let origin = Origin { node: NodeId(7), sequence: Sequence(300) };
        let (alias, class, key) = (Alias(4), "desk.Portfolio".to_owned(), "alice".to_owned());
        let delta = Payload::Inline(Bytes::from_static(b"delta"));
        let share = |alias| Share { alias: Alias(alias), version: Version(5), payload: delta.clone() };
        let shares = vec![share(4), share(9)];
        let expiry = Expiry::idle(Duration::from_secs(60));
        let number_of = |n| CommitNumber { epoch: Epoch(8), n };
        let (kind, birth, last) = (EventKind::Expired, Birth(number_of(300)), Some(Bytes::from_static(b"last")));
        Frame {
            shard: ShardId(3),
            epoch: Epoch(9),
            number: FrameNumber(number),
            time_ms: 1_000,
            first_commit: 12,
            previous_crc,
            entries: vec![
                Entry::Schema { schema: Bytes::from_static(b"schema") },
                Entry::Slice { staging: 1, bytes: Bytes::from_static(b"slice") },
                Entry::Created { origin, alias, class, key, expiry, payload: Payload::Staged(1) },
                Entry::Committed { origin, alias, version: Version(2), payload: delta.clone() },
                Entry::Destroyed { origin, alias },
                Entry::Limited { origin, alias, expiry: expiry.or_after(Duration::from_secs(3_600)) },
                Entry::Expired { alias },
                Entry::Granted { node: NodeId(7), alias },
                Entry::Founded { class: "desk.Portfolio".to_owned(), group: "billing".to_owned() },
                Entry::Acknowledged { group: GroupId(number_of(4)), event: EventId(number_of(5)) },
                Entry::GroupEnded { group: GroupId(number_of(4)) },
                Entry::Happened { kind, birth, class: "desk.Portfolio".to_owned(), key: "alice".to_owned(), last },
                Entry::Grouped { origin, shares },
            ],
        }
    }

    #[test]
    fn a_frame_comes_back_and_every_flipped_bit_shows() {
        let frame = frame(1, 0);
        let encoded = frame.encode();
        assert_eq!(Frame::decode(&encoded.bytes), Ok((frame.clone(), encoded.crc)));
        for bit in 0..encoded.bytes.len() * 8 {
            let mut bytes = encoded.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&bytes.into()).is_err(), "bit {bit}");
        }
        for cut in 0..encoded.bytes.len() {
            assert!(Frame::decode(&encoded.bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
        let endless = Frame { first_commit: u64::MAX - 12, ..frame };
        let found = DecodeError::Unknown { what: "first commit of a frame", found: endless.first_commit };
        assert_eq!(Frame::decode(&endless.encode().bytes), Err(found.into()), "its commits have no numbers");
    }

    #[test]
    fn a_chain_misses_no_frame() {
        let first = frame(1, 0).encode();
        let second = frame(2, first.crc).encode();
        let third = frame(3, second.crc).encode();
        let mut chain = Chain::of(ShardId(3), 0);
        assert!(chain.next(&second.bytes).is_err(), "the first one is missing");
        assert!(chain.next(&first.bytes).is_ok());
        assert!(matches!(
            chain.next(&third.bytes),
            Err(JournalError::Damaged { last, error: FrameError::Chain { .. } }) if last == first.name
        ));
        assert!(chain.next(&second.bytes).is_ok());
        assert!(chain.next(&third.bytes).is_ok());
        assert_eq!(chain.last_crc(), third.crc);
    }
}

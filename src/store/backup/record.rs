//! One record of a backup: a frame, a part, a head or a state, as the store keeps it.
//!
//! ```text
//! record   kind: 1 · shard: varint · name · bytes: sized · crc of everything before: 4 LE
//! name     01 state: nothing      02 part: birth (epoch · number) · id      03 head: birth      04 frame: nothing
//! ```
//! Invariant: no bit of a record can change without notice. Source: `docs/backup.md` §2.

use bytes::Bytes;

use super::SealError;
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Birth, CommitNumber, PartId, ShardId};

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    State,
    Part(Birth, PartId),
    Head(Birth),
    Frame,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) shard: ShardId,
    pub(crate) kind: Kind,
    pub(crate) bytes: Bytes,
}

impl Record {
    pub(crate) fn write(&self, w: &mut Writer) {
        let from = w.len();
        w.byte(match self.kind {
            Kind::State => 1,
            Kind::Part(..) => 2,
            Kind::Head(_) => 3,
            Kind::Frame => 4,
        });
        w.varint(u64::from(self.shard.0));
        if let Kind::Part(birth, _) | Kind::Head(birth) = self.kind {
            birth.0.write(w);
        }
        if let Kind::Part(_, part) = self.kind {
            w.varint(u64::from(part.0));
        }
        w.sized(&self.bytes);
        let crc = crc32fast::hash(w.as_slice().get(from..).unwrap_or_default());
        w.raw(&crc.to_le_bytes());
    }

    /// Reads the record at the start of `bytes`, and says how long it is.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub(crate) fn read(bytes: &Bytes) -> Result<(Self, usize), SealError> {
        let mut r = Reader::new(bytes);
        let kind = r.byte()?;
        let shard = ShardId(u16::try_from(r.varint()?).map_err(|_| DecodeError::Varint)?);
        let kind = match kind {
            1 => Kind::State,
            2 => {
                let birth = Birth(CommitNumber::read(&mut r)?);
                Kind::Part(birth, PartId(r.varint32()?))
            }
            3 => Kind::Head(Birth(CommitNumber::read(&mut r)?)),
            4 => Kind::Frame,
            found => return Err(DecodeError::Unknown { what: "kind of record", found: u64::from(found) }.into()),
        };
        let content = bytes.slice_ref(r.sized()?);
        let end = bytes.len() - r.left();
        let (found, computed) = (u32::from_le_bytes(r.array()?), crc32fast::hash(bytes.get(..end).unwrap_or_default()));
        if found != computed {
            return Err(SealError::Checksum { found, computed });
        }
        Ok((Self { shard, kind, bytes: content }, bytes.len() - r.left()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn birth() -> Birth {
        Birth(CommitNumber { epoch: Epoch(300), n: 2 })
    }

    fn encoded(kind: Kind) -> Vec<u8> {
        let mut w = Writer::new();
        Record { shard: ShardId(1), kind, bytes: Bytes::from_static(b"abc") }.write(&mut w);
        w.into_bytes()
    }

    #[test]
    fn golden_records_of_section_2() {
        assert_eq!(encoded(Kind::State), [b"\x01\x01\x03abc".as_slice(), &[0x88, 0x6c, 0x2e, 0x9f]].concat());
        let part = encoded(Kind::Part(birth(), PartId(7)));
        assert_eq!(part[..10], *b"\x02\x01\xac\x02\x02\x07\x03abc");
        assert_eq!(encoded(Kind::Head(birth()))[..9], *b"\x03\x01\xac\x02\x02\x03abc");
        assert_eq!(encoded(Kind::Frame)[..6], *b"\x04\x01\x03abc");
    }

    #[test]
    fn a_record_comes_back_and_every_flipped_bit_shows() {
        for kind in [Kind::State, Kind::Part(birth(), PartId(7)), Kind::Head(birth()), Kind::Frame] {
            let bytes = encoded(kind);
            let (record, length) = Record::read(&bytes.clone().into()).unwrap();
            assert_eq!(
                (record.kind, record.shard, &record.bytes[..], length),
                (kind, ShardId(1), &b"abc"[..], bytes.len())
            );
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(Record::read(&bytes.into()).is_err(), "{kind:?}: bit {bit}");
            }
            for cut in 0..bytes.len() {
                assert!(Record::read(&bytes[..cut].to_vec().into()).is_err(), "{kind:?}: cut at {cut}");
            }
        }
    }
}

//! The manifest: what a backup consists of. It is written last, and without it there is no backup.
//!
//! ```text
//! manifest   "namB" · format 01 · count · shard* · count · chunk* · crc of everything before: 4 LE
//! shard      term: sized · first: 4 LE · last frame: epoch · number · its crc: 4 LE · frames · images · bytes
//! chunk      length: varint · crc of it: 4 LE
//! ```
//! Source: `docs/backup.md` §1.

use bytes::Bytes;
use thiserror::Error;

use super::check::Extent;
use super::{SealError, unsealed};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::ShardId;
use crate::limits::{BACKUP_CHUNK_BYTES, BACKUP_MESSAGE_BYTES_MAX};

const MAGIC: [u8; 4] = *b"namB";
const FORMAT: u8 = 1;

/// Bytes of a manifest: room for the chunks of 100 TB.
pub(super) const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// It is of something else.
    #[error("it is not nam's")]
    Foreign,
    /// A newer version wrote it.
    #[error("its format is {found}, this version of nam reads {FORMAT}: use the version that made it")]
    Newer {
        /// The format found.
        found: u8,
    },
    /// It is not as it was written.
    #[error("it is damaged: {0}")]
    Damaged(#[from] SealError),
}

/// A chunk as the manifest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkExtent {
    pub(super) bytes: u64,
    pub(super) crc: u32,
}

impl ChunkExtent {
    /// Whether `bytes` are the chunk's.
    pub(super) fn check(&self, bytes: &Bytes) -> Result<(), String> {
        let (found, length) = (crc32fast::hash(bytes), bytes.len() as u64);
        if length != self.bytes {
            return Err(format!("has {length} bytes where {} belong", self.bytes));
        }
        if found != self.crc {
            return Err(format!("is damaged: checksum {found:#010x} where {:#010x} was expected", self.crc));
        }
        Ok(())
    }
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) shards: Vec<Extent>,
    pub(super) chunks: Vec<ChunkExtent>,
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(&MAGIC);
        w.byte(FORMAT);
        w.length(self.shards.len());
        self.shards.iter().for_each(|shard| shard.write(&mut w));
        w.length(self.chunks.len());
        for chunk in &self.chunks {
            w.varint(chunk.bytes);
            w.raw(&chunk.crc.to_le_bytes());
        }
        let crc = crc32fast::hash(w.as_slice());
        w.raw(&crc.to_le_bytes());
        w.into_bytes()
    }

    /// Reads a manifest: whose it is and its format first, so that a newer one is not called damaged.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, ManifestError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(ManifestError::Foreign)?;
        if let Some(found) = rest.first().copied().filter(|found| *found != FORMAT) {
            // A flipped bit is damage; a newer version seals what it writes as this one does.
            unsealed(bytes)?;
            return Err(ManifestError::Newer { found });
        }
        let mut r = Reader::new(unsealed(bytes)?);
        Self::read(&mut r).map_err(|error| ManifestError::Damaged(error.into()))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let _head = r.array::<5>()?;
        let shards = r.count(8)?;
        if shards == 0 {
            return Err(DecodeError::Unknown { what: "number of shards", found: 0 });
        }
        let number = |shard| u16::try_from(shard).map(ShardId).map_err(|_| DecodeError::Varint);
        let shards = (0..shards).map(|shard| Extent::read(number(shard)?, r)).collect::<Result<_, _>>()?;
        let chunks = r.count(5)?;
        let mut chunk = || {
            let bytes = r.varint()?;
            let max = BACKUP_CHUNK_BYTES as u64 + BACKUP_MESSAGE_BYTES_MAX;
            if bytes > max {
                return Err(DecodeError::Limit { what: "bytes in a chunk", found: bytes, max });
            }
            Ok(ChunkExtent { bytes, crc: u32::from_le_bytes(r.array()?) })
        };
        let chunks = (0..chunks).map(|_| chunk()).collect::<Result<_, DecodeError>>()?;
        if r.is_done() { Ok(Self { shards, chunks }) } else { Err(DecodeError::Trailing { left: r.left() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, FrameNumber};
    use crate::journal::{FrameName, Term};

    fn sample() -> Manifest {
        let last = FrameName { shard: ShardId(0), epoch: Epoch(9), number: FrameNumber(2) };
        let term = Term { epoch: Epoch(9), lossy_epoch: Epoch(7), wall_ms: 9, time_ms: 3 };
        let counts = Extent { term: Some(term), first_crc: 5, last, last_crc: 6, frames: 2, images: 1, bytes: 300 };
        Manifest { shards: vec![counts], chunks: vec![ChunkExtent { bytes: 400, crc: 8 }] }
    }

    #[test]
    fn golden_manifest_of_section_1() {
        let bytes = sample().encode();
        let content = [
            b"namB\x01\x01\x0c".as_slice(),
            &Term { epoch: Epoch(9), lossy_epoch: Epoch(7), wall_ms: 9, time_ms: 3 }.encode(),
            b"\x05\0\0\0\x09\x02\x06\0\0\0\x02\x01\xac\x02\x01\x90\x03\x08\0\0\0",
        ];
        let content = content.concat();
        assert_eq!(bytes[..bytes.len() - 4], content);
        assert_eq!(bytes[bytes.len() - 4..], crc32fast::hash(&content).to_le_bytes());
    }

    #[test]
    fn a_manifest_comes_back_and_every_flipped_bit_shows() {
        let bytes = sample().encode();
        assert_eq!(Manifest::decode(&bytes.clone().into()), Ok(sample()));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let told = Manifest::decode(&bytes.into()).unwrap_err();
            assert!(!matches!(told, ManifestError::Newer { .. }), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut].to_vec().into()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_format_is_told_as_that() {
        let mut bytes = sample().encode();
        bytes[4] = 2;
        let end = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&crc);
        assert_eq!(Manifest::decode(&bytes.into()), Err(ManifestError::Newer { found: 2 }));
    }
}

//! Chunks: records one after the other, some 64 MiB a file.
//!
//! ```text
//! chunk   "namC" · format 01 · its number: varint · record*
//! ```
//! Source: `docs/backup.md` §2.

use bytes::Bytes;

use super::SealError;
use super::manifest::ChunkExtent;
use super::record::Record;
use crate::coding::{DecodeError, Reader, Writer};
use crate::limits::BACKUP_CHUNK_BYTES;

const MAGIC: [u8; 4] = *b"namC";
const FORMAT: u8 = 1;

/// Gathers records until a chunk is full.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    w: Writer,
    /// The chunks that are full.
    pub(super) extents: Vec<ChunkExtent>,
}

impl Chunks {
    /// Adds a record; answers the chunk that it filled, with its number.
    pub(super) fn add(&mut self, record: &Record) -> Option<(u32, Vec<u8>)> {
        let is_full = self.w.len() + record.bytes.len() > BACKUP_CHUNK_BYTES;
        let full = if is_full { self.last() } else { None };
        if self.w.is_empty() {
            self.w.raw(&MAGIC);
            self.w.byte(FORMAT);
            self.w.length(self.extents.len() + 1);
        }
        record.write(&mut self.w);
        full
    }

    /// The chunk that is not full, if there is anything in it.
    pub(super) fn last(&mut self) -> Option<(u32, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.w).into_bytes();
        if bytes.is_empty() {
            return None;
        }
        self.extents.push(ChunkExtent { bytes: bytes.len() as u64, crc: crc32fast::hash(&bytes) });
        Some((u32::try_from(self.extents.len()).unwrap_or(u32::MAX), bytes))
    }
}

/// The records of chunk `number`.
///
/// # Errors
/// It is none, or another.
pub(super) fn records(
    number: u32,
    bytes: &Bytes,
) -> Result<impl Iterator<Item = Result<Record, SealError>> + use<>, SealError> {
    let mut r = Reader::new(bytes);
    if r.array::<4>()? != MAGIC {
        return Err(DecodeError::Unknown { what: "chunk", found: 0 }.into());
    }
    let format = r.byte()?;
    if format != FORMAT {
        return Err(DecodeError::Unknown { what: "format of a chunk", found: u64::from(format) }.into());
    }
    let found = r.varint32()?;
    if found != number {
        return Err(DecodeError::Unknown { what: "number of this chunk", found: u64::from(found) }.into());
    }
    let mut rest = bytes.slice_ref(r.rest());
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = Record::read(&rest);
        rest = next.as_ref().map_or_else(|_| Bytes::new(), |(_, length)| rest.slice(*length..));
        Some(next.map(|(record, _)| record))
    }))
}

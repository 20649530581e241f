//! The newest frame acknowledged, of each shard: by it a store that lost its end is known from one that has none.
//!
//! ```text
//! slot    "namA" · epoch: 8 LE · number: 8 LE · crc of the frame: 4 LE · crc of the slot: 4 LE · zeros to 64 bytes
//! file    two slots a shard; frames of even and of odd number take turns
//! ```
//! Written after the frame is durable and before anyone is told, and never synced: it may be older than the store, never
//! newer. So it costs no sync, a torn slot leaves the other one, and after a power loss it proves less, not something
//! false. Source: own reasoning (a log alone cannot tell a torn end from a lost one).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::directory::{DataError, failed, private};
use crate::coding::{DecodeError, Reader};
use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::FrameName;

const MAGIC: [u8; 4] = *b"namA";
const SLOT_BYTES: usize = 64;
const CONTENT_BYTES: usize = 24;

/// A frame that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) name: FrameName,
    pub(super) crc: u32,
}

/// The file.
#[derive(Debug)]
pub(super) struct AcknowledgedFile {
    path: PathBuf,
    file: File,
}

impl AcknowledgedFile {
    /// Opens the file, making one for `shards` if there is none; answers what it says.
    pub(super) fn open(directory: &Path, shards: u16) -> Result<(Self, Vec<Option<Acknowledged>>), DataError> {
        let path = directory.join("acknowledged");
        let mut file = private().truncate(false).open(&path).map_err(failed(&path))?;
        let size = usize::from(shards) * 2 * SLOT_BYTES;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(size as u64 + 1).read_to_end(&mut bytes).map_err(failed(&path))?;
        if bytes.is_empty() {
            bytes = vec![0; size];
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed(&path))?;
        }
        let damaged = |what: String| DataError::Damaged { path: path.clone(), what };
        if bytes.len() != size {
            return Err(damaged(format!("{} bytes where {size} belong", bytes.len())));
        }
        let mut known = Vec::new();
        for (shard, slots) in (0..).map(ShardId).zip(bytes.chunks(2 * SLOT_BYTES)) {
            let newest = newest(shard, slots);
            known.push(newest.map_err(|()| damaged(format!("both places of shard {shard} are unreadable")))?);
        }
        Ok((Self { path, file }, known))
    }

    /// Makes what was noted durable.
    pub(super) fn sync(&self) -> Result<(), DataError> {
        self.file.sync_all().map_err(failed(&self.path))
    }

    /// Notes that a frame is durable.
    pub(super) fn note(&mut self, frame: Acknowledged) -> Result<(), DataError> {
        let Acknowledged { name, crc } = frame;
        let turn = u64::from(name.shard.0) * 2 + name.number.0 % 2;
        let mut slot = [MAGIC.as_slice(), &name.epoch.0.to_le_bytes(), &name.number.0.to_le_bytes()].concat();
        slot.extend(crc.to_le_bytes());
        slot.extend(crc32fast::hash(&slot).to_le_bytes());
        let at = SeekFrom::Start(turn * SLOT_BYTES as u64);
        self.file.seek(at).and_then(|_| self.file.write_all(&slot)).map_err(failed(&self.path))
    }
}

/// The newer of two slots; an error if there is none left of something that was there.
fn newest(shard: ShardId, slots: &[u8]) -> Result<Option<Acknowledged>, ()> {
    if slots.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let known = slots.chunks(SLOT_BYTES).filter_map(|slot| decode(shard, slot).ok());
    known.max_by_key(|known| known.name).map(Some).ok_or(())
}

fn decode(shard: ShardId, slot: &[u8]) -> Result<Acknowledged, DecodeError> {
    let mut r = Reader::new(slot);
    let content = r.take(CONTENT_BYTES)?;
    if r.array()? != crc32fast::hash(content).to_le_bytes() {
        return Err(DecodeError::Unknown { what: "slot", found: 0 });
    }
    let mut r = Reader::new(content);
    if r.array::<4>()? != MAGIC {
        return Err(DecodeError::Unknown { what: "slot", found: 0 });
    }
    let epoch = Epoch(u64::from_le_bytes(r.array()?));
    let number = FrameNumber(u64::from_le_bytes(r.array()?));
    let crc = u32::from_le_bytes(r.array()?);
    Ok(Acknowledged { name: FrameName { shard, epoch, number }, crc })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frame_is_known_again_and_one_torn_slot_leaves_the_other() {
        let directory = crate::store::disk::Scratch::new("acknowledged");
        let frame = |shard, number| {
            let name = FrameName { shard: ShardId(shard), epoch: Epoch(9), number: FrameNumber(number) };
            Acknowledged { name, crc: 7 }
        };
        let (mut file, known) = AcknowledgedFile::open(&directory.0, 2).unwrap();
        assert_eq!(known, [None, None]);
        for number in 1..=3 {
            file.note(frame(1, number)).unwrap();
        }
        assert_eq!(AcknowledgedFile::open(&directory.0, 2).unwrap().1, [None, Some(frame(1, 3))]);
        let path = directory.0.join("acknowledged");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3 * SLOT_BYTES + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(AcknowledgedFile::open(&directory.0, 2).unwrap().1, [None, Some(frame(1, 2))]);
        bytes[2 * SLOT_BYTES + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(AcknowledgedFile::open(&directory.0, 2).is_err(), "both are gone");
        std::fs::write(&path, &bytes[..70]).unwrap();
        assert!(AcknowledgedFile::open(&directory.0, 2).is_err(), "it was cut");
    }
}

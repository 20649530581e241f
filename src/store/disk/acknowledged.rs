//! The newest frame acknowledged, of each shard: by it a store that lost its end is known from one that has none.
//!
//! ```text
//! slot    "namA" · epoch: 8 LE · number: 8 LE · crc of the frame: 4 LE · crc of the slot: 4 LE · zeros to 64 bytes
//! file    two slots a shard; frames of even and of odd number take turns
//! ```
//! Written after the frame is durable and before anyone is told, and never synced: it may be older than the store, never
//! newer. So it costs no sync, a torn slot leaves the other one, and after a power loss it proves less, not something
//! false. Source: own reasoning (a log alone cannot tell a torn end from a lost one).

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::directory::{DataError, failed, private, sync_directory};
use crate::coding::{DecodeError, Reader};
use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::FrameName;

const NAME: &str = "acknowledged";
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
    /// Opens the file.
    pub(super) fn open(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(NAME);
        let file = private().truncate(false).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file })
    }

    /// Makes what was noted durable.
    pub(super) fn sync(&self) -> Result<(), DataError> {
        self.file.sync_all().map_err(failed(&self.path))
    }

    /// Notes that a frame is durable.
    pub(super) fn note(&mut self, frame: Acknowledged) -> Result<(), DataError> {
        let turn = u64::from(frame.name.shard.0) * 2 + frame.name.number.0 % 2;
        let at = SeekFrom::Start(turn * SLOT_BYTES as u64);
        self.file.seek(at).and_then(|_| self.file.write_all(&slot(frame))).map_err(failed(&self.path))
    }
}

/// Reads what was noted of `shards` shards. Only a directory that has no store yet has no note: it is made before.
pub(super) fn read(directory: &Path, shards: u16) -> Result<Vec<Option<Acknowledged>>, DataError> {
    let (path, size) = (directory.join(NAME), bytes_of(shards));
    let mut bytes = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        file => {
            file.and_then(|file| file.take(size as u64 + 1).read_to_end(&mut bytes)).map_err(failed(&path))?;
        }
    }
    if bytes.is_empty() && !directory.join("store").exists() {
        let unknown = vec![None; usize::from(shards)];
        return replace(directory, &unknown).map(|()| unknown);
    }
    let damaged = |what: String| DataError::Damaged { path: path.clone(), what };
    if bytes.len() != size {
        return Err(damaged(format!("{} bytes where {size} belong", bytes.len())));
    }
    let slots = (0..).map(ShardId).zip(bytes.chunks(2 * SLOT_BYTES));
    let unreadable = |shard| damaged(format!("both places of shard {shard} are unreadable"));
    slots.map(|(shard, slots)| newest(shard, slots).map_err(|()| unreadable(shard))).collect()
}

/// Makes the file anew, wholly or not at all.
pub(super) fn replace(directory: &Path, known: &[Option<Acknowledged>]) -> Result<(), DataError> {
    let mut bytes = vec![0; known.len() * 2 * SLOT_BYTES];
    for (slots, known) in bytes.chunks_mut(2 * SLOT_BYTES).zip(known.iter().copied()) {
        let Some(known) = known else { continue };
        let turn = if known.name.number.0 % 2 == 0 { 0 } else { SLOT_BYTES };
        slots.iter_mut().skip(turn).zip(slot(known)).for_each(|(byte, noted)| *byte = noted);
    }
    let (draft, path) = (directory.join("acknowledged.new"), directory.join(NAME));
    let mut file = private().truncate(true).open(&draft).map_err(failed(&draft))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed(&draft))?;
    fs::rename(&draft, &path).map_err(failed(&path))?;
    sync_directory(directory)
}

fn bytes_of(shards: u16) -> usize {
    usize::from(shards) * 2 * SLOT_BYTES
}

/// The used part of a slot.
fn slot(Acknowledged { name, crc }: Acknowledged) -> Vec<u8> {
    let mut slot = [MAGIC.as_slice(), &name.epoch.0.to_le_bytes(), &name.number.0.to_le_bytes()].concat();
    slot.extend(crc.to_le_bytes());
    slot.extend(crc32fast::hash(&slot).to_le_bytes());
    slot
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
        let known = || read(&directory.0, 2);
        assert_eq!(known().unwrap(), [None, None], "made, because there is no store yet");
        let mut file = AcknowledgedFile::open(&directory.0).unwrap();
        for number in 1..=3 {
            file.note(frame(1, number)).unwrap();
        }
        assert_eq!(known().unwrap(), [None, Some(frame(1, 3))]);
        let path = directory.0.join(NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes[3 * SLOT_BYTES + 5] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(known().unwrap(), [None, Some(frame(1, 2))]);
        bytes[2 * SLOT_BYTES + 5] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(known().is_err(), "both are gone");
        fs::write(&path, &bytes[..70]).unwrap();
        assert!(known().is_err(), "it was cut");
        let again = [Some(frame(0, 4)), Some(frame(1, 5))];
        replace(&directory.0, &again).unwrap();
        assert_eq!(known().unwrap(), again);
        AcknowledgedFile::open(&directory.0).unwrap().note(frame(1, 6)).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[3 * SLOT_BYTES..][..CONTENT_BYTES + 4], slot(frame(1, 5)), "the one before is left");
        fs::create_dir(directory.0.join("store")).unwrap();
        for gone in [Some(&[][..]), None] {
            gone.map_or_else(|| fs::remove_file(&path), |gone| fs::write(&path, gone)).unwrap();
            assert!(known().is_err(), "a directory with a store has a note");
        }
    }
}

//! Images on disk: heads, parts and states in the database of the frames.
//!
//! ```text
//! keyspace heads    shard: 2 BE · birth: epoch 8 BE, number 8 BE             ──▶ the head
//! keyspace parts    shard: 2 BE · birth: epoch 8 BE, number 8 BE · id: 4 BE  ──▶ the part
//! keyspace states   shard: 2 BE                                              ──▶ the shard's state
//! each of them      ff ff · "cut" · shard: 2 BE                              ──▶ the checksum of the last cut
//! ```
//! Invariants: whatever the level of durability, a head and a state are synced, and with them all that was written
//! before, because the store has one log; parts go before the head that would tell where they are; after a write that
//! failed, of a frame or of an image, nothing is written any more. Source: as in `docs/journal.md` §4.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use parking_lot::Mutex;

use super::directory::free_bytes;
use super::store::{FORGOTTEN_MAX, explained, guarded, options};
use super::{Failure, Open};
use crate::ids::{Birth, CommitNumber, Epoch, PartId, ShardId};
use crate::journal::{
    DamagedImage, Head, ImageError, ImageName, Images, JournalError, LiveHead, PartName, PutHead, decode_state,
    encode_state,
};

/// The keyspaces.
pub(super) const KEYSPACES: [&str; 3] = ["heads", "parts", "states"];

/// Tables of heads, parts and states.
#[derive(Clone)]
pub(super) struct ImageTables {
    database: Database,
    heads: Keyspace,
    parts: Keyspace,
    states: Keyspace,
}

impl ImageTables {
    /// Opens the tables of a store that has them.
    pub(super) fn open(database: &Database) -> Result<Self, String> {
        Self::with(database, options)
    }

    /// Opens the tables and makes those that are not there.
    pub(super) fn make(database: &Database, gathered_bytes: u64) -> Result<Self, String> {
        Self::with(database, || options().max_memtable_size(gathered_bytes))
    }

    fn with(database: &Database, options: impl Fn() -> KeyspaceCreateOptions) -> Result<Self, String> {
        let keyspace = |name| guarded(|| database.keyspace(name, &options));
        let [heads, parts, states] = KEYSPACES;
        let (heads, parts, states) = (keyspace(heads)?, keyspace(parts)?, keyspace(states)?);
        Ok(Self { database: database.clone(), heads, parts, states })
    }
}

impl ImageTables {
    /// Notes in every table how far the journal of a shard is cut.
    pub(super) fn mark_cut(&self, batch: &mut OwnedWriteBatch, shard: ShardId, crc: [u8; 4]) {
        for keyspace in [&self.heads, &self.parts, &self.states] {
            batch.insert(keyspace, cut_key(shard), crc);
        }
    }

    /// Whether every table has what was written before the last cut of a shard's journal: each is stored when the store
    /// likes, and the log that they share may be damaged where it is taken for torn.
    pub(super) fn check_cut(&self, shard: ShardId, crc: Option<&[u8]>) -> Result<(), JournalError> {
        for (what, keyspace) in KEYSPACES.into_iter().zip([&self.heads, &self.parts, &self.states]) {
            let mark = guarded(|| keyspace.get(cut_key(shard))).map_err(JournalError::Unreadable)?;
            if mark.as_deref() != crc {
                return Err(JournalError::Older { shard, what });
            }
        }
        Ok(())
    }
}

/// The images of all shards of a data directory; clones share it and hold it open.
#[derive(Clone)]
pub struct DiskImages {
    tables: ImageTables,
    failure: Failure,
    path: PathBuf,
    free_bytes_min: u64,
    _open: Arc<Mutex<Open>>,
}

impl fmt::Debug for DiskImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskImages").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DiskImages {
    pub(super) fn new(tables: ImageTables, open: &Arc<Mutex<Open>>) -> Self {
        let of = open.lock();
        let (failure, path) = (of.failure.clone(), of.directory.path.clone());
        Self { tables, failure, path, free_bytes_min: of.settings.free_bytes_min, _open: open.clone() }
    }

    /// Writes one batch.
    fn write(
        &self,
        what: impl fmt::Display,
        mode: PersistMode,
        fill: impl FnOnce(&mut OwnedWriteBatch) -> fjall::Result<()>,
    ) -> Result<(), JournalError> {
        self.failure.check()?;
        let written = guarded(|| {
            let mut batch = self.tables.database.batch().durability(Some(mode));
            fill(&mut batch)?;
            batch.commit()
        });
        written.map_err(|text| self.failure.note(format!("{what}: {text}")))
    }

    /// Forgets the parts of an image, some at a time.
    fn forget_parts(&self, image: ImageName) -> Result<(), JournalError> {
        let keys = part_key(image, PartId(0))..=part_key(image, PartId(u32::MAX));
        loop {
            let found = guarded(|| {
                let guards = self.tables.parts.range(keys.clone()).take(FORGOTTEN_MAX);
                guards.map(fjall::Guard::key).collect::<fjall::Result<Vec<_>>>()
            });
            let found = found.map_err(|text| JournalError::Unreadable(format!("image {image}: {text}")))?;
            if found.is_empty() {
                return Ok(());
            }
            self.write(format_args!("image {image}"), PersistMode::Buffer, |batch| {
                found.into_iter().for_each(|key| batch.remove(&self.tables.parts, key));
                Ok(())
            })?;
        }
    }

    fn get(&self, keyspace: &Keyspace, key: &[u8], what: impl fmt::Display) -> Result<Option<Bytes>, JournalError> {
        let value = guarded(|| keyspace.get(key));
        let explained = |text| JournalError::Unreadable(format!("{what}: {}", explained(keyspace, text)));
        value.map(|value| value.map(Bytes::from)).map_err(explained)
    }

    /// Reads all parts of an image; answers how many there are that its head names, and tells of each that is not as it
    /// was written.
    pub(super) fn check_parts(&self, image: ImageName, live: &LiveHead, tell: &mut dyn FnMut(JournalError)) -> u64 {
        let mut guards = self.tables.parts.range(part_key(image, PartId(0))..=part_key(image, PartId(u32::MAX)));
        let mut named = live.parts.iter().peekable();
        let mut good = 0;
        loop {
            let next = guarded(|| guards.next().map(fjall::Guard::into_inner).transpose());
            let (id, bytes) = match next {
                Ok(None) => break,
                Ok(Some((key, bytes))) => (part_of(&key), bytes),
                Err(what) => {
                    let part = named.peek().map_or(PartId(u32::MAX), |part| part.id);
                    tell(live.damaged(image, ImageError::Unreadable { part, what }));
                    return good;
                }
            };
            while let Some(missing) = named.next_if(|part| part.id < id) {
                tell(live.damaged(image, ImageError::NoPart { part: missing.id }));
            }
            // What no head names is of no use, and does no harm.
            let Some(part) = named.next_if(|part| part.id == id) else { continue };
            match live.check(image, *part, &bytes) {
                Ok(()) => good += 1,
                Err(error) => tell(error),
            }
        }
        named.for_each(|missing| tell(live.damaged(image, ImageError::NoPart { part: missing.id })));
        good
    }

    /// The heads of a shard as they are stored, births ascending.
    pub(super) fn stored_heads(&self, shard: ShardId) -> impl Iterator<Item = Result<(ImageName, Bytes), String>> {
        let mut guards = self.tables.heads.prefix(shard.0.to_be_bytes());
        std::iter::from_fn(move || {
            let next = guarded(|| guards.next().map(fjall::Guard::into_inner).transpose()).transpose()?;
            Some(
                next.map(|(key, value)| (name(&key), value.into())).map_err(|text| explained(&self.tables.heads, text)),
            )
        })
    }
}

impl Images for DiskImages {
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError> {
        self.write(format_args!("image {image}"), PersistMode::Buffer, |batch| {
            for (part, bytes) in parts {
                batch.insert(&self.tables.parts, part_key(image, *part), bytes.clone());
            }
            Ok(())
        })
    }

    fn put_heads(&mut self, heads: &[PutHead]) -> Result<(), JournalError> {
        let keys = |PutHead { shard, head, dropped }: &PutHead| {
            let image = head.name(*shard);
            dropped.iter().map(|part| part_key(image, *part)).collect::<Vec<_>>()
        };
        let dropped: Vec<[u8; 22]> = heads.iter().flat_map(keys).collect();
        let mut dropped = dropped.chunks(FORGOTTEN_MAX);
        let forget = |batch: &mut OwnedWriteBatch, keys: &[[u8; 22]]| {
            keys.iter().for_each(|key| batch.remove(&self.tables.parts, *key));
            Ok(())
        };
        let what = heads.iter().map(|put| put.head.name(put.shard)).next().unwrap_or_default();
        self.write(format_args!("image {what}"), PersistMode::SyncData, |batch| {
            for PutHead { shard, head, .. } in heads {
                batch.insert(&self.tables.heads, image_key(head.name(*shard)), head.encode(*shard));
            }
            dropped.next().map_or(Ok(()), |keys| forget(batch, keys))
        })?;
        for keys in dropped {
            self.write(format_args!("image {what}"), PersistMode::Buffer, |batch| forget(batch, keys))?;
        }
        let ended = heads.iter().filter(|put| put.head.live().is_none());
        ended.into_iter().try_for_each(|put| self.forget_parts(put.head.name(put.shard)))
    }

    fn remove(&mut self, image: ImageName) -> Result<(), JournalError> {
        self.forget_parts(image)?;
        self.write(format_args!("image {image}"), PersistMode::Buffer, |batch| {
            batch.remove(&self.tables.heads, image_key(image));
            Ok(())
        })
    }

    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError> {
        let mut last = None;
        for stored in self.stored_heads(shard) {
            let behind = |image| format!("the head behind that of image {image}");
            let what = last.map_or_else(|| format!("the first image of shard {shard}"), behind);
            let (image, bytes) = stored.map_err(|text| JournalError::Unreadable(format!("{what}: {text}")))?;
            if !visit(decode(image, &bytes)?) {
                break;
            }
            last = Some(image);
        }
        Ok(())
    }

    fn head(&mut self, image: ImageName) -> Result<Option<Head>, JournalError> {
        let bytes = self.get(&self.tables.heads, &image_key(image), format_args!("image {image}"))?;
        bytes.map(|bytes| decode(image, &bytes)).transpose()
    }

    fn part(&mut self, name: PartName) -> Result<Option<Bytes>, JournalError> {
        let PartName { image, part } = name;
        let value = guarded(|| self.tables.parts.get(part_key(image, part)));
        value.map(|value| value.map(Bytes::from)).map_err(JournalError::Unreadable)
    }

    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError> {
        self.write(format_args!("the state of shard {shard}"), PersistMode::SyncData, |batch| {
            batch.insert(&self.tables.states, shard.0.to_be_bytes(), encode_state(state));
            Ok(())
        })
    }

    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError> {
        let key = shard.0.to_be_bytes();
        let bytes = self.get(&self.tables.states, &key, format_args!("the state of shard {shard}"))?;
        let damaged = |error: ImageError| JournalError::State { shard, error };
        bytes.map(|bytes| decode_state(&bytes).map_err(damaged)).transpose()
    }

    /// Half of what stays free of commits is for images: by them the journal can be cut.
    fn has_room(&mut self) -> bool {
        free_bytes(&self.path).is_none_or(|free| free >= self.free_bytes_min / 2)
    }
}

/// The head that is stored under the name of `image`.
pub(super) fn decode(image: ImageName, bytes: &Bytes) -> Result<Head, JournalError> {
    let damaged = |error| JournalError::Image(Box::new(DamagedImage { image, object: None, error }));
    Head::decode(image, bytes).map_err(damaged)
}

/// The part that a key names.
fn part_of(key: &[u8]) -> PartId {
    let id = key.get(18..).and_then(|id| <[u8; 4]>::try_from(id).ok()).map(u32::from_be_bytes);
    PartId(id.unwrap_or_default())
}

/// No shard has the number ffff.
fn cut_key(shard: ShardId) -> Vec<u8> {
    [&b"\xff\xffcut"[..], &shard.0.to_be_bytes()].concat()
}

fn image_key(image: ImageName) -> [u8; 18] {
    let mut key = [0; 18];
    let (shard, birth) = key.split_at_mut(2);
    let (epoch, n) = birth.split_at_mut(8);
    shard.copy_from_slice(&image.shard.0.to_be_bytes());
    epoch.copy_from_slice(&image.birth.0.epoch.0.to_be_bytes());
    n.copy_from_slice(&image.birth.0.n.to_be_bytes());
    key
}

fn part_key(image: ImageName, part: PartId) -> [u8; 22] {
    let mut key = [0; 22];
    let (name, id) = key.split_at_mut(18);
    name.copy_from_slice(&image_key(image));
    id.copy_from_slice(&part.0.to_be_bytes());
    key
}

/// The image that a key of a head names; no key of ours has another length.
fn name(key: &[u8]) -> ImageName {
    let number = |part: Option<&[u8]>| {
        part.and_then(|part| <[u8; 8]>::try_from(part).ok()).map(u64::from_be_bytes).unwrap_or_default()
    };
    let shard = key.get(..2).and_then(|part| <[u8; 2]>::try_from(part).ok()).map(u16::from_be_bytes);
    let birth = Birth(CommitNumber { epoch: Epoch(number(key.get(2..10))), n: number(key.get(10..18)) });
    ImageName { shard: ShardId(shard.unwrap_or_default()), birth }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Images, Journal};
    use crate::store::conformance::{bytes_of, frame, head_of, image_laws, kept, stored};
    use crate::store::disk::{DataError, DiskJournal, DiskSettings, Scratch};

    const SHARD: ShardId = ShardId(0);

    fn settings(shards: u16) -> DiskSettings {
        DiskSettings { shards: Some(shards), free_bytes_min: 0, ..DiskSettings::default() }
    }

    #[test]
    fn images_on_disk_keep_the_laws() {
        let directory = Scratch::new("image-laws");
        let journal = DiskJournal::open(&directory.0, settings(2)).unwrap();
        let images = journal.images().unwrap();
        image_laws(&mut || Box::new(images.clone()));
    }

    #[test]
    fn an_image_is_there_after_a_restart_and_the_journal_before_it_need_not_be() {
        let directory = Scratch::new("image-restart");
        let mut journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        let claim = journal.claim(SHARD, 5).unwrap();
        let one = frame(SHARD, claim.epoch, 1, 0);
        let two = frame(SHARD, claim.epoch, 2, one.frame.crc);
        journal.append(&one).unwrap();
        journal.append(&two).unwrap();
        let mut images = journal.images().unwrap();
        let head = head_of(1, 3, &[(1, 3), (2, 3)]);
        let parts = [(PartId(1), bytes_of(1, 3)), (PartId(2), bytes_of(2, 3))];
        images.put_parts(head.name(SHARD), &parts).unwrap();
        images.put_head(SHARD, &head, &[]).unwrap();
        journal.truncate(SHARD, claim.epoch, two.frame.name.number).unwrap();
        drop(journal);
        assert!(matches!(DiskJournal::open(&directory.0, settings(1)), Err(DataError::InUse { .. })));
        drop(images);
        let mut journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        assert_eq!(kept(&mut journal.images().unwrap(), SHARD), [head]);
        assert_eq!(stored(&mut journal, SHARD), [two.frame.name]);
    }

    #[test]
    fn a_directory_of_format_1_is_read_as_it_is_and_raised_with_its_first_image() {
        let directory = Scratch::new("image-format");
        let format = directory.0.join("format");
        let title = "nam data directory\nformat 1\nshards 1\n";
        std::fs::write(&format, format!("{title}crc {:08x}\n", crc32fast::hash(title.as_bytes()))).unwrap();
        drop(DiskJournal::open(&directory.0, settings(1)).unwrap());
        assert!(std::fs::read_to_string(&format).unwrap().contains("format 1"), "nothing was asked of it");
        let journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        let mut images = journal.images().unwrap();
        images.put_head(SHARD, &head_of(1, 1, &[]), &[]).unwrap();
        assert!(std::fs::read_to_string(&format).unwrap().contains("format 2"));
        drop((journal, images));
        let journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        assert_eq!(kept(&mut journal.images().unwrap(), SHARD).len(), 1);
    }

    #[test]
    fn a_cut_without_the_images_before_it_is_refused() {
        let directory = Scratch::new("image-cut");
        let mut journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        let claim = journal.claim(SHARD, 5).unwrap();
        let one = frame(SHARD, claim.epoch, 1, 0);
        let two = frame(SHARD, claim.epoch, 2, one.frame.crc);
        journal.append(&one).unwrap();
        journal.append(&two).unwrap();
        let log = directory.0.join("store/0.jnl");
        let before = crate::store::disk::log::extent(&std::fs::read(&log).unwrap()).valid;
        let mut images = journal.images().unwrap();
        images.put_head(SHARD, &head_of(1, 1, &[]), &[]).unwrap();
        journal.truncate(SHARD, claim.epoch, two.frame.name.number).unwrap();
        // The store writes tables of the frames and of the terms, and of nothing else.
        journal.open.lock().store.write_tables(SHARD).unwrap();
        drop((journal, images));
        drop(DiskJournal::open(&directory.0, settings(1)).unwrap());
        std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(before as u64).unwrap();
        let told = DiskJournal::open(&directory.0, settings(1)).unwrap_err().to_string();
        assert!(told.ends_with("the heads of shard 0 are older than its journal"), "{told}");
    }

    #[test]
    fn nothing_is_written_after_a_failure_whoever_had_it() {
        let directory = Scratch::new("image-failure");
        let mut journal = DiskJournal::open(&directory.0, settings(1)).unwrap();
        let claim = journal.claim(SHARD, 5).unwrap();
        let mut images = journal.images().unwrap();
        let failed = images.failure.note("the disk".to_owned());
        assert_eq!(images.put_head(SHARD, &head_of(1, 1, &[]), &[]), Err(failed.clone()));
        assert_eq!(journal.append(&frame(SHARD, claim.epoch, 1, 0)), Err(failed.clone()));
        assert_eq!(journal.truncate(SHARD, claim.epoch, crate::ids::FrameNumber(1)), Err(failed));
        assert_eq!(kept(&mut images, SHARD), [], "it is read as before");
    }
}

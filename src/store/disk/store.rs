//! fjall as a table of frames: with `images.rs` the only file that knows it.
//!
//! Invariants: every write is one batch; every key is read back by the codec that wrote it; no panic of the store leaves
//! these files. Source: fjall 3.1.

use std::fmt;
use std::fs;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use fjall::config::FilterPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode};

use super::Durability;
use super::directory::{DataDirectory, DataError, failed, sync_directory};
use super::images::{ImageTables, KEYSPACES};
use super::tables;
use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{Append, Frame, FrameName, JournalError, Term};

/// Bytes of tables that the store caches: frames are read once, at a start.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of log files behind the newest, beyond which tables are written although little is gathered for them: a start
/// reads them all.
const LOG_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Frames, or parts, forgotten by one batch.
pub(super) const FORGOTTEN_MAX: usize = 4_096;

/// An open store; clones share it.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) database: Database,
    pub(super) terms: Keyspace,
    pub(super) frames: Vec<Keyspace>,
    /// Absent in a directory of format 1.
    pub(super) images: Option<ImageTables>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("shards", &self.frames.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes an empty store, wholly or not at all.
    pub(super) fn make(directory: &DataDirectory, gathered_bytes: u64) -> Result<(), DataError> {
        let (draft, place) = (directory.path.join("store.new"), directory.store());
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(failed(&draft))?;
        }
        fs::create_dir(&draft).map_err(failed(&draft))?;
        #[cfg(unix)]
        fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(failed(&draft))?;
        let made = guarded(|| {
            let database = open_database(&draft)?;
            let options = || options().max_memtable_size(gathered_bytes);
            database.keyspace("terms", options)?;
            for shard in 0..directory.shards {
                database.keyspace(&frames_of(ShardId(shard)), options)?;
            }
            for name in KEYSPACES.iter().filter(|_| directory.has_images()) {
                database.keyspace(name, options)?;
            }
            database.persist(PersistMode::SyncAll)
        });
        made.map_err(|what| DataError::Store { path: draft.clone(), what })?;
        fs::rename(&draft, &place).map_err(failed(&place))?;
        sync_directory(&directory.path)
    }

    /// Opens the store of a directory.
    pub(super) fn open(directory: &DataDirectory) -> Result<Self, DataError> {
        let place = &directory.store();
        let refused = |what| {
            let damaged = tables::damages(place).into_iter().next();
            damaged.unwrap_or_else(|| DataError::Store { path: place.into(), what })
        };
        let database = guarded(|| open_database(place)).map_err(refused)?;
        let keyspace = |name: &str| {
            if !database.keyspace_exists(name) {
                return Err(refused(format!("its keyspace {name} is not there")));
            }
            guarded(|| database.keyspace(name, options)).map_err(refused)
        };
        let terms = keyspace("terms")?;
        let frames =
            (0..directory.shards).map(|shard| keyspace(&frames_of(ShardId(shard)))).collect::<Result<_, _>>()?;
        let images = directory.has_images().then(|| {
            KEYSPACES.iter().try_for_each(|name| keyspace(name).map(drop))?;
            ImageTables::open(&database).map_err(refused)
        });
        let images = images.transpose()?;
        Ok(Self { database, terms, frames, images })
    }

    /// Makes the tables of images in a store that was made without.
    pub(super) fn make_images(&mut self, gathered_bytes: u64) -> Result<ImageTables, String> {
        let tables = ImageTables::make(&self.database, gathered_bytes)?;
        guarded(|| {
            let mut batch = self.database.batch();
            for shard in (0..).map(ShardId).take(self.frames.len()) {
                let first = self.terms.get(label(b"first", shard))?;
                let crc = first.and_then(|first| <[u8; 4]>::try_from(&first[..]).ok());
                crc.into_iter().for_each(|crc| tables.mark_cut(&mut batch, shard, crc));
            }
            batch.commit()?;
            self.database.persist(PersistMode::SyncAll)
        })?;
        self.images = Some(tables.clone());
        Ok(tables)
    }

    /// Makes frames durable as one batch.
    pub(super) fn append(&self, appends: &[&Append], durability: Durability) -> Result<(), String> {
        let mode = match durability {
            Durability::Process => PersistMode::Buffer,
            Durability::Disk => PersistMode::SyncData,
        };
        guarded(|| {
            let mut batch = OwnedWriteBatch::with_capacity(self.database.clone(), appends.len());
            for Append { frame, .. } in appends {
                if let Some(keyspace) = self.frames.get(usize::from(frame.name.shard.0)) {
                    batch.insert(keyspace, key(frame.name), frame.bytes.clone());
                }
            }
            batch.durability(Some(mode)).commit()
        })
    }

    pub(super) fn put_term(&self, shard: ShardId, term: Term) -> Result<(), String> {
        self.put(&label(b"term", shard), &term.encode())
    }

    /// Says which checksum the oldest frame of a shard names as its predecessor's.
    pub(super) fn put_first_crc(&self, shard: ShardId, crc: u32) -> Result<(), String> {
        guarded(|| {
            let mut batch = self.database.batch();
            batch.insert(&self.terms, label(b"first", shard), crc.to_le_bytes());
            if let Some(images) = &self.images {
                images.mark_cut(&mut batch, shard, crc.to_le_bytes());
            }
            batch.commit()
        })
    }

    /// The newest term of a shard; `None` before the first claim.
    pub(super) fn term(&self, shard: ShardId) -> Result<Option<Term>, JournalError> {
        let Some(bytes) = self.get(&self.terms, &label(b"term", shard))? else { return Ok(None) };
        let damaged = |error| JournalError::Damaged { last: FrameName::before_all(shard), error };
        Term::decode(&bytes).map(Some).map_err(damaged)
    }

    /// The checksum that the oldest frame of a shard names as its predecessor's.
    pub(super) fn first_crc(&self, shard: ShardId) -> Result<u32, JournalError> {
        let Some(bytes) = self.get(&self.terms, &label(b"first", shard))? else { return Ok(0) };
        let crc = <[u8; 4]>::try_from(&bytes[..]).map(u32::from_le_bytes);
        crc.map_err(|_| JournalError::Unreadable(format!("the start of shard {shard} is damaged")))
    }

    /// The newest frame of a shard and its checksum.
    pub(super) fn last(&self, shard: ShardId) -> Result<(FrameName, u32), JournalError> {
        let none = (FrameName::before_all(shard), self.first_crc(shard)?);
        let Some(keyspace) = self.frames.get(usize::from(shard.0)) else { return Ok(none) };
        let last = guarded(|| keyspace.last_key_value().map(fjall::Guard::into_inner).transpose());
        let Some((key, value)) = last.map_err(|text| JournalError::Unreadable(explained(keyspace, text)))? else {
            return Ok(none);
        };
        let name = name(shard, &key);
        match Frame::decode(&value.into()) {
            Ok((frame, crc)) if frame.name() == name => Ok((name, crc)),
            Ok((frame, _)) => {
                Err(super::damaged(name, crate::journal::FrameError::Chain { found: frame.name(), last: name }))
            }
            Err(error) => Err(super::damaged(name, error)),
        }
    }

    /// The shard's time in a frame, 0 if there is none.
    pub(super) fn time_ms(&self, name: FrameName) -> Result<u64, JournalError> {
        let Some(bytes) = self.frame(name)? else { return Ok(0) };
        Frame::decode(&bytes).map(|(frame, _)| frame.time_ms).map_err(|error| super::damaged(name, error))
    }

    pub(super) fn frame(&self, name: FrameName) -> Result<Option<Bytes>, JournalError> {
        let Some(keyspace) = self.frames.get(usize::from(name.shard.0)) else { return Ok(None) };
        self.get(keyspace, &key(name))
    }

    /// The frames of a shard, oldest first.
    pub(super) fn frames(
        &self,
        shard: ShardId,
    ) -> Result<impl Iterator<Item = Result<Bytes, String>> + use<>, JournalError> {
        let unknown = || JournalError::Unreadable(format!("shard {shard} is not one of this directory"));
        let keyspace = self.frames.get(usize::from(shard.0)).ok_or_else(unknown)?.clone();
        let mut guards = keyspace.iter();
        Ok(std::iter::from_fn(move || {
            let next = guarded(|| guards.next().map(fjall::Guard::value).transpose());
            let next = next.map_err(|text| explained(&keyspace, text));
            next.map(|value| value.map(Bytes::from)).transpose()
        }))
    }

    /// Forgets the frames of a shard before `first`, but not the newest of all; some at a time, so that appends go on
    /// between.
    pub(super) fn truncate(&self, first: FrameName) -> Result<(), String> {
        let Some(keyspace) = self.frames.get(usize::from(first.shard.0)) else { return Ok(()) };
        guarded(|| {
            let Some(newest) = keyspace.last_key_value().map(fjall::Guard::key).transpose()? else { return Ok(()) };
            let end = key(first).to_vec().min(newest.to_vec());
            let mut from = Bound::Unbounded;
            loop {
                let guards = keyspace.range::<Vec<u8>, _>((from, Bound::Excluded(end.clone()))).take(FORGOTTEN_MAX);
                let keys = guards.map(fjall::Guard::key).collect::<fjall::Result<Vec<_>>>()?;
                let last = keys.last().map(|key| (key.to_vec(), keyspace.get(key)));
                let Some((last, value)) = last else { return self.database.persist(PersistMode::SyncData) };
                let crc = value?.and_then(|value| Frame::decode(&value.into()).ok()).map(|(_, crc)| crc);
                // What is damaged stays, for a start to refuse.
                let Some(crc) = crc else { return Ok(()) };
                let mut batch = self.database.batch();
                keys.into_iter().for_each(|key| batch.remove(keyspace, key));
                batch.insert(&self.terms, label(b"first", first.shard), crc.to_le_bytes());
                if let Some(images) = &self.images {
                    images.mark_cut(&mut batch, first.shard, crc.to_le_bytes());
                }
                batch.commit()?;
                from = Bound::Excluded(last);
            }
        })
    }

    /// Checks that the images are not older than the cuts of the journals.
    pub(super) fn check_cut(&self, shard: ShardId) -> Result<(), JournalError> {
        let Some(images) = &self.images else { return Ok(()) };
        let first = self.get(&self.terms, &label(b"first", shard))?;
        images.check_cut(shard, first.as_deref())
    }

    /// Whether the store writes still. What it cannot write in the background ends all its writes, and it tells that only
    /// to who writes.
    pub(super) fn check_writes(&self) -> Result<(), String> {
        guarded(|| self.database.persist(PersistMode::Buffer))
    }

    /// Writes tables of the frames of a shard and of the terms.
    #[cfg(test)]
    pub(super) fn write_tables(&self, shard: ShardId) -> Result<(), String> {
        let keyspaces = self.frames.get(usize::from(shard.0)).into_iter().chain([&self.terms]);
        guarded(|| keyspaces.into_iter().try_for_each(Keyspace::rotate_memtable_and_wait))
    }

    /// Loses the frames of a shard behind `last`, as damage does.
    #[cfg(test)]
    pub(super) fn truncate_behind(&self, last: FrameName) -> Result<(), String> {
        let Some(keyspace) = self.frames.get(usize::from(last.shard.0)) else { return Ok(()) };
        guarded(|| {
            for guard in keyspace.range(key(last)..).skip(1) {
                keyspace.remove(guard.key()?)?;
            }
            Ok(())
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), String> {
        guarded(|| {
            let mut batch = self.database.batch();
            batch.insert(&self.terms, key, value);
            batch.durability(Some(PersistMode::SyncAll)).commit()
        })
    }

    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>, JournalError> {
        let value = guarded(|| keyspace.get(key));
        value.map(|value| value.map(Bytes::from)).map_err(|text| JournalError::Unreadable(explained(keyspace, text)))
    }
}

fn open_database(place: &Path) -> fjall::Result<Database> {
    let builder = Database::builder(place).cache_size(CACHE_BYTES).max_journaling_size(LOG_BYTES_MAX);
    builder.journal_compression(CompressionType::None).worker_threads(2).open()
}

/// Keys only ever rise and are read in order: no filters.
pub(super) fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().filter_policy(FilterPolicy::disabled())
}

/// Runs a call of the store; what it cannot do, or panics at, becomes words.
pub(super) fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fjall::Error::Io(error))) => Err(error.to_string()),
        Ok(Err(fjall::Error::Poisoned)) => Err("a write of the store in the background failed".to_owned()),
        Ok(Err(fjall::Error::Storage(LsmError::Io(error)))) => Err(error.to_string()),
        Ok(Err(fjall::Error::Storage(error))) => {
            tracing::debug!(?error, "a table of the store is damaged");
            Err("a table of the store is damaged".to_owned())
        }
        Ok(Err(error)) => Err(format!("{error:?}")),
        Err(_) => Err("the store found something that it had ruled out".to_owned()),
    }
}

/// What the store said about a keyspace, or which of its files is the reason. Reads the tables of the keyspace; if they
/// are as they were, those of the whole store: a write of any of them in the background ends all.
pub(super) fn explained(keyspace: &Keyspace, text: String) -> String {
    // Tables come and go meanwhile.
    let is_damage = |error: &DataError| matches!(error, DataError::Damaged { .. });
    let here = tables::damages_of(keyspace.path()).into_iter().find(is_damage);
    let store = || keyspace.path().ancestors().nth(2).map(tables::damages).unwrap_or_default();
    let damaged = here.or_else(|| store().into_iter().find(is_damage));
    damaged.map_or(text, |damaged| damaged.to_string())
}

fn frames_of(shard: ShardId) -> String {
    format!("frames-{shard}")
}

pub(super) fn label(what: &[u8], shard: ShardId) -> Vec<u8> {
    [what, &shard.0.to_be_bytes()].concat()
}

fn key(name: FrameName) -> [u8; 16] {
    let mut key = [0; 16];
    let (epoch, number) = key.split_at_mut(8);
    epoch.copy_from_slice(&name.epoch.0.to_be_bytes());
    number.copy_from_slice(&name.number.0.to_be_bytes());
    key
}

/// The name under which a frame was put; no key of ours has another length.
fn name(shard: ShardId, key: &[u8]) -> FrameName {
    let number = |part: Option<&[u8]>| {
        part.and_then(|part| <[u8; 8]>::try_from(part).ok()).map(u64::from_be_bytes).unwrap_or_default()
    };
    FrameName { shard, epoch: Epoch(number(key.get(..8))), number: FrameNumber(number(key.get(8..))) }
}

//! The journal on disk: frames in fjall, one keyspace a shard, under a chain of our own.
//!
//! ```text
//! keyspace frames-N   epoch: 8 BE · number: 8 BE ──▶ the frame
//! keyspace terms      "term" · shard: 2 BE  ──▶ the shard's newest term
//!                     "first" · shard: 2 BE ──▶ the checksum that the oldest frame names
//! ```
//! `docs/journal.md` is normative. Invariants: an append is one batch, and one sync whatever the number of shards; what
//! the store's own checks miss the chain and the note of what was acknowledged find; after a write or sync that failed
//! nothing is written any more. Source: research of embedded stores (fjall has the fastest durable batch); the fsync rule
//! from Rebello et al., "Can applications recover from fsync failures?" (ATC 2020).

mod acknowledged;
mod directory;
mod failure;
mod images;
mod log;
mod loss;
mod restore;
mod snapshot;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{Append, Chain, Claim, Frame, FrameError, FrameName, Journal, JournalError};
use crate::limits::FREE_BYTES_MIN;

use acknowledged::{Acknowledged, AcknowledgedFile};
use directory::DataDirectory;
pub use directory::DataError;
pub(super) use directory::check_there;
use failure::Failure;
pub use images::DiskImages;
use loss::Losses;
pub(super) use restore::Restoring;
pub(super) use snapshot::DiskSnapshot;
use store::Store;
pub use verify::{Verification, Verified, Visited, verify};

/// Bytes of frames that the store gathers in memory, by default.
const GATHERED_BYTES: u64 = 16 * 1024 * 1024;

/// What an acknowledged commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, at any instant; not that of the machine.
    Process,
    /// The end of the machine: it was synced.
    #[default]
    Disk,
}

/// How a journal on disk is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// What an acknowledged commit survives.
    pub durability: Durability,
    /// Shards; `None` for those that the directory has, or one.
    pub shards: Option<u16>,
    /// Bytes that stay free on the device: with less, commits are refused until there is room again.
    pub free_bytes_min: u64,
    /// Bytes of frames that the store gathers in memory before it sorts them into a table.
    #[doc(hidden)]
    pub gathered_bytes: u64,
}

impl Default for DiskSettings {
    fn default() -> Self {
        let (free_bytes_min, gathered_bytes) = (FREE_BYTES_MIN, GATHERED_BYTES);
        Self { durability: Durability::Disk, shards: None, free_bytes_min, gathered_bytes }
    }
}

/// The frames of all shards of a data directory; clones share it.
#[derive(Clone, Debug)]
pub struct DiskJournal {
    open: Arc<Mutex<Open>>,
    claimed: BTreeMap<ShardId, Epoch>,
}

#[derive(Debug)]
struct Open {
    store: Arc<Store>,
    noted: AcknowledgedFile,
    heads: Vec<Head>,
    settings: DiskSettings,
    failure: Failure,
    had_room: bool,
    directory: DataDirectory,
}

/// The newest end of a shard's frames.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// The term that was claimed last, while the directory is open.
    epoch: Epoch,
    last: FrameName,
    last_crc: u32,
}

impl DiskJournal {
    /// Opens the data directory `path`, making it if there is none, and locks it.
    ///
    /// # Errors
    /// [`DataError`], a sentence for who gave the path.
    pub fn open(path: &Path, settings: DiskSettings) -> Result<Self, DataError> {
        Self::open_behind(path, settings, &[])
    }

    /// Opens the data directory `path` as [`DiskJournal::open`] does, and goes on although frames behind those `accepted`
    /// are lost: what can be read is kept, and the next term begins with a loss. Frames up to those must be there.
    ///
    /// # Errors
    /// [`DataError`]; [`DataError::NoLoss`] if nothing is.
    pub fn open_behind(path: &Path, settings: DiskSettings, accepted: &[FrameName]) -> Result<Self, DataError> {
        let opened = Self::open_checked(path, settings, accepted);
        opened.map_err(|error| error.or_no_room(path, settings.free_bytes_min))
    }

    fn open_checked(path: &Path, settings: DiskSettings, accepted: &[FrameName]) -> Result<Self, DataError> {
        let directory = DataDirectory::open(path, settings.shards)?;
        let losses = Losses::read(path, directory.shards, accepted)?;
        let place = directory.store();
        if !place.exists() {
            if losses.is_used() {
                return Err(DataError::Damaged { path: place, what: "it is not there".to_owned() });
            }
            Store::make(&directory, settings.gathered_bytes)?;
        }
        tables::check(&place)?;
        log::mend(&place, &losses.needed())?;
        let store = Store::open(&directory)?;
        let lasts = (0..directory.shards).map(ShardId).map(|shard| {
            let last = store.last(shard)?;
            store.check_cut(shard).map(|()| last)
        });
        let lasts = lasts.collect::<Result<Vec<_>, JournalError>>();
        let lasts = lasts.map_err(|error| DataError::Journal { path: place, error })?;
        losses.settle(path, &store, &lasts)?;
        let noted = AcknowledgedFile::open(path)?;
        let heads = lasts.into_iter().map(|(last, last_crc)| Head { epoch: Epoch(0), last, last_crc }).collect();
        let (store, failure) = (Arc::new(store), Failure::default());
        let open = Open { store, noted, heads, settings, failure, had_room: true, directory };
        Ok(Self { open: Arc::new(Mutex::new(open)), claimed: BTreeMap::new() })
    }

    /// Why a shard was not claimed, for who gave the directory.
    pub(crate) fn unclaimed(&self, error: JournalError) -> DataError {
        let open = self.open.lock();
        let DataDirectory { path, .. } = &open.directory;
        DataError::Journal { path: open.directory.store(), error }.or_no_room(path, open.settings.free_bytes_min)
    }

    /// Shards of the directory.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.open.lock().directory.shards
    }

    /// The images of the directory, in which a directory of format 1 gets room for them.
    ///
    /// # Errors
    /// [`DataError::Store`] and [`DataError::File`].
    pub fn images(&self) -> Result<DiskImages, DataError> {
        let mut open = self.open.lock();
        let place = open.directory.store();
        let refused = |what: String| DataError::Store { path: place, what };
        let tables = match open.store.images.clone() {
            Some(tables) => tables,
            None => {
                let mut store = Store::clone(&open.store);
                let tables = store.make_images(open.settings.gathered_bytes).map_err(refused)?;
                open.directory.raise()?;
                open.store = Arc::new(store);
                tables
            }
        };
        drop(open);
        Ok(DiskImages::new(tables, &self.open))
    }

    /// The images of the directory, if it has a place for them.
    fn images_there(&self) -> Option<DiskImages> {
        let tables = self.open.lock().store.images.clone();
        tables.map(|tables| DiskImages::new(tables, &self.open))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.open.lock().directory.path.clone()
    }
}

impl Open {
    fn head(&mut self, shard: ShardId) -> Result<&mut Head, JournalError> {
        let unknown = || JournalError::Unreadable(format!("shard {shard} is not one of this directory"));
        self.heads.get_mut(usize::from(shard.0)).ok_or_else(unknown)
    }

    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        let Head { last, last_crc, .. } = *self.head(shard)?;
        let (known, last_ms) = (self.store.term(shard)?, self.store.time_ms(last)?);
        let term = known.unwrap_or_default().next(last_ms, wall_ms, false);
        self.store.put_term(shard, term).map_err(JournalError::InDoubt)?;
        self.head(shard)?.epoch = term.epoch;
        Ok(term.claim(last_crc))
    }

    /// Whether there is room for commits; says so when that is otherwise than before.
    fn has_room(&mut self) -> bool {
        const MIB: u64 = 1024 * 1024;
        let Self { directory: DataDirectory { path, .. }, settings: DiskSettings { free_bytes_min, .. }, .. } = self;
        let Some(free) = directory::free_bytes(path) else { return true };
        let has_room = free >= *free_bytes_min;
        // Nobody writes who would learn it.
        let is_new = !has_room && self.failure.check().is_ok();
        if let Some(text) = is_new.then(|| self.store.check_writes().err()).flatten() {
            let error = self.failure.note(text);
            tracing::error!("{}: {error}; make room on its device, then start the daemon again", path.display());
        }
        if has_room != std::mem::replace(&mut self.had_room, has_room) {
            let (path, free, needed) = (path.display(), free / MIB, *free_bytes_min / MIB);
            if has_room {
                tracing::warn!("{path}: its device has {free} MiB free, commits are taken again");
            } else {
                tracing::error!(
                    "{path}: its device has {free} MiB free; commits are refused until it has {needed} MiB"
                );
            }
        }
        has_room
    }

    /// Why a frame is not taken, if it is not.
    fn refusal(&mut self, append: &Append, claimed: Option<Epoch>) -> Option<JournalError> {
        let name = append.frame.name;
        if let Err(error) = self.failure.check() {
            return Some(error);
        }
        match self.head(name.shard) {
            Err(error) => Some(error),
            Ok(head) if claimed != Some(head.epoch) || claimed != Some(name.epoch) => Some(JournalError::Fenced),
            Ok(head) if head.last_crc != append.expected => {
                Some(JournalError::InDoubt("the frame does not follow the last one".to_owned()))
            }
            Ok(_) => None,
        }
    }

    /// Writes frames as one batch and notes them.
    fn write(&mut self, appends: &[&Append]) -> Result<(), String> {
        self.store.append(appends, self.settings.durability)?;
        for Append { frame, .. } in appends.iter().copied() {
            if let Ok(head) = self.head(frame.name.shard) {
                (head.last, head.last_crc) = (frame.name, frame.crc);
            }
            let acknowledged = Acknowledged { name: frame.name, crc: frame.crc };
            self.noted.note(acknowledged).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Whether the newest frame that was acknowledged is there, as it was written: before anything is.
fn check_acknowledged(store: &Store, last: FrameName, known: Option<Acknowledged>) -> Result<(), JournalError> {
    let Some(Acknowledged { name, crc }) = known else { return Ok(()) };
    let Some(bytes) = store.frame(name)? else {
        return Err(JournalError::Missing { acknowledged: name, last });
    };
    match Frame::decode(&bytes) {
        Ok((_, found)) if found == crc => Ok(()),
        Ok((_, found)) => Err(damaged(name, FrameError::Checksum { found, computed: crc })),
        Err(error) => Err(damaged(name, error)),
    }
}

fn damaged(last: FrameName, error: FrameError) -> JournalError {
    let number = FrameNumber(last.number.0.saturating_sub(1));
    JournalError::Damaged { last: FrameName { number, ..last }, error }
}

impl Journal for DiskJournal {
    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        let claim = self.open.lock().claim(shard, wall_ms)?;
        self.claimed.insert(shard, claim.epoch);
        Ok(claim)
    }

    fn append(&mut self, append: &Append) -> Result<(), JournalError> {
        let answers = self.append_all(std::slice::from_ref(append));
        answers.into_iter().next().unwrap_or_else(|| Err(JournalError::InDoubt("no answer".to_owned())))
    }

    fn append_all(&mut self, appends: &[Append]) -> Vec<Result<(), JournalError>> {
        let mut open = self.open.lock();
        let refusals: Vec<Option<JournalError>> = appends
            .iter()
            .map(|append| open.refusal(append, self.claimed.get(&append.frame.name.shard).copied()))
            .collect();
        let taken: Vec<&Append> =
            appends.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none()).map(|(append, _)| append).collect();
        let written = if taken.is_empty() { Ok(()) } else { open.write(&taken) };
        let written = written.map_err(|text| open.failure.note(text));
        let answer = |refusal: Option<JournalError>| refusal.map_or_else(|| written.clone(), Err);
        refusals.into_iter().map(answer).collect()
    }

    fn replay(&mut self, shard: ShardId, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
        let store = self.open.lock().store.clone();
        let mut chain = Chain::of(shard, store.first_crc(shard)?);
        for bytes in store.frames(shard)? {
            let unreadable = |text| JournalError::Unreadable(format!("behind frame {}: {text}", chain.last()));
            if !visit(chain.next(&bytes.map_err(unreadable)?)?) {
                break;
            }
        }
        Ok(())
    }

    fn truncate(&mut self, shard: ShardId, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError> {
        // Frames are appended meanwhile.
        let (store, failure) = {
            let open = self.open.lock();
            (open.store.clone(), open.failure.clone())
        };
        failure.check()?;
        store.truncate(FrameName { shard, epoch, number }).map_err(|text| failure.note(text))
    }

    fn has_room(&mut self) -> bool {
        self.open.lock().has_room()
    }
}

/// A directory of a test's own, removed with it.
#[cfg(test)]
pub(crate) struct Scratch(pub(crate) PathBuf);

#[cfg(test)]
impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nam-store-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

//! Backups: everything that a data directory keeps, copied while commits go on, and put back.
//!
//! ```text
//!  store ──▶ snapshot ──▶ records ──check──▶ chunks ──▶ place: chunk-000001 ... chunk-N, at last: manifest
//!              │  by the daemon, through a socket, if one runs                        │
//!  DIR ◀── rename ◀── DIR.restoring ◀──check── records ◀── chunks ◀───────────────────┘
//! ```
//! `docs/backup.md` is normative. Invariants: what is copied is one snapshot over all shards; nothing is a backup before
//! its manifest is there, and that comes last; every record is checked on the way in and on the way out by the same rules
//! (chain of frames, checksums of parts); what fails or is interrupted leaves nothing where it wrote. Source: own reasoning.

mod check;
mod chunks;
mod daemon;
mod manifest;
mod place;
mod record;
mod source;

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use thiserror::Error;

use super::disk::{DataError, Restoring};
use crate::coding::DecodeError;
use crate::journal::{FrameName, JournalError};

pub(crate) use check::{Checked, Extent};
use check::{Checker, Disorder};
use chunks::{Chunks, records};
pub use daemon::{SOCKET, answer};
use manifest::{Manifest, ManifestError};
pub use place::Place;
use place::{Found, MANIFEST, chunk_name};
pub(crate) use record::{Kind, Record};
use source::Source;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What is in the data directory, or in the backup, is damaged.
    #[error("{place}: {error}")]
    Damaged {
        /// Where it was read.
        place: String,
        /// What is wrong.
        error: JournalError,
    },
    /// The daemon refuses, or could not go on.
    #[error("the daemon of {data} answers: {text}")]
    Daemon {
        /// Its data directory.
        data: PathBuf,
        /// Its words.
        text: String,
    },
    /// The daemon went away.
    #[error("the daemon of {data} went away")]
    Gone {
        /// Its data directory.
        data: PathBuf,
    },
    /// The daemon cannot be understood.
    #[error("the daemon of {data} cannot be understood: {source}")]
    Link {
        /// Its data directory.
        data: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A backup is to be written where there is one.
    #[error("{place} holds a backup already: give a place that is empty")]
    Taken {
        /// The place.
        place: String,
    },
    /// A backup is to be written into what it is a copy of.
    #[error("{place} is in the data directory {data}, and would be lost with it: give a place outside")]
    Inside {
        /// The place.
        place: String,
        /// The data directory.
        data: PathBuf,
    },
    /// Something else stands there.
    #[error("{place} holds {found}: give a place that is empty")]
    NotEmpty {
        /// The place.
        place: String,
        /// What stands there.
        found: String,
    },
    /// A backup that is under way, or was interrupted.
    #[error("{place} holds a backup that is not finished, and nothing can be made of it: give another place")]
    Unfinished {
        /// The place.
        place: String,
    },
    /// No backup.
    #[error("there is no backup of nam in {place}")]
    Absent {
        /// The place.
        place: String,
    },
    /// The manifest is none, damaged, or newer.
    #[error("{place}: the manifest: {error}")]
    Manifest {
        /// The place.
        place: String,
        /// What is wrong.
        error: ManifestError,
    },
    /// A chunk is not as it was written.
    #[error("{place}: {chunk} {what}")]
    Chunk {
        /// The place.
        place: String,
        /// The chunk.
        chunk: String,
        /// What is wrong.
        what: String,
    },
    /// Records do not follow each other as they must.
    #[error("{place}: {error}")]
    Disorder {
        /// Where they were read.
        place: String,
        /// What is wrong.
        error: Disorder,
    },
    /// A file, or an object of a store, cannot be read or written.
    #[error("{name}: {text}")]
    File {
        /// The file.
        name: String,
        /// What the system said.
        text: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted; nothing is left of it")]
    Interrupted,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Frames, images, parts and states so far.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of all of them, if that is known.
    pub bytes_all: Option<u64>,
}

/// What a backup holds of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedShard {
    /// Its last frame.
    pub last: FrameName,
    /// Frames.
    pub frames: u64,
    /// Images.
    pub images: u64,
}

/// Shows how far a copy is; it goes on while this answers true.
pub type Watcher<'a> = &'a mut dyn FnMut(Progress) -> bool;

/// Copies what the data directory `data` keeps to `place`: through its daemon if one runs.
///
/// # Errors
/// [`BackupError`]; nothing is left in `place` that was not there.
pub fn backup(data: &Path, place: &Place, watch: Watcher<'_>) -> Result<Vec<CopiedShard>, BackupError> {
    if place.is_in(data) {
        return Err(BackupError::Inside { place: place.to_string(), data: data.into() });
    }
    let mut source = Source::open(data)?;
    // Who is refused here has not touched the place, where another backup may be under way.
    let announced = source.announced()?;
    place.begin()?;
    let (written, copied) = copy(source, &announced, place, watch);
    if copied.is_err() {
        place.abandon(written);
    }
    copied
}

/// Puts each chunk while the next one is read; answers how many were begun, too.
fn copy(
    source: Source,
    announced: &[Extent],
    place: &Place,
    watch: Watcher<'_>,
) -> (u32, Result<Vec<CopiedShard>, BackupError>) {
    thread::scope(|scope| {
        // Nobody waits in it: one chunk is being put, and one is being filled.
        let (full, chunks) = sync_channel(0);
        let putting = thread::Builder::new().name("nam-backup".into());
        let putting = match putting.spawn_scoped(scope, move || put_all(place, &chunks)) {
            Ok(putting) => putting,
            Err(error) => return (0, Err(BackupError::File { name: place.to_string(), text: error.to_string() })),
        };
        let gathered = gather(source, announced, &full, watch);
        drop(full);
        let (written, put) = putting.join().unwrap_or_else(|panic| resume_unwind(panic));
        let finish = |manifest: Manifest| {
            place.put(MANIFEST, manifest.encode().into())?;
            Ok(copied(&manifest.shards))
        };
        // What could not be put is why nothing more was gathered.
        (written, put.and(gathered).and_then(finish))
    })
}

/// Puts the chunks that come; answers how many it began.
fn put_all(place: &Place, chunks: &Receiver<(u32, Vec<u8>)>) -> (u32, Result<(), BackupError>) {
    let mut written = 0;
    while let Ok((number, bytes)) = chunks.recv() {
        written = number;
        if let Err(error) = place.put(&chunk_name(number), bytes.into()) {
            return (written, Err(error));
        }
    }
    (written, Ok(()))
}

/// Checks what the source has and hands it on in chunks; answers what to say of them when they are all put.
fn gather(
    source: Source,
    announced: &[Extent],
    full: &SyncSender<(u32, Vec<u8>)>,
    watch: Watcher<'_>,
) -> Result<Manifest, BackupError> {
    let from = source.name();
    let mut checker = Checker::new(announced);
    let mut chunks = Chunks::default();
    let mut progress = Progress::default();
    let put = |chunk: Option<(u32, Vec<u8>)>| {
        chunk.map_or(Ok(()), |chunk| full.send(chunk)).map_err(|_| BackupError::Interrupted)
    };
    source.read(&mut |record: Record| {
        checker.take(&record).map_err(|error| error.at(&from))?;
        progress.records += 1;
        progress.bytes += record.bytes.len() as u64;
        put(chunks.add(&record))?;
        if watch(progress) { Ok(()) } else { Err(BackupError::Interrupted) }
    })?;
    let shards = checker.finish().map_err(|error| error.at(&from))?;
    put(chunks.last())?;
    Ok(Manifest { shards, chunks: chunks.extents })
}

/// Makes the data directory `data` from the backup in `place`; the term of each shard is a new one, which began with a loss.
///
/// # Errors
/// [`BackupError`]; nothing is left that was not there.
pub fn restore(place: &Place, data: &Path, watch: Watcher<'_>) -> Result<Vec<CopiedShard>, BackupError> {
    let manifest = manifest(place)?;
    let mut restoring = Restoring::begin(data, u16::try_from(manifest.shards.len()).unwrap_or(u16::MAX))?;
    read(place, &manifest, watch, &mut |checked| restoring.take(checked).map_err(BackupError::from))?;
    restoring.finish(&manifest.shards)?;
    Ok(copied(&manifest.shards))
}

/// Reads the backup in `place` whole, as a restore does, and writes nothing.
///
/// # Errors
/// [`BackupError`]: what is wrong with it first.
pub fn verify_backup(place: &Place, watch: Watcher<'_>) -> Result<Vec<CopiedShard>, BackupError> {
    let manifest = manifest(place)?;
    read(place, &manifest, watch, &mut |_| Ok(()))?;
    Ok(copied(&manifest.shards))
}

fn copied(shards: &[Extent]) -> Vec<CopiedShard> {
    let copied = |extent: &Extent| CopiedShard { last: extent.last, frames: extent.frames, images: extent.images };
    shards.iter().map(copied).collect()
}

fn manifest(place: &Place) -> Result<Manifest, BackupError> {
    let name = place.to_string();
    match place.find()? {
        Found::Nothing | Found::Other(_) => Err(BackupError::Absent { place: name }),
        Found::Chunks => Err(BackupError::Unfinished { place: name }),
        Found::Backup => {
            let bytes = place.read(MANIFEST, manifest::BYTES_MAX)?;
            Manifest::decode(&bytes).map_err(|error| BackupError::Manifest { place: name, error })
        }
    }
}

/// Reads all chunks of a backup and hands on what they hold, once it is known to be right.
fn read(
    place: &Place,
    manifest: &Manifest,
    watch: Watcher<'_>,
    take: &mut dyn FnMut(Checked) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let name = place.to_string();
    let bytes_all = Some(manifest.shards.iter().fold(0_u64, |bytes, extent| bytes.saturating_add(extent.bytes)));
    let mut progress = Progress { bytes_all, ..Progress::default() };
    let mut checker = Checker::new(&manifest.shards);
    for (number, extent) in (1..).zip(&manifest.chunks) {
        let chunk = chunk_name(number);
        let wrong = |what: String| BackupError::Chunk { place: name.clone(), chunk: chunk.clone(), what };
        let bytes = place.read(&chunk, extent.bytes)?;
        extent.check(&bytes).map_err(wrong)?;
        for record in records(number, &bytes).map_err(|error| wrong(error.to_string()))? {
            let record = record.map_err(|error| wrong(error.to_string()))?;
            progress.records += 1;
            progress.bytes += record.bytes.len() as u64;
            take(checker.take(&record).map_err(|error| error.at(&name))?)?;
            if !watch(progress) {
                return Err(BackupError::Interrupted);
            }
        }
    }
    let found = checker.finish().map_err(|error| error.at(&name))?;
    let is_whole = found == manifest.shards;
    if is_whole { Ok(()) } else { Err(BackupError::Disorder { place: name, error: Disorder::Counts }) }
}

/// What is wrong with a record, before it is known where it was read.
#[derive(Debug)]
pub(crate) enum CheckError {
    Journal(JournalError),
    Disorder(Disorder),
}

impl CheckError {
    fn at(self, place: &str) -> BackupError {
        let place = place.to_owned();
        match self {
            Self::Journal(error) => BackupError::Damaged { place, error },
            Self::Disorder(error) => BackupError::Disorder { place, error },
        }
    }
}

impl From<Disorder> for CheckError {
    fn from(error: Disorder) -> Self {
        Self::Disorder(error)
    }
}

/// Takes the checksum off the end of `bytes`, once it is known to be right.
fn unsealed(bytes: &Bytes) -> Result<&[u8], SealError> {
    let (content, tail) = bytes
        .split_last_chunk::<4>()
        .ok_or(SealError::Content(DecodeError::Truncated { needed: 4, left: bytes.len() }))?;
    let (found, computed) = (u32::from_le_bytes(*tail), crc32fast::hash(content));
    if found == computed { Ok(content) } else { Err(SealError::Checksum { found, computed }) }
}

/// Why what a checksum covers is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Its bytes changed after they were written.
    #[error("checksum {found:#010x} where {computed:#010x} was expected")]
    Checksum {
        /// The checksum in it.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// Its content does not decode.
    #[error("{0}")]
    Content(#[from] DecodeError),
}

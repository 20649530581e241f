//! The data directory: what it says it is, and whose it is while a daemon runs.
//!
//! ```text
//! DIR/format          "nam data directory" · "format 2" · "shards N" · "crc XXXXXXXX", a line each; read first
//! DIR/lock            locked by the process that has the directory open
//! DIR/acknowledged    the newest frame acknowledged, of each shard
//! DIR/store/          the frames (fjall); DIR/store.new/ while it is made
//! ```
//! Invariants: nothing is written into a directory before it is known to be empty or nam's own; the number of shards is
//! fixed when it is made, because it places the keys. Source: own reasoning.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::journal::{FrameName, JournalError};

const TITLE: &str = "nam data directory";
const FORMAT: u32 = 2;

/// The first format whose store has tables of images.
const FORMAT_OF_IMAGES: u32 = 2;

/// What may stand in a directory without `format`: what a daemon keeps there whatever its journal.
const ALSO_OURS: [&str; 9] = [
    "development.crt",
    "development.key",
    "development.new",
    "reset.key",
    "reset.new",
    "lock",
    "format.new",
    "socket",
    "socket.new",
];

/// Why a data directory cannot be used; nothing in it was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// It is not nam's.
    #[error("{path} holds {found}, which is not nam's: give an empty directory, or one that nam made")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
    /// Something stands where there must be nothing.
    #[error("{path} holds {found}: give a directory that is empty, or none")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
    /// There is none.
    #[error("{path} is no data directory of nam: give with --data the one that `nam serve` named when it began")]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// A new directory cannot take its place.
    #[error("{path} cannot be replaced, as {what}: give a directory in it, or beside it")]
    Fixed {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A newer version made it.
    #[error("{path} has format {found}, this version of nam reads {FORMAT}: use the version that made it")]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process: one daemon a data directory")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It was made for another number of shards.
    #[error("{path} was made for {has} shards, not {asked}: their number is fixed when a data directory is made")]
    Shards {
        /// The directory.
        path: PathBuf,
        /// Shards it has.
        has: u16,
        /// Shards asked for.
        asked: u16,
    },
    /// What it needs was not written, and its device is nearly full.
    #[error("{what}; its device has {} MiB free: make room there, nothing is lost", free_bytes >> 20)]
    NoRoom {
        /// What failed, and where.
        what: String,
        /// Bytes free.
        free_bytes: u64,
    },
    /// It is not there and cannot be made.
    #[error("{path} cannot be made: {source}; give a data directory where this process may write")]
    Unmade {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A loss is accepted in a shard that it has not.
    #[error("{path} has {shards} shards, numbered from 0: there is none of which frame {frame} could be")]
    NoShard {
        /// The directory.
        path: PathBuf,
        /// The frame that was named.
        frame: FrameName,
        /// Shards it has.
        shards: u16,
    },
    /// A loss is accepted, and there is none.
    #[error("{path} lost nothing that was acknowledged behind frame {behind}: start without accepting a loss")]
    NoLoss {
        /// The directory.
        path: PathBuf,
        /// The frame that was named.
        behind: FrameName,
    },
    /// A file of it cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of it is not as it was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        what: String,
    },
    /// The log of the store is damaged where acknowledged frames stand.
    #[error("{path} is damaged at byte {offset}, where frame {frame} or one before it stands")]
    DamagedLog {
        /// The file.
        path: PathBuf,
        /// Where what can be read of it ends.
        offset: u64,
        /// The first acknowledged frame behind that which has a name.
        frame: FrameName,
    },
    /// The frames in it are damaged.
    #[error("{path}: {error}")]
    Journal {
        /// The store.
        path: PathBuf,
        /// What is wrong.
        error: JournalError,
    },
    /// The store does not open.
    #[error("{path} does not open: {what}")]
    Store {
        /// The store.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

impl DataError {
    /// The same of the directory `path`, whose device must have `free_bytes_min` free: with less it is that which ended what
    /// ended without known damage.
    pub(super) fn or_no_room(self, path: &Path, free_bytes_min: u64) -> Self {
        let is_no_damage = match &self {
            Self::Store { .. } | Self::Journal { error: JournalError::InDoubt(_), .. } => true,
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        };
        match free_bytes(path).filter(|free| is_no_damage && *free < free_bytes_min) {
            Some(free_bytes) => Self::NoRoom { what: self.to_string(), free_bytes },
            None => self,
        }
    }
}

/// An error of the system about a file.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_path_buf();
    move |source| DataError::File { path, source }
}

/// A data directory, locked.
#[derive(Debug)]
pub(super) struct DataDirectory {
    pub(super) path: PathBuf,
    pub(super) shards: u16,
    format: u32,
    lock: File,
}

impl Drop for DataDirectory {
    /// A process that is being started may still have the file, until it runs its own program.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl DataDirectory {
    /// Opens the directory, making it for `shards` (or one) if there is none.
    pub(super) fn open(path: &Path, shards: Option<u16>) -> Result<Self, DataError> {
        // Before the lock, which is a file: what is not ours is not touched.
        if !path.join("format").exists() {
            check_empty(path)?;
            make(path)?;
        }
        read_format(path)?;
        let lock = lock(path)?;
        let (format, has) = match read_format(path)? {
            Some(found) => found,
            None => (FORMAT, write_format(path, shards.unwrap_or(1))?),
        };
        match shards.filter(|asked| *asked != has) {
            Some(asked) => Err(DataError::Shards { path: path.into(), has, asked }),
            None => Ok(Self { path: path.into(), shards: has, format, lock }),
        }
    }

    /// The lock of the directory `path`, if nobody has it and its format is none of another.
    pub(super) fn lock_of(path: &Path) -> Result<File, DataError> {
        // Before the lock, as in `open`.
        read_format(path)?;
        lock(path)
    }

    /// Whether its store must have tables of images.
    pub(super) fn has_images(&self) -> bool {
        self.format >= FORMAT_OF_IMAGES
    }

    /// Says that older versions of nam cannot read the directory any more.
    pub(super) fn raise(&mut self) -> Result<(), DataError> {
        write_format(&self.path, self.shards)?;
        self.format = FORMAT;
        Ok(())
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}

/// Makes a directory and those above it, durably.
fn make(path: &Path) -> Result<(), DataError> {
    let above = path.ancestors().take_while(|above| !above.exists()).count();
    fs::create_dir_all(path).map_err(|source| DataError::Unmade { path: path.into(), source })?;
    let places = path.ancestors().skip(1).take(above);
    places.map(|place| if place.as_os_str().is_empty() { Path::new(".") } else { place }).try_for_each(sync_directory)
}

/// Refuses a path where no data directory is.
pub(in crate::store) fn check_there(path: &Path) -> Result<(), DataError> {
    check_format_there(path)?;
    if path.join("format").exists() { Ok(()) } else { Err(DataError::Absent { path: path.into() }) }
}

/// Refuses a data directory that lost its `format`: what stands in it is nam's.
fn check_format_there(path: &Path) -> Result<(), DataError> {
    let file = path.join("format");
    if !file.exists() && ["acknowledged", "store"].iter().all(|name| path.join(name).exists()) {
        return Err(DataError::Damaged { path: file, what: "it is not there".to_owned() });
    }
    Ok(())
}

fn check_empty(path: &Path) -> Result<(), DataError> {
    check_format_there(path)?;
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed(path))?,
    };
    for entry in entries {
        let name = entry.map_err(failed(path))?.file_name();
        if !ALSO_OURS.iter().any(|ours| name == *ours) {
            let found = name.to_string_lossy().into_owned();
            return Err(DataError::Foreign { path: path.into(), found });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DataError> {
    let file_path = path.join("lock");
    let file = private().truncate(false).open(&file_path).map_err(failed(&file_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(DataError::File { path: file_path, source }),
    }
}

/// The format and the number of shards, if the directory was made.
fn read_format(path: &Path) -> Result<Option<(u32, u16)>, DataError> {
    let file = path.join("format");
    let bytes = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(failed(&file))?,
    };
    let damaged = |what: &str| DataError::Damaged { path: file.clone(), what: what.to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
    let Some(rest) = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix("\nformat ")) else {
        let is_ours = text.starts_with("nam ") || text.is_empty();
        let foreign = DataError::Foreign { path: path.into(), found: "a file `format`".to_owned() };
        return Err(if is_ours { damaged("its title is not whole") } else { foreign });
    };
    let (found, _) = rest.split_once('\n').ok_or_else(|| damaged("it ends early"))?;
    let found: u32 = found.parse().map_err(|_| damaged("its format is no number"))?;
    if found > FORMAT {
        return Err(DataError::Newer { path: path.into(), found });
    }
    let (content, crc) = text.rsplit_once("crc ").ok_or_else(|| damaged("it ends early"))?;
    if crc != format!("{:08x}\n", crc32fast::hash(content.as_bytes())) {
        return Err(damaged("its checksum does not fit"));
    }
    let shards = content.trim_end().rsplit_once("shards ").and_then(|(_, shards)| shards.parse().ok());
    shards.map(|shards| Some((found, shards))).ok_or_else(|| damaged("it names no number of shards"))
}

fn write_format(path: &Path, shards: u16) -> Result<u16, DataError> {
    let content = format!("{TITLE}\nformat {FORMAT}\nshards {shards}\n");
    let text = format!("{content}crc {:08x}\n", crc32fast::hash(content.as_bytes()));
    let (draft, file) = (path.join("format.new"), path.join("format"));
    let mut out = private().truncate(true).open(&draft).map_err(failed(&draft))?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed(&draft))?;
    fs::rename(&draft, &file).map_err(failed(&file))?;
    sync_directory(path)?;
    Ok(shards)
}

/// Makes what was created, renamed or removed in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), DataError> {
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(failed(path))?;
    }
    Ok(())
}

/// Bytes that are free for this process on the device of a directory; `None` if the system does not say.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Makes a file that only its owner reads, or opens it.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

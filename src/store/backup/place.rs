//! Where a backup is kept: a directory.
//!
//! Invariants: a file is there wholly and synced, or not at all; a place that holds anything is not written to. Source: own
//! reasoning.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::BackupError;

/// The name of the manifest.
pub(super) const MANIFEST: &str = "manifest";

/// The name of a chunk.
pub(super) fn chunk_name(number: u32) -> String {
    format!("chunk-{number:06}")
}

/// What stands in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Backup,
    /// Chunks, and no manifest.
    Chunks,
    /// Something that is not nam's.
    Other(String),
}

/// A place for one backup.
#[derive(Clone, Debug)]
pub struct Place {
    directory: PathBuf,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory.display().fmt(f)
    }
}

impl Place {
    /// The place that a text names: a directory, by its path or as `file:///path`.
    ///
    /// # Errors
    /// A URL of something else.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let unknown = || BackupError::File {
            name: text.to_owned(),
            text: "not a place for backups: give a path or file:///path".to_owned(),
        };
        let path = match text.split_once("://") {
            None => text,
            Some(("file", path)) if path.starts_with('/') => path,
            Some(_) => return Err(unknown()),
        };
        Ok(Self { directory: path.into() })
    }

    /// Makes the place, if nothing stands there.
    pub(super) fn begin(&self) -> Result<(), BackupError> {
        let place = self.to_string();
        match self.find()? {
            Found::Backup => return Err(BackupError::Taken { place }),
            Found::Chunks => return Err(BackupError::Unfinished { place }),
            Found::Other(found) => return Err(BackupError::NotEmpty { place, found }),
            Found::Nothing => {}
        }
        let made = fs::create_dir_all(&self.directory).and_then(|()| private(&self.directory));
        made.map_err(|error| failed(&self.directory, &error))
    }

    /// What stands there.
    pub(super) fn find(&self) -> Result<Found, BackupError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            entries => entries.map_err(|error| failed(&self.directory, &error))?,
        };
        let mut found = Found::Nothing;
        for entry in entries {
            let name = entry.map_err(|error| failed(&self.directory, &error))?.file_name();
            match name.to_string_lossy() {
                name if name == MANIFEST => return Ok(Found::Backup),
                name if name.starts_with("chunk-") || name == "manifest.new" => found = Found::Chunks,
                name if found == Found::Nothing => found = Found::Other(name.into_owned()),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Keeps a file.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let (draft, path) = (self.directory.join(format!("{name}.new")), self.directory.join(name));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            if cfg!(unix) { File::open(&self.directory)?.sync_all() } else { Ok(()) }
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Reads a file of at most `bytes_max` bytes; of a longer one, a byte more.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Bytes, BackupError> {
        let path = self.directory.join(name);
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|error| failed(&path, &error))
    }

    /// Removes what an unfinished backup of `chunks` chunks left, and the directory if nothing else is in it.
    pub(super) fn abandon(&self, chunks: u32) {
        let names = (1..=chunks).map(chunk_name).chain([MANIFEST.to_owned()]);
        for name in names {
            let _ = fs::remove_file(self.directory.join(format!("{name}.new")));
            let _ = fs::remove_file(self.directory.join(name));
        }
        let _ = fs::remove_dir(&self.directory);
    }
}

/// A directory that only its owner reads.
fn private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> BackupError {
    BackupError::File { name: path.display().to_string(), text: error.to_string() }
}

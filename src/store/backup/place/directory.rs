//! A directory that keeps a backup.
//!
//! Invariants: a file is there wholly and synced, or not at all; one backup writes. Source: own reasoning.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{BackupError, DRAFT, Found};

/// A directory, which need not be there yet.
#[derive(Clone, Debug)]
pub(super) struct Directory(pub(super) PathBuf);

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Directory {
    /// Makes it, for its owner alone, and takes it for one backup by the draft of its manifest; false if another has it.
    pub(super) fn make(&self) -> Result<bool, BackupError> {
        let made = fs::create_dir_all(&self.0).and_then(|()| private(&self.0));
        made.map_err(|error| failed(&self.0, &error))?;
        let draft = self.0.join(DRAFT);
        match drafts().create_new(true).open(&draft) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            taken => taken.map(|_| true).map_err(|error| failed(&draft, &error)),
        }
    }

    /// Whether it is, or would be made, in the directory `other`, by whatever names both go.
    pub(super) fn is_in(&self, other: &Path) -> bool {
        let there = self.0.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
        let place = there.map(Path::canonicalize).find_map(Result::ok);
        place.zip(other.canonicalize().ok()).is_some_and(|(place, other)| place.starts_with(other))
    }

    /// What stands there.
    pub(super) fn find(&self) -> Result<Found, BackupError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            entries => entries.map_err(|error| failed(&self.0, &error))?,
        };
        let mut found = Found::Nothing;
        for entry in entries {
            let name = entry.map_err(|error| failed(&self.0, &error))?.file_name();
            found.take(&name.to_string_lossy());
        }
        Ok(found)
    }

    /// Keeps a file.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let (draft, path) = (self.0.join(format!("{name}.new")), self.0.join(name));
        let write = || {
            let mut file = drafts().create(true).truncate(true).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Reads a file of at most `bytes_max` bytes; of a longer one, a byte more.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Bytes, BackupError> {
        let path = self.0.join(name);
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|error| failed(&path, &error))
    }

    /// Removes the files of these names, and the directory if nothing else is in it.
    pub(super) fn remove(&self, names: &[String]) {
        for name in names {
            let _ = fs::remove_file(self.0.join(format!("{name}.new")));
            let _ = fs::remove_file(self.0.join(name));
        }
        let _ = fs::remove_dir(&self.0);
    }
}

/// Files that only their owner reads.
fn drafts() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
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

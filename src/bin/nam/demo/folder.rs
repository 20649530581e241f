//! The folder of one run, removed at its end; what killed runs left behind is removed by the next.
//!
//! Invariant: a folder is locked for as long as its run lives, and only one that nobody has locked is removed. Source: own
//! reasoning; flock(2), whose locks end with their process.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::DemoError;

const PREFIX: &str = "nam-demo-";

/// A folder of this run.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes it in `place`, where it first removes those of runs that were killed.
    pub(crate) fn make(place: &Path) -> Result<Self, DemoError> {
        remove_left(place);
        let path = place.join(format!("{PREFIX}{}", std::process::id()));
        let made = loop {
            match Self::try_make(&path) {
                // Another run took it for one that was left.
                Err(error) if error.kind() == io::ErrorKind::NotFound && place.exists() => {}
                made => break made,
            }
        };
        let lock = made.map_err(|source| DemoError::File { path: path.clone(), source })?;
        Ok(Self { path, _lock: lock })
    }

    fn try_make(path: &Path) -> io::Result<File> {
        DirBuilder::new().mode(0o700).create(path)?;
        let folder = File::open(path)?;
        folder.lock()?;
        fs::metadata(path).map(|_| folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "a folder of the demo is left behind");
        }
    }
}

/// Removes the folders in `place` that no run has locked; those of other users stay, they cannot be opened.
fn remove_left(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_ours = number.is_some_and(|number| number.parse::<u32>().is_ok());
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(folder) = File::open(entry.path()) else { continue };
        if folder.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_removes_what_killed_runs_left_and_nothing_else() {
        let place = std::env::temp_dir().join(format!("nam-folders-{}", std::process::id()));
        let folder = |name: &str| place.join(name);
        for name in ["nam-demo-1", "nam-demo-2", "nam-demo-x", "others"] {
            fs::create_dir_all(folder(name)).unwrap();
            fs::write(folder(name).join("file"), "x").unwrap();
        }
        let lives = File::open(folder("nam-demo-2")).unwrap();
        lives.lock().unwrap();
        let run = Folder::make(&place).unwrap();
        let ours = run.path.clone();
        let left = || ["nam-demo-1", "nam-demo-2", "nam-demo-x", "others"].map(|name| folder(name).exists());
        assert_eq!(left(), [false, true, true, true]);
        remove_left(&place);
        assert!(ours.exists(), "a run that lives keeps its folder");
        drop(run);
        assert!(!ours.exists());
        fs::remove_dir_all(place).unwrap();
    }
}

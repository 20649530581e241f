//! A directory of a test's own, removed with it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// The directory.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nam-recovery-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files below a directory, in the order of their names.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Copies a directory; what is zeros at the end of a file stays a hole.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let content = content(&path);
        fs::write(&target, &content).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        fs::OpenOptions::new().write(true).open(&target).unwrap().set_len(bytes).unwrap();
    }
}

/// What a file holds before the zeros at its end; zeros of a megabyte and more inside are not looked behind.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = fs::File::open(path).unwrap();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut piece).unwrap();
        if count == 0 || piece[..count] == ZEROS[..count] {
            break;
        }
        bytes.extend_from_slice(&piece[..count]);
    }
    let mut end = bytes.len();
    while end > 0 && bytes[end - 1] == 0 {
        end = if end % 4096 == 0 && bytes[end - 4096..end] == ZEROS[..4096] { end - 4096 } else { end - 1 };
    }
    bytes.truncate(end);
    bytes
}

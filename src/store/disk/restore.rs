//! A data directory made from a backup: beside its place, and put there when it is whole.
//!
//! Invariants: what is not finished is not there; the term that a restored shard begins with began with a loss, because
//! commits behind the backup are gone. Source: own reasoning.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::acknowledged::Acknowledged;
use super::directory::{DataDirectory, DataError, failed, sync_directory};
use super::{DiskImages, DiskJournal, DiskSettings, Durability};
use crate::ids::PartId;
use crate::journal::{Append, ImageName, Images, JournalError, PutHead};
use crate::limits::IMAGE_BATCH_BYTES_MAX;
use crate::store::backup::{Checked, Extent};

/// Heads or frames in one batch.
const BATCH_MAX: usize = 256;

/// What may stand in a directory that a restore left unfinished.
const OURS: [&str; 7] = ["acknowledged", "acknowledged.new", "format", "format.new", "lock", "store", "store.new"];

/// A data directory that is being made.
#[derive(Debug)]
pub(crate) struct Restoring {
    place: PathBuf,
    draft: Draft,
    journal: DiskJournal,
    images: DiskImages,
    parts: Vec<(ImageName, PartId, Bytes)>,
    parts_bytes: usize,
    heads: Vec<PutHead>,
    frames: Vec<Append>,
    frames_bytes: usize,
}

/// The directory in which it is made; removed if it does not become what it was made for.
#[derive(Debug)]
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_dir_all(path);
        }
    }
}

impl Restoring {
    /// Begins a directory of `shards` shards, which will be `place`.
    ///
    /// # Errors
    /// Something stands there, or it cannot be made.
    pub(crate) fn begin(place: &Path, shards: u16) -> Result<Self, DataError> {
        check_empty(place)?;
        let place = &replaceable(place)?;
        let name = place.file_name().unwrap_or_default();
        let draft = place.with_file_name(format!("{}.restoring", name.to_string_lossy()));
        remove_unfinished(&draft)?;
        let guard = Draft(Some(draft.clone()));
        let settings =
            DiskSettings { shards: Some(shards), durability: Durability::Process, ..DiskSettings::default() };
        let journal = DiskJournal::open(&draft, settings)?;
        let images = journal.images()?;
        let (parts, heads, frames) = (Vec::new(), Vec::new(), Vec::new());
        let place = place.clone();
        Ok(Self { place, draft: guard, journal, images, parts, parts_bytes: 0, heads, frames, frames_bytes: 0 })
    }

    /// Writes the next record.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn take(&mut self, checked: Checked) -> Result<(), DataError> {
        let written = match checked {
            Checked::State(shard, content) => self.images.put_state(shard, &content),
            Checked::Part(name, bytes) => {
                self.parts_bytes += bytes.len();
                self.parts.push((name.image, name.part, bytes));
                if self.parts_bytes >= IMAGE_BATCH_BYTES_MAX { self.write_parts() } else { Ok(()) }
            }
            Checked::Head(shard, head) => {
                self.heads.push(PutHead { shard, head, dropped: Vec::new() });
                if self.heads.len() >= BATCH_MAX { self.write_heads() } else { Ok(()) }
            }
            Checked::Frame(append) => {
                self.frames_bytes += append.frame.bytes.len();
                self.frames.push(append);
                let is_due = self.frames.len() >= BATCH_MAX || self.frames_bytes >= IMAGE_BATCH_BYTES_MAX;
                if is_due { self.write_frames() } else { Ok(()) }
            }
        };
        written.map_err(|error| self.failed(error))
    }

    /// Writes what is left, begins a term with a loss in each shard, and puts the directory in its place.
    ///
    /// # Errors
    /// The store cannot be written, or something stands in its place by now.
    pub(crate) fn finish(mut self, shards: &[Extent]) -> Result<(), DataError> {
        let written = self.write_heads().and_then(|()| self.write_frames());
        written.map_err(|error| self.failed(error))?;
        let mut open = self.journal.open.lock();
        for extent in shards {
            let shard = extent.last.shard;
            let unwritable = |what| DataError::Store { path: self.place.clone(), what };
            if extent.first_crc != 0 {
                open.store.put_first_crc(shard, extent.first_crc).map_err(unwritable)?;
            }
            let last_ms = open.store.time_ms(extent.last).map_err(|error| self.failed(error))?;
            let term = extent.term.unwrap_or_default().next(last_ms, now_ms(), true);
            open.store.put_term(shard, term).map_err(unwritable)?;
            if extent.frames > 0 {
                open.noted.note(Acknowledged { name: extent.last, crc: extent.last_crc })?;
            }
        }
        open.noted.sync()?;
        drop(open);
        let Self { place, mut draft, journal, images, .. } = self;
        drop((journal, images));
        check_empty(&place)?;
        let Some(made) = draft.0.as_ref() else { return Ok(()) };
        fs::rename(made, &place).map_err(failed(&place))?;
        draft.0 = None;
        sync_directory(place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    fn write_parts(&mut self) -> Result<(), JournalError> {
        self.parts_bytes = 0;
        let parts = std::mem::take(&mut self.parts);
        for run in parts.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some((image, ..)) = run.first() else { continue };
            let parts: Vec<_> = run.iter().map(|(_, part, bytes)| (*part, bytes.clone())).collect();
            self.images.put_parts(*image, &parts)?;
        }
        Ok(())
    }

    fn write_heads(&mut self) -> Result<(), JournalError> {
        self.write_parts()?;
        let heads = std::mem::take(&mut self.heads);
        if heads.is_empty() { Ok(()) } else { self.images.put_heads(&heads) }
    }

    fn write_frames(&mut self) -> Result<(), JournalError> {
        self.write_heads()?;
        self.frames_bytes = 0;
        let frames = std::mem::take(&mut self.frames);
        let open = self.journal.open.lock();
        // Frames of one batch go to several shards' tables as well as to one.
        let written = open.store.append(&frames.iter().collect::<Vec<_>>(), Durability::Process);
        written.map_err(JournalError::InDoubt)
    }

    fn failed(&self, error: JournalError) -> DataError {
        DataError::Journal { path: self.place.clone(), error }
    }
}

/// The path under which a directory can be put in the place of an empty one, or of none: no link's, which would itself be
/// replaced.
fn replaceable(place: &Path) -> Result<PathBuf, DataError> {
    let fixed = |what| DataError::Fixed { path: place.into(), what };
    if fs::symlink_metadata(place).is_err() {
        return if place.file_name().is_some() { Ok(place.into()) } else { Err(fixed("it has no name")) };
    }
    let real = place.canonicalize().map_err(|_| fixed("it is a link that leads nowhere"))?;
    let device = |path: &Path| fs::metadata(path).map(|about| std::os::unix::fs::MetadataExt::dev(&about)).ok();
    match real.parent() {
        Some(parent) if device(parent) == device(&real) => {}
        _ => return Err(fixed("a device is mounted there")),
    }
    let is_here = std::env::current_dir().is_ok_and(|here| here.starts_with(&real));
    if is_here { Err(fixed("this process works in it")) } else { Ok(real) }
}

/// Refuses a place where something stands.
fn check_empty(place: &Path) -> Result<(), DataError> {
    let first = match fs::read_dir(place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        entries => entries.map_err(failed(place))?.next(),
    };
    let Some(entry) = first else { return Ok(()) };
    let found = entry.map_err(failed(place))?.file_name().to_string_lossy().into_owned();
    Err(DataError::NotEmpty { path: place.into(), found })
}

/// Removes what a restore that was killed left, unless one runs.
fn remove_unfinished(draft: &Path) -> Result<(), DataError> {
    if !draft.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(draft).map_err(failed(draft))? {
        let found = entry.map_err(failed(draft))?.file_name().to_string_lossy().into_owned();
        if !OURS.contains(&found.as_str()) {
            return Err(DataError::NotEmpty { path: draft.into(), found });
        }
    }
    let locked = DataDirectory::lock_of(draft)?;
    fs::remove_dir_all(draft).map_err(failed(draft))?;
    drop(locked);
    Ok(())
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

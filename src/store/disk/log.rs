//! The log files of the store, read before the store reads them.
//!
//! fjall takes whatever does not parse for the torn end of its log and cuts it off, and may allocate by a length that it
//! finds there. So its log files are checked here first, byte by byte of its format:
//!
//! ```text
//! batch   1 · items: 4 LE · sequence: 8 LE · item* · 3 · xxh3-64 of the items: 8 LE · "FJL" 3
//! item    2 · kind · compression 0 · keyspace: 8 LE · key length: 2 LE · value length: 4 LE, twice · key · value
//! file    batch* · zeros
//! ```
//! Invariants: an end of the newest file that holds no acknowledged frame is what a crash tore, and is cut off; any other
//! damage is refused with its place, and nothing is touched: a file is synced before the next one is begun. Source: fjall 3.1, `src/journal/entry.rs`; fjall issue #311.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::directory::{DataError, failed};
use crate::coding::{DecodeError, Reader};
use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::FrameName;

/// What a log file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the last whole batch ends.
    pub(super) valid: usize,
    /// Where there are only zeros.
    pub(super) end: usize,
}

/// The log files of a store, oldest first.
pub(super) fn files(store: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(store).map_err(failed(store))? {
        let entry = entry.map_err(failed(store))?;
        let path = entry.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        let Some(number) = number else { continue };
        // The store takes nothing else, and panics.
        if !entry.file_type().map_err(failed(&path))?.is_file() {
            let what = "it is a link or a directory, and must be the file itself".to_owned();
            return Err(DataError::Damaged { path, what });
        }
        files.push((number, path));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Checks the log files of a store, in which frames up to those `needed` must be, and cuts off a torn end.
///
/// # Errors
/// `DamagedLog`: what cannot be read holds a frame that was acknowledged. `Damaged`: it is not the end of the newest file.
pub(super) fn mend(store: &Path, needed: &[Option<FrameName>]) -> Result<(), DataError> {
    let mut torn = Vec::new();
    let mut files = files(store)?.into_iter().peekable();
    while let Some(path) = files.next() {
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let Extent { valid, end } = extent(&bytes);
        let tail = bytes.get(valid..end).unwrap_or_default();
        if let Some(frame) = first_known(tail, needed) {
            return Err(DataError::DamagedLog { path, offset: valid as u64, frame });
        }
        if tail.is_empty() {
            continue;
        }
        if files.peek().is_some() {
            let what = format!("at byte {valid}, which was synced before the next log was begun");
            return Err(DataError::Damaged { path, what });
        }
        torn.push((path, valid));
    }
    for (path, valid) in torn {
        tracing::info!(path = %path.display(), valid, "cutting off what a crash tore");
        let file = OpenOptions::new().write(true).open(&path).map_err(failed(&path))?;
        file.set_len(valid as u64).and_then(|()| file.sync_all()).map_err(failed(&path))?;
    }
    Ok(())
}

/// Reads whole batches from the start of a log file.
pub(super) fn extent(bytes: &[u8]) -> Extent {
    let end = end_of_content(bytes);
    let (mut valid, mut last) = (0, None);
    while let Some(rest) = bytes.get(valid..end).filter(|rest| !rest.is_empty()) {
        let mut r = Reader::new(rest);
        match batch(&mut r) {
            Ok(sequence) if last.is_none_or(|last| sequence > last) => last = Some(sequence),
            _ => break,
        }
        valid += rest.len() - r.left();
    }
    Extent { valid, end }
}

/// Where the zeros begin that the store put there in advance.
fn end_of_content(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let (pages, rest) = bytes.as_chunks::<4096>();
    let (from, last) = match pages.iter().rposition(|page| *page != ZEROS) {
        _ if rest.iter().any(|byte| *byte != 0) => (pages.len() * ZEROS.len(), rest),
        Some(at) => (at * ZEROS.len(), pages.get(at).map_or(rest, |page| page.as_slice())),
        None => (0, &[][..]),
    };
    last.iter().rposition(|byte| *byte != 0).map_or(from, |at| from + at + 1)
}

fn batch(r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    expect(r, [1])?;
    let items = u32::from_le_bytes(r.array()?);
    let sequence = u64::from_le_bytes(r.array()?);
    let mut hasher = Xxh3::new();
    for _ in 0..items {
        let before = r.rest();
        item(r)?;
        hasher.update(before.get(..before.len() - r.left()).unwrap_or_default());
    }
    expect(r, [3])?;
    expect(r, hasher.digest().to_le_bytes())?;
    expect(r, *b"FJL\x03")?;
    Ok(sequence)
}

fn item(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    expect(r, [2])?;
    let _kind = r.byte()?;
    expect(r, [0])?;
    let _keyspace = r.array::<8>()?;
    let key_bytes = u16::from_le_bytes(r.array()?);
    let value_bytes: [u8; 4] = r.array()?;
    expect(r, value_bytes)?;
    r.take(usize::from(key_bytes))?;
    r.take(usize::try_from(u32::from_le_bytes(value_bytes)).unwrap_or(usize::MAX))?;
    Ok(())
}

fn expect<const N: usize>(r: &mut Reader<'_>, expected: [u8; N]) -> Result<(), DecodeError> {
    if r.array::<N>()? == expected { Ok(()) } else { Err(DecodeError::Unknown { what: "log entry", found: 0 }) }
}

/// The first frame named in `tail` that is needed.
fn first_known(tail: &[u8], needed: &[Option<FrameName>]) -> Option<FrameName> {
    let names = tail.windows(4).enumerate().filter(|(_, window)| window == b"namF");
    let names = names.filter_map(|(at, _)| name(tail.get(at + 5..)?).ok());
    names.into_iter().find(|name| {
        let newest = needed.get(usize::from(name.shard.0)).copied().flatten();
        newest.is_some_and(|newest| *name <= newest && *name > FrameName::before_all(name.shard))
    })
}

fn name(bytes: &[u8]) -> Result<FrameName, DecodeError> {
    let mut r = Reader::new(bytes);
    let shard = ShardId(u16::try_from(r.varint()?).map_err(|_| DecodeError::Varint)?);
    Ok(FrameName { shard, epoch: Epoch(r.varint()?), number: FrameNumber(r.varint()?) })
}

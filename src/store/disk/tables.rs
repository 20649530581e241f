//! The tables of the store and the lists of them, checked before the store reads them.
//!
//! fjall allocates by lengths in these files before it has checked the sums over them. So the sums are checked here:
//!
//! ```text
//! version               "FJL" 3
//! keyspaces/N/current   number of a list: 8 LE · xxh3-128 of that list: 16 LE · 0
//! keyspaces/N/vM        a list of tables, in the form of a table
//! keyspaces/N/tables/M  sections · contents · "SFA!" 1 0 · xxh3-128 of the contents: 16 LE · from: 8 LE · size: 8 LE
//! contents              "TOC!" · count: 4 LE · (from: 8 LE · size: 8 LE · name: length 2 LE and bytes)*
//! section "tables"      levels: 1 · (runs: 1 · (tables: 4 LE · (number: 8 LE · 0 · sum: 16 LE · sequence: 8 LE)*)*)*
//! ```
//! A store whose version is gone is taken for a new one by fjall, which begins to write it.
//!
//! What is in a table stands in blocks with sums of their own, which the store checks; when one is wrong it does not say
//! of which file, and the sums over whole tables do. Source: lsm-tree 3.1, `src/version/persist.rs`; sfa 1.0,
//! `src/trailer/reader.rs`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::directory::{DataError, failed};
use crate::coding::{DecodeError, Reader};

const VERSION: [u8; 4] = *b"FJL\x03";
const TRAILER_BYTES: u64 = 38;
const TRAILER_HEAD: [u8; 6] = *b"SFA!\x01\x00";
/// Bytes of a table's contents; a real one has some hundred.
const CONTENTS_BYTES_MAX: u64 = 64 * 1024;

/// Checks the version of the store, the list of tables of every keyspace, and every table in it.
///
/// # Errors
/// `Damaged`, with the file.
pub(super) fn check(store: &Path) -> Result<(), DataError> {
    let version = store.join("version");
    match fs::read(&version) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&version, "it is not there")),
        found => {
            if found.map_err(failed(&version))? != VERSION {
                return Err(damaged(&version, "it is no version of the store"));
            }
        }
    }
    for keyspace in keyspaces(store)? {
        for table in tables(&keyspace, &list(&keyspace)?)? {
            check_contents(&table.path)?;
        }
    }
    Ok(())
}

/// The tables of a store that are not as they were written. Reads all of every table.
pub(super) fn damages(store: &Path) -> Vec<DataError> {
    match keyspaces(store) {
        _ if !store.exists() => Vec::new(),
        Ok(keyspaces) => keyspaces.iter().flat_map(|keyspace| damages_of(keyspace)).collect(),
        Err(error) => vec![error],
    }
}

/// The tables of a keyspace that are not as they were written. Reads all of every table.
pub(super) fn damages_of(keyspace: &Path) -> Vec<DataError> {
    match list(keyspace).and_then(|list| tables(keyspace, &list)) {
        Ok(tables) => tables.iter().filter_map(|table| table.check().err()).collect(),
        Err(error) => vec![error],
    }
}

fn keyspaces(store: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut keyspaces = entries(&store.join("keyspaces"))?;
    keyspaces.retain(|keyspace| keyspace.is_dir());
    Ok(keyspaces)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(directory).map_err(failed(directory))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed(directory))).collect()
}

fn damaged(path: &Path, what: &str) -> DataError {
    DataError::Damaged { path: path.into(), what: what.to_owned() }
}

/// The list of a keyspace's tables, whose sum is right.
fn list(keyspace: &Path) -> Result<PathBuf, DataError> {
    let current = keyspace.join("current");
    let bytes = fs::read(&current).map_err(failed(&current))?;
    let parse = |mut r: Reader<'_>| -> Result<_, DecodeError> {
        let parts = (u64::from_le_bytes(r.array()?), u128::from_le_bytes(r.array()?), r.byte()?);
        r.finish().map(|()| parts)
    };
    let Ok((number, sum, 0)) = parse(Reader::new(&bytes)) else {
        return Err(damaged(&current, "it names no list of tables"));
    };
    let list = keyspace.join(format!("v{number}"));
    match fs::read(&list) {
        Err(_) => Err(damaged(&current, "the list of tables that it names is not there")),
        Ok(content) if xxh3_128(&content) == sum => Ok(list),
        Ok(_) => Err(damaged(&list, "its sum is another")),
    }
}

/// A table, as a list names it.
struct Table {
    path: PathBuf,
    /// Over the whole file.
    sum: u128,
}

impl Table {
    fn check(&self) -> Result<(), DataError> {
        let mut sum = Sum(Xxh3::new());
        let read = File::open(&self.path).and_then(|mut file| io::copy(&mut file, &mut sum));
        read.map_err(failed(&self.path))?;
        if sum.0.digest128() == self.sum { Ok(()) } else { Err(damaged(&self.path, "its sum is another")) }
    }
}

struct Sum(Xxh3);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The tables of a keyspace that are in a list.
fn tables(keyspace: &Path, list: &Path) -> Result<Vec<Table>, DataError> {
    let section = check_contents(list)?.into_iter().find(|section| section.name == b"tables");
    let section = section.ok_or_else(|| damaged(list, "it has no section `tables`"))?;
    let mut file = File::open(list).map_err(failed(list))?;
    let bytes = read(&mut file, section.from, section.size).map_err(failed(list))?;
    let named = named(&mut Reader::new(&bytes)).map_err(|error| damaged(list, &error.to_string()))?;
    let place = keyspace.join("tables");
    Ok(named.into_iter().map(|(number, sum)| Table { path: place.join(number.to_string()), sum }).collect())
}

/// The numbers and sums of the tables in a list.
fn named(r: &mut Reader<'_>) -> Result<Vec<(u64, u128)>, DecodeError> {
    let mut named = Vec::new();
    for _ in 0..r.byte()? {
        for _ in 0..r.byte()? {
            for _ in 0..u32::from_le_bytes(r.array()?) {
                let (number, _) = (u64::from_le_bytes(r.array()?), r.byte()?);
                named.push((number, u128::from_le_bytes(r.array()?)));
                let _sequence = r.take(8)?;
            }
        }
    }
    Ok(named)
}

/// A part of a table.
struct Section {
    from: u64,
    size: u64,
    name: Vec<u8>,
}

/// Checks the contents of a table and reads them.
fn check_contents(path: &Path) -> Result<Vec<Section>, DataError> {
    let mut file = File::open(path).map_err(failed(path))?;
    let length = file.metadata().map_err(failed(path))?.len();
    let Some(end) = length.checked_sub(TRAILER_BYTES) else { return Err(damaged(path, "it was cut")) };
    let trailer = read(&mut file, end, TRAILER_BYTES).map_err(failed(path))?;
    let parse = |mut r: Reader<'_>| -> Result<_, DecodeError> {
        Ok((r.array()?, u128::from_le_bytes(r.array()?), u64::from_le_bytes(r.array()?)))
    };
    let Ok((TRAILER_HEAD, sum, from)) = parse(Reader::new(&trailer)) else {
        return Err(damaged(path, &format!("there is no trailer at byte {end}")));
    };
    let size = end.checked_sub(from).filter(|size| *size <= CONTENTS_BYTES_MAX);
    let size = size.ok_or_else(|| damaged(path, &format!("the trailer at byte {end} leads nowhere")))?;
    let contents = read(&mut file, from, size).map_err(failed(path))?;
    if xxh3_128(&contents) != sum {
        return Err(damaged(path, &format!("the sum of byte {from} and on is another")));
    }
    sections(&mut Reader::new(&contents)).map_err(|error| damaged(path, &error.to_string()))
}

fn sections(r: &mut Reader<'_>) -> Result<Vec<Section>, DecodeError> {
    let _head = r.array::<4>()?;
    let mut sections = Vec::new();
    for _ in 0..u32::from_le_bytes(r.array()?) {
        let (from, size) = (u64::from_le_bytes(r.array()?), u64::from_le_bytes(r.array()?));
        let length = u16::from_le_bytes(r.array()?);
        sections.push(Section { from, size, name: r.take(usize::from(length))?.to_vec() });
    }
    Ok(sections)
}

fn read(file: &mut File, from: u64, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

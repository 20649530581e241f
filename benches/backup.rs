//! How many bytes a second does a backup copy, and a restore, beside a bare copy of the same bytes?
//!
//! A data directory of 200 MB of frames, as one shard has them behind a busy hour; no daemon runs. The bare copy reads the
//! files of the store and writes them into one directory, each synced, as a backup syncs its chunks; nothing is checked.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops when something is wrong")]

mod scratch;
mod table;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use nam::ids::{FrameNumber, ShardId};
use nam::journal::{Append, Entry, Frame, Journal};
use nam::store::backup::{Place, backup, restore, verify_backup};
use nam::store::{DiskJournal, DiskSettings, Durability};

use scratch::Scratch;
use table::Samples;

const FRAMES: u64 = 3_200;
const FRAME_BYTES: usize = 64 * 1024;
const TURNS: usize = 5;

/// Fills a data directory; answers how many bytes its frames have.
fn fill(path: &Path) -> u64 {
    let settings = DiskSettings { durability: Durability::Process, free_bytes_min: 0, ..DiskSettings::default() };
    let mut journal = DiskJournal::open(path, settings).unwrap();
    let claim = journal.claim(ShardId(0), 1_000).unwrap();
    let (mut expected, mut bytes, mut noise) = (claim.last_crc, 0, 1_u64);
    for number in 1..=FRAMES {
        let mut slice = Vec::with_capacity(FRAME_BYTES);
        while slice.len() < FRAME_BYTES {
            // Bytes that nothing makes shorter: xorshift64.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            slice.extend_from_slice(&noise.to_le_bytes());
        }
        let frame = Frame {
            shard: ShardId(0),
            epoch: claim.epoch,
            number: FrameNumber(number),
            time_ms: number,
            first_commit: 1,
            previous_crc: expected,
            entries: vec![Entry::Slice { staging: 1, bytes: Bytes::from(slice) }],
        };
        let append = Append { frame: frame.encode(), expected };
        expected = append.frame.crc;
        bytes += append.frame.bytes.len() as u64;
        journal.append(&append).unwrap();
    }
    bytes
}

/// Copies as many bytes as the frames have from the files of the store, into files as large as chunks, each synced.
fn copy(from: &[PathBuf], to: &Path, mut bytes: u64) {
    fs::create_dir(to).unwrap();
    let mut piece = vec![0; 8 * 1024 * 1024];
    let mut files = from.iter().map(|path| File::open(path).unwrap());
    let mut file = files.next().unwrap();
    for number in 0.. {
        if bytes == 0 {
            return;
        }
        let wanted = piece.len().min(usize::try_from(bytes).unwrap());
        let mut filled = 0;
        while filled < wanted {
            match file.read(&mut piece[filled..wanted]).unwrap() {
                0 => file = files.next().unwrap(),
                count => filled += count,
            }
        }
        let mut out = File::create(to.join(number.to_string())).unwrap();
        out.write_all(&piece[..wanted]).unwrap();
        out.sync_all().unwrap();
        bytes -= wanted as u64;
    }
}

/// The files below a directory, the largest first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![directory.to_path_buf()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let is_directory = entry.file_type().unwrap().is_dir();
            if is_directory { left.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    found
}

fn speed(_: &mut Criterion) {
    let scratch = Scratch::new("backup");
    let data = scratch.0.join("data");
    let bytes = fill(&data);
    let [mut bare, mut copied, mut read, mut restored] = Samples::several();
    let timed = |samples: &mut Samples, work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        samples.add(begun.elapsed());
    };
    for _ in 0..TURNS {
        let [copy_place, place, again] = ["copy", "place", "again"].map(|name| scratch.0.join(name));
        let backup_place = Place::parse(place.to_str().unwrap(), None).unwrap();
        let watch = &mut |_| true;
        timed(&mut bare, &mut || copy(&files(&data.join("store")), &copy_place, bytes));
        timed(&mut copied, &mut || drop(backup(&data, &backup_place, watch).unwrap()));
        timed(&mut read, &mut || drop(verify_backup(&backup_place, watch).unwrap()));
        timed(&mut restored, &mut || drop(restore(&backup_place, &again, watch).unwrap()));
        for made in [copy_place, place, again] {
            fs::remove_dir_all(made).unwrap();
        }
    }
    table::title(&format!("{} MB of frames, MB a second, p50", bytes / 1_000_000));
    let rate = |samples: &Samples| bytes as f64 / 1e6 / (samples.p50() / 1e9);
    let alone = rate(&bare);
    for (what, samples) in
        [("a bare copy, synced", &bare), ("a backup", &copied), ("a backup read", &read), ("a restore", &restored)]
    {
        let rate = rate(samples);
        table::row(what, &format!("{rate:.0}"), &format!("{:.2} × a bare copy", rate / alone), "", true);
    }
}

criterion_group!(benches, speed);
criterion_main!(benches);

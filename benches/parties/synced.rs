//! What a synced append costs without anything around it: of a bare file, and of the journal.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nam::ids::{FrameNumber, ShardId};
use nam::journal::{Append, Claim, Entry, Frame, Journal};
use nam::store::{DiskJournal, DiskSettings};

use crate::table::Samples;

pub(crate) const BYTES: usize = 200;

/// A file and a journal in one directory.
pub(crate) struct Synced {
    file: File,
    journal: DiskJournal,
    claim: Claim,
    number: u64,
    expected: u32,
}

impl Synced {
    pub(crate) fn new(directory: &Path) -> Self {
        let file = File::create(directory.join("bare")).unwrap();
        let settings = DiskSettings { free_bytes_min: 0, ..DiskSettings::default() };
        let mut journal = DiskJournal::open(&directory.join("alone"), settings).unwrap();
        let claim = journal.claim(ShardId(0), 1).unwrap();
        Self { file, journal, claim, number: 0, expected: claim.last_crc }
    }

    /// Appends to each in turn, `rounds` times.
    pub(crate) fn run(&mut self, rounds: u64, pause: Duration, file: &mut Samples, journal: &mut Samples) {
        for _ in 0..rounds {
            let begun = Instant::now();
            self.file.write_all(&[7; BYTES]).unwrap();
            self.file.sync_data().unwrap();
            file.add(begun.elapsed());
            thread::sleep(pause);
            self.number += 1;
            let entries = vec![Entry::Slice { staging: 1, bytes: vec![7; BYTES].into() }];
            let (shard, epoch, number) = (ShardId(0), self.claim.epoch, FrameNumber(self.number));
            let previous_crc = self.expected;
            let frame = Frame { shard, epoch, number, time_ms: 0, first_commit: 1, previous_crc, entries }.encode();
            let append = Append { expected: previous_crc, frame };
            self.expected = append.frame.crc;
            let begun = Instant::now();
            self.journal.append(&append).unwrap();
            journal.add(begun.elapsed());
            thread::sleep(pause);
        }
    }
}

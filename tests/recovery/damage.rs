//! The store of a daemon, flipped, cut and torn: refused with its place, or served whole; never in between.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use nam::ids::{Epoch, FrameNumber, ShardId};
use nam::journal::{Append, Entry, Frame, FrameName, Images, Journal};
use nam::store::{DataError, DiskJournal, DiskSettings};

use crate::dice::Dice;
use crate::images::{InForce, Painter, SHARD, in_force, state};
use crate::scratch::{Scratch, content, copy, files};

const SHARDS: u16 = 2;
const FRAMES: usize = 120;
const TRIALS: u64 = 200;

/// Tables of a few frames, so that the store has some of everything.
fn settings() -> DiskSettings {
    DiskSettings { shards: Some(SHARDS), gathered_bytes: 48 * 1024, free_bytes_min: 0, ..DiskSettings::default() }
}

/// The frames of a journal.
type Frames = Vec<(FrameName, u32)>;

/// What is in a store.
#[derive(Debug, PartialEq)]
struct Kept {
    frames: Frames,
    images: InForce,
}

/// Makes frames of random sizes, one after the other.
struct Author {
    epoch: Epoch,
    last: Vec<(u64, u32)>,
}

impl Author {
    fn new(journal: &mut DiskJournal) -> Self {
        let claims: Vec<_> = (0..SHARDS).map(|shard| journal.claim(ShardId(shard), 1_000).unwrap()).collect();
        Self { epoch: claims[0].epoch, last: claims.iter().map(|claim| (0, claim.last_crc)).collect() }
    }

    fn next(&mut self, dice: &mut Dice) -> Append {
        let shard = dice.below(u64::from(SHARDS));
        let (number, expected) = self.last[shard as usize];
        let size = if dice.below(10) == 0 { dice.below(20_000) } else { dice.below(300) };
        let bytes: Bytes = (0..size).map(|_| dice.below(256) as u8).collect();
        let frame = Frame {
            shard: ShardId(shard as u16),
            epoch: self.epoch,
            number: FrameNumber(number + 1),
            time_ms: number,
            first_commit: 1,
            previous_crc: expected,
            entries: vec![Entry::Slice { staging: 1, bytes }],
        };
        let frame = frame.encode();
        self.last[shard as usize] = (number + 1, frame.crc);
        Append { frame, expected }
    }
}

/// No tables: all stays in the log.
fn one_log() -> DiskSettings {
    DiskSettings { gathered_bytes: 1 << 24, ..settings() }
}

/// A journal with so many frames in its log, open, with who goes on making more.
fn write_log(path: &Path, count: usize, dice: &mut Dice) -> (DiskJournal, Author, Frames) {
    let mut journal = DiskJournal::open(path, one_log()).unwrap();
    let mut author = Author::new(&mut journal);
    let mut frames = Frames::new();
    for _ in 0..count {
        let append = author.next(dice);
        journal.append(&append).unwrap();
        frames.push((append.frame.name, append.frame.crc));
    }
    (journal, author, frames)
}

/// A store with frames and images in its log and in its tables, and what is in force.
fn make(path: &Path, dice: &mut Dice) -> Kept {
    let mut journal = DiskJournal::open(path, settings()).unwrap();
    let mut images = journal.images().unwrap();
    let (mut author, mut painter) = (Author::new(&mut journal), Painter::new(InForce::default()));
    let mut frames = Frames::new();
    images.put_state(SHARD, &state(0)).unwrap();
    // The store writes its tables in the background.
    while frames.len() < FRAMES || !(has_tables(path, "frames-1") && has_tables(path, "parts")) {
        // What stands behind the last frame may be lost with the end of the log: the frames make it again.
        painter.deed(dice).iter().for_each(|call| call.make(&mut images));
        let append = author.next(dice);
        journal.append(&append).unwrap();
        frames.push((append.frame.name, append.frame.crc));
    }
    frames.sort();
    Kept { frames, images: in_force(&mut images, &mut journal).unwrap() }
}

/// Whether the store wrote tables of a keyspace; they are numbered in the order in which they were made, behind the
/// store's own.
fn has_tables(path: &Path, keyspace: &str) -> bool {
    let number = 1 + ["terms", "frames-0", "frames-1", "heads", "parts", "states"]
        .iter()
        .position(|name| *name == keyspace)
        .unwrap();
    let tables = format!("{number}/tables");
    files(&path.join("store/keyspaces")).iter().any(|path| path.parent().unwrap().ends_with(&tables))
}

/// What a daemon would have at its start, or what it would say.
fn read(path: &Path) -> Result<Kept, String> {
    let mut journal = DiskJournal::open(path, settings()).map_err(|error| error.to_string())?;
    let mut frames = Frames::new();
    for shard in (0..SHARDS).map(ShardId) {
        journal.claim(shard, 2_000).map_err(|error| error.to_string())?;
        let visit = &mut |frame: Frame| {
            frames.push((frame.name(), frame.encode().crc));
            true
        };
        journal.replay(shard, visit).map_err(|error| error.to_string())?;
    }
    let mut images = journal.images().map_err(|error| error.to_string())?;
    let images = in_force(&mut images, &mut journal)?;
    Ok(Kept { frames, images })
}

/// A file as it was before it was damaged, and how.
struct Damage {
    path: PathBuf,
    what: String,
    content: Vec<u8>,
    length: u64,
}

impl Damage {
    fn undo(&self) {
        overwrite(&self.path, &self.content);
        fs::OpenOptions::new().write(true).open(&self.path).unwrap().set_len(self.length).unwrap();
    }
}

/// Some byte of some file: any byte of all, or any of the files that is not empty.
fn pick(mut contents: Vec<(PathBuf, Vec<u8>)>, dice: &mut Dice) -> (PathBuf, Vec<u8>, usize) {
    contents.retain(|(_, content)| !content.is_empty());
    if dice.below(3) == 0 {
        let (path, content) = contents.swap_remove(dice.below(contents.len() as u64) as usize);
        let at = dice.below(content.len() as u64) as usize;
        return (path, content, at);
    }
    let total: usize = contents.iter().map(|(_, content)| content.len()).sum();
    let mut at = dice.below(total as u64) as usize;
    for (path, content) in contents {
        if at < content.len() {
            return (path, content, at);
        }
        at -= content.len();
    }
    unreachable!("at is below the total")
}

/// Flips a bit or cuts a file.
fn damage(store: &Path, dice: &mut Dice) -> Damage {
    let contents: Vec<(PathBuf, Vec<u8>)> =
        files(store).into_iter().map(|path| (path.clone(), content(&path))).collect();
    let (path, content, at) = pick(contents, dice);
    let (mut bytes, length) = (content.clone(), fs::metadata(&path).unwrap().len());
    let name = path.strip_prefix(store).unwrap().display().to_string();
    let what = if dice.below(3) == 0 {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(at as u64).unwrap();
        format!("{name} cut at {at}")
    } else {
        let bit = dice.below(8);
        bytes[at] ^= 1 << bit;
        overwrite(&path, &bytes);
        format!("{name} flipped at {at}, bit {bit}")
    };
    Damage { path, what, content, length }
}

/// Puts bytes at the start of a file.
fn overwrite(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Flips a bit in the middle of a file.
fn flip_middle(path: &Path) {
    let mut bytes = content(path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    overwrite(path, &bytes);
}

/// Runs `nam verify`; what it says if it finds nothing, or what it finds.
pub(crate) fn verify(path: &Path) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nam"));
    let output = command.args(["verify", "--data"]).arg(path).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn verify_reads_everything_and_names_what_is_damaged() {
    let (scratch, mut dice) = (Scratch::new("verify"), Dice::new(17));
    let (whole, trial) = (scratch.0.join("whole"), scratch.0.join("trial"));
    let kept = make(&whole, &mut dice).frames;
    let said = verify(&whole).unwrap();
    for shard in 0..SHARDS {
        let last = kept.iter().rev().find(|(name, _)| name.shard == ShardId(shard)).unwrap().0;
        assert!(said.contains(&format!("last frame {last}")), "{said}");
    }
    copy(&whole, &trial);
    flip_middle(&trial.join("store/0.jnl"));
    let told = verify(&trial).unwrap_err();
    assert!(told.contains("0.jnl is damaged at byte "), "{told}");
    assert!(told.starts_with("nam: ") && told.lines().count() == 1, "{told}");

    for table in files(&whole).into_iter().filter(|file| file.parent().unwrap().ends_with("tables")) {
        copy(&whole, &trial);
        let table = trial.join(table.strip_prefix(&whole).unwrap());
        let mut bytes = content(&table);
        bytes[40] ^= 4;
        overwrite(&table, &bytes);
        let told = verify(&trial).unwrap_err();
        assert!(told.contains(&format!("{} is damaged: ", table.display())), "{told}");
        assert!(["Invalid", "Mismatch"].iter().all(|words| !told.contains(words)), "words of the store: {told}");
    }
}

#[test]
fn a_damaged_store_is_refused_with_its_place_or_served_whole() {
    let (scratch, mut dice) = (Scratch::new("damage"), Dice::new(11));
    let (whole, trial) = (scratch.0.join("whole"), scratch.0.join("trial"));
    let kept = make(&whole, &mut dice);
    assert!(read(&whole).unwrap() == kept);
    let (mut refused, mut served) = (0, 0);
    for _ in 0..TRIALS {
        copy(&whole, &trial);
        let damage = damage(&trial, &mut dice);
        let what = &damage.what;
        match read(&trial) {
            Ok(there) => {
                assert!(there == kept, "{what}: served, but not whole");
                served += 1;
            }
            Err(told) => {
                let is_placed =
                    told.contains(trial.to_str().unwrap()) || told.contains("frame ") || told.contains("image ");
                assert!(is_placed, "{what}: no place is named: {told}");
                let is_table = damage.path.parent().is_some_and(|parent| parent.ends_with("tables"));
                let is_named = told.contains(damage.path.to_str().unwrap()) || told.contains("image ");
                assert!(!is_table || is_named, "{what}: the table is not named: {told}");
                println!("{what}: {told}");
                refused += 1;
                damage.undo();
                assert!(read(&trial).as_ref() == Ok(&kept), "{what}: mended, but the refusal had changed something");
            }
        }
    }
    println!("{refused} refused, {served} served whole");
    assert!(refused > TRIALS / 2, "most of the bytes matter");
}

/// What a power loss may leave of bytes that were written and not synced: a part, holes, or something else.
pub(crate) fn tear(written: &mut Vec<u8>, dice: &mut Dice) {
    const SECTOR: usize = 512;
    match dice.below(3) {
        0 => written.truncate(dice.below(written.len() as u64) as usize),
        1 => {
            let holes = 1 + dice.below(3);
            for _ in 0..holes {
                let at = dice.below(written.len() as u64) as usize / SECTOR * SECTOR;
                let end = written.len().min(at + SECTOR);
                written[at..end].fill(0);
            }
        }
        _ => {
            let at = dice.below(written.len() as u64) as usize;
            written[at..].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
        }
    }
}

#[test]
fn an_end_that_was_torn_before_anybody_was_told_is_no_damage() {
    let (scratch, mut dice) = (Scratch::new("torn"), Dice::new(13));
    let (whole, trial) = (scratch.0.join("whole"), scratch.0.join("trial"));
    let (noted, log) = ("acknowledged", "store/0.jnl");
    let (mut journal, mut author, mut kept) = write_log(&whole, 20, &mut dice);
    kept.sort();
    let (noted_before, log_before) = (fs::read(whole.join(noted)).unwrap(), content(&whole.join(log)));
    journal.append(&author.next(&mut dice)).unwrap();
    let written = content(&whole.join(log))[log_before.len()..].to_vec();
    drop(journal);
    let mut in_doubt = 0;
    for trial_number in 0..60 {
        copy(&whole, &trial);
        fs::write(trial.join(noted), &noted_before).unwrap();
        let mut torn = written.clone();
        tear(&mut torn, &mut dice);
        let bytes = [&log_before[..], &torn].concat();
        fs::write(trial.join(log), &bytes).unwrap();
        let there = read(&trial).unwrap_or_else(|told| panic!("trial {trial_number}: {told}")).frames;
        let acknowledged: Frames = there.iter().copied().filter(|frame| kept.contains(frame)).collect();
        assert_eq!(acknowledged, kept, "trial {trial_number}");
        in_doubt += there.len() - kept.len();
        let mut journal = DiskJournal::open(&trial, one_log()).unwrap();
        let next = Author::new(&mut journal).next(&mut dice);
        journal.append(&next).unwrap();
        drop(journal);
        assert_eq!(read(&trial).unwrap().frames.len(), there.len() + 1, "trial {trial_number}: the store goes on");
    }
    assert!(in_doubt < 10, "what was torn is not served");
}

#[test]
fn a_loss_is_accepted_only_by_name_and_never_before_it() {
    let (scratch, mut dice) = (Scratch::new("accepted"), Dice::new(37));
    let (whole, trial) = (scratch.0.join("whole"), scratch.0.join("trial"));
    let (journal, author, kept) = write_log(&whole, 40, &mut dice);
    drop(journal);
    copy(&whole, &trial);
    let log = trial.join("store/0.jnl");
    flip_middle(&log);
    let before = content(&log);
    let open = |accepted: &[FrameName]| DiskJournal::open_behind(&trial, one_log(), accepted);
    let refused = |accepted: &[FrameName]| {
        let told = open(accepted).unwrap_err();
        assert!(content(&log) == before, "{told}: something was changed");
        told
    };
    let [any, any_other] = [0, 1].map(|shard| FrameName::before_all(ShardId(shard)));
    let newest = kept.iter().rev().find(|(name, _)| name.shard == any.shard).unwrap().0;
    assert!(matches!(refused(&[]), DataError::DamagedLog { .. }));
    assert!(matches!(refused(&[FrameName::before_all(ShardId(2))]), DataError::NoShard { shards: 2, .. }));
    assert!(matches!(refused(&[any]), DataError::DamagedLog { frame, .. } if frame.shard == any_other.shard));
    assert!(matches!(refused(&[newest, any_other]), DataError::DamagedLog { frame, .. } if frame.shard == any.shard));

    let mut journal = open(&[any, any_other]).unwrap();
    let again = Author::new(&mut journal);
    for shard in 0..SHARDS {
        let claim = journal.claim(ShardId(shard), 3_000).unwrap();
        assert!(claim.lossy_epoch > author.epoch, "a term since then began with a loss");
        let mut there = Frames::new();
        let visit = &mut |frame: Frame| {
            there.push((frame.name(), frame.encode().crc));
            true
        };
        journal.replay(ShardId(shard), visit).unwrap();
        let of_shard: Frames = kept.iter().copied().filter(|(name, _)| name.shard == ShardId(shard)).collect();
        assert!(there.len() < of_shard.len() && of_shard.starts_with(&there), "a prefix: {there:?}");
    }
    assert!(again.epoch > author.epoch);
    let mut again = Author::new(&mut journal);
    journal.append(&again.next(&mut dice)).unwrap();
    drop(journal);
    assert!(matches!(open(&[any]), Err(DataError::NoLoss { .. })), "accepted once");
    drop(open(&[]).unwrap());
}

#[test]
fn without_its_note_a_directory_is_refused_until_that_is_accepted() {
    let (scratch, mut dice) = (Scratch::new("note"), Dice::new(41));
    let data = scratch.0.join("data");
    let kept = make(&data, &mut dice);
    for shard in 0..SHARDS {
        fs::remove_file(data.join("acknowledged")).unwrap();
        let told = verify(&data).unwrap_err();
        assert!(
            told.contains("acknowledged is damaged: 0 bytes where 256 belong; restore a backup, or copy"),
            "{told}"
        );
        assert!(!data.join("acknowledged").exists());
        let last = |shard| kept.frames.iter().rev().find(|(name, _)| name.shard == ShardId(shard)).unwrap().0;
        let ahead = FrameName { number: FrameNumber(last(1).number.0 + 1), ..last(1) };
        let one = DiskJournal::open_behind(&data, settings(), &[last(0)]).unwrap_err();
        assert!(matches!(one, DataError::Damaged { .. }), "of every shard it is unknown: {one}");
        let more = DiskJournal::open_behind(&data, settings(), &[last(0), ahead]).unwrap_err();
        assert!(more.to_string().contains(&format!("the last one there is {}", last(1))), "{shard}: {more}");
        drop(DiskJournal::open_behind(&data, settings(), &[last(0), last(1)]).unwrap());
        assert!(read(&data).unwrap() == kept);
    }
}

//! The journal on disk against the laws, and what stands in its way.

use super::*;
use crate::store::conformance::{self, frame, stored};

const SHARD: ShardId = ShardId(0);

fn settings(shards: u16) -> DiskSettings {
    DiskSettings { shards: Some(shards), free_bytes_min: 0, ..DiskSettings::default() }
}

#[test]
fn a_journal_on_disk_keeps_the_laws() {
    let directory = Scratch::new("laws");
    let journal = DiskJournal::open(&directory.0, settings(2)).unwrap();
    conformance::laws(&mut || Box::new(journal.clone()));
}

#[test]
fn a_long_journal_is_cut_where_it_is_asked_to() {
    let directory = Scratch::new("long-cut");
    let settings = DiskSettings { durability: Durability::Process, ..settings(1) };
    let mut journal = DiskJournal::open(&directory.0, settings).unwrap();
    conformance::long_cut(&mut journal);
    drop(journal);
    assert_eq!(stored(&mut DiskJournal::open(&directory.0, settings).unwrap(), SHARD).len(), 3);
}

#[test]
fn frames_survive_and_an_end_that_went_missing_is_refused() {
    let directory = Scratch::new("survive");
    let open = || DiskJournal::open(&directory.0, settings(1));
    let mut journal = open().unwrap();
    let claim = journal.claim(SHARD, 5).unwrap();
    let one = frame(SHARD, claim.epoch, 1, 0);
    let two = frame(SHARD, claim.epoch, 2, one.frame.crc);
    journal.append(&one).unwrap();
    journal.append(&two).unwrap();
    assert!(matches!(DiskJournal::open(&directory.0, settings(1)), Err(DataError::InUse { .. })));
    drop(journal);
    let mut journal = open().unwrap();
    let again = journal.claim(SHARD, 5).unwrap();
    assert_eq!((again.last_crc, again.lossy_epoch), (two.frame.crc, claim.epoch));
    assert_eq!(stored(&mut journal, SHARD), [one.frame.name, two.frame.name]);
    journal.open.lock().store.truncate_behind(one.frame.name).unwrap();
    drop(journal);
    let missing = JournalError::Missing { acknowledged: two.frame.name, last: one.frame.name };
    assert!(matches!(open(), Err(DataError::Journal { error, .. }) if error == missing));
}

#[test]
fn a_device_with_too_little_left_has_no_room() {
    let directory = Scratch::new("room");
    let with = |free_bytes_min| DiskSettings { free_bytes_min, ..settings(1) };
    assert!(DiskJournal::open(&directory.0, with(0)).unwrap().has_room());
    assert!(!DiskJournal::open(&directory.0, with(u64::MAX)).unwrap().has_room());
}

#[test]
fn a_store_that_fails_in_the_background_is_noticed_while_nothing_is_written() {
    let directory = Scratch::new("background");
    let settings = DiskSettings { free_bytes_min: u64::MAX, ..settings(1) };
    let mut journal = DiskJournal::open(&directory.0, settings).unwrap();
    let claim = journal.claim(SHARD, 5).unwrap();
    journal.append(&frame(SHARD, claim.epoch, 1, 0)).unwrap();
    assert!(!journal.has_room());
    assert_eq!(journal.open.lock().failure.check(), Ok(()));
    std::fs::remove_dir_all(directory.0.join("store/keyspaces/2/tables")).unwrap();
    let store = journal.open.lock().store.clone();
    store.frames[0].rotate_memtable().unwrap();
    while store.check_writes().is_ok() {
        std::thread::yield_now();
    }
    assert!(!journal.has_room());
    let told = journal.open.lock().failure.check().unwrap_err().to_string();
    assert!(told.contains("in the background"), "{told}");
}

#[test]
fn what_fails_without_known_damage_on_a_full_device_is_a_full_device() {
    let directory = Scratch::new("no-room");
    let with = |free_bytes_min| DiskSettings { free_bytes_min, ..settings(1) };
    let journal = DiskJournal::open(&directory.0, with(u64::MAX)).unwrap();
    let undone = || JournalError::InDoubt("no space".to_owned());
    assert!(matches!(journal.unclaimed(undone()), DataError::NoRoom { .. }));
    assert!(matches!(journal.unclaimed(JournalError::Fenced), DataError::Journal { .. }));
    drop(journal);
    let journal = DiskJournal::open(&directory.0, with(0)).unwrap();
    assert!(matches!(journal.unclaimed(undone()), DataError::Journal { .. }), "there is room");
    drop(journal);
    // Nobody knows why it does not open.
    std::fs::remove_dir_all(directory.0.join("store/keyspaces/1")).unwrap();
    let told = |free_bytes_min| DiskJournal::open(&directory.0, with(free_bytes_min)).unwrap_err();
    assert!(matches!(told(u64::MAX), DataError::NoRoom { .. }));
    assert!(matches!(told(0), DataError::Store { .. }));
}

#[test]
fn a_store_without_its_version_is_refused_and_not_begun_anew() {
    let directory = Scratch::new("version");
    drop(DiskJournal::open(&directory.0, settings(1)).unwrap());
    let store = directory.0.join("store");
    let told = || DiskJournal::open(&directory.0, settings(1)).unwrap_err().to_string();
    std::fs::rename(store.join("0.jnl"), store.join("7.jnl")).unwrap();
    std::fs::remove_file(store.join("version")).unwrap();
    assert!(told().contains("version is damaged: it is not there"), "{}", told());
    assert!(!store.join("version").exists() && !store.join("0.jnl").exists(), "nothing was made");
    std::fs::write(store.join("version"), "FJL\x02").unwrap();
    assert!(told().contains("it is no version of the store"));
}

#[cfg(unix)]
#[test]
fn a_log_that_is_a_link_is_refused_in_a_sentence() {
    let directory = Scratch::new("link");
    drop(DiskJournal::open(&directory.0, settings(1)).unwrap());
    let (log, moved) = (directory.0.join("store/0.jnl"), directory.0.join("moved"));
    std::fs::rename(&log, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &log).unwrap();
    let told = DiskJournal::open(&directory.0, settings(1)).unwrap_err().to_string();
    assert!(told.contains("0.jnl is damaged: it is a link"), "{told}");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let directory = Scratch::new("foreign");
    let told = |path: &Path| DiskJournal::open(path, settings(1)).unwrap_err().to_string();
    std::fs::write(directory.0.join("letter.txt"), "dear").unwrap();
    assert!(told(&directory.0).contains("letter.txt"), "{}", told(&directory.0));
    let format = |name: &str, text: &str| {
        let path = directory.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("format"), text).unwrap();
        told(&path)
    };
    assert!(format("newer", "nam data directory\nformat 3\nanything\n").contains("format 3"));
    assert!(format("other", "PostgreSQL 15\n").contains("not nam's"));
    assert!(format("cut", "nam data dir").contains("damaged"));
    assert!(format("flipped", "nam data directory\nformat 1\nshards 2\ncrc 00000000\n").contains("checksum"));
    drop(DiskJournal::open(&directory.0.join("two"), settings(2)).unwrap());
    assert!(told(&directory.0.join("two")).contains("made for 2 shards, not 1"));
}

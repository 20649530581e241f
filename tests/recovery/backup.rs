//! Backups: of a daemon under load, interrupted, damaged, put back; and what nodes hear that knew more than the backup.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bytes::Bytes;
use nam::Error;
use nam::client::{Node, Token};
use nam::ids::{FrameNumber, ShardId};
use nam::journal::{Append, Entry, Frame, Journal};
use nam::store::backup::{Place, backup};
use nam::store::{DiskJournal, DiskSettings};

use crate::dice::Dice;
use crate::images::{InForce, Painter, SHARD, in_force};
use crate::kill::Daemon;
use crate::ledger::{Ledger, Load, NODES};
use crate::scratch::Scratch;

pub(crate) fn nam(arguments: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nam"));
    command.args(arguments).args(paths).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn back_up(data: &Path, place: &Path) -> Command {
    nam(&["backup", "--data"], &[data, place])
}

pub(crate) fn restore(place: &Path, data: &Path) -> Command {
    nam(&["restore", "--data"], &[data, place])
}

/// Runs to a good end; what it printed.
pub(crate) fn done(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Runs to a bad end, told in one sentence.
pub(crate) fn told(mut command: Command) -> String {
    sentence(command.output().unwrap())
}

pub(crate) fn sentence(Output { status, stderr, .. }: Output) -> String {
    let told = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && told.starts_with("nam: ") && told.lines().count() == 1, "{status}: {told}");
    told
}

fn draft_of(data: &Path) -> PathBuf {
    data.with_file_name(format!("{}.restoring", data.file_name().unwrap().to_str().unwrap()))
}

/// Waits until a path is there, which a process makes soon.
fn appears(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {} was there", path.display());
        std::thread::yield_now();
    }
}

fn interrupt(child: Child) -> Output {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

/// A directory with frames of about this many bytes, in one shard.
pub(crate) fn fill(path: &Path, frames: u64, frame_bytes: usize) {
    let settings = DiskSettings {
        shards: Some(1),
        free_bytes_min: 0,
        durability: nam::store::Durability::Process,
        ..DiskSettings::default()
    };
    let mut journal = DiskJournal::open(path, settings).unwrap();
    let claim = journal.claim(SHARD, 1_000).unwrap();
    let mut expected = claim.last_crc;
    for number in 1..=frames {
        let bytes = Bytes::from(vec![number as u8; frame_bytes]);
        let frame = Frame {
            shard: ShardId(0),
            epoch: claim.epoch,
            number: FrameNumber(number),
            time_ms: number,
            first_commit: 1,
            previous_crc: expected,
            entries: vec![Entry::Slice { staging: number, bytes }],
        };
        let append = Append { frame: frame.encode(), expected };
        expected = append.frame.crc;
        journal.append(&append).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_daemon_under_load_is_one_instant_of_it() {
    let scratch = Scratch::new("backup-load");
    let (data, place, restored) = (scratch.0.join("data"), scratch.0.join("place"), scratch.0.join("restored"));
    let daemon = Daemon::start("127.0.0.1:0", &data);
    let mut load = Load::start(&daemon.address).await;
    load.reach(200).await;
    let before = load.updates();
    let command = back_up(&data, &place);
    tokio::task::spawn_blocking(move || done(command)).await.unwrap();
    let after = load.updates() + NODES;
    load.reach(after + 50).await;
    load.end().await;
    drop(daemon);
    assert!(!data.join("place").exists());
    done(nam(&["verify", "--backup"], &[&place]));
    assert!(done(restore(&place, &restored)).contains("restored: "));
    done(nam(&["verify", "--data"], &[&restored]));
    let daemon = Daemon::start("127.0.0.1:0", &restored);
    let reader = Node::connect([daemon.address.clone()]).await.unwrap();
    let ledger = reader.open::<Ledger>("ledger").await.unwrap();
    let ledger = ledger.read().await.unwrap();
    println!("backup between update {before} and {after}: {}", ledger.total);
    assert!((before..=after).contains(&ledger.total), "{} of {before} to {after}", ledger.total);
    ledger.check();
}

/// Starts a daemon on a restored directory, with the identity that the nodes know.
fn start_as(old: &Path, new: &Path, listen: &str) -> Daemon {
    for name in ["development.crt", "development.key", "reset.key"] {
        fs::copy(old.join(name), new.join(name)).unwrap();
    }
    Daemon::start(listen, new)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_knew_more_than_the_backup_is_told_that_it_is_lost() {
    let scratch = Scratch::new("backup-lost");
    let (data, place, restored) = (scratch.0.join("data"), scratch.0.join("place"), scratch.0.join("restored"));
    let daemon = Daemon::start("127.0.0.1:0", &data);
    let address = daemon.address.clone();
    let node = Node::connect([address.clone()]).await.unwrap();
    let ledger = node.create("ledger", Ledger::default()).await.unwrap();
    let add = |count| {
        move |ledger: &mut <Ledger as nam::Tracked>::Mut<'_>| {
            ledger.total_mut().add(count);
            Ok::<_, Infallible>(())
        }
    };
    ledger.update(add(1)).await.unwrap();
    done(back_up(&data, &place));
    for _ in 0..3 {
        ledger.update(add(10)).await.unwrap();
    }
    let shown = ledger.token().unwrap().to_string();
    drop(daemon);
    done(restore(&place, &restored));
    // Others work on it before the node comes back, so that its version exists again, as another one.
    let shown_since = {
        let daemon = start_as(&data, &restored, "127.0.0.1:0");
        let other = Node::connect([daemon.address.clone()]).await.unwrap();
        let ledger = other.open::<Ledger>("ledger").await.unwrap();
        for _ in 0..20 {
            ledger.update(add(100)).await.unwrap();
        }
        ledger.token().unwrap()
    };
    let _daemon = Daemon::start(&address, &restored);
    let told = ledger.update(add(1_000)).await.unwrap_err().to_string();
    assert!(told.contains("lost writes in a restart"), "{told}");
    let ledger = node.open::<Ledger>("ledger").await.unwrap();
    assert_eq!(ledger.read().await.unwrap().total, 2_001, "what was acknowledged before the backup, and since");

    let shown: Token = shown.parse().unwrap();
    assert!(shown.version <= ledger.token().unwrap().version, "there is a version of that number");
    assert!(matches!(ledger.read_at(shown).await, Err(Error::LostWrite { .. })), "and it is another one");
    assert_eq!(node.lost_writes(), 1);
    assert_eq!(ledger.read_at(shown_since).await.unwrap().total, 2_001);
}

#[test]
fn images_states_and_a_cut_journal_come_back() {
    let (scratch, mut dice) = (Scratch::new("backup-images"), Dice::new(23));
    let (data, place, restored) = (scratch.0.join("data"), scratch.0.join("place"), scratch.0.join("restored"));
    fill(&data, 9, 100);
    let open = |path: &Path| {
        let journal = DiskJournal::open(path, DiskSettings { free_bytes_min: 0, ..DiskSettings::default() }).unwrap();
        (journal.images().unwrap(), journal)
    };
    let (mut images, mut journal) = open(&data);
    let mut painter = Painter::new(InForce::default());
    for _ in 0..60 {
        painter.deed(&mut dice).iter().for_each(|call| call.make(&mut images));
    }
    let claim = journal.claim(SHARD, 2_000).unwrap();
    journal.truncate(SHARD, claim.epoch, FrameNumber(1)).unwrap();
    let kept = in_force(&mut images, &mut journal).unwrap();
    assert!(kept.heads.values().any(|head| head.live().is_some_and(|live| live.parts.len() > 1)), "{kept:?}");
    drop((images, journal));
    done(back_up(&data, &place));
    done(restore(&place, &restored));
    let (mut images, mut journal) = open(&restored);
    assert_eq!(in_force(&mut images, &mut journal).unwrap(), kept);
    let again = journal.claim(SHARD, 2_001).unwrap();
    assert_eq!(again.last_crc, claim.last_crc, "the chain goes on");
    assert!(again.lossy_epoch > claim.epoch, "a term since then began with a loss");
    drop((images, journal));
    // A part that is not what its head says is not backed up as if it were.
    let (mut images, journal) = open(&data);
    let (image, head) = kept.heads.iter().find(|(_, head)| head.live().is_some()).unwrap();
    let part = head.live().unwrap().parts[0].id;
    nam::journal::Images::put_parts(&mut images, *image, &[(part, Bytes::from_static(b"another"))]).unwrap();
    drop((images, journal));
    let second = scratch.0.join("second");
    let told = told(back_up(&data, &second));
    assert!(told.contains(&format!("part {part}")) && told.contains(&image.to_string()), "{told}");
    assert!(!second.exists(), "nothing is left");
}

#[cfg(unix)]
#[test]
fn a_restore_goes_through_a_link_and_says_first_what_it_cannot_replace() {
    use std::os::unix::fs::symlink;

    let scratch = Scratch::new("backup-link");
    let [data, place, real, link, nowhere] =
        ["data", "place", "real", "link", "nowhere"].map(|name| scratch.0.join(name));
    fill(&data, 3, 100);
    done(back_up(&data, &place));
    fs::create_dir(&real).unwrap();
    symlink("real", &link).unwrap();
    symlink("gone", &nowhere).unwrap();
    assert!(told(restore(&place, &nowhere)).contains("a link that leads nowhere"));
    let mut here = restore(&place, Path::new("."));
    here.current_dir(&real);
    assert!(told(here).contains("this process works in it"));
    done(restore(&place, &link));
    assert!(link.is_symlink() && !draft_of(&link).exists());
    assert!(done(nam(&["verify", "--data"], &[&real])).contains("3 frames"));
}

#[test]
fn an_interrupted_backup_or_restore_leaves_what_was_there() {
    let scratch = Scratch::new("backup-interrupted");
    let [data, place, restored] = ["data", "place", "restored"].map(|name| scratch.0.join(name));
    fill(&data, 500, 240 * 1024);
    let first = place.join("chunk-000001");
    // Killed.
    let mut child = back_up(&data, &place).spawn().unwrap();
    appears(&first, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.join("manifest").exists(), "it was killed in time");
    assert!(told(restore(&place, &restored)).contains("not finished"));
    assert!(told(back_up(&data, &place)).contains("not finished"));
    assert!(!restored.exists() && !draft_of(&restored).exists());
    fs::remove_dir_all(&place).unwrap();
    // Interrupted.
    let mut child = back_up(&data, &place).spawn().unwrap();
    appears(&place, &mut child);
    assert!(sentence(interrupt(child)).contains("interrupted; nothing is left of it"));
    assert!(!place.exists());
    // The daemon is killed.
    let daemon = Daemon::start("127.0.0.1:0", &data);
    let mut child = back_up(&data, &place).spawn().unwrap();
    appears(&place, &mut child);
    assert!(told(back_up(&data, &scratch.0.join("second"))).contains("another backup is under way"));
    drop(daemon);
    assert!(sentence(child.wait_with_output().unwrap()).contains("went away"));
    assert!(!place.exists());
    // Whole at last; what a killed restore left is in nobody's way.
    done(back_up(&data, &place));
    let mut child = restore(&place, &restored).spawn().unwrap();
    appears(&draft_of(&restored).join("store"), &mut child);
    assert!(sentence(interrupt(child)).contains("interrupted; nothing is left of it"));
    assert!(!restored.exists() && !draft_of(&restored).exists());
    let mut child = restore(&place, &restored).spawn().unwrap();
    appears(&draft_of(&restored).join("store"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!restored.exists(), "it was killed in time");
    fs::create_dir(&restored).unwrap();
    assert!(done(restore(&place, &restored)).contains("500 frames"));
    assert!(!draft_of(&restored).exists());
    assert!(done(nam(&["verify", "--data"], &[&restored])).contains("500 frames"));
}

#[test]
fn a_place_that_one_backup_has_taken_is_left_to_it() {
    let scratch = Scratch::new("backup-taken");
    let [data, other, path] = ["data", "other", "place"].map(|name| scratch.0.join(name));
    fill(&data, 3, 100);
    fill(&other, 5, 100);
    let place = Place::parse(path.to_str().unwrap(), None).unwrap();
    let mut second = None;
    let copied = backup(&data, &place, &mut |_| {
        second.get_or_insert_with(|| told(back_up(&other, &path)));
        true
    });
    assert_eq!(copied.unwrap()[0].frames, 3);
    assert!(second.unwrap().contains("not finished"));
    assert!(done(nam(&["verify", "--backup"], &[&path])).contains("3 frames"));
}

#[test]
fn what_is_no_whole_backup_is_refused_in_one_sentence() {
    let (scratch, mut dice) = (Scratch::new("backup-refused"), Dice::new(29));
    let [data, place, restored, letter] = ["data", "place", "restored", "letter"].map(|name| scratch.0.join(name));
    fill(&data, 20, 300);
    assert!(told(back_up(&scratch.0.join("nowhere"), &place)).contains("is no data directory of nam"));
    done(back_up(&data, &place));
    fs::create_dir(&letter).unwrap();
    fs::write(letter.join("letter.txt"), "dear").unwrap();
    assert!(told(back_up(&data, &letter)).contains("holds letter.txt"));
    assert!(told(back_up(&data, &place)).contains("holds a backup already"));
    assert!(told(nam(&["backup", "--data"], &[&data, Path::new("gopher://x/y")])).contains("not a place for backups"));
    assert!(told(restore(&place, &letter)).contains("holds letter.txt"));
    assert!(told(restore(&letter, &restored)).contains("there is no backup of nam"));
    assert!(told(restore(&scratch.0.join("nowhere"), &restored)).contains("there is no backup of nam"));
    let files: BTreeMap<PathBuf, Vec<u8>> = ["manifest", "chunk-000001"]
        .map(|name| place.join(name))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .into();
    let refused = |what: &str| {
        let told = told(restore(&place, &restored));
        assert!(told.contains(place.to_str().unwrap()), "{what}: {told}");
        assert!(!restored.exists() && !draft_of(&restored).exists(), "{what}: something is left");
        files.iter().for_each(|(path, content)| fs::write(path, content).unwrap());
        told
    };
    for (path, content) in &files {
        for trial in 0..12 {
            let mut bytes = content.clone();
            let at = dice.below(bytes.len() as u64) as usize;
            let what = if trial % 3 == 0 {
                bytes.truncate(at);
                format!("{} cut at {at}", path.display())
            } else {
                bytes[at] ^= 1 << dice.below(8);
                format!("{} flipped at {at}", path.display())
            };
            fs::write(path, &bytes).unwrap();
            refused(&what);
        }
        fs::remove_file(path).unwrap();
        refused("a file is gone");
    }
    let manifest = place.join("manifest");
    let mut newer = files[&manifest].clone();
    newer[4] = 2;
    let end = newer.len() - 4;
    let crc = crc32fast::hash(&newer[..end]).to_le_bytes();
    newer[end..].copy_from_slice(&crc);
    fs::write(&manifest, &newer).unwrap();
    assert!(refused("newer").contains("its format is 2"));
    fs::write(&manifest, "PostgreSQL 15\n").unwrap();
    assert!(refused("foreign").contains("it is not nam's"));
    assert!(done(restore(&place, &restored)).contains("20 frames"));
}

#[test]
fn a_daemon_without_a_journal_says_that_there_is_nothing() {
    let scratch = Scratch::new("backup-memory");
    let (data, place) = (scratch.0.join("data"), scratch.0.join("place"));
    let daemon = Daemon::start_with("127.0.0.1:0", &data, &["--journal", "memory"]);
    assert!(told(back_up(&data, &place)).contains("its journal is in memory"), "a sentence");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(data.join("socket")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else dials");
    drop(daemon);
    assert!(!place.exists());
}

//! Data directories that former versions of nam wrote, and one of this version: served whole, gone on with, verified,
//! backed up and restored. `README.md` says how they were made.

mod cart;
mod desk;

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::process::Command;

use nam::ids::ShardId;
use nam::journal::{Frame, Head, Images, Journal};
use nam::store::{DiskJournal, DiskSettings};
use nam::{Node, UpdateError};

use crate::backup::{back_up, done, nam, restore};
use crate::kill::Daemon;
use crate::scratch::{Scratch, copy};

/// Rounds of changes in a fixture.
const ROUNDS: u64 = 3;

/// So little memory that the largest object goes to the disk again, as an image of this version.
const LITTLE: [&str; 2] = ["--memory-max", "100 kB"];

/// A data directory as a fixture has it.
fn unpack(format: u32, directory: &Path) -> PathBuf {
    let data = directory.join("data");
    fs::create_dir(&data).unwrap();
    let packed = format!("{}/tests/recovery/former/format-{format}.tar.gz", env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(&data).status().unwrap().success());
    assert!(fs::read_to_string(data.join("format")).unwrap().contains(&format!("\nformat {format}\n")));
    data
}

/// A daemon on a directory, and a node that found everything there as it is after so many rounds.
async fn serve(data: &Path, rounds: u64, has_carts: bool) -> Result<(Daemon, Node), UpdateError<Infallible>> {
    let daemon = Daemon::start_with("127.0.0.1:0", data, &LITTLE);
    let node = Node::connect([daemon.address.clone()]).await?;
    desk::check(&node, rounds).await?;
    if has_carts {
        cart::check(&node, rounds).await?;
    }
    Ok((daemon, node))
}

/// Whether a backup of a directory has everything, the events too.
async fn check_backup(data: &Path, rounds: u64, has_carts: bool) -> Result<(), UpdateError<Infallible>> {
    let [place, restored] = ["place", "restored"].map(|name| data.with_file_name(format!("{name} {rounds}")));
    done(back_up(data, &place));
    done(nam(&["verify", "--backup"], &[&place]));
    done(restore(&place, &restored));
    let (_daemon, node) = serve(&restored, rounds, has_carts).await?;
    if has_carts {
        cart::check_events(&node, 1..=rounds).await?;
    }
    Ok(())
}

/// Whether a directory is served whole, goes on, and is there again behind the end of that daemon.
async fn check(data: &Path, has_carts: bool) -> Result<(), UpdateError<Infallible>> {
    done(nam(&["verify", "--data"], &[data]));
    check_backup(data, ROUNDS, has_carts).await?;
    let (daemon, node) = serve(data, ROUNDS, has_carts).await?;
    desk::change(&node, ROUNDS + 1).await?;
    if has_carts {
        cart::change(&node, ROUNDS + 1).await?;
    }
    drop((daemon, node));
    done(nam(&["verify", "--data"], &[data]));
    check_backup(data, ROUNDS + 1, has_carts).await?;
    let (_daemon, node) = serve(data, ROUNDS + 1, has_carts).await?;
    if has_carts {
        cart::check_events(&node, 1..=ROUNDS + 1).await?;
    }
    Ok(())
}

/// A copy of the directory, opened as a start does.
fn opened(data: &Path) -> DiskJournal {
    let trial = data.with_file_name("trial");
    copy(data, &trial);
    DiskJournal::open(&trial, DiskSettings::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_format_1_is_served_whole_and_gone_on_with() {
    let scratch = Scratch::new("former-1");
    let data = unpack(1, &scratch.0);
    let mut kinds = HashSet::new();
    let mut journal = opened(&data);
    for shard in (0..journal.shards()).map(ShardId) {
        let visit = &mut |frame: Frame| {
            kinds.extend(frame.entries.iter().map(discriminant));
            true
        };
        journal.replay(shard, visit).unwrap();
    }
    assert_eq!(kinds.len(), 7, "the fixture has every entry that there was");
    check(&data, false).await.unwrap();
    assert!(fs::read_to_string(data.join("format")).unwrap().contains("\nformat 2\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_format_2_with_trunks_of_format_01_is_served_whole_and_gone_on_with() {
    let scratch = Scratch::new("former-2");
    let data = unpack(2, &scratch.0);
    let mut images = opened(&data).images().unwrap();
    let (mut formats, mut live) = (HashSet::new(), 0);
    for shard in [0, 1].map(ShardId) {
        assert!(images.state(shard).unwrap().is_some(), "the fixture has a state");
        let visit = &mut |head: Head| {
            live += usize::from(head.live().is_some());
            formats.extend(head.live().map(|live| live.trunk[0]));
            true
        };
        images.heads(shard, visit).unwrap();
    }
    assert!(live > 8 && formats == HashSet::from([1]), "the fixture has {live} images with trunks {formats:?}");
    drop(images);
    check(&data, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_this_version_is_held_to_the_same() {
    let scratch = Scratch::new("former-none");
    let data = scratch.0.join("data");
    let daemon = Daemon::start_with("127.0.0.1:0", &data, &["--shards", "2"]);
    let node = Node::connect([daemon.address.clone()]).await.unwrap();
    desk::create(&node).await.unwrap();
    cart::create(&node).await.unwrap();
    for round in 1..=ROUNDS {
        desk::change(&node, round).await.unwrap();
        cart::change(&node, round).await.unwrap();
    }
    drop((daemon, node));
    check(&data, true).await.unwrap();
}

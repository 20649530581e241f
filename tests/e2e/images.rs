//! Objects on disk: a restart serves them without reading them first, and there may be more of them than memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::Command;

use nam::Tracked;
use nam::client::Node;
use nam::ids::ShardId;
use nam::journal::Images;
use nam::server::{JournalPlace, Server, ServerConfig};
use nam::store::{DiskJournal, DiskSettings, Durability};
use nam::transport::Trust;

use crate::process::{Daemon, Directory};

/// About 12 kB each.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "e2e.Session")]
struct Session {
    number: u64,
    #[nam(add, index)]
    hits: u64,
    entries: BTreeMap<u64, String>,
}

const SESSIONS: u64 = 60;

fn session(number: u64) -> Session {
    let entries = (0..100).map(|entry| (entry, format!("{number} and {entry} {}", "x".repeat(100)))).collect();
    Session { number, hits: 0, entries }
}

fn key(number: u64) -> String {
    format!("session {number}")
}

async fn node(address: &str, trust: Trust) -> Node {
    Node::builder().address(address).trust(trust).connect().await.unwrap()
}

async fn create_all(node: &Node) {
    for number in 0..SESSIONS {
        node.create(&key(number), session(number)).await.unwrap();
    }
}

/// Reads every session and holds it against what was done; changes each a little.
async fn read_all(node: &Node, rounds: u64) {
    for number in 0..SESSIONS {
        let object = node.open::<Session>(&key(number)).await.unwrap();
        let mut expected = session(number);
        expected.hits = rounds;
        for round in 0..rounds {
            expected.entries.insert(round, format!("round {round}"));
        }
        assert_eq!(*object.read().await.unwrap(), expected);
        object
            .update(|session| {
                session.hits_mut().add(1);
                session.entries_mut().insert(rounds, format!("round {rounds}"));
                Ok::<_, Infallible>(())
            })
            .await
            .unwrap();
    }
}

/// What `nam verify` says of the only shard.
fn verified(directory: &Directory) -> String {
    let data = directory.0.to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_nam")).args(["verify", "--data", data]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn images(verified: &str) -> u64 {
    let words: Vec<&str> = verified.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "images").unwrap();
    words[at - 1].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_objects_than_memory_are_served_and_stay_equal() {
    let directory = Directory::new("larger");
    let limits = ["--memory-max", "100 kB"];
    let mut daemon = Daemon::limited("127.0.0.1:0", &directory.0, &limits);
    let address = daemon.address.clone();
    let creator = node(&address, Trust::Fingerprint(daemon.fingerprint)).await;
    create_all(&creator).await;
    creator.close().await.unwrap();
    for rounds in 0..4 {
        let node = node(&address, Trust::Fingerprint(daemon.fingerprint)).await;
        let found = node.find(Session::HITS, &rounds).await.unwrap();
        assert_eq!(found.len() as u64, SESSIONS, "also those that are not in memory");
        read_all(&node, rounds).await;
        node.close().await.unwrap();
        if rounds % 2 == 1 {
            daemon.kill();
            // The journal is short: there are images because objects had to go.
            let verified = verified(&directory);
            assert!(images(&verified) > SESSIONS / 2, "{verified}");
            daemon = Daemon::limited(&address, &directory.0, &limits);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_behind_images_and_a_journal_that_was_cut() {
    let directory = Directory::new("cut");
    let config = ServerConfig {
        data: Some(directory.0.clone()),
        journal: JournalPlace::Data(Durability::Process),
        journal_bytes: 10_000,
        ..ServerConfig::default()
    };
    for rounds in 0..6 {
        let server = Server::start(&config).unwrap();
        let node = node(&server.addresses()[0].to_string(), Trust::Fingerprint(server.fingerprint())).await;
        if rounds == 0 {
            create_all(&node).await;
        }
        read_all(&node, rounds).await;
        node.close().await.unwrap();
        server.stop();
        let verified = verified(&directory);
        // Each round makes one frame a session, of about 100 bytes.
        let frames: u64 = verified.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!(frames < SESSIONS * 4, "the journal is not cut: {verified}");
        assert!(images(&verified) > SESSIONS / 2, "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_image_is_damaged_is_refused_by_name_and_the_others_are_served() {
    let directory = Directory::new("damaged");
    let config = ServerConfig {
        data: Some(directory.0.clone()),
        journal: JournalPlace::Data(Durability::Process),
        journal_bytes: 10_000,
        ..ServerConfig::default()
    };
    let start = || {
        let server = Server::start(&config).unwrap();
        (server.addresses()[0].to_string(), Trust::Fingerprint(server.fingerprint()), server)
    };
    let (address, trust, server) = start();
    let creator = node(&address, trust).await;
    create_all(&creator).await;
    creator.close().await.unwrap();
    server.stop();

    let mut images = DiskJournal::open(&directory.0, DiskSettings::default()).unwrap().images().unwrap();
    let mut heads = Vec::new();
    images
        .heads(ShardId(0), &mut |head| {
            heads.push(head);
            true
        })
        .unwrap();
    let (image, live) = heads.iter().find_map(|head| Some((head.name(ShardId(0)), head.live()?.clone()))).unwrap();
    let part = *live.parts.last().unwrap();
    images.put_parts(image, &[(part.id, "something else".into())]).unwrap();
    drop(images);

    let (address, trust, server) = start();
    let node = node(&address, trust).await;
    let mut refused = Vec::new();
    for number in 0..SESSIONS {
        match node.open::<Session>(&key(number)).await {
            Ok(object) => assert_eq!(*object.read().await.unwrap(), session(number)),
            Err(error) => refused.push((key(number), error.to_string())),
        }
    }
    assert_eq!(refused.len(), 1, "{refused:?}");
    let (key, told) = &refused[0];
    assert_eq!(*key, live.key);
    let damage = format!("e2e.Session/{key} is damaged: part {} has checksum", part.id);
    assert!(told.contains(&format!("e2e.Session/{key} cannot be read: the image")) && told.contains(&damage), "{told}");
    assert!(told.contains("`nam verify`"), "{told}");
    assert_eq!(node.keys::<Session>("").await.unwrap().len() as u64, SESSIONS, "it is there all the same");
    server.stop();
}

//! A backup while the keeper writes images and nodes commit: every commit that was acknowledged before it began is in it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nam::Tracked;
use nam::client::{Node, Object};
use tokio::sync::watch;

use crate::backup::{back_up, done, nam, restore, told};
use crate::kill::Daemon;
use crate::ledger::NODES;
use crate::scratch::Scratch;

const SESSIONS: u64 = 24;

/// Entries of a session, about 100 B each.
const ENTRIES: u64 = 100;

/// So little memory that most sessions are on disk only, and each use of one has another written.
const LITTLE: [&str; 4] = ["--memory-max", "100 kB", "--durability", "process"];

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "recovery.Session")]
struct Session {
    hits: u64,
    entries: BTreeMap<u64, String>,
}

fn key(session: u64) -> String {
    format!("session {session}")
}

fn entry(hit: u64) -> String {
    format!("{hit} {}", "x".repeat(90))
}

/// What a session is after so many hits.
fn after(hits: u64) -> Session {
    let mut entries: BTreeMap<u64, String> = (0..ENTRIES).map(|at| (at, entry(0))).collect();
    entries.extend((1..=hits).map(|hit| (hit % ENTRIES, entry(hit))));
    Session { hits, entries }
}

/// Hits that were acknowledged, of each session.
type Hits = Arc<Vec<AtomicU64>>;

fn now(hits: &Hits) -> Vec<u64> {
    hits.iter().map(|hits| hits.load(Ordering::SeqCst)).collect()
}

/// Hits sessions in turn until it is over, one at a time.
async fn hit(sessions: Vec<(u64, Object<Session>)>, hits: Hits, is_over: Arc<AtomicBool>, done: watch::Sender<u64>) {
    for (session, object) in sessions.iter().cycle() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let update = object.update(|session| {
            let hit = session.hits + 1;
            *session.hits_mut() = hit;
            session.entries_mut().insert(hit % ENTRIES, entry(hit));
            Ok::<_, Infallible>(())
        });
        update.await.unwrap();
        hits[*session as usize].fetch_add(1, Ordering::SeqCst);
        done.send_modify(|count| *count += 1);
    }
}

/// What `nam verify` says of a directory of one shard, its images.
fn images(verified: &str) -> u64 {
    let words: Vec<&str> = verified.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "images").unwrap();
    words[at - 1].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_while_images_are_written_has_what_was_acknowledged_before_it() {
    let scratch = Scratch::new("backup-images-written");
    let (data, place, restored) = (scratch.0.join("data"), scratch.0.join("place"), scratch.0.join("restored"));
    let daemon = Daemon::start_with("127.0.0.1:0", &data, &LITTLE);
    let hits: Hits = Arc::new((0..SESSIONS).map(|_| AtomicU64::new(0)).collect());
    let (is_over, (done_hits, mut seen)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let (mut nodes, mut tasks) = (Vec::new(), Vec::new());
    for me in 0..NODES {
        let node = Node::connect([daemon.address.clone()]).await.unwrap();
        let mut sessions = Vec::new();
        for session in (me..SESSIONS).step_by(NODES as usize) {
            sessions.push((session, node.create(&key(session), after(0)).await.unwrap()));
        }
        tasks.push(tokio::spawn(hit(sessions, Arc::clone(&hits), Arc::clone(&is_over), done_hits.clone())));
        nodes.push(node);
    }
    seen.wait_for(|count| *count >= 2 * SESSIONS).await.unwrap();
    let before = now(&hits);
    let command = back_up(&data, &place);
    tokio::task::spawn_blocking(move || done(command)).await.unwrap();
    let behind = now(&hits);
    let goal = *seen.borrow() + SESSIONS;
    seen.wait_for(|count| *count >= goal).await.unwrap();
    is_over.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    drop((nodes, daemon));
    done(nam(&["verify", "--backup"], &[&place]));
    done(restore(&place, &restored));
    let verified = done(nam(&["verify", "--data"], &[&restored]));
    assert!(images(&verified) > SESSIONS / 2, "images were written meanwhile: {verified}");
    let daemon = Daemon::start_with("127.0.0.1:0", &restored, &LITTLE);
    let reader = Node::connect([daemon.address.clone()]).await.unwrap();
    for session in 0..SESSIONS {
        let object = reader.open::<Session>(&key(session)).await.unwrap();
        let there = object.read().await.unwrap();
        // Of each node one hit was on its way when the backup ended.
        let (least, most) = (before[session as usize], behind[session as usize] + 1);
        assert!((least..=most).contains(&there.hits), "session {session}: {} of {least} to {most}", there.hits);
        assert_eq!(*there, after(there.hits), "session {session} is of one instant");
    }
}

#[test]
fn a_directory_too_deep_for_a_socket_is_served_and_its_running_daemon_not_backed_up() {
    let scratch = Scratch::new("deep");
    let data = scratch.0.join("d".repeat(120)).join("data");
    std::fs::create_dir_all(&data).unwrap();
    let place = scratch.0.join("place");
    let daemon = Daemon::start("127.0.0.1:0", &data);
    let said = told(back_up(&data, &place));
    assert!(said.contains("is in use by another process"), "{said}");
    drop(daemon);
    done(back_up(&data, &place));
}

//! How long until another node sees a commit that was synced, beside a quinn echo, one sync of a bare file, and a relay
//! without cores that syncs such a file on a thread of its own; and what do images cost that, which are written at the same
//! time?
//!
//! An echo wakes two threads. A commit wakes its node's, the daemon's, the one that syncs, the daemon's again, the other
//! node's and the task that watches there: six, and so does the relay between threads. What nam adds to that is what a
//! core of the processor that slept has to fetch anew: the code that judges and applies.
//!
//! Two nodes and a daemon with a data directory. For the second question another node changes sessions of 150 kB all the
//! time, in both parties alike; the journal of one is so short that the daemon always writes images, that of the other so
//! long that it never does.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod scratch;
mod table;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::{Node, Object};
use nam::limits::JOURNAL_BYTES;
use tokio::time::interval;

use parties::bare::{Beside, Echo, Relayed};
use parties::nodes::Nodes;
use parties::stored::Stored;
use parties::synced::Synced;
use parties::{Desk, one_thread, reprice};
use scratch::Scratch;
use table::{Budget, Samples};

/// Changes measured at a time, before the others have their turn: few, for a link that nobody drives for 4 s is lost, and
/// a busy device takes long to sync.
const ROUNDS: u64 = 25;
const TURNS: usize = 40;
const PAUSE: Duration = Duration::from_millis(2);

/// Sessions that change meanwhile, entries of each and bytes of an entry.
const SESSIONS: usize = 100;
const ENTRIES: usize = 300;
const NOTE_BYTES: usize = 480;

/// So short a journal that images are written all the time.
const SHORT_BYTES: u64 = 128 * 1024;

fn visible(_: &mut Criterion) {
    let scratch = Scratch::new("durable");
    let stored = Stored::start(&scratch.0.join("data"), JOURNAL_BYTES);
    let (mut echo, mut nodes, mut forgetful) = (Echo::start(), Nodes::of(stored.address.clone()), Nodes::start());
    let mut bare = Synced::new(&scratch.0);
    let file = fs::File::create(scratch.0.join("relayed")).unwrap();
    let mut relayed = Relayed::with(Beside { file: Some(file), ..Beside::default() });
    let mut relayed_at_once = Relayed::start();
    let [mut echoed, mut synced, mut appended, mut committed, mut seen, mut told, mut seen_at_once] =
        Samples::several();
    let [mut passed, mut passed_on, mut passed_at_once] = Samples::several();
    for _ in 0..TURNS {
        echo.run(ROUNDS, PAUSE, &mut echoed);
        bare.run(ROUNDS, PAUSE, &mut synced, &mut appended);
        nodes.run(ROUNDS, 1, PAUSE, &mut committed, &mut seen);
        forgetful.run(ROUNDS, 1, PAUSE, &mut told, &mut seen_at_once);
        relayed.run(ROUNDS, 1, PAUSE, &mut passed);
        relayed.pass_on(ROUNDS, PAUSE, &mut passed_on);
        relayed_at_once.pass_on(ROUNDS, PAUSE, &mut passed_at_once);
    }
    table::title("from a commit until another node sees it, synced, every 2 ms, p50");
    let (echoed, synced) = (echoed.p50(), synced.p50());
    table::time("an echo", echoed, None, Budget::None);
    table::time("a sync of a bare file", synced, None, Budget::None);
    table::time("a frame in the journal", appended.p50(), Some(("a bare file", synced)), Budget::None);
    let beside = Some(("an echo + a sync", echoed + synced));
    table::time("visible", seen.p50(), beside, Budget::Nanoseconds(3.0 * echoed + synced));
    table::time("acknowledged", committed.p50(), beside, Budget::None);
    table::time("relayed, synced by a thread, no cores", passed.p50(), beside, Budget::None);
    table::time("the same between threads", passed_on.p50(), beside, Budget::None);
    let beside = Some(("an echo", echoed));
    table::time("visible, journal in memory", seen_at_once.p50(), beside, Budget::None);
    table::time("relayed between threads, no sync", passed_at_once.p50(), beside, Budget::None);
}

/// A daemon, two nodes, and a third that changes sessions while it is told to.
struct Party {
    nodes: Nodes,
    stored: Stored,
    is_working: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    third: Option<JoinHandle<()>>,
    _scratch: Scratch,
}

impl Party {
    fn start(name: &str, journal_bytes: u64) -> Self {
        let scratch = Scratch::new(name);
        let stored = Stored::start(&scratch.0, journal_bytes);
        let (is_working, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (address, told, ended) = (stored.address.clone(), is_working.clone(), is_over.clone());
        let sessions = thread::spawn(move || {
            one_thread().block_on(async {
                let node = Node::connect([address]).await.unwrap();
                let mut sessions = Vec::new();
                for session in 0..SESSIONS {
                    let desk = Desk::new(ENTRIES, NOTE_BYTES);
                    sessions.push(node.create(&format!("session {session}"), desk).await.unwrap());
                }
                work(&sessions, &told, &ended).await;
            });
        });
        Self {
            nodes: Nodes::of(stored.address.clone()),
            stored,
            is_working,
            is_over,
            third: Some(sessions),
            _scratch: scratch,
        }
    }

    fn run(&mut self, commit: &mut Samples, visible: &mut Samples) {
        self.is_working.store(true, Ordering::Relaxed);
        self.nodes.run(ROUNDS, 1, PAUSE, commit, visible);
        self.is_working.store(false, Ordering::Relaxed);
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(third) = self.third.take() {
            third.join().unwrap();
        }
    }
}

/// Changes sessions, four every millisecond.
async fn work(sessions: &[Object<Desk>], is_working: &AtomicBool, is_over: &AtomicBool) {
    let mut ticks = interval(Duration::from_millis(1));
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        if is_working.load(Ordering::Relaxed) {
            let change =
                |number: usize| reprice(&sessions[number % SESSIONS], number * 7 % ENTRIES, number as f64 + 0.5);
            tokio::join!(change(number), change(number + 1), change(number + 2), change(number + 3));
            number += 4;
        }
    }
}

fn beside_images(_: &mut Criterion) {
    let (mut imaged, mut free) = (Party::start("imaged", SHORT_BYTES), Party::start("free", JOURNAL_BYTES * 8));
    let [mut committed, mut seen, mut committed_free, mut seen_free] = Samples::several();
    // The first images are those of the creations.
    imaged.run(&mut Samples::default(), &mut Samples::default());
    let before = imaged.stored.handed.now();
    let mut took = Duration::ZERO;
    for _ in 0..TURNS {
        free.run(&mut committed_free, &mut seen_free);
        let begun = Instant::now();
        imaged.run(&mut committed, &mut seen);
        took += begun.elapsed();
    }
    let handed = imaged.stored.handed.now().since(before);
    table::title("a small change every 2 ms while others change sessions of 150 kB, p50");
    let rate = |bytes: u64| format!("{:.1} MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
    table::row(
        "images written meanwhile",
        &rate(handed.all() - handed.frames),
        &format!("frames {}", rate(handed.frames)),
        "",
        true,
    );
    let without = |samples: &Samples| Some(("without", samples.p50()));
    table::time("visible, while images are written", seen.p50(), without(&seen_free), Budget::Times(2.0));
    table::time(
        "acknowledged, while images are written",
        committed.p50(),
        without(&committed_free),
        Budget::Times(2.0),
    );
    table::time("visible, p99", seen.p99(), Some(("without", seen_free.p99())), Budget::None);
    let none = free.stored.handed.now();
    assert_eq!(none.parts, 0, "the other party writes no images");
}

criterion_group!(benches, visible, beside_images);
criterion_main!(benches);

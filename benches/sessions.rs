//! What does a 16-byte change cost the disk over 10,000 sessions of 150 kB, and how soon does a restart with them answer?
//!
//! Four nodes change sessions over QUIC, 512 changes outstanding, and a daemon keeps them in a data directory with the
//! default length of its journal. Bytes handed to the store are counted at the seams: frames, parts and heads of images,
//! states, with their keys; what the store itself writes is the process's own count in `/proc`. A turn is measured
//! when the journal has been written once, for a whole length more: images come in waves of that length. Sessions change in
//! the same fields always, or anywhere; which of them, by Zipf's law or all alike.
//!
//! Pages are written anew when what changed has stood behind them in up to 32 images: a figure that has its share of that
//! takes as many lengths of the journal, `NAM_BENCH_LENGTHS=40`.
//!
//! It takes half an hour. `NAM_BENCH_SESSIONS=1000` makes everything smaller, the journal too, and the ratios about
//! the same.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod scratch;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use nam::Tracked;
use nam::client::{Node, Object};
use nam::limits::JOURNAL_BYTES;
use nam::server::{JournalPlace, Server, ServerConfig};
use nam::store::Durability;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use parties::one_thread;
use parties::stored::{Handed, Stored};
use scratch::Scratch;

const SESSIONS: u64 = 10_000;
const NODES: usize = 4;
const OUTSTANDING: u64 = 512;

/// Entries of a session, and bytes of each but for what changes.
const ENTRIES: u64 = 300;
const NOTE_BYTES: usize = 470;

/// About 150 kB.
#[derive(Tracked, Clone, Debug, Default)]
#[nam(name = "bench.Session")]
struct Session {
    seen_at: f64,
    spent: f64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Tracked, Clone, Debug, Default)]
struct Entry {
    price: f64,
    changed_at: f64,
    note: String,
}

impl Session {
    fn new(session: u64) -> Self {
        let entry = |entry| (entry, Entry { note: format!("{session:>8} {entry:>NOTE_BYTES$}"), ..Entry::default() });
        Self { entries: (0..ENTRIES).map(entry).collect(), ..Self::default() }
    }
}

/// Where a session changes.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the same two fields.
    Fields,
    /// In two fields of any of its entries.
    Entries,
}

async fn change(session: &Object<Session>, place: Place, number: u64) {
    let value = number as f64 + 0.125;
    let done = session.update(|session| {
        match place {
            Place::Fields => {
                *session.seen_at_mut() = value;
                *session.spent_mut() = value;
            }
            Place::Entries => {
                let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
                let mut entries = session.entries_mut();
                let mut entry = entries.get_mut(&(key % ENTRIES)).ok_or("no such entry")?;
                *entry.price_mut() = value;
                *entry.changed_at_mut() = value;
            }
        }
        Ok::<_, &str>(())
    });
    done.await.unwrap();
}

/// Draws sessions.
struct Draw {
    /// The sum of the weights up to each.
    sums: Vec<f64>,
    state: AtomicU64,
}

impl Draw {
    fn new(sessions: u64, weight: impl Fn(f64) -> f64) -> Self {
        let mut sum = 0.0;
        let mut add = |rank: u64| {
            sum += weight(rank as f64);
            sum
        };
        Self { sums: (1..=sessions).map(&mut add).collect(), state: AtomicU64::new(0) }
    }

    fn next(&self) -> usize {
        // SplitMix64.
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let at = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 * self.sums.last().unwrap();
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1)
    }
}

/// The daemon, its nodes and their sessions.
struct Party {
    runtime: Runtime,
    stored: Stored,
    sessions: Arc<Vec<Object<Session>>>,
    nodes: Vec<Node>,
    changes: Arc<AtomicU64>,
}

impl Party {
    fn start(data: &Path, sessions: u64, journal_bytes: u64) -> Self {
        let stored = Stored::start(data, journal_bytes);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (nodes, sessions) = runtime.block_on(async {
            let mut nodes = Vec::new();
            for _ in 0..NODES {
                nodes.push(Node::connect([&stored.address]).await.unwrap());
            }
            let mut created = Vec::new();
            while (created.len() as u64) < sessions {
                let mut tasks = JoinSet::new();
                for (session, node) in (created.len() as u64..sessions).zip(&nodes) {
                    let node = node.clone();
                    tasks.spawn(async move {
                        node.create(&format!("session {session}"), Session::new(session)).await.unwrap()
                    });
                }
                created.extend(tasks.join_all().await);
            }
            (nodes, Arc::new(created))
        });
        Self { runtime, stored, sessions, nodes, changes: Arc::default() }
    }

    /// Changes sessions until so many bytes of frames were written.
    fn work(&self, draw: &Arc<Draw>, place: Place, frame_bytes: u64) {
        let until = self.stored.handed.now().frames + frame_bytes;
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..OUTSTANDING {
                let (sessions, draw, changes) = (self.sessions.clone(), draw.clone(), self.changes.clone());
                let handed = self.stored.handed.clone();
                tasks.spawn(async move {
                    while handed.now().frames < until {
                        let number = changes.fetch_add(1, Ordering::Relaxed);
                        change(&sessions[draw.next()], place, number).await;
                    }
                });
            }
            tasks.join_all().await;
        });
    }

    /// One turn: warm, then measured.
    fn turn(&self, name: &str, draw: Draw, place: Place, journal_bytes: u64, times_max: Option<f64>) {
        let (draw, lengths) = (Arc::new(draw), number("NAM_BENCH_LENGTHS").unwrap_or(1));
        self.work(&draw, place, journal_bytes);
        let (handed, own) = (self.stored.handed.now(), Written::now());
        let (changes, begun) = (self.changes.load(Ordering::Relaxed), Instant::now());
        self.work(&draw, place, journal_bytes * lengths);
        let took = begun.elapsed();
        let changes = (self.changes.load(Ordering::Relaxed) - changes) as f64;
        let (handed, own) = (self.stored.handed.now().since(handed), Written::now().since(own));
        let each = |bytes: u64| format!("{:.1} B", bytes as f64 / changes);
        let times = handed.all() as f64 / handed.frames as f64;
        let allowed = times_max.map_or(String::new(), |most| format!("≤ {most} ×"));
        let of = format!("{times:.2} × the frame ({})", each(handed.frames));
        table::row(name, &each(handed.all()), &of, &allowed, times_max.is_none_or(|most| times <= most));
        let Handed { parts, heads, rest, .. } = handed;
        let kinds = format!("parts {}, heads {}, other {}", each(parts), each(heads), each(rest));
        let a_second = changes / took.as_secs_f64();
        table::row("  behind the frames", &each(handed.all() - handed.frames), &kinds, "", true);
        let device = format!("{} to the device; {a_second:.0} changes/s", each(own.device));
        table::row("  the store writes", &each(own.called), &device, "", true);
    }
}

/// What the process wrote: bytes in calls, and bytes on their way to a device.
#[derive(Clone, Copy)]
struct Written {
    called: u64,
    device: u64,
}

impl Written {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/self/io").unwrap();
        let figure = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap();
        Self { called: figure("wchar:"), device: figure("write_bytes:") }
    }

    fn since(self, before: Self) -> Self {
        Self { called: self.called - before.called, device: self.device - before.device }
    }
}

/// Starts a daemon on the directory and reads one session; the times until it listens and until that is read.
fn restart(data: &Path, journal_bytes: u64, session: u64) -> (f64, f64) {
    let runtime = one_thread();
    let journal = JournalPlace::Data(Durability::Disk);
    let config = ServerConfig { data: Some(data.to_path_buf()), journal, journal_bytes, ..ServerConfig::default() };
    let begun = Instant::now();
    let server = Server::start(&config).unwrap();
    let listening = begun.elapsed().as_secs_f64() * 1e9;
    let answered = runtime.block_on(async {
        let node = Node::connect([server.addresses()[0].to_string()]).await.unwrap();
        let object = node.open::<Session>(&format!("session {session}")).await.unwrap();
        assert_eq!(object.read().await.unwrap().entries.len() as u64, ENTRIES);
        let answered = begun.elapsed().as_secs_f64() * 1e9;
        node.close().await.unwrap();
        answered
    });
    (listening, answered)
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

fn sessions(_: &mut Criterion) {
    let sessions = number("NAM_BENCH_SESSIONS").unwrap_or(SESSIONS);
    let journal_bytes = JOURNAL_BYTES * sessions / SESSIONS;
    let scratch = Scratch::new("sessions");
    let begun = Instant::now();
    let party = Party::start(&scratch.0, sessions, journal_bytes);
    table::title(&format!("{sessions} sessions of 150 kB, a journal of {} MB", journal_bytes / 1_000_000));
    table::row("created in", &format!("{:.1} s", begun.elapsed().as_secs_f64()), "", "", true);
    table::title("bytes handed to the store, a change of 16 bytes");
    let (zipf, uniform) = (|rank: f64| 1.0 / rank, |_| 1.0);
    for (name, draw, place, most) in [
        ("Zipf 1.0, the same fields", Draw::new(sessions, zipf), Place::Fields, Some(10.0)),
        ("Zipf 1.0, any entry", Draw::new(sessions, zipf), Place::Entries, Some(10.0)),
        ("all alike, any entry", Draw::new(sessions, uniform), Place::Entries, None),
    ] {
        party.turn(name, draw, place, journal_bytes, most);
    }
    let Party { runtime, stored, sessions: objects, nodes, .. } = party;
    drop(objects);
    runtime.block_on(async {
        for node in &nodes {
            node.close().await.unwrap();
        }
    });
    stored.stop();
    table::title("a restart, the files in the system's cache");
    for (name, session) in
        [("behind the run, a session that changes often", 0), ("again, one that seldom does", sessions - 1)]
    {
        let (listening, answered) = restart(&scratch.0, journal_bytes, session);
        table::time(&format!("{name}: listens"), listening, None, table::Budget::None);
        table::time("  the session is read", answered, None, table::Budget::Nanoseconds(1e9));
    }
}

criterion_group!(benches, sessions);
criterion_main!(benches);

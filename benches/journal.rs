//! How many commits a second does one shard make durable, beside what the disk does?
//!
//! Sixteen nodes over QUIC, each task with an object of its own, so that every update is a commit. The same with a journal
//! on disk and in memory, in turn, and beside them what a synced append costs without anything around it: of a bare file,
//! and of the journal. Daemon and nodes share the machine: where its processors are the limit, the row beside says so.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod scratch;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::{Node, Object};
use nam::server::{JournalPlace, Server, ServerConfig};
use nam::store::Durability;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use parties::synced::{BYTES, Synced};
use parties::{Desk, reprice};
use scratch::Scratch;
use table::{Budget, Samples};

const NODES: usize = 16;
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(1);

/// A daemon and its nodes.
struct Party {
    runtime: Runtime,
    nodes: Vec<Node>,
    /// An object for each task, those of one node 16 apart.
    desks: Vec<Object<Desk>>,
    price: f64,
    _server: Server,
}

impl Party {
    fn start(data: Option<PathBuf>, tasks: usize) -> Self {
        let journal = data.as_ref().map_or(JournalPlace::Memory, |_| JournalPlace::Data(Durability::Disk));
        let server = Server::start(&ServerConfig { data, journal, ..ServerConfig::default() }).unwrap();
        let address = server.addresses()[0].to_string();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (nodes, desks) = runtime.block_on(async {
            let (mut nodes, mut desks) = (Vec::new(), Vec::new());
            for _ in 0..NODES {
                nodes.push(Node::connect([&address]).await.unwrap());
            }
            for (task, node) in (0..tasks).zip(nodes.iter().cycle()) {
                desks.push(node.create(&format!("desk{task}"), Desk::new(1, 20)).await.unwrap());
            }
            (nodes, desks)
        });
        Self { runtime, nodes, desks, price: 0.0, _server: server }
    }

    /// Commits a second with `writers` outstanding.
    fn rate(&mut self, writers: usize) -> f64 {
        self.price += 1e6;
        let (price, begun) = (self.price, Instant::now());
        let done = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for desk in self.desks.iter().take(writers) {
                let desk = desk.clone();
                tasks.spawn(async move {
                    let mut done = 0;
                    while begun.elapsed() < TURN {
                        reprice(&desk, 0, price + f64::from(done)).await;
                        done += 1;
                    }
                    done
                });
            }
            tasks.join_all().await.into_iter().sum::<i32>()
        });
        f64::from(done) / begun.elapsed().as_secs_f64()
    }
}

fn journal(_: &mut Criterion) {
    let scratch = Scratch::new("journal");
    let [mut file, mut alone] = Samples::several();
    Synced::new(&scratch.0).run(2_000, Duration::ZERO, &mut file, &mut alone);
    table::title(&format!("a synced append of {BYTES} bytes, one after the other, p50"));
    table::time("the journal", alone.p50(), Some(("a bare file", file.p50())), Budget::None);
    table::row("the journal, a second", &format!("{:.0}", 1e9 / alone.p50()), "", "", true);

    let (mut disk, mut memory) = (Party::start(Some(scratch.0.join("data")), 1_024), Party::start(None, 1_024));
    table::title("commits a second through one shard, 16 nodes, journal on disk");
    for (writers, allowed) in [(1, None), (16, None), (256, Some(100_000.0)), (1_024, Some(100_000.0))] {
        let (mut synced, mut forgetful) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            synced.push(disk.rate(writers));
            forgetful.push(memory.rate(writers));
        }
        synced.sort_by(f64::total_cmp);
        forgetful.sort_by(f64::total_cmp);
        let (synced, forgetful) = (synced[TURNS / 2], forgetful[TURNS / 2]);
        let beside = format!("{:.2} × in memory ({forgetful:.0})", synced / forgetful);
        let least = allowed.map_or(String::new(), |least| format!("≥ {least}"));
        let is_within = allowed.is_none_or(|least| synced >= least);
        table::row(&format!("{writers} outstanding"), &format!("{synced:.0}"), &beside, &least, is_within);
    }
    for party in [disk, memory] {
        party.runtime.block_on(async {
            for node in &party.nodes {
                let _ = node.close().await;
            }
        });
    }
}

criterion_group!(benches, journal);
criterion_main!(benches);

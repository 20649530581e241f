//! How many updates a second does one object take, when 64 tasks of one node change it, and what does a guard held on it
//! cost those who change it?
//!
//! In process and over QUIC; the repository's journal is in memory. A guard pins a version of 1 MB for a second while
//! updates come from its own node and from another one every 5 ms: each waits at most for one copy.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod table;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nam::client::{Change, InProcess, Node, Object};
use nam::server::{Server, ServerConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::interval;

use parties::{Desk, one_thread, reprice};
use table::{Budget, Samples};

const TASKS: u64 = 64;

/// Updates of one turn.
const UPDATES: u64 = 32_000;

const TURNS: usize = 9;

/// How long each guard is held, and how many are, one after the other.
const HELD: Duration = Duration::from_secs(1);
const GUARDS: usize = 5;

/// `count` updates by all tasks together.
async fn hammer(desk: &Object<Desk>, count: u64) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let desk = desk.clone();
        let share = count / TASKS + u64::from(task < count % TASKS);
        tasks.spawn(async move {
            for update in 0..share {
                reprice(&desk, task as usize, update as f64 + 0.125).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn hot(c: &mut Criterion) {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let address = server.addresses()[0].to_string();
    let here = one_thread();
    let (node, far) =
        here.block_on(async { (Node::in_process().await.unwrap(), Node::connect([address]).await.unwrap()) });
    let (near_desk, far_desk) = here.block_on(async {
        let desk = || Desk::new(1_000, 20);
        (node.create("desk", desk()).await.unwrap(), far.create("desk", desk()).await.unwrap())
    });
    let threads = two_threads();
    let mut group = c.benchmark_group("one hot object, 64 tasks");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for (name, runtime, desk) in [
        ("in process, tasks on one thread", &here, &near_desk),
        ("in process, tasks on two threads", &threads, &near_desk),
        ("over QUIC, tasks on one thread", &here, &far_desk),
    ] {
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                let begun = Instant::now();
                runtime.block_on(hammer(desk, count));
                begun.elapsed()
            });
        });
    }
    group.finish();
    table::title("updates a second of one object by 64 tasks on one node");
    let [near, spread, far] = table::in_turn(
        TURNS,
        1,
        [
            &mut || here.block_on(hammer(&near_desk, UPDATES)),
            &mut || threads.block_on(hammer(&near_desk, UPDATES)),
            &mut || here.block_on(hammer(&far_desk, UPDATES)),
        ],
    );
    for (what, took) in [("in process, one thread", near), ("in process, two threads", spread), ("over QUIC", far)] {
        let a_second = UPDATES as f64 * 1e9 / took.p50();
        table::row(what, &format!("{a_second:.0}"), "", "≥ 150000", a_second >= 150_000.0);
    }
}

/// One object of 1 MB on two nodes: the times of updates of either, until acknowledged and until this node has them.
struct Pinned {
    runtime: Runtime,
    here: Object<Desk>,
    there: Object<Desk>,
    price: f64,
    _nodes: (Node, Node),
}

impl Pinned {
    fn start() -> Self {
        let runtime = one_thread();
        let repository = InProcess::new().unwrap();
        let (here, there, nodes) = runtime.block_on(async {
            let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
            let here = a.create("desk", Desk::new(1_000, 1_000)).await.unwrap();
            (here, b.open("desk").await.unwrap(), (a, b))
        });
        Self { runtime, here, there, price: 0.0, _nodes: nodes }
    }

    /// For a second, with or without a guard.
    fn run(&mut self, is_guarded: bool, own: &mut Samples, remote: &mut Samples) {
        let Self { runtime, here, there, price, .. } = self;
        runtime.block_on(async {
            let guard = if is_guarded { Some(here.read().await.unwrap()) } else { None };
            let mut changes = here.watch();
            let mut ticks = interval(Duration::from_millis(5));
            let begun = Instant::now();
            while begun.elapsed() < HELD {
                ticks.tick().await;
                for (desk, samples) in [(&*here, &mut *own), (&*there, &mut *remote)] {
                    *price += 0.25;
                    let start = Instant::now();
                    let version = reprice(desk, 7, *price).await;
                    while !matches!(changes.next().await, Change::Applied { version: seen, .. } if seen >= version) {}
                    samples.add(start.elapsed());
                }
            }
            drop(guard);
        });
    }
}

fn guarded(_: &mut Criterion) {
    let mut pinned = Pinned::start();
    let [mut own, mut remote, mut free_own, mut free_remote] = Samples::several();
    for _ in 0..GUARDS {
        pinned.run(false, &mut free_own, &mut free_remote);
        pinned.run(true, &mut own, &mut remote);
    }
    table::title("a guard held for 1 s on an object of 1 MB: until its own node has the change, p99");
    let most = Budget::Nanoseconds(10e6);
    table::time("an update of this node", own.p99(), Some(("without a guard", free_own.p99())), most);
    table::time("a delta of another node", remote.p99(), Some(("without a guard", free_remote.p99())), most);
    table::time(
        "the slowest update of this node",
        own.most(),
        Some(("without a guard", free_own.most())),
        Budget::None,
    );
    table::time(
        "the slowest delta of another node",
        remote.most(),
        Some(("without a guard", free_remote.most())),
        Budget::None,
    );
}

criterion_group!(benches, hot, guarded);
criterion_main!(benches);

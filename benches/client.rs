//! What does an object cost its own node: to read while it is current, and to update?
//!
//! Read the figures as ratios to the first one, which is this machine's cost of an `Arc` behind a mutex. What everybody's
//! updates of one object cost is measured by `hot`.

mod table;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nam::ids::{Token, Version};
use nam::node::{Host, Replica, ReplicaId, Ring, Scope, Settlement, Slot, Step};
use nam::tracked::Class;
use nam::{Error, Node, Tracked};
use table::{Budget, Samples};

#[derive(Tracked, Clone, Default)]
struct Desk {
    cash: f64,
    prices: BTreeMap<u64, f64>,
}

#[derive(Debug)]
struct Silent;

impl Host for Silent {
    fn ring(&self, _replica: ReplicaId, _ring: Ring) {}
}

/// A current replica with `entries` prices, without a repository behind it.
fn slot(entries: u64) -> Arc<Slot<Desk>> {
    let desk = Desk { cash: 0.0, prices: (0..entries).map(|key| (key, 1.0)).collect() };
    let mut w = nam::coding::Writer::new();
    desk.encode_root(&mut w);
    let slot = Slot::<Desk>::new(ReplicaId(1), "bench", Arc::new(Silent));
    slot.load_whole(Token { version: Version(1), ..Token::default() }, w.as_slice()).expect("the value decodes");
    slot
}

/// Reads `rounds` times on each of eight threads; the time of the slowest.
fn in_crowd(rounds: u64, read: &(dyn Fn() + Sync)) -> Duration {
    let start = Barrier::new(8);
    let reader = || {
        start.wait();
        let begun = Instant::now();
        (0..rounds).for_each(|_| read());
        begun.elapsed()
    };
    let slowest = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(reader)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).max()
    });
    slowest.unwrap_or_default()
}

/// All that an update costs before it leaves and when its result comes.
fn update_once(slot: &Slot<Desk>) {
    let context = Context::from_waker(Waker::noop());
    let step = slot.poll_update(Scope::Shared, &context, &mut |value, changes| {
        *value.track(changes).prices_mut().get_mut(&0).ok_or(())? += 1.0;
        Ok::<(), ()>(())
    });
    assert!(matches!(step, Poll::Ready(Step::Joined(..))));
    slot.take_batch().expect("a batch gathered");
    slot.settle(Settlement::AsSent).expect("it was as sent");
}

fn reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let plain = parking_lot::Mutex::new(Arc::new(1_u64));
    group.bench_function("an Arc behind a mutex", |b| b.iter(|| Arc::clone(&plain.lock())));
    let slot = slot(1);
    group.bench_function("a current replica", |b| b.iter(|| slot.current()));
    group.bench_function("a current replica, 8 threads", |b| {
        b.iter_custom(|rounds| in_crowd(rounds, &|| drop(black_box(slot.current()))));
    });
    group.finish();
}

fn local_cost(c: &mut Criterion) {
    let mut group = c.benchmark_group("local cost of an update");
    for entries in [1, 100_000] {
        let slot = slot(entries);
        group.bench_function(format!("one field of one of {entries} entries"), |b| {
            b.iter(|| update_once(&slot));
        });
    }
    group.finish();
}

fn whole_updates(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let node = runtime.block_on(Node::in_process()).expect("a node");
    let object = runtime.block_on(node.create("bench", Desk::default())).expect("an object");
    let add = |desk: &mut DeskMut<'_>| {
        *desk.cash_mut() += 1.0;
        Ok::<(), Error>(())
    };
    c.bench_function("update until it is committed, in process", |b| {
        b.iter_custom(|rounds| {
            let begun = Instant::now();
            runtime.block_on(async {
                for _ in 0..rounds {
                    object.update(add).await.expect("the update commits");
                }
            });
            begun.elapsed()
        });
    });
}

fn rows(_: &mut Criterion) {
    let plain = parking_lot::Mutex::new(Arc::new(1_u64));
    let current = slot(1);
    let crowd = |read: &(dyn Fn() + Sync)| in_crowd(200_000, read).as_secs_f64() * 1e9 / 200_000.0;
    let [arc, read] = table::in_turn(
        21,
        1_000_000,
        [&mut || drop(black_box(Arc::clone(&plain.lock()))), &mut || drop(black_box(current.current()))],
    );
    let [mut crowd_arc, mut crowd_read] = Samples::several();
    for _ in 0..21 {
        crowd_arc.add_nanoseconds(crowd(&|| drop(black_box(Arc::clone(&plain.lock())))));
        crowd_read.add_nanoseconds(crowd(&|| drop(black_box(current.current()))));
    }
    let large = slot(100_000);
    let [update] = table::in_turn(21, 10_000, [&mut || update_once(&large)]);
    table::title("what an object costs its own node");
    let name = "an Arc behind a mutex";
    table::time("a read of a current replica", read.p50(), Some((name, arc.p50())), Budget::Nanoseconds(30.0));
    let what = "a read, 8 threads on one object";
    table::time(what, crowd_read.p50(), Some((name, crowd_arc.p50())), Budget::Nanoseconds(300.0));
    let what = "an update's local cost, one of 100,000 entries";
    table::time(what, update.p50(), None, Budget::Nanoseconds(2_500.0));
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = reads, local_cost, whole_updates, rows
}
criterion_main!(benches);

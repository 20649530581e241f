//! What does an object cost its own node: to read while it is current, to update, and when everybody updates it?
//!
//! Read the figures as ratios to the first group, which is this machine's cost of an `Arc` behind a mutex. Everything
//! runs against an in-process repository with a journal in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nam::ids::{Birth, Version};
use nam::node::{Host, Replica, ReplicaId, Ring, Scope, Settlement, Slot, Step};
use nam::tracked::Class;
use nam::{Error, Node, Tracked};

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
    slot.load_whole(Birth::default(), Version(1), w.as_slice()).expect("the value decodes");
    slot
}

fn reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let plain = parking_lot::Mutex::new(Arc::new(1_u64));
    group.bench_function("an Arc behind a mutex", |b| b.iter(|| Arc::clone(&plain.lock())));
    let slot = slot(1);
    group.bench_function("a current replica", |b| b.iter(|| slot.current()));
    group.bench_function("a current replica, 8 threads", |b| {
        b.iter_custom(|rounds| {
            let start = Barrier::new(8);
            let slowest = std::thread::scope(|scope| {
                let read = || {
                    start.wait();
                    let begun = Instant::now();
                    (0..rounds).for_each(|_| drop(std::hint::black_box(slot.current())));
                    begun.elapsed()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
                threads.into_iter().filter_map(|thread| thread.join().ok()).max()
            });
            slowest.unwrap_or_default()
        });
    });
    group.finish();
}

fn local_cost(c: &mut Criterion) {
    let mut group = c.benchmark_group("local cost of an update");
    for entries in [1, 100_000] {
        let slot = slot(entries);
        let context = Context::from_waker(Waker::noop());
        group.bench_function(format!("one field of one of {entries} entries"), |b| {
            b.iter(|| {
                let step = slot.poll_update(Scope::Shared, &context, &mut |value, changes| {
                    *value.track(changes).prices_mut().get_mut(&0).ok_or(())? += 1.0;
                    Ok::<(), ()>(())
                });
                assert!(matches!(step, Poll::Ready(Step::Joined(..))));
                slot.take_batch().expect("a batch gathered");
                slot.settle(Settlement::AsSent).expect("it was as sent");
            });
        });
    }
    group.finish();
}

fn whole_updates(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let node = runtime.block_on(Node::in_process()).expect("a node");
    let object = runtime.block_on(node.create("bench", Desk::default())).expect("an object");
    let mut group = c.benchmark_group("update until it is committed");
    let add = |desk: &mut DeskMut<'_>| {
        *desk.cash_mut() += 1.0;
        Ok::<(), Error>(())
    };
    group.bench_function("one task", |b| {
        b.to_async_rounds(&runtime, |rounds| {
            let object = object.clone();
            async move {
                for _ in 0..rounds {
                    object.update(add).await.expect("the update commits");
                }
            }
        });
    });
    group.throughput(Throughput::Elements(64));
    group.bench_function("64 tasks on one object, each once", |b| {
        b.to_async_rounds(&runtime, |rounds| {
            let object = object.clone();
            async move {
                let task = |_| {
                    let object = object.clone();
                    tokio::spawn(async move {
                        for _ in 0..rounds {
                            object.update(add).await.expect("the update commits");
                        }
                    })
                };
                let tasks: Vec<_> = (0..64).map(task).collect();
                for task in tasks {
                    task.await.expect("the task ends");
                }
            }
        });
    });
    group.finish();
}

/// Times a future that does its work `rounds` times.
trait AsyncRounds {
    fn to_async_rounds<F: Future<Output = ()>>(&mut self, runtime: &tokio::runtime::Runtime, run: impl Fn(u64) -> F);
}

impl AsyncRounds for criterion::Bencher<'_> {
    fn to_async_rounds<F: Future<Output = ()>>(&mut self, runtime: &tokio::runtime::Runtime, run: impl Fn(u64) -> F) {
        self.iter_custom(|rounds| {
            let begun = Instant::now();
            runtime.block_on(run(rounds));
            begun.elapsed()
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = reads, local_cost, whole_updates
}
criterion_main!(benches);

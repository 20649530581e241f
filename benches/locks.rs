//! How long until the next in line has a lock that is given back, beside four threads that wake each other, and a bare echo?
//!
//! The way is from the task that had it to its node's thread, to the daemon's, a frame of a journal in memory, to the thread
//! of the node that waited and to the task that does: four threads are woken, two by packets. A lock that is free costs as
//! many, an echo two. What four such threads take without cores stands beside it: where cores sleep between packets, most of
//! the time goes into waking them.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops when something is wrong")]

mod parties;
mod table;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

use parties::Desk;
use parties::bare::{Echo, Relayed};
use parties::nodes::Nodes;
use table::{Budget, Samples};

/// Hand-overs measured at a time, before the others have their turn.
const ROUNDS: u64 = 50;

const TURNS: usize = 20;

/// Gives the lock back and forth between two nodes.
fn hand_over(nodes: &Nodes, rounds: u64, handed: &mut Samples, free: &mut Samples) {
    nodes.runtime.block_on(async {
        let here = nodes.desk.clone();
        let there = nodes.holder.open::<Desk>("desk").await.unwrap();
        for _ in 0..rounds {
            let begun = Instant::now();
            let lock = here.lock().await.unwrap();
            free.add(begun.elapsed());
            let next = tokio::spawn({
                let there = there.clone();
                async move { (there.lock().await.unwrap(), Instant::now()) }
            });
            tokio::task::yield_now().await;
            // Behind the wait on the same link: it stands in line now.
            there.fresh().await.unwrap();
            let begun = Instant::now();
            drop(lock);
            let (next, at) = next.await.unwrap();
            handed.add(at - begun);
            next.release().await.unwrap();
        }
    });
}

fn hand_overs(_: &mut Criterion) {
    table::title("a lock, from the node that gives it back to the next in line");
    let (mut echo, mut relayed, nodes) = (Echo::start(), Relayed::start(), Nodes::start());
    let [mut echoed, mut passed, mut handed, mut free] = Samples::several();
    for _ in 0..TURNS {
        echo.run(ROUNDS, Duration::ZERO, &mut echoed);
        relayed.pass_on(ROUNDS, Duration::ZERO, &mut passed);
        hand_over(&nodes, ROUNDS, &mut handed, &mut free);
    }
    table::time("passed on by four threads, no cores", passed.p50(), Some(("an echo", echoed.p50())), Budget::None);
    let beside = Some(("that", passed.p50()));
    table::time("handed over", handed.p50(), beside, Budget::Times(1.5));
    table::time("taken, being free", free.p50(), beside, Budget::Times(1.5));
}

criterion_group!(benches, hand_overs);
criterion_main!(benches);

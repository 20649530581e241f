//! Nodes and repositories in virtual time, over a network that delays, reorders and cuts; checked against plain values.
//!
//! `NAM_SEEDS=n` runs n seeds, `NAM_SEED=x` one; a seed that fails prints the command that repeats it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod alone;
mod class;
mod clock;
mod deliveries;
mod dice;
mod disk;
mod draw;
mod events;
mod expiry;
mod finds;
mod groups;
mod guards;
mod history;
mod images;
mod locks;
mod merge;
#[cfg(feature = "mutants")]
mod mutants;
mod network;
mod node;
mod order;
mod quiet;
mod readings;
mod settle;
mod shard;
mod swarm;
mod tasks;
mod watching;
mod whims;
mod windows;
mod world;

use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use swarm::Mutant;
use world::{Report, World};

const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one seed twice; answers what it did, or what went wrong.
fn run(seed: u64, mutant: Option<Mutant>) -> Result<Report, String> {
    let once = || World::new(seed, mutant).run();
    let outcome = catch_unwind(AssertUnwindSafe(|| (once(), once())));
    match outcome {
        Ok((first, second)) if first == second => Ok(first),
        Ok((first, second)) => Err(format!("same seed, other effects: {first:?} and {second:?}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
        }
    }
}

/// Runs seeds on every core; answers what they did together, or which one failed.
fn run_all(seeds: Range<u64>) -> Result<Report, String> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut total = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(total);
            }
            match run(seed, None) {
                Ok(report) => total.add(&report),
                Err(text) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err(format!("{text}\n  NAM_SEED={seed} cargo test --test sim every_seed"));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).try_fold(Report::default(), |mut all, total| {
            all.add(&total?);
            Ok(all)
        })
    })
}

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = match number("NAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NAM_SEEDS").unwrap_or(SEEDS),
    };
    // A few seeds need not meet everything.
    let are_many = seeds.start == 0 && seeds.end >= SEEDS;
    let total = run_all(seeds).unwrap_or_else(|text| panic!("{text}"));
    println!("{total:?}");
    if are_many {
        total.check_draws();
    }
}

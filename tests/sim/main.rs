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

use std::panic::{AssertUnwindSafe, catch_unwind};

use swarm::Mutant;
use world::{Report, World};

const SEEDS: u64 = 500;

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

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = match number("NAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NAM_SEEDS").unwrap_or(SEEDS),
    };
    let is_one = number("NAM_SEED").is_some();
    let mut total = Report::default();
    for seed in seeds {
        match run(seed, None) {
            Ok(report) => total.add(&report),
            Err(text) => panic!("{text}\n  NAM_SEED={seed} cargo test --test sim every_seed"),
        }
    }
    println!("{total:?}");
    if !is_one {
        total.check_draws();
    }
}

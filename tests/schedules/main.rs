//! A slot between its tasks, its link and its worker, under thousands of schedules: no wake-up is lost, no update either.
//!
//! The slot's own sources are compiled here once more. Where they say `parking_lot` they get the locks of shuttle, which
//! decides at every lock who goes on and calls it a deadlock when nobody can; ordinary builds know nothing of it. Shuttle
//! and not loom, because what is to be found is a lost wake-up among a dozen participants, not a weak ordering of
//! memory: all that is shared stands behind the lock, and loom has no `Weak`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_debug_implementations,
    reason = "the sources of the slot have more users than this test"
)]

/// The slot marks the thread that runs a closure; here a thread is what the scheduler says.
macro_rules! thread_local {
    ($(#[$doc:meta])* static $name:ident: Cell<usize> = const { Cell::new(0) };) => {
        $(#[$doc])*
        static $name: crate::locks::PerThread = crate::locks::PerThread;
    };
}

extern crate self as parking_lot;

mod locks;
mod node;
mod parties;

use nam::{coding, delta, ids, limits, schema, tracked, wire};

pub use locks::{Mutex, MutexGuard};
use parties::Party;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// A stack that holds a derived type's frames in a build that is not optimised.
const STACK_BYTES: usize = 1024 * 1024;

fn explore(scheduler: impl Scheduler + 'static, run: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(scheduler, config).run(run);
}

#[test]
fn every_update_takes_effect_once_whoever_is_faster() {
    explore(RandomScheduler::new(1_500), || Party::begin().run_to_the_end());
    explore(PctScheduler::new(3, 500), || Party::begin().run_to_the_end());
}

#[test]
fn whoever_waits_hears_of_the_end() {
    explore(RandomScheduler::new(1_500), || Party::begin().run_to_the_close());
    explore(PctScheduler::new(3, 500), || Party::begin().run_to_the_close());
}

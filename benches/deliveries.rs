//! What do pushes and stale notices cost a holder's link, from a hundred reads a write to a hundred writes a read?
//!
//! Bytes of the records, each with 60 for its packet, both ways: pushes, notices, pulls, their answers and the words that
//! something was read. Counted by the cores alone, so every run prints the same figures; no time is measured. The adaptive
//! way is held against the better of the two pure ones.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark stops when something is wrong")]

#[path = "../tests/semantics/rig/mod.rs"]
#[allow(dead_code, reason = "the scenarios use the rest")]
mod rig;
#[path = "../tests/semantics/schedules.rs"]
mod schedules;

use nam::wire::Delivery;

use schedules::{Turn, drawn, play, runs};

/// Reads and writes of one schedule.
const TURNS: usize = 2_020;

/// Shares of writes and reads.
const RATIOS: [(usize, usize); 11] =
    [(1, 100), (1, 30), (1, 10), (1, 3), (1, 1), (2, 1), (3, 1), (5, 1), (10, 1), (30, 1), (100, 1)];

fn row(name: &str, schedule: &[Turn], text_bytes: usize) -> f64 {
    let ways = [Delivery::Push, Delivery::Notice, Delivery::Adaptive];
    let [push, notice, adaptive] = ways.map(|delivery| play(schedule, delivery, text_bytes).bytes as f64);
    let writes = schedule.iter().filter(|turn| **turn == Turn::Write).count() as f64;
    let times = adaptive / push.min(notice);
    let each = [push, notice, adaptive].map(|bytes| bytes / writes);
    println!("{name:<24} {:>9.1} {:>9.1} {:>9.1} {times:>9.2}", each[0], each[1], each[2]);
    times
}

fn main() {
    let mut worst: f64 = 0.0;
    for text_bytes in [0, 1_000] {
        println!("\na change of {} bytes: bytes a write on the holder's link", 10 + text_bytes);
        println!("{:<24} {:>9} {:>9} {:>9} {:>9}", "writes : reads", "push", "notice", "adaptive", "× better");
        for (writes, reads) in RATIOS {
            let even = row(&format!("{writes}:{reads}"), &runs(writes, reads, TURNS), text_bytes);
            let mixed = row(&format!("{writes}:{reads}, drawn"), &drawn(writes, reads, TURNS), text_bytes);
            worst = worst.max(even).max(mixed);
        }
    }
    let verdict = if worst <= 2.0 { "within" } else { "OVER" };
    println!("\nat most {worst:.2} × the better pure way, allowed are 2.00: {verdict}");
}

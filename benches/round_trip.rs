//! How long until another node sees a commit, beside a bare quinn echo of the same size and pacing; and what does the
//! change cost in UDP bytes?
//!
//! The relay between the two is the same path without cores (writer → daemon → holder, and the result back): what it costs
//! more than an echo is the second connection, and what nodes cost more than it is nam. Bytes are counted at the nodes,
//! every packet of both links both ways. `cargo demo` measures the same between processes and checks the count against
//! the interface's own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod table;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use parties::bare::{Echo, Relayed};
use parties::nodes::Nodes;
use table::{Budget, Samples};

/// Changes measured at a time, before the others have their turn.
const ROUNDS: u64 = 50;

const TURNS: usize = 20;

fn round_trips(_: &mut Criterion) {
    table::title("from a commit until another node sees it");
    for (name, pause) in [("back to back", Duration::ZERO), ("every 2 ms", Duration::from_millis(2))] {
        let (mut echo, mut relayed, mut nodes) = (Echo::start(), Relayed::start(), Nodes::start());
        let [mut echoed, mut passed_on, mut committed, mut visible] = Samples::several();
        for _ in 0..TURNS {
            echo.run(ROUNDS, pause, &mut echoed);
            relayed.run(ROUNDS, 1, pause, &mut passed_on);
            nodes.run(ROUNDS, 1, pause, &mut committed, &mut visible);
        }
        let beside = Some(("an echo", echoed.p50()));
        table::time(&format!("visible, {name}"), visible.p50(), beside, Budget::Times(3.0));
        table::time(&format!("acknowledged, {name}"), committed.p50(), beside, Budget::None);
        table::time(&format!("passed on by a relay, {name}"), passed_on.p50(), beside, Budget::None);
    }
}

fn bytes_of_a_change(_: &mut Criterion) {
    table::title("UDP bytes of a change: writer's link and one holder's, both ways");
    let pacings = [
        ("alone, back to back", 2_000, 1, Duration::ZERO, 220.0),
        ("alone, every 5 ms", 300, 1, Duration::from_millis(5), 220.0),
        ("ten at once, back to back", 300, 10, Duration::ZERO, 64.0),
        ("ten at once, every 5 ms", 100, 10, Duration::from_millis(5), 64.0),
    ];
    let (mut nodes, mut relayed) = (Nodes::start(), Relayed::start());
    for (name, rounds, burst, pause, most) in pacings {
        let (writer, holder) = nodes.bytes(rounds, burst, pause);
        let (relayed_writer, relayed_holder) = relayed.bytes(rounds, burst, pause);
        let beside = format!("writer {writer:.1}, holder {holder:.1}; relay {:.1}", relayed_writer + relayed_holder);
        let sum = writer + holder;
        table::row(name, &format!("{sum:.1} B"), &beside, &format!("≤ {most:.0} B"), sum <= most);
    }
}

criterion_group!(benches, round_trips, bytes_of_a_change);
criterion_main!(benches);

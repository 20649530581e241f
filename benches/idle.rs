//! What does a node that does nothing cost the daemon, in memory?
//!
//! A thousand nodes connect to a daemon process and are left alone; the daemon's resident memory is read before and after,
//! then again when each holds one small object, the same one. Divided by the number of nodes, everything is in it: quinn,
//! TLS, tasks, core. What the document costs is counted by `tests/memory`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark stops when something is wrong")]

#[path = "light/mod.rs"]
mod light;
mod parties;
mod table;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use light::LightNode;
use nam::client::Node;
use parties::{Desk, one_thread};

const NODES: u64 = 1_000;

/// Seconds that nodes stay connected before the memory is read: keep-alives go, caches settle.
const SETTLE: Duration = Duration::from_secs(3);

/// Bytes of a page of memory.
const PAGE_BYTES: u64 = 4_096;

/// A daemon process, ended when dropped.
struct Daemon {
    child: Child,
    /// Held, so that the daemon may go on printing.
    _lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Daemon {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nam"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line =
            lines.by_ref().find_map(|line| line.unwrap().trim().strip_prefix("listening").map(str::to_owned)).unwrap();
        let address = line.split_whitespace().next().unwrap().to_owned();
        Self { child, _lines: lines, address }
    }

    fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * PAGE_BYTES
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn idle(_: &mut Criterion) {
    let (daemon, runtime) = (Daemon::start(), one_thread());
    runtime.block_on(async {
        let creator = Node::connect([&daemon.address]).await.unwrap();
        creator.create("desk", Desk::new(10, 20)).await.unwrap();
        let before = daemon.resident_bytes();
        let mut nodes = Vec::new();
        for id in 0..NODES {
            nodes.push(LightNode::connect(&daemon.address, id + 1).await);
        }
        tokio::time::sleep(SETTLE).await;
        let connected = daemon.resident_bytes();
        for node in &mut nodes {
            node.open::<Desk>("desk").await;
        }
        tokio::time::sleep(SETTLE).await;
        let holding = daemon.resident_bytes();
        table::title("memory of the daemon a node that does nothing");
        for (what, bytes) in [("connected", connected), ("holding one object", holding)] {
            let kilobytes = (bytes - before) as f64 / NODES as f64 / 1e3;
            table::row(what, &format!("{kilobytes:.1} kB"), "", "≤ 40 kB", kilobytes <= 40.0);
        }
    });
}

criterion_group!(benches, idle);
criterion_main!(benches);

//! A daemon is killed again and again while nodes write; what they were told is kept outside and held against the end.
//!
//! `NAM_ROUNDS` is how often it is killed. The system survives, and with it what was written and not synced: what a
//! power loss takes is not shown here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nam::Tracked;
use nam::client::{Node, Object};
use tokio::sync::watch;

use crate::dice::Dice;
use crate::scratch::Scratch;

pub(crate) const NODES: u64 = 4;
const ROUNDS: u64 = 50;

/// What all nodes write.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "recovery.Ledger")]
pub(crate) struct Ledger {
    #[nam(add)]
    pub(crate) total: u64,
    pub(crate) last: BTreeMap<u64, u64>,
    pub(crate) lines: Vec<String>,
}

/// A daemon process; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
    /// Its further lines go here; it must not find the pipe closed.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    pub(crate) fn start(listen: &str, data: &Path) -> Self {
        Self::start_with(listen, data, &[])
    }

    pub(crate) fn start_with(listen: &str, data: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nam"));
        command
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("listening  ").and_then(|line| line.split(' ').next()).unwrap().to_owned();
        Self { child, address, _lines: lines }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a node was told, and what all of them were told together.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) updates: AtomicU64,
    pub(crate) is_over: AtomicBool,
}

/// Updates until it is over; answers how many were acknowledged.
pub(crate) async fn write(ledger: Object<Ledger>, me: u64, told: Arc<Told>, progress: Arc<watch::Sender<u64>>) -> u64 {
    let mut mine = 0;
    while !told.is_over.load(Ordering::Relaxed) {
        let update = ledger.update(|ledger| {
            ledger.total_mut().add(1);
            ledger.last_mut().insert(me, mine + 1);
            if mine % 16 == 0 {
                ledger.lines_mut().push(format!("{me}:{mine}"));
            }
            Ok::<_, Infallible>(())
        });
        match update.await {
            Ok(_) => {
                mine += 1;
                progress.send_replace(told.updates.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Err(error) => panic!("node {me} waits until the daemon is back, it does not give up: {error}"),
        }
    }
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_done_twice_when_the_daemon_is_killed() {
    let rounds = std::env::var("NAM_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let (scratch, mut dice) = (Scratch::new("kill"), Dice::new(7));
    let mut daemon = Daemon::start("127.0.0.1:0", &scratch.0);
    let (told, (progress, mut seen)) = (Arc::new(Told::default()), watch::channel(0));
    let progress = Arc::new(progress);
    let (mut nodes, mut writers) = (Vec::new(), Vec::new());
    for me in 0..NODES {
        let node = Node::connect([daemon.address.clone()]).await.unwrap();
        let ledger = node.open_or_create("ledger", Ledger::default).await.unwrap();
        writers.push(tokio::spawn(write(ledger, me, Arc::clone(&told), Arc::clone(&progress))));
        nodes.push(node);
    }
    for _ in 0..rounds {
        let next = told.updates.load(Ordering::Relaxed) + 1 + dice.below(60);
        seen.wait_for(|updates| *updates >= next).await.unwrap();
        let address = daemon.address.clone();
        drop(daemon);
        daemon = Daemon::start(&address, &scratch.0);
    }
    told.is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for (me, writer) in (0..).zip(writers) {
        acknowledged.insert(me, writer.await.unwrap());
    }
    println!("{rounds} rounds, acknowledged {acknowledged:?}");
    let reader = Node::connect([daemon.address.clone()]).await.unwrap();
    let ledger = reader.open::<Ledger>("ledger").await.unwrap().read().await.unwrap();
    assert_eq!(ledger.total, acknowledged.values().sum::<u64>(), "each update counts once");
    assert_eq!(ledger.last, acknowledged, "the last that each node was told is there");
    let lines = acknowledged.iter().flat_map(|(me, mine)| (0..*mine).step_by(16).map(move |n| format!("{me}:{n}")));
    let (mut expected, mut lines_there): (Vec<String>, Vec<String>) = (lines.collect(), ledger.lines.clone());
    expected.sort();
    lines_there.sort();
    assert_eq!(lines_there, expected, "no line is missing, none is there twice");
}

//! A daemon is killed again and again while nodes write; what they were told is kept outside and held against the end.
//!
//! `NAM_ROUNDS` is how often it is killed. The system survives, and with it what was written and not synced: what a
//! power loss takes is not shown here.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nam::client::Node;

use crate::dice::Dice;
use crate::ledger::{Ledger, Load};
use crate::scratch::Scratch;

const ROUNDS: u64 = 50;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_done_twice_when_the_daemon_is_killed() {
    let rounds = std::env::var("NAM_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let (scratch, mut dice) = (Scratch::new("kill"), Dice::new(7));
    let mut daemon = Daemon::start("127.0.0.1:0", &scratch.0);
    let mut load = Load::start(&daemon.address).await;
    for _ in 0..rounds {
        load.reach(load.updates() + 1 + dice.below(60)).await;
        let address = daemon.address.clone();
        drop(daemon);
        daemon = Daemon::start(&address, &scratch.0);
    }
    let acknowledged = load.end().await;
    println!("{rounds} rounds, acknowledged {acknowledged:?}");
    let reader = Node::connect([daemon.address.clone()]).await.unwrap();
    let ledger = reader.open::<Ledger>("ledger").await.unwrap().read().await.unwrap();
    assert_eq!(ledger.last, acknowledged, "the last that each node was told is there");
    ledger.check();
}

//! A daemon, a node that changes an object, and a node that watches it.

use std::thread;
use std::time::{Duration, Instant};

use nam::client::{Change, Node, Object};
use nam::ids::Version;
use nam::server::{Server, ServerConfig};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::{Desk, one_thread, reprice};
use crate::table::Samples;

/// Two nodes and a daemon; the second node's watcher, on a thread of its own, tells when it sees each version.
pub(crate) struct Nodes {
    pub(crate) runtime: Runtime,
    /// The daemon's.
    pub(crate) address: String,
    /// The daemon, if it is not another's.
    _server: Option<Server>,
    pub(crate) writer: Node,
    pub(crate) holder: Node,
    pub(crate) desk: Object<Desk>,
    seen: UnboundedReceiver<(Instant, Version)>,
    /// Rises with each change: a price that stays would be no change, and nobody would see it.
    price: f64,
}

impl Nodes {
    pub(crate) fn start() -> Self {
        let server = Server::start(&ServerConfig::default()).unwrap();
        let nodes = Self::of(server.addresses()[0].to_string());
        Self { _server: Some(server), ..nodes }
    }

    /// Two nodes of the daemon at `address`.
    pub(crate) fn of(address: String) -> Self {
        let runtime = one_thread();
        let (writer, holder, desk, there) = runtime.block_on(async {
            let writer = Node::connect([&address]).await.unwrap();
            let holder = Node::connect([&address]).await.unwrap();
            let desk = writer.create("desk", Desk::new(1_000, 20)).await.unwrap();
            let there = holder.open::<Desk>("desk").await.unwrap();
            (writer, holder, desk, there)
        });
        let (saw, seen) = unbounded_channel();
        let mut changes = there.watch();
        thread::spawn(move || {
            one_thread().block_on(async move {
                while let Change::Applied { version, .. } = changes.next().await {
                    there.peek_with(|_| ()).unwrap();
                    if saw.send((Instant::now(), version)).is_err() {
                        return;
                    }
                }
            });
        });
        Self { runtime, _server: None, address, writer, holder, desk, seen, price: 0.0 }
    }

    /// Changes the prices of `burst` instruments by as many concurrent updates, `rounds` times: the times from the call
    /// until all are acknowledged, and until the holder sees the last of them.
    pub(crate) fn run(
        &mut self,
        rounds: u64,
        burst: usize,
        pause: Duration,
        commit: &mut Samples,
        visible: &mut Samples,
    ) {
        let Self { runtime, desk, seen, price, .. } = self;
        runtime.block_on(async {
            for round in 0..rounds {
                let start = Instant::now();
                let mut last = Version(0);
                let mut updates = JoinSet::new();
                for instrument in 0..burst {
                    let desk = desk.clone();
                    let place = (round as usize * 31 + instrument) % 1_000;
                    *price += 0.25;
                    let price = *price;
                    updates.spawn(async move { reprice(&desk, place, price).await });
                }
                while let Some(version) = updates.join_next().await {
                    last = last.max(version.unwrap());
                }
                commit.add(start.elapsed());
                loop {
                    let (at, version) = seen.recv().await.unwrap();
                    if version >= last {
                        visible.add(at - start);
                        break;
                    }
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }

    /// The UDP bytes of a change: the writer's link and the holder's, both ways.
    pub(crate) fn bytes(&mut self, rounds: u64, burst: usize, pause: Duration) -> (f64, f64) {
        let [mut commit, mut visible] = Samples::several();
        self.run(50, 1, Duration::from_millis(1), &mut commit, &mut visible);
        let before = (self.writer.traffic().bytes(), self.holder.traffic().bytes());
        self.run(rounds, burst, pause, &mut commit, &mut visible);
        let changes = rounds as f64 * burst as f64;
        let writer = (self.writer.traffic().bytes() - before.0) as f64 / changes;
        (writer, (self.holder.traffic().bytes() - before.1) as f64 / changes)
    }
}

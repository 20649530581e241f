//! How fast does one change reach a thousand nodes, beside bare QUIC that carries the same bytes to as many?
//!
//! One writer; a thousand holders on one thread, each a core and a slot behind a link of its own, that want every change
//! pushed: left to themselves, those whose word of a read comes later than the next change are told once, and pull. Bare
//! means: the same settings, sockets and pacing, the writer's bytes answered and passed on by a server that only writes. In
//! step: the next change starts when every holder has the last one; ahead: when all but eight have been delivered.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark stops when something is wrong")]

#[path = "light/mod.rs"]
mod light;
mod parties;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::{Node, Object};
use nam::server::{Server, ServerConfig};
use nam::transport::{Dialer, Listener};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use light::LightNode;
use parties::{COMMIT_BYTES, DELTA_BYTES, Desk, RESULT_BYTES, daemon, one_thread, reprice};

/// Holders of the object.
const NODES: u64 = 1_000;

/// Changes measured at a time, before the other side has its turn.
const CHANGES: u64 = 20;

/// Turns of each side.
const TURNS: usize = 9;

/// Counts deliveries.
#[derive(Default)]
struct Delivered {
    count: AtomicU64,
    more: Notify,
}

impl Delivered {
    fn add(&self, deliveries: u64) {
        let before = self.count.fetch_add(deliveries, Ordering::Relaxed);
        if before / NODES != (before + deliveries) / NODES {
            self.more.notify_one();
        }
    }

    async fn reaches(&self, count: u64) {
        while self.count.load(Ordering::Relaxed) < count {
            self.more.notified().await;
        }
    }
}

/// A daemon, a writer, and holders that count the versions they see.
struct Nodes {
    desk: Object<Desk>,
    delivered: Arc<Delivered>,
    changes: u64,
    _writer: Node,
    _server: Server,
}

impl Nodes {
    async fn start() -> Self {
        let server = Server::start(&ServerConfig::default()).unwrap();
        let address = server.addresses()[0].to_string();
        let writer = Node::connect([&address]).await.unwrap();
        let desk = writer.create("desk", Desk::new(10, 20)).await.unwrap();
        let delivered = Arc::new(Delivered::default());
        for id in 0..NODES {
            let mut node = LightNode::connect(&address, id + 1).await;
            let slot = node.open::<Desk>("desk").await;
            let mut seen = slot.current().unwrap().version().0;
            let delivered = Arc::clone(&delivered);
            tokio::spawn(async move {
                loop {
                    node.turn().await;
                    let version = slot.current().map_or(seen, |desk| desk.version().0);
                    delivered.add(version - seen);
                    seen = version;
                }
            });
        }
        Self { desk, delivered, changes: 0, _writer: writer, _server: server }
    }

    async fn run(&mut self, ahead: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..CHANGES {
            self.changes += 1;
            reprice(&self.desk, 3, self.changes as f64).await;
            self.delivered.reaches(self.changes.saturating_sub(ahead) * NODES).await;
        }
        self.delivered.reaches(self.changes * NODES).await;
        begun.elapsed()
    }
}

/// The same with bare streams.
struct Bare {
    writer: (quinn::SendStream, quinn::RecvStream),
    delivered: Arc<Delivered>,
    changes: u64,
    _connection: quinn::Connection,
}

impl Bare {
    async fn start() -> Self {
        let address = daemon(async |listener: Listener| {
            let connection = listener.accept().await.unwrap().connection().await.unwrap();
            let (mut answers, mut commits) = connection.accept_bi().await.unwrap();
            commits.read_exact(&mut [0; COMMIT_BYTES]).await.unwrap();
            let mut holders = Vec::new();
            for _ in 0..NODES {
                let holder = listener.accept().await.unwrap().connection().await.unwrap();
                holders.push((holder.open_uni().await.unwrap(), holder));
            }
            loop {
                for (holder, _) in &mut holders {
                    holder.write_all(&[2; DELTA_BYTES]).await.unwrap();
                }
                answers.write_all(&[1; RESULT_BYTES]).await.unwrap();
                if commits.read_exact(&mut [0; COMMIT_BYTES]).await.is_err() {
                    return;
                }
            }
        });
        let connection = Dialer::default().connect(&address).await.unwrap();
        let mut writer = connection.open_bi().await.unwrap();
        writer.0.write_all(&[0; COMMIT_BYTES]).await.unwrap();
        let delivered = Arc::new(Delivered::default());
        for _ in 0..NODES {
            let holder = Dialer::default().connect(&address).await.unwrap();
            let delivered = Arc::clone(&delivered);
            tokio::spawn(async move {
                let mut deltas = holder.accept_uni().await.unwrap();
                let mut rest = 0;
                while let Ok(Some(piece)) = deltas.read_chunk(usize::MAX, true).await {
                    rest += piece.bytes.len();
                    delivered.add((rest / DELTA_BYTES) as u64);
                    rest %= DELTA_BYTES;
                }
            });
        }
        writer.1.read_exact(&mut [0; RESULT_BYTES]).await.unwrap();
        delivered.reaches(NODES).await;
        Self { writer, delivered, changes: 1, _connection: connection }
    }

    async fn run(&mut self, ahead: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..CHANGES {
            self.changes += 1;
            self.writer.0.write_all(&[0; COMMIT_BYTES]).await.unwrap();
            self.writer.1.read_exact(&mut [0; RESULT_BYTES]).await.unwrap();
            self.delivered.reaches(self.changes.saturating_sub(ahead) * NODES).await;
        }
        self.delivered.reaches(self.changes * NODES).await;
        begun.elapsed()
    }
}

fn measure(runtime: &Runtime, nodes: &mut Nodes, bare: &mut Bare, what: &str, ahead: u64) {
    let mut a_second = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        let took = [runtime.block_on(nodes.run(ahead)), runtime.block_on(bare.run(ahead))];
        for (figures, took) in a_second.iter_mut().zip(took) {
            figures.push((CHANGES * NODES) as f64 / took.as_secs_f64());
        }
    }
    let [ours, theirs] = a_second.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    });
    let beside = format!("{:.2} of bare ({theirs:.0} a second)", ours / theirs);
    table::row(what, &format!("{ours:.0}"), &beside, "≥ 0.8", ours >= 0.8 * theirs);
}

fn fan_out(_: &mut Criterion) {
    let runtime = one_thread();
    let mut nodes = runtime.block_on(Nodes::start());
    let mut bare = runtime.block_on(Bare::start());
    table::title("deliveries a second to 1,000 nodes");
    measure(&runtime, &mut nodes, &mut bare, "one change at a time", 0);
    measure(&runtime, &mut nodes, &mut bare, "up to eight changes ahead", 8);
}

criterion_group!(benches, fan_out);
criterion_main!(benches);

//! What does a change cost beyond bare QUIC? From commit to visible on another node beside a bare echo, and beside a relay
//! without cores (writer → daemon → holder, and the result back); 15 MB opened by a node beside 15 MB in segments and on
//! one bare stream; updates a second of one hot object; and, printed, the UDP bytes of one small change, alone and in a
//! burst of ten.
//!
//! Each party has a thread and a runtime of its own, as a process has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nam::Tracked;
use nam::client::{Change, Node, Object};
use nam::ids::Version;
use nam::server::{Server, ServerConfig};
use nam::transport::{Dialer, Identity, Link, Listener, ResetSecret, TrafficCounts};
use nam::wire::{Arrival, Inlet, Outlet};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

/// Bytes of a commit of one f64 in a map entry, of its result, and of the delta that others get.
const COMMIT_BYTES: usize = 26;
const RESULT_BYTES: usize = 3;
const DELTA_BYTES: usize = 22;

/// Bytes of the echo that a change is compared with.
const ECHO_BYTES: usize = 26;

/// Bytes of a large transfer, and of one segment of it.
const BULK_BYTES: usize = 15 << 20;
const SEGMENT_BYTES: usize = 256 << 10;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a daemon on a thread of its own and gives its address.
fn daemon<F: Future<Output = ()>>(serve: impl FnOnce(Listener) -> F + Send + 'static) -> String {
    let (address, its_address) = mpsc::channel();
    thread::spawn(move || {
        one_thread().block_on(async move {
            let identity = Identity::development().unwrap();
            let secret = ResetSecret::random().unwrap();
            let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &identity, None, &secret).unwrap();
            address.send(listener.address().to_string()).unwrap();
            serve(listener).await;
        });
    });
    its_address.recv().unwrap()
}

/// A link that counts the bytes of records.
struct Counted {
    link: Link,
    surplus: usize,
}

impl Counted {
    async fn dial(address: &str) -> Self {
        Self { link: Dialer::default().dial(address).await.unwrap(), surplus: 0 }
    }

    /// Reads so many bytes of records; false if the link ended.
    async fn read(&mut self, bytes: usize) -> bool {
        while self.surplus < bytes {
            let Arrival::Records(piece) = self.link.inlet.next().await else { return false };
            self.surplus += piece.len();
        }
        self.surplus -= bytes;
        true
    }
}

/// Answers each commit of the first node and passes it on to the second.
async fn relay(listener: Listener) {
    let mut writer = listener.accept().await.unwrap().link().await.unwrap();
    let mut holder = listener.accept().await.unwrap().link().await.unwrap();
    let mut bytes = 0;
    while let Arrival::Records(piece) = writer.inlet.next().await {
        bytes += piece.len();
        let commits = bytes / COMMIT_BYTES;
        bytes %= COMMIT_BYTES;
        holder.outlet.send_records(&mut vec![2; commits * DELTA_BYTES]);
        writer.outlet.send_records(&mut vec![1; commits * RESULT_BYTES]);
    }
}

/// A writer, and a holder on another thread that tells when it has each delta and what its link has cost.
struct Relayed {
    runtime: Runtime,
    writer: Counted,
    seen: UnboundedReceiver<(Instant, TrafficCounts)>,
}

impl Relayed {
    fn start() -> Self {
        let address = daemon(relay);
        let runtime = one_thread();
        let mut writer = runtime.block_on(Counted::dial(&address));
        writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
        let (saw, seen) = unbounded_channel();
        thread::spawn(move || {
            one_thread().block_on(async move {
                let mut holder = Counted::dial(&address).await;
                holder.link.outlet.send_records(&mut vec![0; 1]);
                while holder.read(DELTA_BYTES).await {
                    if saw.send((Instant::now(), holder.link.traffic.counts())).is_err() {
                        return;
                    }
                }
            });
        });
        let mut relayed = Self { runtime, writer, seen };
        relayed.runtime.block_on(async {
            relayed.writer.read(RESULT_BYTES).await;
            relayed.seen.recv().await.unwrap();
        });
        relayed
    }

    /// Commits `burst` changes at once, `rounds` times; each round ends when the holder and the writer know. The time
    /// from the commit until the holder sees the last of them.
    fn run(&mut self, rounds: u64, burst: usize, pause: Duration) -> Duration {
        let Self { runtime, writer, seen } = self;
        runtime.block_on(async {
            let mut busy = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                for _ in 0..burst {
                    writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
                }
                for change in 0..burst {
                    let (visible, _) = seen.recv().await.unwrap();
                    busy += if change + 1 == burst { visible - start } else { Duration::ZERO };
                }
                writer.read(burst * RESULT_BYTES).await;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            busy
        })
    }

    /// Prints the UDP bytes of a change, both links, both ways.
    fn print_bytes(&mut self, name: &str, rounds: u64, burst: usize, pause: Duration) {
        self.run(50, 1, Duration::from_millis(1));
        let (writer, holder) = (self.writer.link.traffic.counts().bytes(), self.holder_bytes());
        self.run(rounds, burst, pause);
        let (writer, holder) = (self.writer.link.traffic.counts().bytes() - writer, self.holder_bytes() - holder);
        let changes = rounds as f64 * burst as f64;
        let (writer, holder) = (writer as f64 / changes, holder as f64 / changes);
        println!("UDP bytes a change, {name}: {:.1} (writer {writer:.1}, holder {holder:.1})", writer + holder);
    }

    /// What the holder's link has cost after one more change.
    fn holder_bytes(&mut self) -> u64 {
        let Self { runtime, writer, seen } = self;
        runtime.block_on(async {
            writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
            writer.read(RESULT_BYTES).await;
            seen.recv().await.unwrap().1.bytes()
        })
    }
}

/// A bare stream whose other end sends back what comes.
struct Echo {
    runtime: Runtime,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    _connection: quinn::Connection,
}

impl Echo {
    fn start() -> Self {
        let address = daemon(async |listener: Listener| {
            let connection = listener.accept().await.unwrap().connection().await.unwrap();
            let (mut send, mut receive) = connection.accept_bi().await.unwrap();
            let mut bytes = [0; 1_024];
            while let Ok(Some(count)) = receive.read(&mut bytes).await {
                send.write_all(&bytes[..count]).await.unwrap();
            }
        });
        let runtime = one_thread();
        let (connection, (send, receive)) = runtime.block_on(async {
            let connection = Dialer::default().connect(&address).await.unwrap();
            let streams = connection.open_bi().await.unwrap();
            (connection, streams)
        });
        Self { runtime, send, receive, _connection: connection }
    }

    fn run(&mut self, rounds: u64, pause: Duration) -> Duration {
        let Self { runtime, send, receive, .. } = self;
        runtime.block_on(async {
            let mut bytes = [0; ECHO_BYTES];
            let mut busy = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                send.write_all(&bytes).await.unwrap();
                receive.read_exact(&mut bytes).await.unwrap();
                busy += start.elapsed();
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            busy
        })
    }
}

/// What the nodes share.
#[derive(Tracked, Clone, Debug, Default)]
#[nam(name = "bench.Desk")]
struct Desk {
    instruments: BTreeMap<String, Instrument>,
}

/// One of many entries.
#[derive(Tracked, Clone, Debug, Default)]
struct Instrument {
    price: f64,
    note: String,
}

impl Desk {
    fn new(instruments: usize, note_bytes: usize) -> Self {
        let instrument = |i| (name(i), Instrument { price: 0.0, note: "x".repeat(note_bytes) });
        Self { instruments: (0..instruments).map(instrument).collect() }
    }
}

fn name(instrument: usize) -> String {
    format!("I{instrument:07}")
}

/// Two nodes and a daemon; the second node's watcher, on a thread of its own, tells when it sees each version.
struct Nodes {
    runtime: Runtime,
    writer: Node,
    holder: Node,
    desk: Object<Desk>,
    seen: UnboundedReceiver<(Instant, Version)>,
    server: Server,
    /// Rises with each change: a price that stays would be no change, and nobody would see it.
    price: f64,
}

impl Nodes {
    fn start() -> Self {
        let runtime = one_thread();
        let server = Server::start(&ServerConfig::default()).unwrap();
        let address = server.addresses()[0].to_string();
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
        Self { runtime, writer, holder, desk, seen, server, price: 0.0 }
    }

    /// Changes the prices of `burst` instruments by as many concurrent updates, `rounds` times; the time from the call
    /// until the holder sees the last of them.
    fn run(&mut self, rounds: u64, burst: usize, pause: Duration) -> Duration {
        let Self { runtime, desk, seen, price, .. } = self;
        runtime.block_on(async {
            let mut busy = Duration::ZERO;
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
                loop {
                    let (visible, version) = seen.recv().await.unwrap();
                    if version >= last {
                        busy += visible - start;
                        break;
                    }
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            busy
        })
    }

    fn print_bytes(&mut self, name: &str, rounds: u64, burst: usize, pause: Duration) {
        self.run(50, 1, Duration::from_millis(1));
        let before = (self.writer.traffic().bytes(), self.holder.traffic().bytes());
        self.run(rounds, burst, pause);
        let changes = rounds as f64 * burst as f64;
        let writer = (self.writer.traffic().bytes() - before.0) as f64 / changes;
        let holder = (self.holder.traffic().bytes() - before.1) as f64 / changes;
        println!("UDP bytes a change, nodes, {name}: {:.1} (writer {writer:.1}, holder {holder:.1})", writer + holder);
    }

    /// `count` updates of one object by 64 tasks.
    fn hammer(&mut self, count: u64) -> Duration {
        let Self { runtime, desk, .. } = self;
        let start = Instant::now();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..64_u64 {
                let desk = desk.clone();
                let share = count / 64 + u64::from(task < count % 64);
                tasks.spawn(async move {
                    for update in 0..share {
                        reprice(&desk, task as usize, update as f64 + 0.125).await;
                    }
                });
            }
            while tasks.join_next().await.is_some() {}
        });
        start.elapsed()
    }
}

async fn reprice(desk: &Object<Desk>, instrument: usize, price: f64) -> Version {
    let key = name(instrument);
    let done = desk.update(|desk| match desk.instruments_mut().get_mut(key.as_str()) {
        Some(mut instrument) => {
            *instrument.price_mut() = price;
            Ok(())
        }
        None => Err("no such instrument"),
    });
    done.await.unwrap().version
}

fn round_trips(c: &mut Criterion) {
    for (name, pause) in [("back to back", Duration::ZERO), ("every 2 ms", Duration::from_millis(2))] {
        let mut group = c.benchmark_group(format!("round trip, {name}"));
        // Each starts with its first round, so that no connection is silent while others are measured.
        let (mut echo, mut relayed, mut nodes) = (None, None, None);
        group.bench_function("bare echo", |b| {
            let echo = echo.get_or_insert_with(Echo::start);
            b.iter_custom(|rounds| echo.run(rounds, pause));
        });
        group.bench_function("commit to visible, relayed", |b| {
            let relayed = relayed.get_or_insert_with(Relayed::start);
            b.iter_custom(|rounds| relayed.run(rounds, 1, pause));
        });
        group.bench_function("commit to visible, nodes", |b| {
            let nodes = nodes.get_or_insert_with(Nodes::start);
            b.iter_custom(|rounds| nodes.run(rounds, 1, pause));
        });
    }
}

fn bytes_of_a_change(_: &mut Criterion) {
    let mut relayed = Relayed::start();
    relayed.print_bytes("alone, back to back", 2_000, 1, Duration::ZERO);
    relayed.print_bytes("alone, every 5 ms", 300, 1, Duration::from_millis(5));
    relayed.print_bytes("ten at once", 300, 10, Duration::ZERO);
    relayed.print_bytes("ten at once, every 5 ms", 100, 10, Duration::from_millis(5));
}

fn bytes_of_a_nodes_change(_: &mut Criterion) {
    let mut nodes = Nodes::start();
    nodes.print_bytes("alone, back to back", 2_000, 1, Duration::ZERO);
    nodes.print_bytes("alone, every 5 ms", 300, 1, Duration::from_millis(5));
    nodes.print_bytes("ten at once", 300, 10, Duration::ZERO);
    nodes.print_bytes("ten at once, every 5 ms", 100, 10, Duration::from_millis(5));
    println!("all links of the daemon: {:?}", nodes.server.stats().total);
}

fn hot_object(c: &mut Criterion) {
    let mut group = c.benchmark_group("one hot object, 64 tasks on one node");
    group.throughput(Throughput::Elements(1));
    let mut nodes = None;
    group.bench_function("update", |b| {
        let nodes = nodes.get_or_insert_with(Nodes::start);
        b.iter_custom(|count| nodes.hammer(count));
    });
}

/// Opens an object of 15 MB on a fresh node each time.
fn cold_open(c: &mut Criterion) {
    let mut group = c.benchmark_group("15 MB");
    group.sample_size(10);
    let mut served = None;
    group.bench_function("opened by a node", |b| {
        let (server, runtime, _writer) = served.get_or_insert_with(|| {
            let server = Server::start(&ServerConfig::default()).unwrap();
            let runtime = one_thread();
            let writer = runtime.block_on(async {
                let writer = Node::connect([server.addresses()[0].to_string()]).await.unwrap();
                writer.create("large", Desk::new(30_000, 500)).await.unwrap();
                writer
            });
            (server, runtime, writer)
        });
        b.iter_custom(|rounds| {
            let mut busy = Duration::ZERO;
            for _ in 0..rounds {
                runtime.block_on(async {
                    let node = Node::connect([server.addresses()[0].to_string()]).await.unwrap();
                    let start = Instant::now();
                    node.open::<Desk>("large").await.unwrap();
                    busy += start.elapsed();
                    node.close().await.unwrap();
                });
            }
            busy
        });
    });
}

/// A node that asks for 15 MB by one byte of record and takes them in segments.
struct Segments {
    runtime: Runtime,
    node: Counted,
}

impl Segments {
    fn start() -> Self {
        let address = daemon(async |listener: Listener| {
            let mut node = listener.accept().await.unwrap().link().await.unwrap();
            let segment = Bytes::from(vec![7; SEGMENT_BYTES]);
            while let Arrival::Records(asked) = node.inlet.next().await {
                for _ in 0..asked.len() * (BULK_BYTES / SEGMENT_BYTES) {
                    node.outlet.send_segment(segment.clone());
                }
            }
        });
        let runtime = one_thread();
        let node = runtime.block_on(Counted::dial(&address));
        Self { runtime, node }
    }

    fn take(&mut self) {
        self.runtime.block_on(async {
            self.node.link.outlet.send_records(&mut vec![1]);
            for _ in 0..BULK_BYTES / SEGMENT_BYTES {
                let Arrival::Segment(segment) = self.node.link.inlet.next().await else { panic!("no segment") };
                assert_eq!(segment.len(), SEGMENT_BYTES);
            }
        });
    }
}

/// The same over bare QUIC, on one stream.
struct Bare {
    runtime: Runtime,
    connection: quinn::Connection,
    ask: quinn::SendStream,
}

impl Bare {
    fn start() -> Self {
        let address = daemon(async |listener: Listener| {
            let connection = listener.accept().await.unwrap().connection().await.unwrap();
            let (_send, mut asks) = connection.accept_bi().await.unwrap();
            let bytes = Bytes::from(vec![7; BULK_BYTES]);
            while let Ok(Some(_)) = asks.read_chunk(1, true).await {
                connection.open_uni().await.unwrap().write_chunk(bytes.clone()).await.unwrap();
            }
        });
        let runtime = one_thread();
        let connection = runtime.block_on(Dialer::default().connect(&address)).unwrap();
        let (ask, _) = runtime.block_on(connection.open_bi()).unwrap();
        Self { runtime, connection, ask }
    }

    fn take(&mut self) {
        self.runtime.block_on(async {
            self.ask.write_all(&[1]).await.unwrap();
            let bytes = self.connection.accept_uni().await.unwrap().read_to_end(BULK_BYTES).await.unwrap();
            assert_eq!(bytes.len(), BULK_BYTES);
        });
    }
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("15 MB");
    group.sample_size(20);
    let (mut segments, mut bare) = (None, None);
    group.bench_function("in segments", |b| {
        let segments = segments.get_or_insert_with(Segments::start);
        b.iter(|| segments.take());
    });
    group.bench_function("on one bare stream", |b| {
        let bare = bare.get_or_insert_with(Bare::start);
        b.iter(|| bare.take());
    });
}

criterion_group!(benches, bytes_of_a_change, bytes_of_a_nodes_change, round_trips, hot_object, bulk, cold_open);
criterion_main!(benches);

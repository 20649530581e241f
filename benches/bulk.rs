//! What do 15 MB cost: opened by a node that has nothing, beside the bare transfer and the decoding of the same bytes;
//! and what do others feel of it, while such objects are opened, and while they are created?
//!
//! The opened object and the bare bytes are each the first large transfer of a fresh connection. A transfer without cores,
//! in segments and warm, stands beside both. What others feel is a node's small commits on another node, without, beside one
//! node that opens (or creates) one object after the other without a pause, and, as the bound that two busy processors
//! set, an echo beside the same done with bare streams, and a relay without cores whose thread sends them itself.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::Node;
use nam::coding::{Reader, Writer};
use nam::server::{Server, ServerConfig};
use nam::tracked::Class;
use nam::transport::Listener;
use nam::wire::{Arrival, Inlet, Outlet};
use tokio::runtime::Runtime;

use parties::bare::{Beside, Counted, Echo, Relayed, serve_bulk, take_bulk};
use parties::nodes::Nodes;
use parties::{Desk, daemon, one_thread};
use table::{Budget, Samples};

/// Bytes of one segment of a transfer without cores.
const SEGMENT_BYTES: usize = 256 << 10;

/// Turns of everything that is taken in turn.
const TURNS: usize = 8;

/// Small changes measured at a time, one every 2 ms.
const ROUNDS: u64 = 100;
const PAUSE: Duration = Duration::from_millis(2);

fn encoded() -> Bytes {
    let mut w = Writer::new();
    Desk::large().encode_root(&mut w);
    w.into_bytes().into()
}

/// A daemon that has the object.
struct Served {
    server: Server,
    runtime: Runtime,
    _creator: Node,
}

impl Served {
    fn start() -> Self {
        let server = Server::start(&ServerConfig::default()).unwrap();
        let runtime = one_thread();
        let creator = runtime.block_on(async {
            let creator = Node::connect([server.addresses()[0].to_string()]).await.unwrap();
            creator.create("large", Desk::large()).await.unwrap();
            creator
        });
        Self { server, runtime, _creator: creator }
    }

    /// Opens it on a fresh node.
    fn open(&self) -> Duration {
        self.runtime.block_on(async {
            let node = Node::connect([self.server.addresses()[0].to_string()]).await.unwrap();
            let start = Instant::now();
            let desk = node.open::<Desk>("large").await.unwrap();
            desk.read().await.unwrap();
            let took = start.elapsed();
            node.close().await.unwrap();
            took
        })
    }
}

/// A daemon that has nothing but the bare bytes.
fn bulk_daemon(bytes: Bytes) -> String {
    daemon(async move |listener: Listener| serve_bulk(listener, bytes).await)
}

/// Takes bare bytes over one fresh connection after the other.
fn taking(address: &str, bytes: usize) -> Busy {
    let address = address.to_owned();
    Busy::with(move |_| {
        let address = address.clone();
        async move {
            take_bulk(&address, bytes).await;
        }
    })
}

/// A node that asks by one byte of record and takes segments, over a link that is warm.
struct Segments {
    runtime: Runtime,
    node: Counted,
    count: usize,
}

impl Segments {
    fn start(bytes: usize) -> Self {
        let count = bytes.div_ceil(SEGMENT_BYTES);
        let address = daemon(async move |listener: Listener| {
            let mut node = listener.accept().await.unwrap().link().await.unwrap();
            let segment = Bytes::from(vec![7; SEGMENT_BYTES]);
            while let Arrival::Records(asked) = node.inlet.next().await {
                for _ in 0..asked.len() * count {
                    node.outlet.send_segment([Bytes::new(), segment.clone()]);
                }
            }
        });
        let runtime = one_thread();
        let node = runtime.block_on(Counted::dial(&address));
        Self { runtime, node, count }
    }

    fn take(&mut self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            self.node.link.outlet.send_records(&mut vec![1]);
            for _ in 0..self.count {
                let Arrival::Segment(segment) = self.node.link.inlet.next().await else { panic!("no segment") };
                assert_eq!(segment.len(), SEGMENT_BYTES);
            }
        });
        start.elapsed()
    }
}

fn cold_open(_: &mut Criterion) {
    let bytes = encoded();
    let served = Served::start();
    let (address, mut segments) = (bulk_daemon(bytes.clone()), Segments::start(bytes.len()));
    let runtime = one_thread();
    let [mut opened, mut transfer, mut decode, mut parts] = Samples::several();
    for _ in 0..TURNS {
        opened.add(served.open());
        transfer.add(runtime.block_on(take_bulk(&address, bytes.len())));
        let start = Instant::now();
        let desk = Desk::decode_root(Reader::new(&bytes)).unwrap();
        decode.add(start.elapsed());
        drop(desk);
        parts.add(segments.take());
    }
    table::title(&format!("{} bytes", bytes.len()));
    let both = transfer.p50() + decode.p50();
    table::time("opened by a node that has nothing", opened.p50(), Some(("raw + decode", both)), Budget::Times(1.0));
    table::time("raw: on one bare stream", transfer.p50(), None, Budget::None);
    table::time("decoded from memory", decode.p50(), None, Budget::None);
    table::time("in segments, without cores, warm", parts.p50(), None, Budget::None);
}

/// Does something large again and again on a thread of its own, until dropped.
struct Busy {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Busy {
    fn with<F: Future<Output = ()>>(again: impl Fn(usize) -> F + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let runtime = one_thread();
            let mut times = 0;
            while !told.load(Ordering::Relaxed) {
                runtime.block_on(again(times));
                times += 1;
            }
            times
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Opens the large object on one fresh node after the other.
fn opening(address: &str) -> Busy {
    let address = address.to_owned();
    Busy::with(move |_| {
        let address = address.clone();
        async move {
            let node = Node::connect([address]).await.unwrap();
            node.open::<Desk>("large").await.unwrap();
            node.close().await.unwrap();
        }
    })
}

/// Creates one large object after the other, and destroys it.
fn creating(address: &str, turn: usize) -> Busy {
    let address = address.to_owned();
    Busy::with(move |times| {
        let address = address.clone();
        async move {
            let node = Node::connect([address]).await.unwrap();
            let key = format!("created {turn} {times}");
            drop(node.create(&key, Desk::large()).await.unwrap());
            node.destroy::<Desk>(&key).await.unwrap();
            node.close().await.unwrap();
        }
    })
}

fn beside_bulk(_: &mut Criterion) {
    let (mut nodes, mut echo) = (Nodes::start(), Echo::start());
    let address = nodes.address.clone();
    let creator = nodes.runtime.block_on(async {
        let creator = Node::connect([&address]).await.unwrap();
        creator.create("large", Desk::large()).await.unwrap();
        creator
    });
    let bytes = encoded();
    let bare = bulk_daemon(bytes.clone());
    let mut relayed = Relayed::with(Beside { bulk: bytes.clone(), ..Beside::default() });
    let [mut commit, mut visible, mut commit_open, mut visible_open, mut commit_new, mut visible_new] =
        Samples::several();
    let [mut echoed, mut echoed_bare, mut passed, mut passed_bare] = Samples::several();
    for turn in 0..TURNS {
        nodes.run(ROUNDS, 1, PAUSE, &mut commit, &mut visible);
        echo.run(ROUNDS, PAUSE, &mut echoed);
        let busy = opening(&address);
        nodes.run(ROUNDS, 1, PAUSE, &mut commit_open, &mut visible_open);
        drop(busy);
        let busy = creating(&address, turn);
        nodes.run(ROUNDS, 1, PAUSE, &mut commit_new, &mut visible_new);
        drop(busy);
        let busy = taking(&bare, bytes.len());
        echo.run(ROUNDS, PAUSE, &mut echoed_bare);
        drop(busy);
        relayed.run(ROUNDS, 1, PAUSE, &mut passed);
        let busy = taking(&relayed.address, bytes.len());
        relayed.run(ROUNDS, 1, PAUSE, &mut passed_bare);
        drop(busy);
    }
    drop(creator);
    table::title("a small change every 2 ms while objects of 15 MB come and go");
    let twice = Budget::Times(2.0);
    let (committed, seen) = (Some(("without", commit.p50())), Some(("without", visible.p50())));
    table::time("acknowledged, while one node opens them", commit_open.p50(), committed, twice);
    table::time("visible, while one node opens them", visible_open.p50(), seen, twice);
    table::time("acknowledged, while one node creates them", commit_new.p50(), committed, twice);
    table::time("visible, while one node creates them", visible_new.p50(), seen, twice);
    let alone = Some(("without", echoed.p50()));
    table::time("an echo, while others take 15 MB on bare streams", echoed_bare.p50(), alone, Budget::None);
    let alone = Some(("without", passed.p50()));
    table::time("relayed by the thread that sends them, no cores", passed_bare.p50(), alone, Budget::None);
}

criterion_group!(benches, cold_open, beside_bulk);
criterion_main!(benches);

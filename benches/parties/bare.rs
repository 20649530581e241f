//! What nodes are compared with: an echo on a bare stream, and a relay that passes records on without looking at them.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nam::transport::{Dialer, Link, Listener, TrafficCounts};
use nam::wire::{Arrival, Inlet, Outlet};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::synced::BYTES as SYNCED_BYTES;
use super::{COMMIT_BYTES, DELTA_BYTES, RESULT_BYTES, daemon, one_thread};
use crate::table::Samples;

/// A link that counts the bytes of records.
pub(crate) struct Counted {
    pub(crate) link: Link,
    surplus: usize,
}

impl Counted {
    pub(crate) async fn dial(address: &str) -> Self {
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

/// Serves `bytes` on one bare stream of each connection, every time it is asked by a byte.
pub(crate) async fn serve_bulk(listener: Listener, bytes: Bytes) {
    loop {
        let connection = listener.accept().await.unwrap().connection().await.unwrap();
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let Ok((_send, mut asks)) = connection.accept_bi().await else { return };
            while let Ok(Some(_)) = asks.read_chunk(1, true).await {
                connection.open_uni().await.unwrap().write_chunk(bytes.clone()).await.unwrap();
            }
        });
    }
}

/// Takes so many bare bytes over a fresh connection.
pub(crate) async fn take_bulk(address: &str, bytes: usize) -> Duration {
    let connection = Dialer::default().connect(address).await.unwrap();
    let (mut ask, _) = connection.open_bi().await.unwrap();
    let start = Instant::now();
    ask.write_all(&[1]).await.unwrap();
    let taken = connection.accept_uni().await.unwrap().read_to_end(bytes).await.unwrap();
    assert_eq!(taken.len(), bytes);
    start.elapsed()
}

/// What the relay's thread does beside relaying.
#[derive(Default)]
pub(crate) struct Beside {
    /// Served to whom takes them.
    pub(crate) bulk: Bytes,
    /// Written and synced, by a thread of its own, before a commit is answered or passed on.
    pub(crate) file: Option<File>,
}

/// A thread that syncs when it is told to, and the way of its answers.
fn syncing(mut file: File) -> (mpsc::Sender<()>, UnboundedReceiver<()>) {
    let (asks, asked) = mpsc::channel();
    let (did, done) = unbounded_channel();
    thread::spawn(move || {
        while asked.recv().is_ok() {
            file.write_all(&[7; SYNCED_BYTES]).unwrap();
            file.sync_data().unwrap();
            let _ = did.send(());
        }
    });
    (asks, done)
}

/// Answers each commit of the first node and passes it on to the second.
async fn relay(listener: Listener, beside: Beside) {
    let mut writer = listener.accept().await.unwrap().link().await.unwrap();
    let mut holder = listener.accept().await.unwrap().link().await.unwrap();
    tokio::spawn(serve_bulk(listener, beside.bulk));
    let mut syncing = beside.file.map(syncing);
    let mut bytes = 0;
    while let Arrival::Records(piece) = writer.inlet.next().await {
        bytes += piece.len();
        let commits = bytes / COMMIT_BYTES;
        bytes %= COMMIT_BYTES;
        if let Some((asks, done)) = &mut syncing {
            asks.send(()).unwrap();
            done.recv().await.unwrap();
        }
        holder.outlet.send_records(&mut vec![2; commits * DELTA_BYTES]);
        writer.outlet.send_records(&mut vec![1; commits * RESULT_BYTES]);
    }
}

/// A writer, and a holder on another thread that tells when it has each delta and what its link has cost.
pub(crate) struct Relayed {
    pub(crate) address: String,
    runtime: Runtime,
    writer: Counted,
    seen: UnboundedReceiver<(Instant, TrafficCounts)>,
}

impl Relayed {
    pub(crate) fn start() -> Self {
        Self::with(Beside::default())
    }

    pub(crate) fn with(beside: Beside) -> Self {
        let address = daemon(async move |listener: Listener| relay(listener, beside).await);
        let runtime = one_thread();
        let mut writer = runtime.block_on(Counted::dial(&address));
        writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
        let (saw, seen) = unbounded_channel();
        let relay = address.clone();
        thread::spawn(move || {
            one_thread().block_on(async move {
                let mut holder = Counted::dial(&relay).await;
                holder.link.outlet.send_records(&mut vec![0; 1]);
                while holder.read(DELTA_BYTES).await {
                    if saw.send((Instant::now(), holder.link.traffic.counts())).is_err() {
                        return;
                    }
                }
            });
        });
        let mut relayed = Self { address, runtime, writer, seen };
        relayed.runtime.block_on(async {
            relayed.writer.read(RESULT_BYTES).await;
            relayed.seen.recv().await.unwrap();
        });
        relayed
    }

    /// Commits `burst` changes at once, `rounds` times; each round ends when the holder and the writer know. The times
    /// from the commit until the holder sees the last of them.
    pub(crate) fn run(&mut self, rounds: u64, burst: usize, pause: Duration, seen_after: &mut Samples) {
        let Self { runtime, writer, seen, .. } = self;
        runtime.block_on(async {
            for _ in 0..rounds {
                let start = Instant::now();
                for _ in 0..burst {
                    writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
                }
                for change in 0..burst {
                    let (visible, _) = seen.recv().await.unwrap();
                    if change + 1 == burst {
                        seen_after.add(visible - start);
                    }
                }
                writer.read(burst * RESULT_BYTES).await;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }

    /// As [`run`](Self::run) of one change at a time, from thread to thread as between tasks of two nodes: the one that
    /// commits hands over to the writer's, the holder's to the one that waits. The times until that one knows.
    pub(crate) fn pass_on(&mut self, rounds: u64, pause: Duration, passed: &mut Samples) {
        let Self { runtime, writer, seen, .. } = self;
        let (asks, mut asked) = unbounded_channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(async {
                    while asked.recv().await.is_some() {
                        writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
                        writer.read(RESULT_BYTES).await;
                    }
                });
            });
            one_thread().block_on(async {
                for _ in 0..rounds {
                    let start = Instant::now();
                    asks.send(()).unwrap();
                    seen.recv().await.unwrap();
                    passed.add(start.elapsed());
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
            drop(asks);
        });
    }

    /// The UDP bytes of a change: the writer's link and the holder's, both ways.
    pub(crate) fn bytes(&mut self, rounds: u64, burst: usize, pause: Duration) -> (f64, f64) {
        let mut none = Samples::default();
        self.run(50, 1, Duration::from_millis(1), &mut none);
        let before = (self.writer.link.traffic.counts().bytes(), self.holder_bytes());
        self.run(rounds, burst, pause, &mut none);
        let changes = rounds as f64 * burst as f64;
        let writer = (self.writer.link.traffic.counts().bytes() - before.0) as f64 / changes;
        (writer, (self.holder_bytes() - before.1) as f64 / changes)
    }

    /// What the holder's link has cost after one more change.
    fn holder_bytes(&mut self) -> u64 {
        let Self { runtime, writer, seen, .. } = self;
        runtime.block_on(async {
            writer.link.outlet.send_records(&mut vec![0; COMMIT_BYTES]);
            writer.read(RESULT_BYTES).await;
            seen.recv().await.unwrap().1.bytes()
        })
    }
}

/// A bare stream whose other end sends back what comes, as large as a commit.
pub(crate) struct Echo {
    runtime: Runtime,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    _connection: quinn::Connection,
}

impl Echo {
    pub(crate) fn start() -> Self {
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

    /// Sends and takes back, `rounds` times.
    pub(crate) fn run(&mut self, rounds: u64, pause: Duration, samples: &mut Samples) {
        let Self { runtime, send, receive, .. } = self;
        runtime.block_on(async {
            let mut bytes = [0; COMMIT_BYTES];
            for _ in 0..rounds {
                let start = Instant::now();
                send.write_all(&bytes).await.unwrap();
                receive.read_exact(&mut bytes).await.unwrap();
                samples.add(start.elapsed());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }
}

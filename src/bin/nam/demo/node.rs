//! A node process of the demo: does what the orders on its standard input say, and reports.
//!
//! It is an ordinary application of nam: it connects, opens the session, reads and updates it, and follows its changes.
//! Invariant: standard output carries reports only. Source: own reasoning.

use std::path::Path;
use std::time::{Duration, Instant};

use nam::client::{Node, Object};
use nam::coding::{Reader, Writer};
use nam::ids::Alias;
use nam::node::Change;
use nam::tracked::Class;
use nam::transport::Trust;
use nam::wire::ToNode;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::catalogue::{self, Desk};
use super::messages::{Order, Place, Report, now};
use super::store::Store;

/// The key of the one session.
const KEY: &str = "alice";

/// Any failure of a node process, in words; the demo prints it behind the node's name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NodeError(String);

fn failed(error: impl ToString) -> NodeError {
    NodeError(error.to_string())
}

/// Answers orders until told to close, or until the demo is gone.
pub(crate) async fn run() -> Result<(), NodeError> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut desk = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let order: Order = serde_json::from_str(&line).map_err(failed)?;
        let is_last = matches!(order, Order::Close);
        let answer = match (&mut desk, order) {
            (place, Order::Connect { daemon, store }) => match Worker::connect(&daemon, &store).await {
                Ok(worker) => {
                    *place = Some(worker);
                    Ok(Report::Done)
                }
                Err(error) => Err(error),
            },
            (Some(worker), order) => worker.answer(order).await,
            (None, _) => Err(failed("the first order must be Connect")),
        };
        say(&answer.unwrap_or_else(|error| Report::Failed { why: error.to_string() }));
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Prints a report as one line.
fn say(report: &Report) {
    if let Ok(line) = serde_json::to_string(report) {
        println!("{line}");
    }
}

struct Worker {
    node: Node,
    store: Store,
    session: Option<Object<Desk>>,
}

impl Worker {
    async fn connect(daemon: &Place, store: &Place) -> Result<Self, NodeError> {
        let trust = Trust::Fingerprint(daemon.trust.parse().map_err(failed)?);
        let node = Node::builder().address(&daemon.address).trust(trust).connect().await.map_err(failed)?;
        Ok(Self { node, store: Store::connect(store).await.map_err(failed)?, session: None })
    }

    fn session(&self) -> Result<&Object<Desk>, NodeError> {
        self.session.as_ref().ok_or_else(|| failed("the session is not open here"))
    }

    async fn answer(&mut self, order: Order) -> Result<Report, NodeError> {
        match order {
            Order::Connect { .. } => Err(failed("already connected")),
            Order::Create { catalogue } => self.create(catalogue.as_deref()).await,
            Order::Open => self.open().await,
            Order::Request { symbol, expected, price } => self.request(&symbol, expected, price).await,
            Order::Burst { prices } => self.burst(&prices).await,
            Order::Count => {
                let counts = self.node.traffic();
                Ok(Report::Counted { bytes: counts.bytes(), packets: counts.sent_packets + counts.received_packets })
            }
            Order::Echo { bytes } => Ok(Report::Echoed { us: self.store.echo(bytes).await.map_err(failed)? }),
            Order::WholePut => self.whole_put().await,
            Order::WholeGet => self.whole_get().await,
            Order::Baseline => self.baseline().await,
            Order::Dump { file } => {
                let session = self.session()?.read().await.map_err(failed)?;
                let bytes = postcard::to_stdvec(&*session).map_err(failed)?;
                std::fs::write(file, bytes).map_err(failed)?;
                Ok(Report::Done)
            }
            Order::Close => {
                self.session = None;
                self.node.close().await.map_err(failed)?;
                Ok(Report::Done)
            }
        }
    }

    async fn create(&mut self, catalogue: Option<&Path>) -> Result<Report, NodeError> {
        let desk = catalogue::load(catalogue).map_err(failed)?;
        let mut symbols: Vec<_> = desk.instruments.iter().map(|(symbol, i)| (symbol.clone(), i.price)).collect();
        symbols.sort_by(|(a, _), (b, _)| a.cmp(b));
        let object_bytes = encoded(&desk).len() as u64;
        let delta_bytes = record_of_one_price(&desk, &symbols).len() as u64;
        // One that an earlier demo left in the same data directory; there is none otherwise.
        let _gone = self.node.destroy::<Desk>(KEY).await;
        let session = self.with_progress(object_bytes, self.node.create(KEY, desk)).await.map_err(failed)?;
        self.follow(session);
        Ok(Report::Created { object_bytes, delta_bytes, symbols })
    }

    /// Waits for `work` and reports ten times a second how much of `total` has left this node.
    async fn with_progress<T>(&self, total: u64, work: impl Future<Output = T>) -> T {
        let before = self.node.traffic().bytes();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                answer = &mut work => return answer,
                _ = ticks.tick() => {
                    let done = (self.node.traffic().bytes() - before).min(total);
                    say(&Report::Progress { what: "creating the session".to_owned(), done, total });
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Report, NodeError> {
        if self.session.is_some() {
            return Ok(Report::Opened { ms: 0.0, udp_bytes: 0 });
        }
        let bytes_before = self.node.traffic().bytes();
        let began = Instant::now();
        let session = self.node.open::<Desk>(KEY).await.map_err(failed)?;
        let guard = session.read().await.map_err(failed)?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        drop(guard);
        self.follow(session);
        Ok(Report::Opened { ms, udp_bytes: self.node.traffic().bytes() - bytes_before })
    }

    /// Reports each change of the session as it becomes visible here.
    fn follow(&mut self, session: Object<Desk>) {
        let mut changes = session.watch();
        tokio::spawn(async move {
            while let Change::Applied { version, .. } = changes.next().await {
                say(&Report::Visible { version: version.0, at: now() });
            }
        });
        self.session = Some(session);
    }

    async fn request(&self, symbol: &str, expected: f64, price: f64) -> Result<Report, NodeError> {
        let session = self.session()?;
        let found = session.read().await.map_err(failed)?.instruments.get(symbol).map(|i| i.price);
        if found.map(f64::to_bits) != Some(expected.to_bits()) {
            return Err(failed(format!(
                "the price of {symbol} is {found:?} here, the request before made it {expected}"
            )));
        }
        let began = now();
        let done = session.update(|desk| set_price(desk, symbol, price)).await.map_err(failed)?;
        Ok(Report::Answered { began, acknowledged: now(), version: done.version.0 })
    }

    async fn burst(&self, prices: &[(String, f64)]) -> Result<Report, NodeError> {
        let session = self.session()?;
        let began = now();
        let updates = prices.iter().map(|(symbol, price)| {
            let (session, symbol, price) = (session.clone(), symbol.clone(), *price);
            async move { session.update(|desk| set_price(desk, &symbol, price)).await }
        });
        let mut tasks: Vec<_> = updates.map(tokio::spawn).collect();
        let mut version = 0;
        for task in tasks.drain(..) {
            version = version.max(task.await.map_err(failed)?.map_err(failed)?.version.0);
        }
        Ok(Report::Answered { began, acknowledged: now(), version })
    }

    async fn whole_put(&self) -> Result<Report, NodeError> {
        let session = self.session()?.read().await.map_err(failed)?;
        let (began, before) = (Instant::now(), self.store.udp_bytes());
        let bytes = postcard::to_stdvec(&*session).map_err(failed)?;
        self.store.put(bytes).await.map_err(failed)?;
        Ok(self.whole(began, before))
    }

    async fn whole_get(&self) -> Result<Report, NodeError> {
        let (began, before) = (Instant::now(), self.store.udp_bytes());
        let bytes = self.store.get().await.map_err(failed)?;
        let _session: Desk = postcard::from_bytes(&bytes).map_err(failed)?;
        Ok(self.whole(began, before))
    }

    fn whole(&self, began: Instant, before: u64) -> Report {
        Report::Whole { ms: began.elapsed().as_secs_f64() * 1e3, bytes: self.store.udp_bytes() - before }
    }

    /// The two parts of a cold open, bare: the same bytes over one quinn stream, the first that this connection brings (as
    /// the open was the first of its own), then decoded from memory, the median of three. Each decoded session stays until
    /// the end, as an opened one does, so that none is built in memory that another one left behind.
    async fn baseline(&self) -> Result<Report, NodeError> {
        let session = self.session()?.read().await.map_err(failed)?;
        self.store.put(encoded(&session)).await.map_err(failed)?;
        let began = Instant::now();
        let bytes = self.store.get().await.map_err(failed)?;
        let transfer_ms = began.elapsed().as_secs_f64() * 1e3;
        let (mut decodes, mut sessions) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let began = Instant::now();
            sessions.push(Desk::decode_root(Reader::new(&bytes)).map_err(failed)?);
            decodes.push(began.elapsed().as_secs_f64() * 1e3);
        }
        decodes.sort_by(f64::total_cmp);
        let decode_ms = decodes.get(1).copied().unwrap_or_default();
        Ok(Report::Baseline { transfer_ms, decode_ms })
    }
}

/// The session as nam encodes it.
fn encoded(desk: &Desk) -> Vec<u8> {
    let mut w = Writer::new();
    desk.encode_root(&mut w);
    w.into_bytes()
}

/// The record that brings a new price of the first symbol to a holder.
fn record_of_one_price(desk: &Desk, symbols: &[(String, f64)]) -> Vec<u8> {
    let delta = nam::testing::delta_of(desk, |mut desk| {
        let first = symbols.first().and_then(|(symbol, _)| desk.instruments_mut().into_get(symbol));
        if let Some(mut instrument) = first {
            *instrument.price_mut() += 0.25;
        }
    });
    let mut record = Vec::new();
    ToNode::Delta { alias: Alias(0), span: 1, delta: &delta }.encode(&mut record);
    record
}

/// The transaction of a request: one price.
fn set_price(desk: &mut catalogue::DeskMut<'_>, symbol: &str, price: f64) -> Result<(), NodeError> {
    let mut instruments = desk.instruments_mut();
    let mut instrument = instruments.get_mut(symbol).ok_or_else(|| failed(format!("there is no {symbol}")))?;
    *instrument.price_mut() = price;
    Ok(())
}

//! Who takes part in a bench over QUIC: a daemon and its nodes, and what they are compared with.
//!
//! Each party has a thread and a runtime of its own, as a process has.
#![allow(dead_code, reason = "each bench uses some of it")]

pub(crate) mod bare;
pub(crate) mod nodes;
pub(crate) mod stored;
pub(crate) mod synced;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use nam::Tracked;
use nam::client::Object;
use nam::ids::Version;
use nam::transport::{Identity, Listener, ResetSecret};
use tokio::runtime::{Builder, Runtime};

/// Bytes of a commit of one f64 in a map entry, of its result, and of the delta that others get.
pub(crate) const COMMIT_BYTES: usize = 26;
pub(crate) const RESULT_BYTES: usize = 3;
pub(crate) const DELTA_BYTES: usize = 22;

/// What the nodes share.
#[derive(Tracked, Clone, Debug, Default)]
#[nam(name = "bench.Desk")]
pub(crate) struct Desk {
    pub(crate) instruments: BTreeMap<String, Instrument>,
}

/// One of many entries.
#[derive(Tracked, Clone, Debug, Default)]
pub(crate) struct Instrument {
    pub(crate) price: f64,
    pub(crate) note: String,
}

impl Desk {
    pub(crate) fn new(instruments: usize, note_bytes: usize) -> Self {
        let instrument = |i| (name(i), Instrument { price: 0.0, note: "x".repeat(note_bytes) });
        Self { instruments: (0..instruments).map(instrument).collect() }
    }

    /// About 15 MB.
    pub(crate) fn large() -> Self {
        Self::new(30_000, 500)
    }
}

fn name(instrument: usize) -> String {
    format!("I{instrument:07}")
}

/// Gives one instrument a price; the version that this makes.
pub(crate) async fn reprice(desk: &Object<Desk>, instrument: usize, price: f64) -> Version {
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

pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a daemon of the bench's own on a thread and gives its address.
pub(crate) fn daemon<F: Future<Output = ()>>(serve: impl FnOnce(Listener) -> F + Send + 'static) -> String {
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

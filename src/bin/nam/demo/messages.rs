//! What the demo and its processes say to each other: one JSON line an order, one a report.
//!
//! Points of time are nanoseconds since 1970 on the clock that all processes of one machine share. Source: own
//! reasoning.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Where a served address is and how it is recognised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) address: String,
    /// The daemon's fingerprint, or the store's certificate, in hex.
    pub(crate) trust: String,
}

/// What the demo asks of a node process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Join the daemon.
    Connect { daemon: Place, store: Place },
    /// Read the catalogue and create the session.
    Create { catalogue: Option<PathBuf> },
    /// Open the session and follow its changes.
    Open,
    /// Answer a request: read the price of `symbol`, check that it is `expected`, make it `price`.
    Request { symbol: String, expected: f64, price: f64 },
    /// Answer ten requests at once.
    Burst { prices: Vec<(String, f64)> },
    /// Count the UDP bytes of the node's connections so far.
    Count,
    /// Send so many bytes to the echo and wait for them.
    Echo { bytes: usize },
    /// Replicate the session as a whole: send it to the store.
    WholePut,
    /// Replicate the session as a whole: fetch it from the store and decode it.
    WholeGet,
    /// Time the bare transfer and the decoding of the session.
    Baseline,
    /// Write the session, encoded, to a file.
    Dump { file: PathBuf },
    /// Leave.
    Close,
}

/// What a node process answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The order is done; nothing to tell.
    Done,
    /// Work goes on.
    Progress { what: String, done: u64, total: u64 },
    /// The session was created.
    Created { object_bytes: u64, delta_bytes: u64, symbols: Vec<(String, f64)> },
    /// The session can be read.
    Opened { ms: f64, udp_bytes: u64 },
    /// A request was answered: when its update began and when it was acknowledged.
    Answered { began: u64, acknowledged: u64, version: u64 },
    /// A change was seen by the watcher. Comes unasked.
    Visible { version: u64, at: u64 },
    /// UDP payload bytes and packets both ways since the start.
    Counted { bytes: u64, packets: u64 },
    /// An echo took this long.
    Echoed { us: f64 },
    /// A whole replication step took this long and moved so many bytes.
    Whole { ms: f64, bytes: u64 },
    /// The bare transfer and the decoding took this long.
    Baseline { transfer_ms: f64, decode_ms: f64 },
    /// The order failed, in a sentence.
    Failed { why: String },
}

/// Now, in nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

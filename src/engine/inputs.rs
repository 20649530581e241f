//! Where the inputs of a shard come from: links, on the same thread or on others.
//!
//! Invariant: what waits for the shard is bounded; a link whose input does not fit, or for whose records the core has no
//! room, is not read, and its peer's windows fill. Source: own reasoning.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::gate::Gate;
use crate::repository::ConnectionId;
use crate::wire::{Arrival, CloseCode, CloseReason, Inlet, Outlet};

/// One thing for the driver.
pub(super) enum Input {
    /// A link came; the gate pauses its reader.
    Connected(ConnectionId, Box<dyn Outlet>, Arc<Gate>),
    /// Something came out of it.
    Arrived(ConnectionId, Arrival),
}

/// Feeds a shard; clones feed the same one. The shard stops when all are gone.
#[derive(Clone)]
pub struct ShardInputs {
    sender: mpsc::Sender<Input>,
    connections: Arc<AtomicU64>,
}

impl fmt::Debug for ShardInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardInputs").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl ShardInputs {
    pub(super) fn new(sender: mpsc::Sender<Input>) -> Self {
        Self { sender, connections: Arc::default() }
    }

    /// Brings a link to the shard and passes on what arrives, until the link is closed or the shard stops.
    pub async fn serve(&self, outlet: impl Outlet + 'static, mut inlet: impl Inlet) -> CloseReason {
        let connection = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let gate = Arc::new(Gate::default());
        let mut input = Input::Connected(connection, Box::new(outlet), gate.clone());
        loop {
            if self.sender.send(input).await.is_err() {
                return CloseReason::Closed { code: CloseCode::Stopped, text: String::new() };
            }
            gate.pass().await;
            let arrival = inlet.next().await;
            if let Arrival::Closed(reason) = arrival {
                let closed = Arrival::Closed(reason.clone());
                let _ = self.sender.send(Input::Arrived(connection, closed)).await;
                return reason;
            }
            input = Input::Arrived(connection, arrival);
        }
    }
}

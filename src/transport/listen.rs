//! The daemon's side: one port, from which links come.
//!
//! Invariants: what a stranger can make the daemon hold before the handshake is bounded; a connection counts against the
//! limit of nodes from its first packet. Source: own reasoning; RFC 9000, 8.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming, ServerConfig, TokioRuntime};
use thiserror::Error;

use super::identity::{Authorities, Identity, IdentityError};
use super::link::Link;
use super::refusal::{close_reason, code_number};
use super::secret::ResetSecret;
use super::settings::{self, End};
use super::{socket, trust};
use crate::limits::NODES_MAX;
use crate::wire::{CloseCode, CloseReason};

/// Handshakes that wait to be taken; more are refused.
const HANDSHAKES_MAX: usize = 1_024;

/// Bytes that a handshake which was not taken yet may send ahead; more are dropped and sent again.
const EARLY_BYTES_MAX: u64 = 64 * 1024;

/// The same for all such handshakes together.
const EARLY_BYTES_MAX_TOTAL: u64 = 8 * 1024 * 1024;

/// Milliseconds from a node's first packet to its control stream; a stranger that takes longer is dropped.
const HANDSHAKE_MS: u64 = 10_000;

/// Milliseconds that a closing listener waits until the nodes know.
const CLOSING_MS: u64 = 1_000;

/// Why a daemon cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The system does not give the address, for instance because another process has it.
    #[error("cannot listen at {address}: {source}")]
    Address {
        /// What was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate, the key or the authorities cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The port of one shard. Runs within a tokio runtime.
#[derive(Debug)]
pub struct Listener {
    endpoint: Endpoint,
    address: SocketAddr,
}

impl Listener {
    /// Listens at `address`, port 0 for any; with `nodes`, a node must show a certificate signed by one of these.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        nodes: Option<&Authorities>,
        secret: &ResetSecret,
    ) -> Result<Self, ListenError> {
        let config = server_config(identity, nodes)?;
        let failed = |source| ListenError::Address { address, source };
        let socket = socket::bind(address).map_err(failed)?;
        let endpoint = Endpoint::new(settings::daemon_endpoint(secret), Some(config), socket, Arc::new(TokioRuntime))
            .map_err(failed)?;
        let address = endpoint.local_addr().map_err(failed)?;
        Ok(Self { endpoint, address })
    }

    /// Where it listens, the port it was given included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next node that dials; `None` once the listener is closed.
    pub async fn accept(&self) -> Option<Handshake> {
        loop {
            let incoming = self.endpoint.accept().await?;
            if self.endpoint.open_connections() < NODES_MAX {
                return Some(Handshake(incoming));
            }
            incoming.refuse();
        }
    }

    /// Closes all connections with this code and waits a moment until the nodes know.
    pub async fn close(&self, code: CloseCode, text: &str) {
        self.endpoint.close(code_number(code), text.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(CLOSING_MS), self.endpoint.wait_idle()).await;
    }
}

/// A node that dials, before its certificate is known.
#[derive(Debug)]
pub struct Handshake(Incoming);

impl Handshake {
    /// Where the node is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.remote_address()
    }

    /// Makes the link: TLS, then the control stream, within `HANDSHAKE_MS`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn link(self) -> Result<Link, CloseReason> {
        let link = async {
            let connection = self.connection().await?;
            Link::accepted(connection).await.map_err(|error| close_reason(&error))
        };
        tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS), link)
            .await
            .unwrap_or_else(|_| Err(CloseReason::Lost("the handshake took too long".into())))
    }

    /// Makes a bare connection instead of a link, with the same settings, to compare with.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connection(self) -> Result<Connection, CloseReason> {
        self.0.await.map_err(|error| close_reason(&error))
    }
}

fn server_config(identity: &Identity, nodes: Option<&Authorities>) -> Result<ServerConfig, IdentityError> {
    let tls = trust::daemon_tls(identity, nodes)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| IdentityError::Unusable(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(settings::connections(End::Daemon)))
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(EARLY_BYTES_MAX)
        .incoming_buffer_size_total(EARLY_BYTES_MAX_TOTAL);
    Ok(config)
}

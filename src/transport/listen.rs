//! The daemon's side: one port, from which links come.
//!
//! Invariants: what a stranger can make the daemon hold before the handshake is bounded, and so is the rate of handshakes; a
//! connection counts against the limit of nodes from its first packet. Source: own reasoning; RFC 9000, 8.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming, ServerConfig, TokioRuntime};
use thiserror::Error;

use super::admission::{Admission, Admissions};
use super::identity::{Authorities, Identity, IdentityError};
use super::link::Link;
use super::refusal::{close_reason, code_number};
use super::secret::ResetSecret;
use super::settings::{self, End};
use super::{socket, trust};
use crate::limits::{
    EARLY_BYTES_MAX, EARLY_BYTES_MAX_TOTAL, HANDSHAKE_MS, HANDSHAKES_A_SECOND_MAX, HANDSHAKES_BURST_MAX,
    HANDSHAKES_WAITING_MAX, NODES_MAX,
};
use crate::wire::{CloseCode, CloseReason};

/// Milliseconds that a closing listener waits until the nodes know.
const CLOSING_MS: u64 = 1_000;

/// Why a daemon cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The system does not give the address, for instance because another process has it.
    #[error("cannot listen at {address}: {source}; give another address or port (--listen)")]
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
    admissions: Mutex<Admissions>,
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
        let admissions = Admissions::new(HANDSHAKES_BURST_MAX, HANDSHAKES_A_SECOND_MAX, Instant::now());
        Ok(Self { endpoint, address, admissions: Mutex::new(admissions) })
    }

    /// Whether somebody could listen at `address` now.
    ///
    /// # Errors
    /// [`ListenError::Address`].
    pub fn probe(address: SocketAddr) -> Result<(), ListenError> {
        UdpSocket::bind(address).map(drop).map_err(|source| ListenError::Address { address, source })
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
            if self.endpoint.open_connections() >= NODES_MAX {
                incoming.refuse();
                continue;
            }
            let is_proven = incoming.remote_address_validated();
            let admission = self.admissions.lock().judge(Instant::now(), is_proven);
            match admission {
                Admission::Begin => return Some(Handshake(incoming)),
                // Fails only for an address that is proven, and those are not asked.
                Admission::Prove => drop(incoming.retry()),
                Admission::Refuse => incoming.refuse(),
            }
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
            Link::accepted(connection).await.map_err(|error| close_reason(&error, End::Daemon))
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
        self.0.await.map_err(|error| close_reason(&error, End::Daemon))
    }
}

fn server_config(identity: &Identity, nodes: Option<&Authorities>) -> Result<ServerConfig, IdentityError> {
    let tls = trust::daemon_tls(identity, nodes)?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| IdentityError::Unusable(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(settings::connections(End::Daemon)))
        .max_incoming(HANDSHAKES_WAITING_MAX)
        .incoming_buffer_size(EARLY_BYTES_MAX)
        .incoming_buffer_size_total(EARLY_BYTES_MAX_TOTAL);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{DialError, Dialer};

    #[tokio::test]
    async fn who_dials_beyond_the_rate_is_told_so_and_the_others_stay() {
        let (identity, secret) = (Identity::development().unwrap(), ResetSecret::random().unwrap());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &identity, None, &secret).unwrap();
        *listener.admissions.lock() = Admissions::new(3, 0, Instant::now());
        let address = listener.address().to_string();
        let accepting = tokio::spawn(async move {
            let mut links = Vec::new();
            while let Some(handshake) = listener.accept().await {
                links.push(handshake.connection().await.unwrap());
            }
        });
        let mut connections = Vec::new();
        for _ in 0..3 {
            // The third is asked for its address first.
            connections.push(Dialer::default().connect(&address).await.unwrap());
        }
        let refused = Dialer::default().connect(&address).await.unwrap_err();
        assert!(matches!(refused, DialError::Closed { .. }), "{refused:?}");
        assert!(refused.to_string().contains("takes no more connections at present"), "{refused}");
        assert!(connections.iter().all(|connection| connection.close_reason().is_none()));
        accepting.abort();
    }
}

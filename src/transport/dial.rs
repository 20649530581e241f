//! The node's side: dialling a daemon.
//!
//! Every dial has a socket of its own: a node's packets carry no connection id, so the pair of addresses must name the
//! connection, also while an older one is still being wound up. Source: own reasoning; RFC 9000, 5.1.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, TokioRuntime, TransportErrorCode};
use thiserror::Error;

use super::fingerprint::Fingerprint;
use super::identity::{Identity, IdentityError};
use super::link::Link;
use super::refusal::{Alert, close_reason, refused_node};
use super::settings::{self, ALPN, End};
use super::socket;
use super::trust::{self, Trust};
use crate::wire::CloseReason;

/// Why a daemon was not reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The node was told nothing by which to know a daemon elsewhere.
    #[error(
        "{address} is another machine, and the node was not told whom to trust there: give it the fingerprint that the \
         daemon prints at its start, or the certificate of its authority (`NodeBuilder::trust`)"
    )]
    Untrusted {
        /// Where the daemon is.
        address: SocketAddr,
    },
    /// The address is not `host:port`, or its host has no address.
    #[error("{} is no address of a daemon: {why}", given(.address))]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The node's own certificate, key or authorities cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node's own socket could not be made.
    #[error("no socket: {0}")]
    Socket(#[from] io::Error),
    /// The name in the address has no address.
    #[error("no daemon is found at {address}: the name {name} has no address ({source}); correct it, or make it known")]
    Unresolved {
        /// What was given.
        address: String,
        /// The name in it.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody answers.
    #[error("no daemon answers at {address}: start one there, `nam serve --listen {address}`, or give another address")]
    Unreachable {
        /// Where it was looked for.
        address: SocketAddr,
    },
    /// Somebody else answers, or the daemon has a new certificate.
    #[error(
        "the daemon at {address} has the fingerprint {presented}, not {expected}: if that is what `nam serve` prints there \
         at its start, give the node the new one (`NodeBuilder::trust`); if not, somebody else answers"
    )]
    WrongFingerprint {
        /// Where the daemon is.
        address: SocketAddr,
        /// What the node was given.
        expected: Fingerprint,
        /// What the daemon showed.
        presented: Fingerprint,
    },
    /// The daemon's certificate is not signed by an authority of the node, is expired, or is for another name.
    #[error(
        "the certificate of the daemon at {address} is refused: {why}; give the node the authority that signed it \
         (`NodeBuilder::trust`), and the daemon's address by a name that is in it"
    )]
    CertificateRefused {
        /// Where the daemon is.
        address: SocketAddr,
        /// What is wrong with it.
        why: String,
    },
    /// The daemon does not accept the node's certificate, or misses one.
    #[error("the daemon at {address} refuses this node: {why}")]
    Refused {
        /// Where the daemon is.
        address: SocketAddr,
        /// What the daemon says, and what to do.
        why: String,
    },
    /// What answers is no daemon of this protocol.
    #[error(
        "what answers at {address} does not speak {}: give the address of a daemon, of the same version of nam as this \
         node",
        String::from_utf8_lossy(ALPN)
    )]
    WrongProtocol {
        /// Where it is.
        address: SocketAddr,
    },
    /// The connection ended while it was made.
    #[error("the connection to {address} ended: {reason}")]
    Closed {
        /// Where the daemon is.
        address: SocketAddr,
        /// Why it ended.
        reason: CloseReason,
    },
}

/// What was given for an address, as a message has it.
fn given(address: &str) -> String {
    if address.is_empty() { "an empty text".to_owned() } else { format!("`{address}`") }
}

/// Dials daemons in the name of one node.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    trust: Trust,
    identity: Option<Identity>,
}

impl Dialer {
    /// Makes a dialer that believes daemons by `trust` and shows them `identity`.
    #[must_use]
    pub fn new(trust: Trust, identity: Option<Identity>) -> Self {
        Self { trust, identity }
    }

    /// Dials `host:port` and makes the link; tries the addresses of the host one after the other. Runs within a tokio
    /// runtime, which drives the link from then on.
    ///
    /// # Errors
    /// [`DialError`], that of the last address tried.
    pub async fn dial(&self, address: &str) -> Result<Link, DialError> {
        let connection = self.connect(address).await?;
        let address = connection.remote_address();
        Link::dialled(connection)
            .await
            .map_err(|error| DialError::Closed { address, reason: close_reason(&error, End::Node) })
    }

    /// Dials like [`dial`](Self::dial), but makes no link: a bare connection with the same settings, to compare with.
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub async fn connect(&self, address: &str) -> Result<Connection, DialError> {
        let refused = |why: String| DialError::Address { address: address.into(), why };
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(refused("it has no port, it is written as in localhost:7420".into()));
        };
        if host.is_empty() || port.parse::<u16>().is_err() {
            let what = if host.is_empty() { "host" } else { "port" };
            return Err(refused(format!("invalid {what}, it is written as in localhost:7420")));
        }
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let mut last = refused("its host has no address".into());
        let unresolved = |source| DialError::Unresolved { address: address.into(), name: name.into(), source };
        let found = tokio::net::lookup_host(address).await.map_err(unresolved)?;
        for at in found {
            match self.connect_at(at, name).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Dials one address; `name` is what the daemon's certificate must be for.
    async fn connect_at(&self, address: SocketAddr, name: &str) -> Result<Connection, DialError> {
        if !self.trust.admits(address) {
            return Err(DialError::Untrusted { address });
        }
        if matches!(self.trust, Trust::Loopback) {
            tracing::warn!(%address, "the daemon is trusted because it is on this machine, its certificate is not checked");
        }
        let presented = Arc::new(OnceLock::new());
        let config = self.config(presented.clone())?;
        let socket = socket::bind(any(address))?;
        let endpoint = Endpoint::new(settings::node_endpoint(), None, socket, Arc::new(TokioRuntime))?;
        let connecting = endpoint
            .connect_with(config, address, name)
            .map_err(|error| DialError::Address { address: address.to_string(), why: error.to_string() })?;
        connecting.await.map_err(|error| self.failed(address, &error, presented.get().copied()))
    }

    fn config(&self, presented: Arc<OnceLock<Fingerprint>>) -> Result<ClientConfig, IdentityError> {
        let tls = trust::node_tls(&self.trust, self.identity.as_ref(), presented)?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| IdentityError::Unusable(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(settings::connections(End::Node)));
        Ok(config)
    }

    fn failed(&self, address: SocketAddr, error: &ConnectionError, presented: Option<Fingerprint>) -> DialError {
        match error {
            ConnectionError::TimedOut => DialError::Unreachable { address },
            ConnectionError::TransportError(error) if Alert::of(error.code).is_some() => match (&self.trust, presented)
            {
                (Trust::Fingerprint(expected), Some(presented)) if *expected != presented => {
                    DialError::WrongFingerprint { address, expected: *expected, presented }
                }
                _ if is_protocol(error.code) => DialError::WrongProtocol { address },
                _ => DialError::CertificateRefused { address, why: error.reason.clone() },
            },
            ConnectionError::ConnectionClosed(close) => match Alert::of(close.error_code) {
                Some(Alert::Protocol) => DialError::WrongProtocol { address },
                Some(Alert::Certificate) => DialError::Refused { address, why: refused_node(close.error_code) },
                _ => DialError::Closed { address, reason: close_reason(error, End::Node) },
            },
            ConnectionError::VersionMismatch => DialError::WrongProtocol { address },
            other => DialError::Closed { address, reason: close_reason(other, End::Node) },
        }
    }
}

fn is_protocol(code: TransportErrorCode) -> bool {
    Alert::of(code) == Some(Alert::Protocol)
}

/// Any free port of the family of `address`.
fn any(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

//! A connection made into a link: which stream carries what.
//!
//! ```text
//!   bidi 0             opened by the node, carries its records; the way back is not used
//!   daemon's uni 0     the ordered stream: all records of the repository
//!   every other uni    one segment each
//! ```
//! Source: `docs/wire.md` §6.

use std::net::SocketAddr;

use quinn::{Connection, ConnectionError};

use super::inlet::QuicInlet;
use super::outlet::QuicOutlet;
use super::settings::End;
use super::traffic::Traffic;

/// A link over QUIC, by its ends.
#[derive(Debug)]
pub struct Link {
    /// Sends; dropping it closes the link.
    pub outlet: QuicOutlet,
    /// Receives.
    pub inlet: QuicInlet,
    /// Counts.
    pub traffic: Traffic,
    /// Where the other side is.
    pub peer: SocketAddr,
}

impl Link {
    /// The node's link over a connection it dialled.
    pub(super) async fn dialled(connection: Connection) -> Result<Self, ConnectionError> {
        let (control, _unused) = connection.open_bi().await?;
        let outlet = QuicOutlet::start(&connection, control);
        Ok(Self::with(outlet, QuicInlet::new(connection.clone(), End::Node, None), connection))
    }

    /// The daemon's link over a connection it accepted, once the node has opened its control stream.
    pub(super) async fn accepted(connection: Connection) -> Result<Self, ConnectionError> {
        let (_unused, control) = connection.accept_bi().await?;
        let outlet = QuicOutlet::start(&connection, connection.open_uni().await?);
        Ok(Self::with(outlet, QuicInlet::new(connection.clone(), End::Daemon, Some(control)), connection))
    }

    fn with(outlet: QuicOutlet, inlet: QuicInlet, connection: Connection) -> Self {
        let peer = connection.remote_address();
        Self { outlet, inlet, traffic: Traffic(connection), peer }
    }
}

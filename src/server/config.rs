//! What a daemon is told at its start, and what is wrong with it.
//!
//! Invariant: a daemon that others than this machine can reach has certificates and asks for them. Source: own reasoning.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::engine::OpenError;
use crate::journal::{FrameName, JournalError};
use crate::limits::{DAEMON_MEMORY_BYTES_MIN, JOURNAL_BYTES};
use crate::repository::ImageCaps;
use crate::store::{DataError, Durability};
use crate::transport::{IdentityError, ListenError};

/// The files by which a daemon and its nodes know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// PEM certificate chain of the daemon, leaf first.
    pub certificate: PathBuf,
    /// PEM private key of the leaf.
    pub key: PathBuf,
    /// PEM certificates of those who sign for nodes; without them any node of this machine is served.
    pub node_authorities: Option<PathBuf>,
}

/// Where a daemon keeps commits, by what they survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalPlace {
    /// In memory: nothing survives the daemon.
    #[default]
    Memory,
    /// In its data directory.
    Data(Durability),
}

/// What a daemon is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the first shard listens, each further one a port above; port 0 for any free ports.
    pub listen: SocketAddr,
    /// Shards, each a thread with a port of its own; `None` for those that the data directory was made for, or one.
    pub shards: Option<u16>,
    /// Where what a restart needs is kept; none, and a restart is a stranger to its nodes.
    pub data: Option<PathBuf>,
    /// Where commits are kept.
    pub journal: JournalPlace,
    /// Frames of a damaged data directory behind which what was acknowledged may be lost, one a shard; an error if nothing
    /// is. For one start only.
    pub accept_loss_after: Vec<FrameName>,
    /// Bytes of documents in memory, of all shards, beyond which objects that were not used for long are left to the
    /// disk; none for no limit, at least [`DAEMON_MEMORY_BYTES_MIN`]. Each shard has an even share. A journal in memory
    /// has no such place, so nothing is limited.
    pub memory_max: Option<u64>,
    /// Bytes of a shard's journal beyond which it is cut behind images.
    pub journal_bytes: u64,
    /// The daemon's certificates; none, and it makes a development identity for this machine.
    pub certificates: Option<Certificates>,
}

impl Default for ServerConfig {
    /// One shard on any free port of this machine, nothing kept.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            shards: None,
            data: None,
            journal: JournalPlace::Memory,
            accept_loss_after: Vec::new(),
            memory_max: None,
            journal_bytes: JOURNAL_BYTES,
            certificates: None,
        }
    }
}

/// Why a daemon does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Others than this machine could reach it, and it would not know them.
    #[error(
        "{listen} can be reached from other machines: give a certificate, its key and the authority of the nodes, or listen on a loopback address"
    )]
    Exposed {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// No shards, or more than there are ports above the first.
    #[error("{shards} shards do not fit the ports from {port}: one port each, at least one")]
    Shards {
        /// How many.
        shards: u16,
        /// The first port.
        port: u16,
    },
    /// The memory for objects is next to nothing.
    #[error(
        "{memory_max} bytes of memory for objects are too few: give {DAEMON_MEMORY_BYTES_MIN} or more, or set no limit"
    )]
    Memory {
        /// What was given.
        memory_max: u64,
    },
    /// An address is not to be had, or the certificates cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificates cannot be read or made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Commits are to be kept, and there is no data directory.
    #[error("commits are to be kept, so a data directory is needed")]
    NoData,
    /// The journal cannot be taken over.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no thread or no event queue.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] io::Error),
}

impl ServerConfig {
    /// What images are made for in each of `shards` shards.
    pub(super) fn image_caps(&self, shards: u16) -> ImageCaps {
        let share = |bytes: u64| usize::try_from(bytes / u64::from(shards.max(1))).unwrap_or(usize::MAX);
        ImageCaps { journal_bytes: self.journal_bytes, memory_max: self.memory_max.map_or(usize::MAX, share) }
    }

    /// Refuses what no data directory makes right.
    ///
    /// # Errors
    /// [`StartError::Memory`].
    pub(super) fn check_memory(&self) -> Result<(), StartError> {
        let too_little = self.memory_max.filter(|memory_max| *memory_max < DAEMON_MEMORY_BYTES_MIN);
        too_little.map_or(Ok(()), |memory_max| Err(StartError::Memory { memory_max }))
    }

    /// The addresses of `shards` shards, in order.
    ///
    /// # Errors
    /// [`StartError::Exposed`] and [`StartError::Shards`].
    pub(super) fn addresses(&self, shards: u16) -> Result<Vec<SocketAddr>, StartError> {
        let knows_nodes = self.certificates.as_ref().is_some_and(|given| given.node_authorities.is_some());
        if !self.listen.ip().is_loopback() && !knows_nodes {
            return Err(StartError::Exposed { listen: self.listen });
        }
        let port = self.listen.port();
        let above = |shard: u16| if port == 0 { Some(0) } else { port.checked_add(shard) };
        let addresses = (0..shards).map(|shard| above(shard).map(|port| SocketAddr::new(self.listen.ip(), port)));
        let addresses = addresses.collect::<Option<Vec<_>>>().filter(|addresses| !addresses.is_empty());
        addresses.ok_or(StartError::Shards { shards, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(at: &str) -> ServerConfig {
        ServerConfig { listen: at.parse().unwrap(), ..ServerConfig::default() }
    }

    #[test]
    fn shards_stand_on_ports_one_above_the_other() {
        let addresses = listening("[::1]:7420").addresses(2).unwrap();
        assert_eq!(addresses, ["[::1]:7420", "[::1]:7421"].map(|at| at.parse().unwrap()));
        assert_eq!(listening("127.0.0.1:0").addresses(2).unwrap(), ["127.0.0.1:0".parse().unwrap(); 2]);
    }

    #[test]
    fn nonsense_is_refused_before_anything_is_done() {
        assert!(matches!(listening("127.0.0.1:7420").addresses(0), Err(StartError::Shards { .. })));
        assert!(matches!(listening("127.0.0.1:65535").addresses(2), Err(StartError::Shards { .. })));
        for at in ["0.0.0.0:7420", "[::]:7420", "192.168.1.1:7420"] {
            let mut config = listening(at);
            assert!(matches!(config.addresses(1), Err(StartError::Exposed { .. })), "{at}");
            let files = |node_authorities| Certificates { certificate: "c".into(), key: "k".into(), node_authorities };
            config.certificates = Some(files(None));
            assert!(matches!(config.addresses(1), Err(StartError::Exposed { .. })), "{at}");
            config.certificates = Some(files(Some("ca".into())));
            assert!(config.addresses(1).is_ok(), "{at}");
        }
    }
}

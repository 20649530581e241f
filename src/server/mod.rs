//! The daemon: shards on threads of their own, reached over QUIC.
//!
//! Stands above the engine and the transport and composes them; the binary `nam` and tests start it by the same call.
//! Invariants: when [`Server::start`] answers, every shard listens; when it fails, nothing is left behind but the files it
//! made. Source: own reasoning.

mod config;
mod copies;
mod keeping;
mod shard;

use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

pub use self::config::{Certificates, JournalPlace, ServerConfig, StartError};
use self::copies::Copies;
use self::keeping::Keeping;
use self::shard::ShardThread;
use crate::engine::{Committer, Driver, Keeper};
use crate::ids::{Epoch, ShardId};
use crate::journal::JournalError;
use crate::transport::{Authorities, Fingerprint, Identity, IdentityError, Listener, ResetSecret, TrafficCounts};
use crate::wire::ShardAddress;

/// Polls of a shard's tasks after which it looks for packets that came. One poll of a link sends up to 20 packets of a large
/// object: with the runtime's own 61 a small commit waits for milliseconds of them. Fewer than 8 would leave too little room
/// for the packets that have come already.
const POLLS_BETWEEN_EVENTS: u32 = 8;

/// A daemon that runs. Dropping it stops it: links are closed, threads end.
#[derive(Debug)]
pub struct Server {
    shards: Vec<ShardThread>,
    addresses: Vec<SocketAddr>,
    fingerprint: Fingerprint,
    ended: mpsc::UnboundedReceiver<Result<(), JournalError>>,
    _copies: Option<Copies>,
    /// Last, so that it ends behind the shards.
    _threads: Option<(Committer, Keeper)>,
}

/// What the links of a daemon have cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Open links: where the node is, what was sent to it and received from it.
    pub links: Vec<(SocketAddr, TrafficCounts)>,
    /// All links since the start, those that are gone included.
    pub total: TrafficCounts,
}

/// A shard's port before its core is made: the map of shards names all ports.
struct Port {
    runtime: Runtime,
    listener: Listener,
}

impl Server {
    /// Starts the daemon; it listens when this answers, with all that its journal has.
    ///
    /// # Errors
    /// [`StartError`], a sentence for who wrote the configuration.
    pub fn start(config: &ServerConfig) -> Result<Self, StartError> {
        // What can be refused is, before a data directory is made.
        let asked = config.addresses(config.shards.unwrap_or(1))?;
        asked.into_iter().try_for_each(Listener::probe)?;
        config.check_memory()?;
        let given = config.certificates.as_ref();
        let given = given.map(|files| Identity::read(&files.certificate, &files.key)).transpose()?;
        let authorities = config.certificates.as_ref().and_then(|given| given.node_authorities.as_deref());
        let authorities = authorities.map(Authorities::read).transpose()?;
        let keeping = Keeping::open(config)?;
        let addresses = config.addresses(keeping.shards())?;
        let identity = match (given, &config.data) {
            (Some(given), _) => given,
            (None, Some(directory)) => Identity::development_in(directory)?,
            (None, None) => Identity::development()?,
        };
        let fingerprint = identity.fingerprint().ok_or_else(|| IdentityError::Unusable("no certificate".into()))?;
        let secret = match &config.data {
            Some(directory) => ResetSecret::kept_in(directory)?,
            None => ResetSecret::random().ok_or_else(|| IdentityError::Unusable("no randomness".into()))?,
        };
        let mut ports = Vec::new();
        for (shard, address) in (0..).map(ShardId).zip(addresses) {
            let runtime = Builder::new_current_thread().enable_all().event_interval(POLLS_BETWEEN_EVENTS).build()?;
            let listener = {
                let _entered = runtime.enter();
                Listener::bind(address, &identity, authorities.as_ref(), &secret.of_shard(shard))?
            };
            ports.push(Port { runtime, listener });
        }
        let copies = config.data.as_deref().and_then(|data| Copies::offered(data, keeping.on_disk()));
        let mut server = Self::run(ports, keeping, fingerprint)?;
        server._copies = copies;
        Ok(server)
    }

    /// Makes the cores, now that all ports are known, and starts their threads.
    fn run(ports: Vec<Port>, mut keeping: Keeping, fingerprint: Fingerprint) -> Result<Self, StartError> {
        let addresses: Vec<SocketAddr> = ports.iter().map(|port| port.listener.address()).collect();
        let claims = keeping.claim()?;
        let epochs: Vec<Epoch> = claims.iter().map(|claim| claim.epoch).collect();
        let cores = keeping.replay(&claims, &shard_map(&addresses, &epochs))?;
        let ways = keeping.start()?;
        let (sender, ended) = mpsc::unbounded_channel();
        let mut server =
            Self { shards: Vec::new(), addresses, fingerprint, ended, _copies: None, _threads: ways.threads };
        for (shard, (port, (core, (appender, lane)))) in
            (0..).map(ShardId).zip(ports.into_iter().zip(cores.into_iter().zip(ways.shards)))
        {
            let (driver, inputs) = Driver::new(core, appender);
            let driver = match lane {
                Some(lane) => (driver.with_images(lane), inputs),
                None => (driver, inputs),
            };
            let thread = ShardThread::start(shard, port.runtime, port.listener, driver, sender.clone())?;
            server.shards.push(thread);
        }
        Ok(server)
    }

    /// Where the shards listen, in order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The fingerprint of the daemon's certificate, for nodes.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the links have cost so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        let mut stats = ServerStats::default();
        for shard in &self.shards {
            let links = shard.links.lock();
            stats.links.extend(links.open());
            stats.total = stats.total.plus(links.total());
        }
        stats
    }

    /// Waits until a shard stops because its journal failed; for ever, if none does.
    pub async fn failed(&mut self) -> JournalError {
        loop {
            match self.ended.recv().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return error,
                None => std::future::pending().await,
            }
        }
    }

    /// Closes all links as shutting down, and waits until the shards have ended.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shards.iter_mut().for_each(ShardThread::stop);
        self.shards.iter_mut().for_each(ShardThread::join);
    }
}

/// The map that nodes get. A daemon that listens everywhere leaves the host out: it is the one by which the node came.
fn shard_map(addresses: &[SocketAddr], epochs: &[Epoch]) -> Vec<ShardAddress> {
    let written = |address: &SocketAddr| {
        if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() }
    };
    (0..)
        .map(ShardId)
        .zip(addresses.iter().zip(epochs))
        .map(|(shard, (address, epoch))| ShardAddress { shard, epoch: *epoch, addresses: vec![written(address)] })
        .collect()
}

//! How a link to a shard comes about: dialled over QUIC, or a pipe to a shard of this process.
//!
//! Source: own reasoning.

#[cfg(feature = "node")]
use std::collections::BTreeMap;
#[cfg(feature = "in-process")]
use std::sync::Arc;
#[cfg(feature = "node")]
use std::time::Duration;

#[cfg(feature = "node")]
use tokio::task::JoinSet;
#[cfg(feature = "node")]
use tokio::time::timeout;

#[cfg(feature = "in-process")]
use crate::engine::{LocalShard, PipeInlet};
use crate::error::Error;
use crate::node::Welcome;
#[cfg(feature = "node")]
use crate::transport::{Dialer, Link, QuicInlet, Traffic};
use crate::wire::{Arrival, Inlet, Outlet, ShardAddress};

/// How long an address that has not answered is waited for before the next one is tried as well.
#[cfg(feature = "node")]
const HEAD_START: Duration = Duration::from_millis(500);

/// Where links come from.
#[derive(Clone, Debug)]
pub(super) enum Connector {
    /// A daemon, at any of these addresses.
    #[cfg(feature = "node")]
    Quic { dialer: Dialer, addresses: Vec<String> },
    /// A shard of this process.
    #[cfg(feature = "in-process")]
    Local(Arc<LocalShard>),
}

/// The receiving end of either kind of link.
pub(super) enum AnyInlet {
    #[cfg(feature = "node")]
    Quic(QuicInlet),
    #[cfg(feature = "in-process")]
    Pipe(PipeInlet),
}

/// Both ends of a link.
pub(super) struct Ends {
    pub(super) outlet: Box<dyn Outlet>,
    pub(super) inlet: AnyInlet,
    #[cfg(feature = "node")]
    pub(super) traffic: Option<Traffic>,
}

impl AnyInlet {
    pub(super) async fn next(&mut self) -> Arrival {
        match self {
            #[cfg(feature = "node")]
            Self::Quic(inlet) => inlet.next().await,
            #[cfg(feature = "in-process")]
            Self::Pipe(inlet) => inlet.next().await,
        }
    }
}

impl Connector {
    /// Makes a link; runs on the node's own thread.
    pub(super) async fn connect(&self) -> Result<Ends, Error> {
        match self {
            #[cfg(feature = "node")]
            Self::Quic { dialer, addresses } => {
                let link = dial_any(dialer, addresses).await?;
                let (outlet, inlet) = (Box::new(link.outlet), AnyInlet::Quic(link.inlet));
                Ok(Ends { outlet, inlet, traffic: Some(link.traffic) })
            }
            #[cfg(feature = "in-process")]
            Self::Local(shard) => {
                let end = shard.connect();
                Ok(Ends {
                    outlet: Box::new(end.outlet),
                    inlet: AnyInlet::Pipe(end.inlet),
                    #[cfg(feature = "node")]
                    traffic: None,
                })
            }
        }
    }

    /// The connector of the shard that answered, if it is one of several: the addresses that were given may be those of any,
    /// and another one would take what it is told for its own.
    pub(super) fn of_own_shard(&self, welcome: &Welcome) -> Option<Self> {
        let is_own = |address: &&ShardAddress| address.shard == welcome.shard && !address.addresses.is_empty();
        let own = welcome.shards.iter().find(is_own).filter(|_| welcome.shards.len() > 1)?;
        self.of_shard(own)
    }

    /// The connector of another shard of the same repository; one within this process has no address.
    pub(super) fn of_shard(&self, shard: &ShardAddress) -> Option<Self> {
        match self {
            #[cfg(feature = "node")]
            Self::Quic { dialer, addresses } => {
                Some(Self::Quic { dialer: dialer.clone(), addresses: beside(addresses, &shard.addresses) })
            }
            #[cfg(feature = "in-process")]
            Self::Local(_) => shard.addresses.is_empty().then(|| self.clone()),
        }
    }
}

/// Where a shard is that a repository names: first at the hosts by which the node knows the repository, whose names stand in
/// its certificate and are looked up anew, then where it says. A repository that listens everywhere names ports only.
#[cfg(feature = "node")]
fn beside(known: &[String], named: &[String]) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for (host, port) in named.iter().filter_map(|address| address.rsplit_once(':')) {
        let hosts = known.iter().filter_map(|address| Some(address.rsplit_once(':')?.0));
        for host in hosts.chain([host]).filter(|host| !host.is_empty()) {
            let address = format!("{host}:{port}");
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// Dials one address after the other, and takes the first link that comes: one that does not answer holds up the next for
/// [`HEAD_START`] only. The error is that of the first address that was given.
#[cfg(feature = "node")]
async fn dial_any(dialer: &Dialer, addresses: &[String]) -> Result<Link, Error> {
    let (mut dials, mut errors) = (JoinSet::new(), BTreeMap::new());
    let mut rest = addresses.iter().enumerate();
    loop {
        if let Some((at, address)) = rest.next() {
            let (dialer, address) = (dialer.clone(), address.clone());
            dials.spawn(async move { dialer.dial(&address).await.map_err(|error| (at, error)) });
        }
        let head_start = if rest.len() > 0 { HEAD_START } else { Duration::MAX };
        match timeout(head_start, dials.join_next()).await {
            Ok(Some(Ok(Ok(link)))) => return Ok(link),
            Ok(Some(Ok(Err((at, error))))) => drop(errors.insert(at, error)),
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => {}
        }
    }
    let first = errors.pop_first().map(|(_, error)| error.into());
    Err(first.unwrap_or_else(|| Error::Invalid { why: "no address of a repository is given".to_owned() }))
}

#[cfg(all(test, feature = "node"))]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_looked_for_where_its_repository_was_found() {
        let known = ["repo:7420", "[2001:db8::1]:7420", "repo:7421"].map(ToOwned::to_owned);
        let found = |named: &str| beside(&known, &[named.to_owned()]);
        assert_eq!(found(":7421"), ["repo:7421", "[2001:db8::1]:7421"]);
        assert_eq!(found("192.0.2.1:7421"), ["repo:7421", "[2001:db8::1]:7421", "192.0.2.1:7421"]);
        assert_eq!(found("[2001:db8::1]:7422"), ["repo:7422", "[2001:db8::1]:7422"]);
    }
}

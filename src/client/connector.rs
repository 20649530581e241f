//! How a link to a shard comes about: dialled over QUIC, or a pipe to a shard of this process.
//!
//! Source: own reasoning.

#[cfg(feature = "in-process")]
use std::sync::Arc;

#[cfg(feature = "in-process")]
use crate::engine::{LocalShard, PipeInlet};
use crate::error::Error;
#[cfg(feature = "node")]
use crate::transport::{Dialer, QuicInlet, Traffic};
use crate::wire::{Arrival, Inlet, Outlet, ShardAddress};

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
                let mut last = Error::Invalid { why: "no address of a repository is given".to_owned() };
                for address in addresses {
                    match dialer.dial(address).await {
                        Ok(link) => {
                            let (outlet, inlet) = (Box::new(link.outlet), AnyInlet::Quic(link.inlet));
                            return Ok(Ends { outlet, inlet, traffic: Some(link.traffic) });
                        }
                        Err(error) => last = error.into(),
                    }
                }
                Err(last)
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

    /// The connector of another shard of the same repository; one within this process has no address.
    pub(super) fn of_shard(&self, shard: &ShardAddress) -> Option<Self> {
        match self {
            #[cfg(feature = "node")]
            Self::Quic { dialer, .. } => {
                Some(Self::Quic { dialer: dialer.clone(), addresses: shard.addresses.clone() })
            }
            #[cfg(feature = "in-process")]
            Self::Local(_) => shard.addresses.is_empty().then(|| self.clone()),
        }
    }
}

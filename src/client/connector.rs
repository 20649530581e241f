//! How a link to a shard comes about: dialled over QUIC, or a pipe to a shard of this process.
//!
//! Source: own reasoning.

use crate::error::Error;
#[cfg(feature = "node")]
use crate::transport::{Dialer, QuicInlet, Traffic};
#[cfg(feature = "node")]
use crate::wire::ShardAddress;
use crate::wire::{Arrival, Inlet, Outlet};

/// Where links come from.
#[derive(Clone, Debug)]
pub(super) enum Connector {
    /// A daemon, at any of these addresses.
    #[cfg(feature = "node")]
    Quic { dialer: Dialer, addresses: Vec<String> },
}

/// The receiving end of either kind of link.
pub(super) enum AnyInlet {
    #[cfg(feature = "node")]
    Quic(QuicInlet),
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
        }
    }

    /// The connector of another shard of the same repository.
    #[cfg(feature = "node")]
    pub(super) fn of_shard(&self, shard: &ShardAddress) -> Option<Self> {
        match self {
            Self::Quic { dialer, .. } => {
                Some(Self::Quic { dialer: dialer.clone(), addresses: shard.addresses.clone() })
            }
        }
    }
}

//! A daemon within this process, and nodes that reach it over QUIC.

use std::time::Duration;

use nam::server::{Server, ServerConfig};
use nam::transport::Trust;
use nam::web::NamStore;

/// How long a node waits for a repository that went away.
const PATIENCE: Duration = Duration::from_millis(300);

/// A daemon on a port of its own, with its journal in memory.
pub(crate) struct Daemon(Server);

impl Daemon {
    pub(crate) fn start() -> Self {
        Self(Server::start(&ServerConfig::default()).unwrap())
    }

    pub(crate) fn stop(self) {
        self.0.stop();
    }

    /// A store on a node of its own.
    pub(crate) async fn store(&self) -> (NamStore, nam::Node) {
        let (address, trust) = (self.0.addresses()[0].to_string(), Trust::Fingerprint(self.0.fingerprint()));
        let node = nam::Node::builder().address(address).trust(trust).patience(PATIENCE).connect().await.unwrap();
        (NamStore::new(node.clone()), node)
    }
}

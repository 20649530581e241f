//! A repository inside this process: tests, first steps, applications of one server.
//!
//! The same core, journal and records as a daemon, over pipes; nothing is kept when the process ends. Source: own
//! reasoning.

use std::sync::Arc;

use super::connector::Connector;
use super::{Node, NodeBuilder};
use crate::engine::LocalShard;
use crate::error::Error;

/// A repository of this process, with its journal in memory. Clones are the same repository; it ends with the last
/// handle, nodes included.
#[derive(Clone, Debug)]
pub struct InProcess {
    shard: Arc<LocalShard>,
}

impl InProcess {
    /// Starts a repository.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let repository = nam::InProcess::new()?;
    /// let (a, b) = (repository.node().await?, repository.node().await?);
    /// a.create("alice", Cart::default()).await?;
    /// assert_eq!(b.open::<Cart>("alice").await?.read().await?.total, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Internal` if the system gives no thread.
    pub fn new() -> Result<Self, Error> {
        let shard = LocalShard::in_memory().map_err(|error| Error::Internal { why: error.to_string() })?;
        Ok(Self { shard: Arc::new(shard) })
    }

    /// Adds a node.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let node = nam::InProcess::new()?.node().await?;
    /// assert_eq!(node.state(), nam::NodeState::Ready);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Unavailable` if the repository does not answer.
    pub async fn node(&self) -> Result<Node, Error> {
        NodeBuilder::default().in_process(self).await
    }
}

impl NodeBuilder {
    /// Makes the node one of a repository of this process; addresses and whom to trust do not matter then.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let repository = nam::InProcess::new()?;
    /// let node = nam::Node::builder().fail_closed::<Cart>().in_process(&repository).await?;
    /// assert_eq!(node.state(), nam::NodeState::Ready);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Unavailable` if the repository does not answer.
    pub async fn in_process(self, repository: &InProcess) -> Result<Node, Error> {
        Node::start(Connector::Local(Arc::clone(&repository.shard)), self.settings).await
    }
}

impl Node {
    /// Starts a repository of this process and a node on it: no daemon is needed.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let node = nam::Node::in_process().await?;
    /// let cart = node.open_or_create("alice", Cart::default).await?;
    /// cart.edit(|cart| cart.total += 1).await?;
    /// assert_eq!(cart.read().await?.total, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`InProcess::new`] and [`InProcess::node`].
    pub async fn in_process() -> Result<Self, Error> {
        InProcess::new()?.node().await
    }
}

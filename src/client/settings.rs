//! How a node is set up: where the repository is, whom to trust, how long to wait.
//!
//! Source: own reasoning (R2, F2, O2).

use std::collections::BTreeSet;
use std::time::Duration;

#[cfg(feature = "node")]
use super::Node;
#[cfg(feature = "node")]
use super::connector::Connector;
#[cfg(feature = "node")]
use crate::error::Error;
use crate::limits::NODE_MEMORY_BYTES_MAX;
use crate::tracked::Class;
#[cfg(feature = "node")]
use crate::transport::{Dialer, Identity, Trust};

/// How long a call waits by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long replicas stay readable by default after the link broke.
const LOCAL_READS: Duration = Duration::from_secs(60);

/// What every call of a node obeys.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) patience: Duration,
    pub(super) local_reads: Duration,
    /// Bytes that replicas may take in memory.
    pub(super) memory_max: usize,
    /// Classes whose replicas are not read without a link.
    fail_closed: BTreeSet<&'static str>,
}

impl Settings {
    /// For how long replicas of a class may be read without a link; `None` for not at all.
    pub(super) fn local_reads_of<T: Class>(&self) -> Option<Duration> {
        (!self.fail_closed.contains(T::NAME)).then_some(self.local_reads)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let (memory_max, fail_closed) = (NODE_MEMORY_BYTES_MAX, BTreeSet::new());
        Self { patience: PATIENCE, local_reads: LOCAL_READS, memory_max, fail_closed }
    }
}

/// Sets up a node; made by [`Node::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it connects"]
pub struct NodeBuilder {
    pub(super) settings: Settings,
    #[cfg(feature = "node")]
    addresses: Vec<String>,
    #[cfg(feature = "node")]
    trust: Trust,
    #[cfg(feature = "node")]
    identity: Option<Identity>,
}

impl NodeBuilder {
    /// Sets how long a call waits before it answers with an error; 10 s by default. While a large object is on its way between
    /// this node and the repository, calls go on waiting as long as at least 256 KiB of it arrive in that time.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let builder = nam::Node::builder().patience(std::time::Duration::from_secs(2));
    /// # drop(builder);
    /// # Ok(()) }
    /// ```
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Sets how long replicas stay readable without a link to the repository; 60 s by default. What is read then is
    /// marked: [`Guard::is_current`](crate::Guard::is_current) answers no. Writes wait for the link, at most as long as
    /// [`patience`](Self::patience) says, and then fail.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let builder = nam::Node::builder().local_reads(std::time::Duration::ZERO);
    /// # drop(builder);
    /// # Ok(()) }
    /// ```
    pub fn local_reads(mut self, bound: Duration) -> Self {
        self.settings.local_reads = bound;
        self
    }

    /// Sets how many bytes the node's replicas take in memory; 1 GiB by default.
    ///
    /// Beyond that, objects that were not used for longest lose their values here, whether or not there are handles to
    /// them, and are fetched again when they are used. What a guard shows, what is watched and what has a change or a
    /// transaction under way stays; versions that only guards still have count too. See [`Node::memory_used`](super::Node::memory_used).
    ///
    /// ```
    /// let builder = nam::Node::builder().memory_max(64 << 20);
    /// # drop(builder);
    /// ```
    pub fn memory_max(mut self, bytes: usize) -> Self {
        self.settings.memory_max = bytes;
        self
    }

    /// Has objects of class `T` not read at all without a link: reads and peeks answer `Unavailable` until what is here
    /// is verified again. For what must not be acted on when it may be old, such as rights and balances.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// let builder = nam::Node::builder().fail_closed::<Cart>();
    /// # drop(builder);
    /// ```
    pub fn fail_closed<T: Class>(mut self) -> Self {
        self.settings.fail_closed.insert(T::NAME);
        self
    }
}

#[cfg(feature = "node")]
impl NodeBuilder {
    /// Adds an address of the repository, `host:port`.
    ///
    /// ```
    /// let builder = nam::Node::builder().address("127.0.0.1:7420").address("127.0.0.1:7421");
    /// # drop(builder);
    /// ```
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Sets what makes the node believe that a daemon is the right one; by default only daemons on this machine are.
    ///
    /// ```
    /// let builder = nam::Node::builder().trust(nam::transport::Trust::Loopback);
    /// # drop(builder);
    /// ```
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets the certificate that the node shows.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Connects.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let refused = nam::Node::builder().connect().await;
    /// assert!(matches!(refused, Err(nam::Error::Invalid { .. })));
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Invalid` without an address or for a wrong one, `Unavailable` if nobody answers, `Denied` if one side does not
    /// trust the other, `Incompatible` for another protocol.
    pub async fn connect(self) -> Result<Node, Error> {
        if self.addresses.is_empty() {
            return Err(Error::Invalid { why: "no address of a repository is given".to_owned() });
        }
        let dialer = Dialer::new(self.trust, self.identity);
        Node::start(Connector::Quic { dialer, addresses: self.addresses }, self.settings).await
    }
}

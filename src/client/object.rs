//! A handle to one object on this node.
//!
//! What it can do is in files by the verb: reading, updating, transactions, watching. Source: own reasoning.

use std::fmt;
use std::sync::Arc;

use super::port::{Ask, Port};
use super::shared::Shared;
use crate::error::Error;
use crate::ids::ObjectName;
use crate::node::{Answer, Ending, Replica, ReplicaId, Slot, Unreadable};
use crate::tracked::Class;

/// One object, on this node. Clones are handles to the same replica.
pub struct Object<T: Class> {
    pub(super) slot: Arc<Slot<T>>,
    pub(super) port: Arc<Port>,
    pub(super) shared: Arc<Shared>,
}

impl<T: Class> Object<T> {
    pub(super) fn new(slot: Arc<Slot<T>>, port: Arc<Port>, shared: Arc<Shared>) -> Self {
        Self { slot, port, shared }
    }

    /// The key it was opened with.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(cart.key(), "alice");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.slot.name().key
    }

    /// Class and key.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(cart.name().to_string(), "Cart/alice");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.slot.name()
    }

    pub(super) fn replica(&self) -> ReplicaId {
        self.slot.id()
    }

    pub(super) fn unreadable(&self, unreadable: Unreadable) -> Error {
        match unreadable {
            Unreadable::Ended(ending) => Error::ended(ending, self.name()),
            Unreadable::Nested => Error::nested(),
            Unreadable::Another => Error::ended(Ending::Gone, self.name()),
            Unreadable::Unknown => Error::ended(Ending::Lost, self.name()),
            Unreadable::Value(unknown) => Error::unreadable(&unknown, self.name()),
        }
    }

    /// Asks the repository about this object and waits for the answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        self.shared.ask(&self.port, ask, self.name()).await.map_err(|error| self.explained(error))
    }

    /// The core says `Closed` of a replica that had ended before it was asked about; its slot knows how.
    pub(super) fn explained(&self, error: Error) -> Error {
        match (error, self.slot.newest()) {
            (Error::Closed, Err(unreadable)) => self.unreadable(unreadable),
            (error, _) => error,
        }
    }

    /// What to say when a wait for this object ended without success.
    pub(super) fn waited_in_vain(&self, what: &str) -> Error {
        self.shared.waited_in_vain(&self.port, &format!("{what} of {}", self.name()))
    }
}

impl<T: Class> Clone for Object<T> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot), port: Arc::clone(&self.port), shared: Arc::clone(&self.shared) }
    }
}

impl<T: Class> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("name", self.name()).finish_non_exhaustive()
    }
}

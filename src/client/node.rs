//! A node: this process as a member, and the way to its objects.
//!
//! Source: own reasoning; `ARCHITECTURE.md` follows one change from here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::NodeBuilder;
use super::connector::Connector;
use super::object::Object;
use super::port::{Ask, Input, Port};
use super::registry::Opening;
use super::settings::Settings;
use super::shared::{Elapsed, Shared};
use crate::coding::Writer;
use crate::delta::{Operations, check_own_delta, cut};
use crate::error::Error;
use crate::expiry::Expiry;
use crate::ids::{NodeId, ObjectName};
use crate::limits::{INLINE_BYTES_MAX, NAME_BYTES_MAX, OBJECT_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::node::{Answer, LinkState, Replica, Slot};
use crate::tracked::Class;

/// How a node's links are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// Every shard is reached.
    Ready,
    /// A link is down or being resumed; the node keeps trying.
    Reconnecting {
        /// For how long.
        since: Duration,
        /// Why, as far as known.
        trouble: Option<Error>,
    },
    /// The node was closed.
    Closed,
}

/// This process as a member of a replicated memory. Clones are the same node.
///
/// It has two threads of its own; they end when the last handle, objects included, is dropped.
#[derive(Clone)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    /// When what this handle creates ends by itself.
    pub(super) expiry: Expiry,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, state) = (self.shared.id(), self.state());
        f.debug_struct("Node").field("id", &id).field("state", &state).finish_non_exhaustive()
    }
}

impl Node {
    pub(super) async fn start(connector: Connector, settings: Settings) -> Result<Self, Error> {
        let shared = Arc::new(Shared::start(connector, settings).await?);
        Ok(Self { shared, expiry: Expiry::NEVER })
    }

    /// Sets up a node step by step.
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
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Connects to a repository at any of `addresses` (`host:port`), trusting daemons on this machine only.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let refused = nam::Node::connect(["no-port"]).await;
    /// assert!(matches!(refused, Err(nam::Error::Invalid { .. })));
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`NodeBuilder::connect`].
    #[cfg(feature = "node")]
    pub async fn connect<A: Into<String>>(addresses: impl IntoIterator<Item = A>) -> Result<Self, Error> {
        addresses.into_iter().fold(Self::builder(), NodeBuilder::address).connect().await
    }

    /// The id of this node, drawn at its start.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let other = nam::Node::in_process().await?;
    /// assert_ne!(node.id(), other.id());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared.id()
    }

    /// Opens an object that exists; when it is here, reads cost no network.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let same = node.open::<Cart>("alice").await?;
    /// assert_eq!(same.read().await?.total, 0);
    /// assert!(matches!(node.open::<Cart>("bob").await, Err(nam::Error::Gone { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Gone` if there is no such object, `Incompatible` if the repository knows another schema, `Unavailable` or
    /// `TimedOut` without an answer.
    pub async fn open<T: Class>(&self, key: &str) -> Result<Object<T>, Error> {
        let name = name_of::<T>(key)?;
        let place = self.shared.registry.place::<T>(key);
        let _turn = place.turn.lock().await;
        if let Some(slot) = place.slot() {
            let is_here = !slot.is_shell();
            let object = self.object(slot)?;
            if is_here {
                return Ok(object);
            }
            // Its value was dropped to save memory, and nobody told of its end.
            match object.pull().await {
                Err(Error::Gone { .. }) => {}
                outcome => return outcome.map(|_| object),
            }
        }
        let port = self.shared.port(key)?;
        self.register::<T>(port)?;
        let slot = Slot::<T>::new(self.shared.new_replica(), key, Arc::clone(port) as _);
        let opening = Opening::new(port, &slot);
        match self.shared.ask(port, Ask::Open(Arc::clone(&slot) as _), &name).await? {
            Answer::Opened => {
                opening.succeed(&place);
                self.opened(slot)
            }
            _ => Err(Error::Gone { object: name }),
        }
    }

    /// Creates an object.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let bob = node.create("bob", Cart { total: 7, ..Cart::default() }).await?;
    /// assert_eq!(bob.read().await?.total, 7);
    /// assert!(matches!(node.create("bob", Cart::default()).await, Err(nam::Error::Exists { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Exists` if there is one of that name, `Invalid` if it cannot expire as it should, `Limit` if it is too large,
    /// `Incompatible` if the repository knows another schema, `Undecided` without an answer: it may be created yet.
    pub async fn create<T: Class>(&self, key: &str, value: T) -> Result<Object<T>, Error> {
        self.expiry.check()?;
        let name = name_of::<T>(key)?;
        let place = self.shared.registry.place::<T>(key);
        let _turn = place.turn.lock().await;
        // Of one without its value nobody told the end, and of any other this node may not have been told yet.
        if let Some(slot) = place.slot().filter(|slot| !slot.is_shell()) {
            match self.object(slot)?.pull().await {
                Err(Error::Gone { .. } | Error::LostWrite { .. }) => {}
                outcome => return outcome.and(Err(Error::Exists { object: name })),
            }
        }
        let port = self.shared.port(key)?;
        self.register::<T>(port)?;
        let (segments, bytes) = creation(&value)?;
        let slot = Slot::<T>::new(self.shared.new_replica(), key, Arc::clone(port) as _);
        slot.draft(value, bytes);
        let opening = Opening::new(port, &slot);
        let create = Ask::Create(Arc::clone(&slot) as _, segments, self.expiry);
        match self.shared.ask_to_change(port, create, &name).await? {
            Answer::Created => {
                opening.succeed(&place);
                self.opened(slot)
            }
            _ => Err(Error::Exists { object: name }),
        }
    }

    /// Opens an object, or creates it with what `value` answers if there is none.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let bob = node.open_or_create("bob", Cart::default).await?;
    /// assert_eq!(bob.key(), "bob");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub async fn open_or_create<T: Class>(&self, key: &str, value: impl FnOnce() -> T) -> Result<Object<T>, Error> {
        match self.open(key).await {
            Err(Error::Gone { .. }) => {}
            outcome => return outcome,
        }
        match self.create(key, value()).await {
            // Another node was faster.
            Err(Error::Exists { .. }) => self.open(key).await,
            outcome => outcome,
        }
    }

    /// Tells a shard of a class, before it is asked for its objects.
    pub(super) fn register<T: Class>(&self, port: &Port) -> Result<(), Error> {
        self.shared.registry.claim::<T>()?;
        port.push(Input::Register(T::schema()));
        Ok(())
    }

    /// Ends an object for good, on every node. A key may be created again: that is another object.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// node.destroy::<Cart>("alice").await?;
    /// assert!(matches!(cart.read().await, Err(nam::Error::Gone { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Gone` if there is no such object, `Undecided` without an answer: it may end yet; otherwise as
    /// [`open`](Self::open).
    pub async fn destroy<T: Class>(&self, key: &str) -> Result<(), Error> {
        let object = self.open::<T>(key).await?;
        let port = self.shared.port(key)?;
        self.shared.ask_to_change(port, Ask::Destroy(object.replica()), object.name()).await?;
        Ok(())
    }

    /// The keys of a class that start with `prefix`, ascending.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(node.keys::<Cart>("al").await?, ["alice"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut` without an answer.
    pub async fn keys<T: Class>(&self, prefix: &str) -> Result<Vec<String>, Error> {
        if !prefix.is_empty() {
            name_of::<T>(prefix)?;
        }
        let class = ObjectName { class: T::NAME.to_owned(), key: prefix.to_owned() };
        let mut found = Vec::new();
        for port in self.shared.ports() {
            self.register::<T>(port)?;
            let mut after = String::new();
            loop {
                let (name, prefix) = (class.class.clone(), prefix.to_owned());
                let ask = Ask::Keys { class: name, prefix, after: after.clone() };
                let Answer::Keys { keys, is_last } = self.shared.ask(port, ask, &class).await? else { break };
                after = keys.last().cloned().unwrap_or_default();
                found.extend(keys);
                if is_last || after.is_empty() {
                    break;
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// How the node's links are, for readiness probes.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(node.state(), nam::NodeState::Ready);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn state(&self) -> NodeState {
        for port in self.shared.ports() {
            let standing = port.standing();
            if standing.is_ended {
                return NodeState::Closed;
            }
            if standing.link != LinkState::Ready {
                return NodeState::Reconnecting { since: standing.since.elapsed(), trouble: standing.trouble };
            }
        }
        NodeState::Ready
    }

    /// Bytes that this node's replicas take in memory, roughly: values, what guards keep of former ones, and what is known
    /// of objects whose values were dropped. At most [`memory_max`](NodeBuilder::memory_max), but for what may not be
    /// dropped.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let before = node.memory_used();
    /// let cart = node.create("bob", Cart { owner: "b".repeat(1_000), ..Cart::default() }).await?;
    /// assert!(node.memory_used() > before + 1_000);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.shared.memory.used()
    }

    /// How many reads asked with a token for a version that the repository lost, or never had: each answered `LostWrite`.
    /// Each is also an event of the crate `tracing` that counts `nam_lost_writes`.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut token = cart.token()?;
    /// token.version.0 += 1; // as if a later version had been shown, and lost
    /// assert!(matches!(cart.read_at(token).await, Err(nam::Error::LostWrite { .. })));
    /// assert_eq!(node.lost_writes(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn lost_writes(&self) -> u64 {
        self.shared.lost_writes()
    }

    /// Bytes and packets of all this node's links so far, as UDP carried them.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(node.traffic().bytes(), 0, "a node in process sends no packets");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "node")]
    #[must_use]
    pub fn traffic(&self) -> crate::transport::TrafficCounts {
        self.shared
            .ports()
            .iter()
            .fold(Default::default(), |sum: crate::transport::TrafficCounts, port| sum.plus(port.traffic()))
    }

    /// Waits until every commit has its outcome, then takes leave of the repository; objects of this node answer
    /// `Closed` from then on.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// node.close().await?;
    /// assert_eq!(node.state(), nam::NodeState::Closed);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `TimedOut` if a commit's outcome does not come; the node is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        let patience = self.shared.settings.patience;
        let mut outcome = Ok(());
        for port in self.shared.ports() {
            let (done, is_done) = tokio::sync::oneshot::channel();
            port.push(Input::Close(done));
            if port.standing().is_ended {
                continue;
            }
            if let Err(Elapsed) = self.shared.limited(patience, is_done).await {
                port.push(Input::Stop);
                outcome = Err(Error::TimedOut { what: "the outcome of a commit".to_owned(), waited: patience });
            }
        }
        outcome
    }

    /// A handle to an object that was not here before.
    fn opened<T: Class>(&self, slot: Arc<Slot<T>>) -> Result<Object<T>, Error> {
        let object = self.object(slot)?;
        if let Some(delivery) = self.shared.registry.delivery::<T>() {
            object.set_delivery(delivery);
        }
        Ok(object)
    }

    fn object<T: Class>(&self, slot: Arc<Slot<T>>) -> Result<Object<T>, Error> {
        let port = Arc::clone(self.shared.port(&slot.name().key)?);
        Ok(Object::new(slot, port, Arc::clone(&self.shared)))
    }
}

/// A value as deltas from nothing, each small enough to travel, and its bytes.
fn creation<T: Class>(value: &T) -> Result<(Vec<Bytes>, usize), Error> {
    let mut w = Writer::new();
    value.encode_root(&mut w);
    w.check().map_err(|error| Error::broken(&error))?;
    let body = w.into_bytes();
    let bytes = body.len();
    if bytes > OBJECT_BYTES_MAX {
        return Err(Error::Limit { why: format!("an object of {bytes} bytes, {OBJECT_BYTES_MAX} are allowed") });
    }
    let schema = T::schema();
    check_own_delta(&schema, &body, Operations::Refused).map_err(|fault| match fault.is_limit() {
        true => Error::unfit(&fault),
        false => Error::Internal { why: format!("a value does not match its schema: {fault}") },
    })?;
    if bytes <= INLINE_BYTES_MAX {
        return Ok((vec![body.into()], bytes));
    }
    let cut: Result<Vec<Bytes>, _> =
        cut(&schema, &body, SEGMENT_BYTES_MAX).map(|delta| delta.map(Bytes::from)).collect();
    let segments =
        cut.map_err(|error| Error::Internal { why: format!("a value does not match its schema: {error}") })?;
    Ok((segments, bytes))
}

fn name_of<T: Class>(key: &str) -> Result<ObjectName, Error> {
    if key.is_empty() || key.len() > NAME_BYTES_MAX {
        return Err(Error::Invalid { why: format!("a key has 1 to {NAME_BYTES_MAX} bytes, not {}", key.len()) });
    }
    Ok(ObjectName { class: T::NAME.to_owned(), key: key.to_owned() })
}

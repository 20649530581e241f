//! A value with its identity, and the guard that pins it.
//!
//! What [`Slot`](super::Slot) keeps behind its `Arc`: value, birth and version change together or not at all. Invariant:
//! a guard is one clone of the `Arc`, so while it lives the value cannot change; a writer finds the `Arc` shared and
//! copies. Source: own reasoning (R1).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::ids::{Birth, Token, Version};
use crate::node::memory::Share;
use crate::tracked::Class;

/// How often a writer looks again for a reader that is just leaving, before it makes way for a copy.
const SPINS: u32 = 64;

/// A value at one version.
pub(crate) struct Held<T: Class> {
    pub(crate) value: T,
    pub(crate) at: Token,
    pub(super) share: Share,
}

/// Bytes that a value takes, roughly. Costs a walk through all of it.
pub(super) fn heap_bytes<T: Class>(value: &T) -> usize {
    size_of::<Held<T>>() + value.heap_bytes()
}

impl<T: Class> Held<T> {
    /// The value for writing, if no guard pins it.
    pub(super) fn unshared(this: &mut Arc<Self>) -> Option<&mut Self> {
        for _ in 0..SPINS {
            if Arc::strong_count(this) == 1 {
                break;
            }
            std::hint::spin_loop();
        }
        Arc::get_mut(this)
    }

    /// A copy that no guard pins.
    pub(super) fn copy(&self) -> Self {
        Self { value: self.value.clone(), at: self.at, share: self.share.of_copy() }
    }
}

/// One version of an object, for reading: it never changes and never blocks a writer for longer than a copy takes.
///
/// `Send + 'static`, may be kept across awaits; a kept guard keeps its version in memory. Cost: a lock, a count up, a
/// count down.
pub struct Guard<T: Class> {
    held: Arc<Held<T>>,
    is_current: bool,
}

impl<T: Class> Guard<T> {
    pub(super) fn new(held: &Arc<Held<T>>, is_current: bool) -> Self {
        Self { held: Arc::clone(held), is_current }
    }

    /// Whether this was the newest version that the node had been told of when it was read, by a link that stood. If not,
    /// it was read while the link was down or being resumed, or by a call that takes what is here.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// The version that this guard shows.
    #[must_use]
    pub fn version(&self) -> Version {
        self.held.at.version
    }

    /// Which object of its name this guard shows.
    #[must_use]
    pub fn birth(&self) -> Birth {
        self.held.at.birth
    }

    /// Names the version this guard shows.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(cart.read().await?.token(), cart.token()?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn token(&self) -> Token {
        self.held.at
    }

    /// Bytes that this version takes in the node's memory, roughly: measured when it was loaded, estimated by what changed
    /// since. Walks nothing.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let cart = node.create("alice", Cart { total: 0, owner: "a".repeat(1_000) }).await?;
    /// assert!((1_000..2_000).contains(&cart.read().await?.memory_bytes()));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.held.share.bytes()
    }
}

impl<T: Class> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held.value
    }
}

impl<T: Class> Clone for Guard<T> {
    fn clone(&self) -> Self {
        Self::new(&self.held, self.is_current)
    }
}

impl<T: Class> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("at", &self.held.at).finish_non_exhaustive()
    }
}

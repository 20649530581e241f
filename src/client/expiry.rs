//! When objects end by themselves: chosen for what a node creates, changed for one object.
//!
//! Nothing here counts time: the repository does, and this node tells it which objects were used. Source: own reasoning
//! (E1–E3).

use super::Node;
use super::object::Object;
use super::port::Ask;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::tracked::Class;

impl Node {
    /// The same node, whose creations end by themselves as `expiry` says; what exists already is left as it is.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # use std::time::Duration;
    /// # let node = nam::Node::in_process().await?;
    /// let carts = node.expiring(nam::Expiry::idle(Duration::from_secs(30 * 60)));
    /// let cart = carts.open_or_create("alice", Cart::default).await?;
    /// assert_eq!(cart.read().await?.total, 0);
    /// let never = node.expiring(nam::Expiry::idle(Duration::ZERO)).create("bob", Cart::default()).await;
    /// assert!(matches!(never, Err(nam::Error::Invalid { .. })));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn expiring(&self, expiry: Expiry) -> Self {
        Self { expiry, ..self.clone() }
    }
}

impl<T: Class> Object<T> {
    /// Changes when the object ends by itself: for every node, from now on, both limits. An object that ended is `Gone`,
    /// as if it had been destroyed.
    ///
    /// Reads and updates on any node count as use; a lifetime counts from this call. Makes no version.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # use std::time::Duration;
    /// # use nam::Expiry;
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(24 * 3_600));
    /// cart.set_expiry(Expiry::idle(hour).or_after(30 * day)).await?;
    /// cart.set_expiry(Expiry::NEVER).await?;
    /// assert_eq!(cart.fresh().await?.version().0, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a limit below one second or above ten years; `Gone`, `LostWrite`, `Unavailable`, or `TimedOut`
    /// without an answer, after which it may still take effect.
    pub async fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        expiry.check()?;
        self.ask(Ask::Limit(self.replica(), expiry)).await?;
        Ok(())
    }
}

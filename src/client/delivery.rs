//! How changes reach this node: chosen for a class, or for one object.
//!
//! Adaptive unless something else is said; the repository decides for each object and holder. Source: own reasoning (P1).

use super::Node;
use super::object::Object;
use super::port::Input;
use crate::tracked::Class;
use crate::wire::Delivery;

impl Node {
    /// Chooses how changes of the objects of a class reach this node; those that are opened or created from now on.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// let repository = nam::InProcess::new()?;
    /// let (till, archive) = (repository.node().await?, repository.node().await?);
    /// archive.set_delivery::<Cart>(nam::Delivery::Notice);
    /// let cart = till.create("alice", Cart::default()).await?;
    /// let kept = archive.open::<Cart>("alice").await?;
    /// cart.edit(|cart| cart.total += 3).await?;
    /// assert_eq!(kept.read_at(cart.token()?).await?.total, 3);
    /// # Ok(()) }
    /// ```
    pub fn set_delivery<T: Class>(&self, delivery: Delivery) {
        self.shared.registry.set_delivery::<T>(delivery);
    }
}

impl<T: Class> Object<T> {
    /// Chooses how changes of this object reach this node, from now on. A node that was told by a notice pulls once more
    /// before anything is pushed to it.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// cart.set_delivery(nam::Delivery::Push);
    /// assert_eq!(cart.fresh().await?.total, 0);
    /// # Ok(()) }
    /// ```
    pub fn set_delivery(&self, delivery: Delivery) {
        self.port.push(Input::Deliver(self.replica(), delivery));
    }
}

//! Objects by what they hold, and by references: the ways to an object whose key is not known.
//!
//! Source: own reasoning (S6).

use std::borrow::Borrow;

use super::Node;
use super::object::Object;
use super::port::Ask;
use crate::error::Error;
use crate::ids::{Alias, ObjectName};
use crate::limits::INDEXED_BYTES_MAX;
use crate::node::Answer;
use crate::tracked::{Class, Index, Ref, Sought};

impl Node {
    /// The objects whose field marked `#[nam(index)]` holds `value`, on all shards, by key.
    ///
    /// Asks every shard; each answers what is committed and durable there when it answers, so an object that changes
    /// meanwhile may be found or not. Costs a look-up and what is found; the first search of a class after a restart, or
    /// after a field was marked, also looks at all its objects. A field that was never written since it exists holds
    /// nothing, whatever its default.
    ///
    /// ```
    /// #[derive(nam::Tracked, Clone, Default)]
    /// struct Session {
    ///     #[nam(index)]
    ///     user: String,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// for key in ["s1", "s2"] {
    ///     node.create(key, Session { user: "alice".to_owned() }).await?;
    /// }
    /// let found = node.find(Session::USER, "alice").await?;
    /// assert_eq!(found.len(), 2);
    /// for session in &found {
    ///     node.destroy::<Session>(session.key()).await?; // signed out everywhere
    /// }
    /// assert_eq!(node.find(Session::USER, "alice").await?, []);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a text of more than 256 bytes, which is in no index; `Incompatible` if the repository knows another
    /// schema; `Corrupt` if an object that must be looked at is damaged on disk; `Unavailable` or `TimedOut` without an
    /// answer.
    pub async fn find<T: Class, V, Q>(&self, index: Index<T, V>, value: &Q) -> Result<Vec<Ref<T>>, Error>
    where
        V: Borrow<Q>,
        Q: Sought + ?Sized,
    {
        let value = Index::<T, V>::value_of(value);
        if value.len() > INDEXED_BYTES_MAX {
            let why = format!("a value of {} bytes is in no index, which takes {INDEXED_BYTES_MAX}", value.len());
            return Err(Error::Invalid { why });
        }
        self.find_bytes(index, value).await
    }

    async fn find_bytes<T: Class, V>(&self, index: Index<T, V>, value: Vec<u8>) -> Result<Vec<Ref<T>>, Error> {
        let (class, field) = (T::NAME, index.field());
        let name = ObjectName { class: class.to_owned(), key: String::new() };
        let mut all: Vec<Ref<T>> = Vec::new();
        for port in self.shared.ports() {
            self.register::<T>(port)?;
            let mut next = Some(Alias(0));
            while let Some(from) = next {
                let ask = Ask::Find { class, field, value: value.clone(), from };
                let Answer::Found { found, next: more } = self.shared.ask(port, ask, &name).await? else { break };
                all.extend(found.into_iter().map(|(key, birth)| Ref::new(&key, birth)));
                next = more.filter(|more| *more > from);
            }
        }
        all.sort_by(|a, b| a.key().cmp(b.key()));
        Ok(all)
    }

    /// Opens the object that a reference means: however many objects refer to it, there is one on this node. Costs no
    /// network if it is here; its end elsewhere is then known as soon as this node was told of it.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Catalogue { prices: Vec<u64> }
    /// #[derive(nam::Tracked, Clone)]
    /// struct Session {
    ///     catalogue: nam::Ref<Catalogue>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let spring = node.create("spring", Catalogue { prices: vec![7] }).await?;
    /// let session = node.create("alice", Session { catalogue: spring.reference()? }).await?;
    ///
    /// let catalogue = node.resolve(&session.read().await?.catalogue).await?;
    /// assert_eq!(catalogue.read().await?.prices, [7]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Gone` if the object is no more, also if another one has its key now; else as [`open`](Self::open).
    pub async fn resolve<T: Class>(&self, reference: &Ref<T>) -> Result<Object<T>, Error> {
        let object = self.open::<T>(reference.key()).await?;
        if object.reference()? == *reference { Ok(object) } else { Err(Error::Gone { object: object.name().clone() }) }
    }
}

impl<T: Class> Object<T> {
    /// A value that names this object, for a field of another one; see [`Node::resolve`]. Costs no network.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let cart = node.create("alice", Cart::default()).await?;
    /// let reference = cart.reference()?;
    /// assert_eq!(reference.key(), "alice");
    ///
    /// node.destroy::<Cart>("alice").await?;
    /// node.create("alice", Cart::default()).await?; // another object
    /// assert!(matches!(node.resolve(&reference).await, Err(nam::Error::Gone { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub fn reference(&self) -> Result<Ref<T>, Error> {
        self.token().map(|token| Ref::new(self.key(), token.birth))
    }
}

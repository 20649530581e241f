//! Reading an object, at the level of freshness the caller needs.
//!
//! ```text
//!   peek        whatever is here                     never waits
//!   read        current, as far as this node was told  waits only if it is not
//!   read_at     at least a token's version           a short wait for the push, then a pull
//!   fresh       asked of the repository              one round trip, no data if nothing changed
//! ```
//! Invariants: versions never go back on one node (I3); with a token, the answer is at least that version or an error
//! (I10); without a link, replicas stay readable for a bounded time only (F2). Source: own reasoning (R1–R5).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::object::Object;
use super::port::Ask;
use super::shared::Elapsed;
use crate::error::Error;
use crate::ids::{Token, Version};
use crate::node::{Answer, Guard, LinkState};
use crate::tracked::Class;

/// How long a read with a token waits for a push that is already under way.
const PUSH_WAIT: Duration = Duration::from_millis(20);

impl<T: Class> Object<T> {
    /// Reads the object. A memory read while the replica is current; otherwise what changed is pulled first.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let guard = cart.read().await?;
    /// assert_eq!(guard.total, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Gone` or `LostWrite` if it is no longer there, `Unreadable` if a newer program wrote what this one does not know
    /// (each call asks again if the object changed since), `Unavailable` without a link for too long, `TimedOut` without
    /// an answer.
    pub async fn read(&self) -> Result<Guard<T>, Error> {
        match self.slot.current() {
            Some(guard) => Ok(guard),
            None => self.read_current().await,
        }
    }

    /// Reads whatever is here, without waiting; later peeks never show an older version. If the value was dropped to save
    /// memory, that is `Unavailable`, and the value is fetched for the next one.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(cart.peek()?.total, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read), without `TimedOut`.
    pub fn peek(&self) -> Result<Guard<T>, Error> {
        if let Some(guard) = self.slot.current() {
            return Ok(guard);
        }
        self.check_local()?;
        self.slot.peek().map_err(|why| self.unreadable(why))?.ok_or_else(|| self.not_here())
    }

    /// Reads whatever is here under the object's lock, without a guard: the cheapest read of a small part. Keep it short.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let length = cart.peek_with(|cart| cart.owner.len())?;
    /// assert_eq!(length, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn peek_with<R>(&self, read: impl FnOnce(&T) -> R) -> Result<R, Error> {
        if !self.slot.is_current() {
            self.check_local()?;
        }
        self.slot.peek_with(read).map_err(|why| self.unreadable(why))?.ok_or_else(|| self.not_here())
    }

    /// Reads the newest version: asks the repository, one small round trip if nothing changed.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// assert_eq!(cart.fresh().await?.version().0, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn fresh(&self) -> Result<Guard<T>, Error> {
        let version = self.pull().await?;
        self.wait_for(version).await
    }

    /// Names the newest version that this node knows of: a read with it, on any node, shows that version or a later one.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let text = cart.token()?.to_string();
    /// assert!(text.len() <= 40);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn token(&self) -> Result<Token, Error> {
        self.slot.newest().map_err(|why| self.unreadable(why))?.ok_or_else(|| self.not_here())
    }

    /// Reads at least the version that `token` names. Without a link the local copy answers for a bounded time, as in
    /// [`read`](Self::read), if it has that version.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let token: nam::Token = cart.token()?.to_string().parse()?;
    /// assert!(cart.read_at(token).await?.version() >= token.version());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LostWrite` if the token is from before the last loss of the repository, or names a version that this never had:
    /// that is counted by [`Node::lost_writes`](super::Node::lost_writes) too. `Gone` if it is of another object;
    /// otherwise as [`read`](Self::read). What this node knows already is said without asking the repository.
    pub async fn read_at(&self, token: Token) -> Result<Guard<T>, Error> {
        let outcome = self.read_from(token).await;
        if let Err(Error::LostWrite { object }) = &outcome {
            self.shared.count_lost_write(object, token);
        }
        outcome
    }

    async fn read_from(&self, token: Token) -> Result<Guard<T>, Error> {
        if self.port.standing().link == LinkState::Down
            && let Ok(here) = self.peek()
            && here.token().is_same_or_after(token)
        {
            return Ok(here);
        }
        self.ask_again(token.version).await?;
        let read = |pulled| poll_fn(move |context| self.slot.poll_at(token, pulled, context));
        let outcome = match self.shared.limited(PUSH_WAIT, read(None)).await {
            Ok(outcome) => outcome,
            Err(Elapsed) => {
                let pulled = self.pull().await?;
                let reached = self.shared.patient(&self.port, read(Some(pulled)));
                reached.await.map_err(|Elapsed| self.waited_in_vain("a version"))?
            }
        };
        outcome.map_err(|why| self.unreadable(why))
    }

    /// Reads once this node is current.
    async fn read_current(&self) -> Result<Guard<T>, Error> {
        if self.port.standing().link == LinkState::Down {
            return self.peek();
        }
        self.ask_again(Version(0)).await?;
        let current = poll_fn(|context| match self.slot.poll_current(context) {
            // A link that breaks wakes whoever waits.
            Poll::Pending if self.port.standing().link == LinkState::Down => Poll::Ready(None),
            current => current.map(Some),
        });
        match self.shared.patient(&self.port, current).await {
            Ok(Some(outcome)) => outcome.map_err(|why| self.unreadable(why)),
            Ok(None) => self.peek(),
            Err(Elapsed) => Err(self.waited_in_vain("the newest version")),
        }
    }

    /// Asks the repository what changed; answers the version it had.
    pub(super) async fn pull(&self) -> Result<Version, Error> {
        match self.ask(Ask::Pull(self.replica())).await? {
            Answer::Pulled(version) => Ok(version),
            // The value had been dropped, and the object was opened again.
            _ => Ok(self.token()?.version),
        }
    }

    /// Asks for a value that was unreadable here, once, if the object was changed since, or is said to be at `version`;
    /// answers whether it did.
    pub(super) async fn ask_again(&self, version: Version) -> Result<bool, Error> {
        let Some((found, newest)) = self.slot.unreadable() else { return Ok(false) };
        let is_worth_it = newest.max(version) > found;
        if is_worth_it {
            self.ask(Ask::Open(Arc::clone(&self.slot) as _)).await?;
        }
        Ok(is_worth_it)
    }

    /// Waits until `version` is here, queues and copies included.
    async fn wait_for(&self, version: Version) -> Result<Guard<T>, Error> {
        self.ask_again(version).await?;
        let reached = poll_fn(|context| self.slot.poll_reached(version, context));
        match self.shared.patient(&self.port, reached).await {
            Ok(outcome) => outcome.map_err(|why| self.unreadable(why)),
            Err(Elapsed) => Err(self.waited_in_vain("a version")),
        }
    }

    /// Whether replicas may be read although the link is down: for a bounded time, or not at all (F2).
    fn check_local(&self) -> Result<(), Error> {
        let standing = self.port.standing();
        if standing.is_ended {
            return Err(Error::Closed);
        }
        let is_readable = match (standing.link, self.shared.settings.local_reads_of::<T>()) {
            (LinkState::Ready, _) => true,
            (LinkState::Down | LinkState::Resuming, Some(bound)) => standing.since.elapsed() <= bound,
            (LinkState::Down | LinkState::Resuming, None) => false,
        };
        if is_readable { Ok(()) } else { Err(self.waited_in_vain("the newest version")) }
    }

    fn not_here(&self) -> Error {
        Error::Unavailable { why: format!("{} is being loaded", self.name()) }
    }
}

impl<T: Class> Guard<T> {
    /// Moves on to what [`Object::read`] shows now; answers whether that is another version.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut guard = cart.read().await?;
    /// cart.edit(|cart| cart.total = 5).await?;
    /// assert_eq!(guard.total, 0);
    /// assert!(guard.refresh(&cart).await?);
    /// assert_eq!(guard.total, 5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Object::read`]; the guard then stays where it was.
    pub async fn refresh(&mut self, object: &Object<T>) -> Result<bool, Error> {
        let newer = object.read().await?;
        let is_other = (newer.birth(), newer.version()) != (self.birth(), self.version());
        *self = newer;
        Ok(is_other)
    }
}

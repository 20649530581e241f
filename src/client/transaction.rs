//! A transaction of steps, with time and awaits between them and nothing locked.
//!
//! Source: own reasoning (W12); the rules of its writes stand at the node's slot.

use std::fmt;
use std::future::poll_fn;

use super::lock::Lock;
use super::object::Object;
use super::updating::{Committed, Next};
use crate::error::{Error, UpdateError};
use crate::node::{Step, Steps};
use crate::tracked::Class;

/// Writes that become one commit. Dropping it discards them.
#[must_use = "a transaction that is dropped discards its writes"]
pub struct Transaction<T: Class> {
    object: Object<T>,
    steps: Steps,
}

impl<T: Class> Object<T> {
    /// Begins a transaction of steps. Nothing is locked; for a single step use [`update`](Self::update), which merges more: a
    /// list that somebody inserts into or removes from meanwhile is touched as a whole for a transaction that wrote in it.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut transaction = cart.begin()?;
    /// let step = transaction.with(|cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) });
    /// step.await.expect("nobody was in the way");
    /// assert_eq!(cart.read().await?.total, 0);
    /// transaction.commit().await?;
    /// assert_eq!(cart.read().await?.total, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Gone` or `LostWrite` if the object is no longer there, `Closed`.
    pub fn begin(&self) -> Result<Transaction<T>, Error> {
        let steps = self.slot.begin().map_err(|why| self.unreadable(why))?;
        Ok(Transaction { object: self.clone(), steps })
    }
}

impl<T: Class> Lock<T> {
    /// Begins a transaction of steps as [`Object::begin`] does, whose commit takes effect only while the lock is held.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let mut transaction = lock.begin()?;
    /// let step = transaction.with(|cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) });
    /// step.await.expect("nobody was in the way");
    /// lock.release().await?;
    /// assert!(matches!(transaction.commit().await, Err(nam::Error::LockLost { .. })));
    /// assert_eq!(cart.read().await?.total, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockLost` if the lock is over; otherwise as [`Object::begin`].
    pub fn begin(&self) -> Result<Transaction<T>, Error> {
        let fence = self.fence()?;
        let mut transaction = self.object().begin()?;
        transaction.steps.fence(fence);
        Ok(transaction)
    }
}

impl<T: Class> Transaction<T> {
    /// Runs one step on the newest committed state with the transaction's own writes.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut transaction = cart.begin()?;
    /// let failed = transaction.with(|_| Err::<(), _>("no")).await;
    /// assert_eq!(failed, Err(nam::UpdateError::Aborted("no")));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Aborted` with the closure's own error, which discards this step only; `Failed` with `Conflict` if somebody else
    /// changed what earlier steps wrote or required (`require_x()`, `require_key()`): begin again; otherwise as [`Object::update`].
    pub async fn with<V, E>(
        &mut self,
        closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<V, UpdateError<E>> {
        run_step(&self.object, &mut self.steps, closure).await
    }

    /// Commits all steps at once, together with other transactions and updates of this node that wrote and required other
    /// things; under a lock with nobody. Those that are under way are in front of it: what they write is a conflict as if it
    /// had come in.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut transaction = cart.begin()?;
    /// for owner in ["b", "o", "b"] {
    ///     let step = transaction.with(|cart| { cart.owner_mut().push_str(owner); Ok::<(), nam::Error>(()) });
    ///     step.await.expect("nobody was in the way");
    /// }
    /// assert_eq!(transaction.commit().await?.version.0, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Conflict` if somebody else changed what the steps wrote or required: begin again; otherwise as [`Object::update`].
    pub async fn commit(mut self) -> Result<Committed<()>, Error> {
        let Self { object, steps } = &mut self;
        let mut turn = (!steps.is_shared()).then(|| object.slot.queue_alone());
        loop {
            let step = poll_fn(|context| object.slot.poll_commit(steps, context));
            let Ok(step) = object.shared.patient(&object.port, step).await else {
                return Err(object.waited_in_vain("a turn to commit"));
            };
            let next = match step {
                Step::Joined((), ticket) => object.outcome((), ticket).await?,
                Step::Unchanged((), version) => Next::Done(version, ()),
                other => return Err(failure(object, other)),
            };
            match next {
                Next::Done(version, value) => return Ok(Committed { value, version }),
                Next::Again => {}
                Next::Conflict if turn.is_some() => return Err(conflict(object)),
                // Others were in the commit. If it was these steps that were overtaken, the slot knows by now.
                Next::Conflict | Next::Alone => {
                    steps.alone();
                    turn.get_or_insert_with(|| object.slot.queue_alone());
                }
            }
        }
    }
}

/// Runs one step of a transaction.
pub(super) async fn run_step<T: Class, V, E>(
    object: &Object<T>,
    steps: &mut Steps,
    mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
) -> Result<V, UpdateError<E>> {
    let mut run = |value: &mut T, changes: &mut T::Changes| closure(&mut value.track(changes));
    let step = poll_fn(|context| object.slot.poll_step(steps, context, &mut run));
    let Ok(step) = object.shared.patient(&object.port, step).await else {
        return Err(object.waited_in_vain("a turn to update").into());
    };
    match step {
        Step::Unchanged(value, _) => Ok(value),
        Step::Aborted(error) => Err(UpdateError::Aborted(error)),
        other => Err(failure(object, other).into()),
    }
}

fn conflict<T: Class>(object: &Object<T>) -> Error {
    Error::Conflict { object: object.name().clone(), tries: 1 }
}

fn failure<T: Class, V, E>(object: &Object<T>, step: Step<V, E>) -> Error {
    match step {
        Step::Ended(ending) => Error::ended(ending, object.name()),
        Step::Unreadable(unknown) => Error::unreadable(&unknown, object.name()),
        Step::Nested => Error::nested(),
        Step::TooLarge(bytes) => Error::Limit { why: format!("a change of {bytes} bytes") },
        Step::Unfit(error) => Error::unfit(&error),
        Step::Broken(error) => Error::broken(&error),
        _ => conflict(object),
    }
}

impl<T: Class> fmt::Debug for Transaction<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("object", self.object.name()).finish_non_exhaustive()
    }
}

//! Changing an object: optimistic updates that combine and run again on conflict.
//!
//! Invariants: a closure that answers an error or panics contributes nothing (W11); on a conflict it runs again on what
//! is new, until its node lost [`UPDATE_TRIES_MAX`] times in a row, with growing pauses (W3); an outcome that did not
//! come in time is `Undecided`, never a guess (W9). Source: own reasoning.

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use super::chance::pause;
use super::object::Object;
use super::port::Port;
use super::shared::{Elapsed, Shared};
use crate::error::{Error, UpdateError};
use crate::ids::{ObjectName, Version};
use crate::limits::{DELTA_BYTES_MAX, PRECEDENCE_MS, UPDATE_RUNS_MAX, UPDATE_TRIES_MAX};
use crate::node::{Scope, Settled, Step, Ticket};
use crate::tracked::{Class, derived};

/// Tries without a pause before the next one: the repository has a node that lost twice go first, and its tasks together
/// make one commit.
const TRIES_AT_ONCE: u32 = 4;

/// The first and the longest pause between two tries: a node that goes first at the repository is back within half of its
/// time.
const PAUSES: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(PRECEDENCE_MS / 2));

/// An update that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<V> {
    /// What the closure answered, in the run that took effect.
    pub value: V,
    /// The version that has its changes.
    pub version: Version,
}

/// What a task lost to other commits.
#[derive(Debug, Default)]
pub(super) struct Losses {
    runs: u32,
    /// Those in a row while its node had nothing accepted.
    tries: u32,
    accepted: Option<u64>,
}

impl Losses {
    /// Another commit of `object` was in the way, when so many of this node were accepted; waits until it is time to try
    /// again. A node that gets on serves one of its tasks after the other.
    ///
    /// # Errors
    /// `Conflict` after [`UPDATE_TRIES_MAX`] losses of the node in a row, or [`UPDATE_RUNS_MAX`] of the task.
    pub(super) async fn add(&mut self, accepted: u64, shared: &Shared, object: &ObjectName) -> Result<(), Error> {
        self.tries = if self.accepted.replace(accepted) == Some(accepted) { self.tries + 1 } else { 1 };
        self.runs += 1;
        if self.tries >= UPDATE_TRIES_MAX || self.runs >= UPDATE_RUNS_MAX {
            return Err(Error::Conflict { object: object.clone(), tries: self.runs });
        }
        if let Some(late) = self.tries.checked_sub(TRIES_AT_ONCE).filter(|late| *late > 0) {
            shared.timer(pause(late, PAUSES.0, PAUSES.1)).await;
        }
        Ok(())
    }
}

/// What to do after a try.
pub(super) enum Next<V> {
    Done(Version, V),
    /// Another commit was in the way.
    Conflict,
    /// Run again at once.
    Again,
    /// Run again with nobody else in the commit.
    Alone,
}

impl<T: Class> Object<T> {
    /// Changes the object: runs `closure` on what is newest and commits what it wrote, together with other updates of
    /// this node; runs it again if another commit was in the way. Dropping the future after the commit was sent does not
    /// take it back.
    ///
    /// The closure runs under the object's lock, as often as needed: keep it short, and free of effects other than its
    /// writes. What it only reads is not protected, unless it says so: the cursor's `require_x()` and the `require_key()` of
    /// maps and sets read, and have the commit fail, so that the closure runs again, if what they read changed since;
    /// [`update_isolated`](Self::update_isolated) requires all of the object. A closure that only requires makes no
    /// version: it is answered at one where all that it read stood.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { paid: bool, items: std::collections::BTreeMap<String, u32> }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let done = cart.update(|cart| {
    ///     // Nobody pays meanwhile, and nobody else takes the last pear: then this runs again, and sees it.
    ///     let is_open = !*cart.require_paid() && cart.items_mut().require_key("pear").is_none();
    ///     if is_open { cart.items_mut().insert("plum".to_owned(), 1); }
    ///     Ok::<_, nam::Error>(is_open)
    /// }).await.expect("nobody was in the way");
    /// assert!(done.value);
    /// # Ok(()) }
    /// ```
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let done = cart.update(|cart| {
    ///     *cart.total_mut() += 3;
    ///     if cart.total > 100 { return Err("too dear") }
    ///     Ok(cart.total)
    /// }).await.expect("three is not too dear");
    /// assert_eq!((done.value, done.version.0), (3, 2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Aborted` with the closure's own error; `Failed` with `Conflict` after 16 losses of this node in a row, `Undecided` if the outcome did
    /// not come in time, `Gone`, `Unreadable`, `Limit`, `Unavailable`, `TimedOut`, or `Invalid` if the closure uses the
    /// object itself.
    pub async fn update<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Committed<V>, UpdateError<E>> {
        let run = move |value: &mut T, changes: &mut T::Changes| closure(&mut value.track(changes));
        self.run(Scope::Shared, run).await
    }

    /// As [`update`](Self::update), and anything newer in the object is in the way, written by others or only read here.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let done = cart.update_isolated(|cart| {
    ///     let is_free = cart.total == 0;
    ///     if is_free { cart.owner_mut().push_str("bob") }
    ///     Ok::<_, nam::Error>(is_free)
    /// }).await.expect("nobody was in the way");
    /// assert!(done.value);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_isolated<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Committed<V>, UpdateError<E>> {
        let run = move |value: &mut T, changes: &mut T::Changes| closure(&mut value.track(changes));
        self.run(Scope::Isolated, run).await
    }

    /// Changes the object by code that knows nothing of cursors. Costs a clone of the whole value and a comparison; what
    /// is sent is still only what differs. For large objects use [`update`](Self::update) and the cursor's own `edit`.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let done = cart.edit(|cart| { cart.total += 1; cart.total }).await?;
    /// assert_eq!(done.value, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), without `Aborted`.
    pub async fn edit<V>(&self, mut closure: impl FnMut(&mut T) -> V) -> Result<Committed<V>, Error> {
        let run = move |value: &mut T, changes: &mut T::Changes| {
            Ok::<V, Infallible>(derived::edit(value, changes, &mut closure))
        };
        self.run(Scope::Shared, run).await.map_err(|error| match error {
            UpdateError::Failed(error) => error,
            UpdateError::Aborted(never) => match never {},
        })
    }

    pub(super) async fn run<V, E>(
        &self,
        mut scope: Scope,
        mut closure: impl FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Committed<V>, UpdateError<E>> {
        let mut turn = (scope != Scope::Shared).then(|| self.slot.queue_alone());
        let mut losses = Losses::default();
        loop {
            match self.attempt(scope, &mut closure).await? {
                Next::Done(version, value) => return Ok(Committed { value, version }),
                Next::Again => {}
                Next::Alone => {
                    scope = if scope == Scope::Shared { Scope::Alone } else { scope };
                    turn.get_or_insert_with(|| self.slot.queue_alone());
                }
                Next::Conflict => losses.add(self.slot.accepted(), &self.shared, self.name()).await?,
            }
        }
    }

    /// Runs the closure once and waits for what becomes of it.
    async fn attempt<V, E>(
        &self,
        scope: Scope,
        closure: &mut impl FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Next<V>, UpdateError<E>> {
        let mut step = self.step(scope, closure).await?;
        if matches!(step, Step::Unreadable(_)) && self.ask_again(Version(0)).await? {
            step = self.step(scope, closure).await?;
        }
        match step {
            Step::Joined(value, ticket) => Ok(self.outcome(value, ticket).await?),
            Step::Unchanged(value, version) => Ok(Next::Done(version, value)),
            Step::Aborted(error) => Err(UpdateError::Aborted(error)),
            Step::Ended(ending) => Err(Error::ended(ending, self.name()).into()),
            Step::Unreadable(unknown) => Err(Error::unreadable(&unknown, self.name()).into()),
            Step::Nested => Err(Error::nested().into()),
            Step::Overlapped => Ok(Next::Conflict),
            Step::TooLarge(bytes) => {
                Err(Error::Limit { why: format!("a change of {bytes} bytes, {DELTA_BYTES_MAX} are allowed") }.into())
            }
            Step::Unfit(error) => Err(Error::unfit(&error).into()),
            Step::Broken(error) => Err(Error::broken(&error).into()),
        }
    }

    /// Runs the closure once, when its turn comes.
    async fn step<V, E>(
        &self,
        scope: Scope,
        closure: &mut impl FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Step<V, E>, Error> {
        let step = poll_fn(|context| self.slot.poll_update(scope, context, closure));
        let step = self.shared.patient(&self.port, step).await;
        step.map_err(|Elapsed| self.waited_in_vain("a turn to update"))
    }

    pub(super) async fn outcome<V>(&self, value: V, ticket: Ticket) -> Result<Next<V>, Error> {
        outcome((&self.shared, &self.port), self.name(), value, ticket).await
    }
}

/// Waits for what became of a commit of `object`.
pub(super) async fn outcome<V>(
    (shared, port): (&Shared, &Port),
    object: &ObjectName,
    value: V,
    ticket: Ticket,
) -> Result<Next<V>, Error> {
    let patience = shared.settings.patience;
    match shared.patient(port, ticket).await {
        Ok(Settled::Committed(version)) => Ok(Next::Done(version, value)),
        Ok(Settled::Conflict) => Ok(Next::Conflict),
        Ok(Settled::Rerun) => Ok(Next::Again),
        Ok(Settled::RerunAlone) => Ok(Next::Alone),
        Ok(Settled::Refused(refused)) => Err(Error::refused(&refused, object)),
        Ok(Settled::Ended(ending)) => Err(Error::ended(ending, object)),
        Err(Elapsed) => Err(Error::Undecided { object: object.clone(), waited: patience }),
    }
}

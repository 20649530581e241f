//! Several objects of one shard as one: commits that take effect together.
//!
//! A group is a transaction of steps over several objects: each step sees the newest committed state of its object with
//! the group's own writes, nothing is locked in between, and the commit is all or nothing. Invariants: objects of
//! different shards meet at no call but are refused there; a group that fails before it is sent leaves every object as
//! free as it was. Source: own reasoning (W7, W12).

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::lock::Lock;
use super::node::Node;
use super::object::Object;
use super::port::{Input, Port};
use super::shared::{Elapsed, Shared};
use super::transaction::run_step;
use super::updating::{Losses, Next, outcome};
use crate::error::{Error, UpdateError};
use crate::ids::{ObjectName, Version};
use crate::limits::{GROUP_BYTES_MAX, GROUP_OBJECTS_MAX};
use crate::node::{AloneTurn, Outgoing, Replica, ReplicaId, Reservation, State, Steps, Ticket};
use crate::tracked::Class;

/// Writes to several objects that become one commit. Dropping it discards them.
#[must_use = "a group that is dropped discards its writes"]
pub struct Group {
    shared: Arc<Shared>,
    parts: Vec<Box<dyn AnyPart>>,
}

/// A group that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCommitted<V> {
    /// What the closure answered, in the run that took effect.
    pub value: V,
    versions: Vec<(ReplicaId, Version)>,
}

impl<V> GroupCommitted<V> {
    /// The version of `object` that has the group's changes; of one that the group only read or required, a version at
    /// which that stood. `None` if the group did not use it.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let (a, b) = (node.create("{u1}a", Cart::default()).await?, node.create("{u1}b", Cart::default()).await?);
    /// let mut group = node.begin_group();
    /// group.with(&a, |cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) }).await.expect("nobody is in the way");
    /// let done = group.commit().await?;
    /// assert_eq!((done.version_of(&a).map(|version| version.0), done.version_of(&b)), (Some(2), None));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn version_of<T: Class>(&self, object: &Object<T>) -> Option<Version> {
        let of_object = self.versions.iter().find(|(replica, _)| *replica == object.replica());
        of_object.map(|(_, version)| *version)
    }
}

impl Node {
    /// Begins a commit of several objects of one shard, as steps with time and awaits between them and nothing locked. With
    /// more than one shard, objects that change together have keys with one `{tag}`: `{alice}cart` and `{alice}orders`
    /// share a shard. An object is created before: a group creates and destroys none.
    ///
    /// [`update_group`](Self::update_group) begins again by itself when others were in the way.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Account { cash: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::UpdateError<&'static str>> {
    /// # let node = nam::Node::in_process().await?;
    /// let cash = node.create("{alice}cash", Account { cash: 10 }).await?;
    /// let savings = node.create("{alice}savings", Account { cash: 0 }).await?;
    /// let mut group = node.begin_group();
    /// group.with(&cash, |account| {
    ///     *account.cash_mut() -= 4;
    ///     if account.cash < 0 { Err("too little") } else { Ok(()) }
    /// }).await?;
    /// group.with(&savings, |account| { *account.cash_mut() += 4; Ok::<_, &str>(()) }).await?;
    /// group.commit().await?;
    /// assert_eq!((cash.read().await?.cash, savings.read().await?.cash), (6, 4));
    /// # Ok(()) }
    /// ```
    pub fn begin_group(&self) -> Group {
        Group { shared: Arc::clone(&self.shared), parts: Vec::new() }
    }

    /// Changes several objects of one shard, all or none: runs `closure` on a new [`Group`] and commits what it gives back,
    /// with a value; begins again, with growing pauses, if other commits were in the way.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Account { cash: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::UpdateError<&'static str>> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cash = &node.create("{alice}cash", Account { cash: 10 }).await?;
    /// # let savings = &node.create("{alice}savings", Account { cash: 0 }).await?;
    /// let done = node.update_group(|mut group| async move {
    ///     let left = group.with(cash, |account| {
    ///         *account.cash_mut() -= 4;
    ///         if account.cash < 0 { Err("too little") } else { Ok(account.cash) }
    ///     }).await?;
    ///     group.with(savings, |account| { *account.cash_mut() += 4; Ok(()) }).await?;
    ///     Ok((group, left))
    /// }).await?;
    /// assert_eq!((done.value, savings.read().await?.cash), (6, 4));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Whatever `closure` answers; as [`Group::with`] and [`Group::commit`], and `Conflict` after 16 losses of this
    /// node in a row, or 256 of this call.
    pub async fn update_group<V, E, F>(
        &self,
        mut closure: impl FnMut(Group) -> F,
    ) -> Result<GroupCommitted<V>, UpdateError<E>>
    where
        F: Future<Output = Result<(Group, V), UpdateError<E>>>,
    {
        let mut losses = Losses::default();
        loop {
            let outcome = match closure(self.begin_group()).await {
                Ok((group, value)) => {
                    group.commit().await.map(|done| GroupCommitted { value, versions: done.versions })
                }
                Err(UpdateError::Failed(error)) => Err(error),
                Err(aborted) => return Err(aborted),
            };
            match outcome {
                Err(Error::Conflict { object, .. }) => {
                    losses.add(self.shared.groups_accepted(), &self.shared, &object).await?;
                }
                outcome => return outcome.map_err(UpdateError::Failed),
            }
        }
    }
}

impl Group {
    /// Runs one step on the newest committed state of `object` with the group's own writes to it.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut group = node.begin_group();
    /// for _ in 0..2 {
    ///     let step = group.with(&cart, |cart| { *cart.total_mut() += 1; Ok::<_, nam::Error>(cart.total) });
    ///     step.await.expect("nobody was in the way");
    /// }
    /// assert_eq!(cart.read().await?.total, 0, "nothing is committed yet");
    /// group.commit().await?;
    /// assert_eq!(cart.read().await?.total, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Aborted` with the closure's own error, which discards this step only; `Failed` with `Invalid` if the object is of
    /// another shard than one before it, or of another node, with `Limit` if it is the 65th; otherwise as
    /// [`Transaction::with`](super::Transaction::with).
    pub async fn with<T: Class, V, E>(
        &mut self,
        object: &Object<T>,
        closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<V, UpdateError<E>> {
        let part = self.part(object)?;
        run_step(&part.object, &mut part.steps, closure).await
    }

    /// Has the group take effect only while `lock` is held: the repository refuses all of it otherwise.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let mut group = node.begin_group();
    /// group.under(&lock)?;
    /// let step = group.with(&cart, |cart| { *cart.total_mut() += 1; Ok::<_, nam::Error>(()) });
    /// step.await.expect("nobody was in the way");
    /// lock.release().await?;
    /// assert!(matches!(group.commit().await, Err(nam::Error::LockLost { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockLost` if the lock is over already; otherwise as [`with`](Self::with).
    pub fn under<T: Class>(&mut self, lock: &Lock<T>) -> Result<(), Error> {
        let fence = lock.fence()?;
        self.part(lock.object())?.steps.fence(fence);
        Ok(())
    }

    /// Commits all steps at once: all of them are judged, made durable and shown together, or none is. Waits until no other
    /// update of these objects by this node is under way; those that come meanwhile wait for it.
    ///
    /// Cost: one record and one entry of one frame, however many objects. All that the steps wrote and required,
    /// at most 61 KiB together, is sent again if the link breaks, and takes effect once.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let (a, b) = (node.create("{u1}a", Cart::default()).await?, node.create("{u1}b", Cart::default()).await?);
    /// let mut group = node.begin_group();
    /// for cart in [&a, &b] {
    ///     let step = group.with(cart, |cart| { *cart.total_mut() = 7; Ok::<_, nam::Error>(()) });
    ///     step.await.expect("nobody was in the way");
    /// }
    /// let done = group.commit().await?;
    /// assert_eq!(done.version_of(&a), done.version_of(&b));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Conflict` if somebody else changed what the steps wrote or required: begin again; `Gone` if one of the objects is
    /// no longer there, `LockLost`, `Limit`, and `Undecided` if the outcome did not come in time, each for the whole group.
    pub async fn commit(self) -> Result<GroupCommitted<()>, Error> {
        let Self { shared, mut parts } = self;
        let Some(port) = parts.first().map(|part| Arc::clone(part.port())) else {
            return Ok(GroupCommitted { value: (), versions: Vec::new() });
        };
        let bytes: usize = parts.iter().map(|part| part.bytes()).sum();
        if bytes > GROUP_BYTES_MAX {
            let why = format!("a group with {bytes} bytes of changes, {GROUP_BYTES_MAX} are allowed");
            return Err(Error::Limit { why });
        }
        // Whoever reserves several slots does so in one order.
        parts.sort_by_key(|part| part.replica());
        parts.iter_mut().for_each(|part| part.queue());
        for part in &mut parts {
            let reserving = poll_fn(|context| part.poll_reserve(context));
            let reserved = shared.limited(shared.settings.patience, reserving).await;
            match reserved {
                Ok(reserved) => reserved?,
                Err(Elapsed) => return Err(part.waited_in_vain()),
            }
        }
        if let Some(overtaken) = parts.iter_mut().find_map(|part| part.check().err()) {
            return Err(overtaken);
        }
        let mut departed: Vec<Departed> = parts.into_iter().map(|part| part.depart()).collect();
        let sent = departed.iter_mut().filter_map(|part| Some((Arc::clone(&part.replica), part.outgoing.take()?)));
        port.push(Input::Group(sent.collect()));
        let done = settle((&shared, &port), departed).await?;
        shared.count_group();
        Ok(done)
    }

    /// The part of an object, begun if this is its first step.
    fn part<T: Class>(&mut self, object: &Object<T>) -> Result<&mut Part<T>, Error> {
        if !Arc::ptr_eq(&self.shared, &object.shared) {
            let why = format!("{} was opened by another node than the group was begun by", object.name());
            return Err(Error::Invalid { why });
        }
        let known = self.parts.iter().position(|part| part.replica() == object.replica());
        let at = match known {
            Some(at) => at,
            None => {
                if let Some(first) = self.parts.first() {
                    check_shard((first.name(), first.port()), (object.name(), &object.port))?;
                }
                if self.parts.len() == GROUP_OBJECTS_MAX {
                    let why = format!("{GROUP_OBJECTS_MAX} objects in a group, and {} besides", object.name());
                    return Err(Error::Limit { why });
                }
                let steps = object.slot.begin().map_err(|why| object.unreadable(why))?;
                let (turn, reservation) = (None, None);
                self.parts.push(Box::new(Part { object: object.clone(), steps, turn, reservation }));
                self.parts.len() - 1
            }
        };
        let part = self.parts.get_mut(at).and_then(|part| (&mut **part as &mut dyn Any).downcast_mut());
        part.ok_or_else(|| Error::Internal { why: "a replica has two classes".to_owned() })
    }
}

/// Refuses objects that no shard has together.
pub(super) fn check_shard(first: (&ObjectName, &Arc<Port>), other: (&ObjectName, &Arc<Port>)) -> Result<(), Error> {
    if Arc::ptr_eq(first.1, other.1) {
        return Ok(());
    }
    let why = format!(
        "{} and {} are of different shards: objects of a group have keys with the same `{{tag}}`",
        first.0, other.0
    );
    Err(Error::Invalid { why })
}

/// One object of a group that is not committed yet.
struct Part<T: Class> {
    object: Object<T>,
    steps: Steps,
    turn: Option<AloneTurn<T>>,
    reservation: Option<Reservation<T>>,
}

/// A part of any class.
trait AnyPart: Any + Send {
    fn replica(&self) -> ReplicaId;

    fn name(&self) -> &ObjectName;

    fn port(&self) -> &Arc<Port>;

    /// Bytes of what was written and required.
    fn bytes(&self) -> usize;

    /// Has no further update of the object begin.
    fn queue(&mut self);

    /// Keeps the object's slot for the group.
    fn poll_reserve(&mut self, context: &Context<'_>) -> Poll<Result<(), Error>>;

    /// Makes sure that what was written and required stands.
    fn check(&mut self) -> Result<(), Error>;

    /// Puts what was written in flight.
    fn depart(self: Box<Self>) -> Departed;

    fn waited_in_vain(&self) -> Error;
}

impl<T: Class> AnyPart for Part<T> {
    fn replica(&self) -> ReplicaId {
        self.object.replica()
    }

    fn name(&self) -> &ObjectName {
        self.object.name()
    }

    fn port(&self) -> &Arc<Port> {
        &self.object.port
    }

    fn bytes(&self) -> usize {
        self.steps.bytes()
    }

    fn queue(&mut self) {
        self.turn = Some(self.object.slot.queue_alone());
    }

    fn poll_reserve(&mut self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        self.object.slot.poll_reserve(context).map(|reserved| {
            self.reservation = Some(reserved.map_err(|why| self.object.unreadable(why))?);
            Ok(())
        })
    }

    fn check(&mut self) -> Result<(), Error> {
        let stands = self.reservation.as_mut().is_some_and(|reservation| reservation.check(&mut self.steps));
        if stands { Ok(()) } else { Err(Error::Conflict { object: self.name().clone(), tries: 1 }) }
    }

    fn depart(self: Box<Self>) -> Departed {
        let Self { object, steps, reservation, .. } = *self;
        let name = object.name().clone();
        let base = reservation.as_ref().map(Reservation::base).unwrap_or_default();
        let sent = reservation.filter(|_| !steps.is_empty()).map(|reservation| reservation.depart(steps));
        let (outgoing, ticket) = sent.unzip();
        Departed { replica: object.slot, name, base, outgoing, ticket }
    }

    fn waited_in_vain(&self) -> Error {
        self.object.waited_in_vain("a turn to commit a group")
    }
}

/// A part on its way.
struct Departed {
    replica: Arc<dyn Replica>,
    name: ObjectName,
    /// The version that it stood at.
    base: Version,
    /// What is to be sent; taken once. Nothing, if it neither wrote nor required.
    outgoing: Option<Outgoing>,
    ticket: Option<Ticket>,
}

/// Waits for what became of every part: they all say the same, but one whose object is gone says which that is.
async fn settle(at: (&Shared, &Port), departed: Vec<Departed>) -> Result<GroupCommitted<()>, Error> {
    let mut versions = Vec::with_capacity(departed.len());
    let mut failure: Option<Error> = None;
    for Departed { replica, name, base, ticket, .. } in departed {
        let outcome = match ticket {
            Some(ticket) => outcome(at, &name, (), ticket).await,
            None => Ok(Next::Done(base, ())),
        };
        let error = match outcome {
            Ok(Next::Done(version, ())) => {
                versions.push((replica.id(), version));
                continue;
            }
            Ok(Next::Conflict | Next::Again | Next::Alone) => Error::Conflict { object: name, tries: 1 },
            Err(error) => error,
        };
        if failure.is_none() || replica.state() == State::Absent {
            failure = Some(error);
        }
    }
    failure.map_or(Ok(GroupCommitted { value: (), versions }), Err)
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| part.name())).finish()
    }
}

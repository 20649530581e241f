//! Reading several objects of one shard as of one time.
//!
//! The repository names the versions at one point of its order, behind the deltas that lead there, and every slot keeps the
//! value that comes by that place of its queue. Invariant: what is shown was the newest of every object at once (W7).
//! Source: own reasoning.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use super::chance::pause;
use super::group::check_shard;
use super::node::Node;
use super::object::Object;
use super::port::{Ask, Port};
use super::shared::Elapsed;
use crate::error::Error;
use crate::ids::ObjectName;
use crate::limits::GROUP_OBJECTS_MAX;
use crate::node::{Answer, Guard, Mark, MarkId, ReplicaId};
use crate::tracked::Class;

/// The first and the longest pause before it is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Objects that can be read together: a tuple of up to eight references, or a slice of objects of one class.
pub trait ObjectGroup: sealed::Read {}

impl<G: sealed::Read> ObjectGroup for G {}

mod sealed {
    use super::{Error, Future, Node};

    /// What only this module reads.
    pub trait Read {
        /// A guard of each.
        type Guards;

        /// Reads all as of one time.
        fn read(self, node: &Node) -> impl Future<Output = Result<Self::Guards, Error>> + Send;
    }
}

impl Node {
    /// Reads several objects of one shard as of one time: nothing that was committed together is seen half. With more than
    /// one shard, objects that are read together have keys with one `{tag}`.
    ///
    /// Each [`read`](Object::read) alone shows its newest version, and two of them one after the other may show one
    /// object before a group and the other behind it. This asks the repository: one round trip, and what changed in objects
    /// that are not current here.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Account { cash: i64 }
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Ledger { moved: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let cash = node.create("{alice}cash", Account { cash: 10 }).await?;
    /// let ledger = node.create("{alice}ledger", Ledger::default()).await?;
    /// let (account, moved) = node.read_group((&cash, &ledger)).await?;
    /// assert_eq!((account.cash, moved.moved), (10, 0));
    /// let accounts = [cash.clone(), cash];
    /// assert_eq!(node.read_group(&accounts[..]).await?.len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Invalid` names two objects that are of different shards; `Limit` beyond 64 objects; `TimedOut` if one of them changes
    /// by more than 64 KiB in every round trip, or without an answer; otherwise as [`Object::read`].
    pub async fn read_group<G: ObjectGroup>(&self, objects: G) -> Result<G::Guards, Error> {
        objects.read(self).await
    }
}

/// What is known of an object before it is read.
type Place<'o> = (ReplicaId, &'o ObjectName, &'o Arc<Port>);

impl<T: Class> Object<T> {
    fn place(&self) -> Place<'_> {
        (self.replica(), self.name(), &self.port)
    }

    /// Has the newest here; keeps it here while others come, where memory is too short for all of them otherwise.
    async fn pin(&self, is_needed: bool) -> Result<Option<Guard<T>>, Error> {
        Ok(Some(self.read().await?).filter(|_| is_needed))
    }

    fn expect_mark(&self) -> Result<Mark<T>, Error> {
        self.slot.expect_mark().map_err(|why| self.unreadable(why))
    }
}

async fn kept<T: Class>(mark: Mark<T>) -> Option<Guard<T>> {
    poll_fn(|context| mark.poll(context)).await
}

impl Node {
    fn check_group(&self, places: &[Place<'_>]) -> Result<(), Error> {
        let Some((_, name, port)) = places.first() else { return Ok(()) };
        let is_own = |(_, _, port): &&Place<'_>| self.shared.ports().iter().any(|own| Arc::ptr_eq(own, port));
        if let Some((_, stranger, _)) = places.iter().find(|place| !is_own(place)) {
            return Err(Error::Invalid { why: format!("{stranger} was opened by another node than it is read by") });
        }
        if places.len() > GROUP_OBJECTS_MAX {
            return Err(Error::Limit {
                why: format!("{} objects at once, {GROUP_OBJECTS_MAX} are allowed", places.len()),
            });
        }
        places.iter().try_for_each(|(_, other, at)| check_shard((name, port), (other, at)))
    }

    /// Has the marks hit; whether they can be.
    async fn mark(&self, places: &[Place<'_>], marks: Vec<(ReplicaId, MarkId)>) -> Result<bool, Error> {
        let Some((_, name, port)) = places.first() else { return Ok(true) };
        match self.shared.ask(port, Ask::ReadGroup(marks), name).await {
            Ok(answer) => Ok(answer == Answer::Marked),
            // Whose object is gone says so when it is read again.
            Err(Error::Gone { .. } | Error::LostWrite { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tries until all was there at once; says whether it is tried again.
    async fn try_to_read<V, F: Future<Output = Result<Option<V>, Error>> + Send>(
        &self,
        places: &[Place<'_>],
        attempt: impl Fn(bool) -> F + Send,
    ) -> Result<V, Error> {
        self.check_group(places)?;
        let attempts = async {
            for tries in 1.. {
                if let Some(guards) = attempt(tries > 1).await? {
                    return Ok(guards);
                }
                self.shared.timer(pause(tries, PAUSES.0, PAUSES.1)).await;
            }
            Err(Error::Closed)
        };
        let patience = self.shared.settings.patience;
        match (self.shared.limited(patience, attempts).await, places.first()) {
            (Ok(outcome), _) => outcome,
            (Err(Elapsed), Some((_, name, port))) => {
                Err(self.shared.waited_in_vain(port, &format!("a joint read of {name} and others")))
            }
            (Err(Elapsed), None) => Err(Error::Closed),
        }
    }
}

impl<T: Class> sealed::Read for &[Object<T>] {
    type Guards = Vec<Guard<T>>;

    async fn read(self, node: &Node) -> Result<Self::Guards, Error> {
        let places: Vec<Place<'_>> = self.iter().map(Object::place).collect();
        let attempt = async |is_again: bool| {
            let (mut marks, mut pins) = (Vec::with_capacity(self.len()), Vec::new());
            for object in self {
                pins.extend(object.pin(is_again).await?);
            }
            for object in self {
                marks.push(object.expect_mark()?);
            }
            drop(pins);
            let ids = self.iter().zip(&marks).map(|(object, mark)| (object.replica(), mark.id()));
            if !node.mark(&places, ids.collect()).await? {
                return Ok(None);
            }
            let mut guards = Some(Vec::with_capacity(self.len()));
            for mark in marks {
                guards = guards.zip(kept(mark).await).map(|(mut guards, guard)| {
                    guards.push(guard);
                    guards
                });
            }
            Ok(guards)
        };
        node.try_to_read(&places, attempt).await
    }
}

macro_rules! tuples {
    ($(($($class:ident $object:ident),+))*) => {$(
        impl<$($class: Class),+> sealed::Read for ($(&Object<$class>,)+) {
            type Guards = ($(Guard<$class>,)+);

            #[allow(non_snake_case, reason = "marks are named by their classes")]
            async fn read(self, node: &Node) -> Result<Self::Guards, Error> {
                let ($($object,)+) = self;
                let places = [$($object.place()),+];
                let attempt = async |is_again: bool| {
                    let pins = ($($object.pin(is_again).await?,)+);
                    $(let $class = $object.expect_mark()?;)+
                    drop(pins);
                    if !node.mark(&places, vec![$(($object.replica(), $class.id())),+]).await? {
                        return Ok(None);
                    }
                    let guards = ($(kept($class).await,)+);
                    let ($($class,)+) = guards;
                    Ok((|| Some(($($class?,)+)))())
                };
                node.try_to_read(&places, attempt).await
            }
        }
    )*};
}

tuples! {
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
}

//! Events: what became of objects, told to one consumer of a group until it is acknowledged.
//!
//! Billing, clean-up, audit: work that must be done once for each object that came or went, whether or not this process
//! held it. A group is founded by its first consumer and lasts until it is ended, over restarts of all; from then on it
//! hears of every object of the class that is created, destroyed or expires. Each event goes to one of the group's live
//! consumers, and to another one if that goes away or does not acknowledge it within 30 s. So an event may come twice,
//! and none is lost. Work that takes longer than that on one event is better put into a queue of its own, and the event
//! acknowledged. Events of one key come in order, the next one when the one before was acknowledged. Source: own
//! reasoning (E4).

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, channel};

use super::Node;
use super::port::{Ask, Input, Port, Telling};
use crate::coding::Reader;
use crate::error::Error;
use crate::event::{EventId, EventKind};
use crate::ids::{Birth, ObjectName, RequestId};
use crate::limits::{EVENT_TOLD_MS, EVENTS_TOLD_MAX, NAME_BYTES_MAX};
use crate::node::{Answer, Told};
use crate::tracked::Class;

/// Something became of an object of class `T`.
#[derive(Debug)]
#[must_use = "an event that is not acknowledged is told again"]
pub struct Event<T> {
    /// What became of it.
    pub kind: EventKind,
    /// Its key.
    pub key: String,
    /// Which object of that key.
    pub birth: Birth,
    /// Its value when it ended; none for a creation, for a value of more than 64 KiB, for one whose image was damaged, and
    /// for one that this program cannot read.
    pub last: Option<T>,
    /// Events before this one that the group had to give up, because nobody acknowledged and it keeps 65,536 of them for
    /// each shard, or its share of 64 MiB. If this one had been told when they were given up, only another telling of it
    /// says so.
    pub missed: u64,
    acknowledgement: Acknowledgement,
}

/// The way back to who told an event.
#[derive(Debug)]
struct Acknowledgement {
    port: Arc<Port>,
    consumer: RequestId,
    event: EventId,
}

/// A consumer of a group. Dropped, it leaves the group, and what it did not acknowledge is told to another. As a
/// [`Stream`] it ends when the node was closed or the group was ended.
pub struct Events<T: Class> {
    told: Receiver<Telling>,
    consumers: Vec<(Arc<Port>, RequestId)>,
    class: std::marker::PhantomData<fn() -> T>,
}

impl<T> Event<T> {
    /// The event was dealt with: it is not told again, except if that word is lost. Does not wait; after
    /// [`Node::close`] nothing is said.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let mut events = node.events::<Cart>("billing").await?;
    /// let cart = node.create("alice", Cart::default()).await?;
    /// let event = events.next().await?;
    /// assert_eq!((event.kind, &event.key[..]), (nam::EventKind::Created, "alice"));
    /// event.acknowledge();
    /// # Ok(()) }
    /// ```
    pub fn acknowledge(self) {
        let Acknowledgement { port, consumer, event } = self.acknowledgement;
        port.push(Input::Acknowledge(consumer, event));
    }
}

impl<T: Class> Events<T> {
    /// The next event; waits for it without limit. A dropped call loses nothing.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let mut events = node.events::<Cart>("billing").await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// cart.edit(|cart| cart.total = 9).await?;
    /// node.destroy::<Cart>("alice").await?;
    /// events.next().await?.acknowledge();
    /// let end = events.next().await?;
    /// assert_eq!(end.kind, nam::EventKind::Destroyed);
    /// assert_eq!(end.last.as_ref().map(|cart| cart.total), Some(9));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Closed` once the node was closed or the group was ended.
    pub async fn next(&mut self) -> Result<Event<T>, Error> {
        poll_fn(|context| self.poll_event(context)).await.ok_or(Error::Closed)
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event<T>>> {
        let Some(Telling { port, told, .. }) = ready!(poll_told(&mut self.told, context)) else {
            return Poll::Ready(None);
        };
        let Told { consumer, event, missed, kind, birth, key, last } = told;
        let last = last.and_then(|last| T::decode_root(Reader::new(&last)).ok());
        let acknowledgement = Acknowledgement { port, consumer, event };
        Poll::Ready(Some(Event { kind, key, birth, last, missed, acknowledgement }))
    }
}

impl<T: Class> Stream for Events<T> {
    type Item = Event<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event<T>>> {
        self.poll_event(context)
    }
}

impl<T: Class> Drop for Events<T> {
    fn drop(&mut self) {
        self.consumers.drain(..).for_each(|(port, consumer)| port.push(Input::Leave(consumer)));
    }
}

impl<T: Class> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Node {
    /// Becomes a consumer of the group `group` of all objects of class `T`; founds the group if there is none, which then
    /// hears of what happens from now on, until it is [ended](Self::end_events).
    ///
    /// Costs an entry of the journal an event and group of its class, its last state included, and one an acknowledgement;
    /// without a group nothing. A shard has 16 groups at most.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # use std::time::Duration;
    /// # let repository = nam::InProcess::new()?;
    /// let (shop, billing) = (repository.node().await?, repository.node().await?);
    /// let mut events = billing.events::<Cart>("billing").await?;
    /// shop.expiring(nam::Expiry::after(Duration::from_secs(1))).create("alice", Cart::default()).await?;
    /// loop {
    ///     let event = events.next().await?;
    ///     if event.kind == nam::EventKind::Expired {
    ///         assert_eq!(event.last.as_ref().map(|cart| cart.total), Some(0));
    ///         break event.acknowledge();
    ///     }
    ///     event.acknowledge();
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Invalid` if the name is empty or too long, `Limit` if there are as many groups or consumers as may be,
    /// `Incompatible` if the repository knows another schema, `Unavailable` or `TimedOut` without an answer.
    pub async fn events<T: Class>(&self, group: &str) -> Result<Events<T>, Error> {
        let name = group_of::<T>(group)?;
        let ports = self.shared.ports();
        let (teller, told) = channel(2 * EVENTS_TOLD_MAX * ports.len());
        let mut events = Events { told, consumers: Vec::new(), class: std::marker::PhantomData };
        for port in ports {
            self.register::<T>(port)?;
            let (class, group) = (name.class.clone(), name.key.clone());
            let ask = Ask::Consume { class, group, teller: teller.clone() };
            if let Answer::Consuming { consumer } = self.shared.ask(port, ask, &name).await? {
                events.consumers.push((Arc::clone(port), consumer));
            }
        }
        Ok(events)
    }

    /// Ends a group for good, with all that it was not told; its consumers hear nothing more. One that is not there is none;
    /// a consumer whose link was down meanwhile founds it anew when it is back.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let mut events = node.events::<Cart>("billing").await?;
    /// node.end_events::<Cart>("billing").await?;
    /// assert!(matches!(events.next().await, Err(nam::Error::Closed)));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Invalid` if the name is empty or too long, `Unavailable` or `TimedOut` without an answer.
    pub async fn end_events<T: Class>(&self, group: &str) -> Result<(), Error> {
        let name = group_of::<T>(group)?;
        for port in self.shared.ports() {
            let ask = Ask::EndGroup { class: name.class.clone(), group: name.key.clone() };
            self.shared.ask(port, ask, &name).await?;
        }
        Ok(())
    }
}

/// What was told next. What waited here for too long was told again, perhaps to another, and is passed over.
fn poll_told(told: &mut Receiver<Telling>, context: &mut Context<'_>) -> Poll<Option<Telling>> {
    loop {
        let next = ready!(told.poll_recv(context));
        if next.as_ref().is_none_or(|telling| telling.at.elapsed() < Duration::from_millis(EVENT_TOLD_MS)) {
            return Poll::Ready(next);
        }
    }
}

/// The name of a group, for people: its class and its own.
fn group_of<T: Class>(group: &str) -> Result<ObjectName, Error> {
    if group.is_empty() || group.len() > NAME_BYTES_MAX {
        let why = format!("the name of a group has 1 to {NAME_BYTES_MAX} bytes, not {}", group.len());
        return Err(Error::Invalid { why });
    }
    Ok(ObjectName { class: T::NAME.to_owned(), key: group.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CommitNumber, Epoch};
    use crate::node::Memory;

    #[tokio::test]
    async fn an_event_that_was_told_again_meanwhile_is_passed_over() {
        let port = Arc::new(Port::new(Arc::new(Memory::default())));
        let (teller, mut told) = channel(2);
        let now = std::time::Instant::now();
        let Some(before) = now.checked_sub(Duration::from_millis(EVENT_TOLD_MS)) else {
            panic!("this machine was started just now");
        };
        for (at, key) in [(before, "old"), (now, "new")] {
            let (event, birth) = (EventId::default(), Birth(CommitNumber { epoch: Epoch(1), n: 1 }));
            let (consumer, kind, key, last) = (RequestId(1), EventKind::Expired, key.to_owned(), None);
            let told = Told { consumer, event, missed: 0, kind, birth, key, last };
            teller.try_send(Telling { port: Arc::clone(&port), at, told }).unwrap();
        }
        drop(teller);
        let next = poll_fn(|context| poll_told(&mut told, context)).await;
        assert_eq!(next.map(|telling| telling.told.key).as_deref(), Some("new"));
        assert!(poll_fn(|context| poll_told(&mut told, context)).await.is_none());
    }
}

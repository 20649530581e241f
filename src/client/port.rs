//! Where tasks hand work to the thread that drives a shard link.
//!
//! A queue without locks and one wake-up: whatever is handed over before the thread looks travels together, which is
//! what makes updates combine. Invariants: nobody waits to hand something over; after a push the thread looks at the
//! queue again. Source: own reasoning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::Error;
use crate::event::EventId;
use crate::expiry::Expiry;
use crate::ids::{Alias, Fence, FieldId, RequestId};
use crate::node::{Answer, Host, LinkState, MarkId, Memory, Outgoing, Replica, ReplicaId, Ring, Told, Welcome};
use crate::schema::Schema;
#[cfg(feature = "node")]
use crate::transport::{Traffic, TrafficCounts};
use crate::wire::Delivery;

/// A question to the repository.
#[derive(Debug)]
pub(super) enum Ask {
    Open(Arc<dyn Replica>),
    Create(Arc<dyn Replica>, Vec<Bytes>, Expiry),
    Pull(ReplicaId),
    Destroy(ReplicaId),
    Limit(ReplicaId, Expiry),
    Lock(ReplicaId, Duration),
    Join(ReplicaId, Fence),
    Unlock(Fence),
    /// At which versions these are at one time; each replica keeps the value for its mark.
    ReadGroup(Vec<(ReplicaId, MarkId)>),
    Keys {
        class: String,
        prefix: String,
        after: String,
    },
    Find {
        class: &'static str,
        field: FieldId,
        value: Vec<u8>,
        from: Alias,
    },
    Consume {
        class: String,
        group: String,
        teller: mpsc::Sender<Telling>,
    },
    EndGroup {
        class: String,
        group: String,
    },
}

/// An event on its way to a consumer: the port that it came by, and when.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) port: Arc<Port>,
    pub(super) at: Instant,
    pub(super) told: Told,
}

/// Something for the thread.
#[derive(Debug)]
pub(super) enum Input {
    Ring(ReplicaId, Ring),
    Register(Arc<Schema>),
    /// Changes of the replica's object are to reach this node so.
    Deliver(ReplicaId, Delivery),
    Ask(Ask, oneshot::Sender<Answer>),
    /// What the slots of a group have in flight.
    Group(Vec<(Arc<dyn Replica>, Outgoing)>),
    /// Nobody waits any more for a lock that was asked for.
    GiveUp,
    /// Nobody wants the replica any more.
    Release(ReplicaId),
    /// A consumer dealt with an event.
    Acknowledge(RequestId, EventId),
    /// A consumer takes nothing any more.
    Leave(RequestId),
    /// Say goodbye once every commit has its outcome.
    Close(oneshot::Sender<()>),
    /// End now.
    Stop,
}

/// How the link is, for tasks that want to know.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) link: LinkState,
    /// When the link came to be ready, or ceased to be: tries that lead to nothing do not count.
    pub(super) since: Instant,
    /// Why it is down, or was turned down.
    pub(super) trouble: Option<Error>,
    pub(super) welcome: Option<Welcome>,
    pub(super) is_ended: bool,
}

/// The way to one shard.
#[derive(Debug)]
pub(super) struct Port {
    inputs: SegQueue<Input>,
    is_woken: AtomicBool,
    wake: Notify,
    standing: Mutex<Standing>,
    /// Links that were lost so far: locks that were granted when there were fewer are lost.
    links_lost: AtomicU64,
    /// Segments of large objects that arrived, at either end, so far.
    segments: AtomicU64,
    changed: Notify,
    memory: Arc<Memory>,
    #[cfg(feature = "node")]
    traffic: Mutex<(TrafficCounts, Option<Traffic>)>,
}

impl Port {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        let (link, since) = (LinkState::Down, Instant::now());
        Self {
            inputs: SegQueue::new(),
            is_woken: AtomicBool::new(false),
            wake: Notify::new(),
            standing: Mutex::new(Standing { link, since, trouble: None, welcome: None, is_ended: false }),
            links_lost: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            changed: Notify::new(),
            memory,
            #[cfg(feature = "node")]
            traffic: Mutex::default(),
        }
    }

    pub(super) fn push(&self, input: Input) {
        self.inputs.push(input);
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Gives a lock back that nobody wants, without waiting for an answer.
    pub(super) fn give_back(&self, fence: Fence) {
        let (reply, _) = oneshot::channel();
        self.push(Input::Ask(Ask::Unlock(fence), reply));
    }

    /// Waits until something was handed over.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
        self.is_woken.store(false, Ordering::Release);
    }

    pub(super) fn pop(&self) -> Option<Input> {
        self.inputs.pop()
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// Changes what tasks see of the link.
    pub(super) fn note(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.standing.lock();
        let was_ready = standing.link == LinkState::Ready;
        change(&mut standing);
        if (standing.link == LinkState::Ready) != was_ready {
            standing.since = Instant::now();
        }
        drop(standing);
        self.changed.notify_waiters();
    }

    /// Waits until `is_so` answers something of the link.
    pub(super) async fn until<R>(&self, mut is_so: impl FnMut(&Standing) -> Option<R>) -> R {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(answer) = is_so(&self.standing.lock()) {
                return answer;
            }
            changed.await;
        }
    }

    pub(super) fn links_lost(&self) -> u64 {
        self.links_lost.load(Ordering::Acquire)
    }

    /// So many links were lost by now.
    pub(super) fn lose_links(&self, links_lost: u64) {
        self.links_lost.store(links_lost, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// So many segments arrived by now.
    pub(super) fn note_segments(&self, segments: u64) {
        self.segments.store(segments, Ordering::Relaxed);
    }

    pub(super) fn segments(&self) -> u64 {
        self.segments.load(Ordering::Relaxed)
    }

    /// Has those look again who wait [`until`](Self::until) something is so.
    pub(super) fn look_again(&self) {
        self.changed.notify_waiters();
    }

    /// Counts a link's packets from now on.
    #[cfg(feature = "node")]
    pub(super) fn count(&self, traffic: Option<Traffic>) {
        let mut counted = self.traffic.lock();
        if let Some(former) = counted.1.take() {
            counted.0 = counted.0.plus(former.counts());
        }
        counted.1 = traffic;
    }

    #[cfg(feature = "node")]
    pub(super) fn traffic(&self) -> TrafficCounts {
        let counted = self.traffic.lock();
        counted.1.as_ref().map_or(counted.0, |traffic| counted.0.plus(traffic.counts()))
    }
}

impl Host for Port {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.push(Input::Ring(replica, ring));
    }

    fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_never_becomes_ready_counts_for_nothing() {
        let port = Port::new(Arc::default());
        let since = |link| {
            port.note(|standing| standing.link = link);
            port.standing().since
        };
        let ready = since(LinkState::Ready);
        let lost = since(LinkState::Down);
        assert!(lost >= ready);
        assert_eq!([LinkState::Resuming, LinkState::Down, LinkState::Resuming].map(since), [lost; 3], "F2");
    }
}

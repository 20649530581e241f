//! A node without threads of its own: a link, the core and slots, driven by whoever holds it, so that a thousand nodes
//! fit on one thread.

use std::collections::VecDeque;
use std::sync::Arc;

use nam::ids::NodeId;
use nam::node::{Answer, Core, CoreEvent, Host, ReplicaId, Ring, Slot};
use nam::tracked::Class;
use nam::transport::{Dialer, Link};
use nam::wire::{Arrival, Delivery, Inlet, Outlet};
use parking_lot::Mutex;

/// What slots ask for, until the core is told.
#[derive(Debug, Default)]
struct Rings(Mutex<VecDeque<(ReplicaId, Ring)>>);

impl Host for Rings {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.0.lock().push_back((replica, ring));
    }
}

/// A node that lives while it is driven.
pub(crate) struct LightNode {
    core: Core,
    link: Link,
    rings: Arc<Rings>,
    out: Vec<u8>,
}

impl LightNode {
    /// Dials a daemon of this machine and waits until the link is ready.
    pub(crate) async fn connect(address: &str, id: u64) -> Self {
        let link = Dialer::default().dial(address).await.unwrap();
        let mut node = Self { core: Core::new(NodeId(id)), link, rings: Arc::default(), out: Vec::new() };
        node.core.handle_connected();
        node.until(|event| *event == CoreEvent::Ready).await;
        node
    }

    /// Opens an object that exists, to be pushed every change.
    #[allow(dead_code, reason = "an idle node opens none")]
    pub(crate) async fn open<T: Class>(&mut self, key: &str) -> Arc<Slot<T>> {
        let slot = Slot::<T>::new(ReplicaId(1), key, Arc::clone(&self.rings) as _);
        self.core.register(&T::schema());
        self.core.open(Arc::clone(&slot) as _);
        self.until(|event| matches!(event, CoreEvent::Answered { answer: Answer::Opened, .. })).await;
        self.core.set_delivery(ReplicaId(1), Delivery::Push);
        self.settle();
        slot
    }

    /// Sends what is due and takes one arrival.
    pub(crate) async fn turn(&mut self) {
        self.settle();
        match self.link.inlet.next().await {
            Arrival::Records(bytes) => self.core.handle_records(&bytes).unwrap(),
            Arrival::Segment(bytes) => self.core.handle_segment(&bytes).unwrap(),
            Arrival::Closed(reason) => panic!("the link was closed: {reason}"),
        }
        self.settle();
    }

    /// Takes turns until the core says what is awaited.
    async fn until(&mut self, is_it: impl Fn(&CoreEvent) -> bool) {
        loop {
            while let Some(event) = self.core.poll_event() {
                if is_it(&event) {
                    return;
                }
            }
            self.turn().await;
        }
    }

    /// Does what slots and core want done.
    fn settle(&mut self) {
        loop {
            while let Some(replica) = self.core.poll_work() {
                replica.work();
            }
            let Some((replica, ring)) = self.rings.0.lock().pop_front() else { break };
            self.core.handle_ring(replica, ring).unwrap();
        }
        self.core.poll_records(&mut self.out);
        if !self.out.is_empty() {
            self.link.outlet.send_records(&mut self.out);
            self.out.clear();
        }
    }
}

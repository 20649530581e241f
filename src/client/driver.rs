//! The loop around a node core: one shard link, kept for ever.
//!
//! ```text
//!   port ──▶ rings, questions ──▶ core ──▶ records, segments ──▶ outlet
//!   inlet ──▶ records, segments ──▶ │ ──▶ answers ──▶ tasks, work ──▶ worker
//! ```
//! Runs on the node's own thread. Invariants: everything handed over before a turn leaves in one piece; a link that
//! breaks is made again, with pauses that grow and jitter, until the node closes (F2). Source: own reasoning.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::chance::pause;
use super::connector::{Connector, Ends};
use super::port::{Ask, Input, Port, Telling};
use super::registry::Registry;
use crate::error::Error;
use crate::ids::{NodeId, RequestId};
use crate::limits::MEMORY_LOOK_MS;
use crate::node::{Answer, Core, CoreEvent, Host, LinkState, Replica, ReplicaId, State, Told, Violation};
use crate::time::Instant;
use crate::wire::{Arrival, CloseCode, CloseReason};

/// The first and the longest pause between two tries to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How many replicas without a value a turn looks at again, to see whether anybody still has a handle.
const FORGOTTEN_A_TURN: usize = 16;

/// How often the core is told the time although nothing is due.
const LOOK: Duration = Duration::from_millis(MEMORY_LOOK_MS);

/// How long a goodbye may take to leave.
const GOODBYE: Duration = Duration::from_millis(200);

/// Drives one core.
pub(super) struct Driver {
    core: Core,
    port: Arc<Port>,
    connector: Connector,
    worker: Sender<Arc<dyn Replica>>,
    registry: Arc<Registry>,
    /// Replicas whose values were dropped; forgotten as soon as nobody has a handle.
    dropped: VecDeque<ReplicaId>,
    replies: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    /// Where consumers of events hear of them.
    tellers: BTreeMap<RequestId, mpsc::Sender<Telling>>,
    started: std::time::Instant,
    closing: Option<oneshot::Sender<()>>,
    is_stopped: bool,
    out: Vec<u8>,
}

/// Why a turn of a link ended.
enum Ended {
    Stopped,
    Lost(Error),
    Violated(Violation),
}

impl Driver {
    pub(super) fn new(
        node: NodeId,
        port: Arc<Port>,
        connector: Connector,
        (worker, registry): (Sender<Arc<dyn Replica>>, Arc<Registry>),
    ) -> Self {
        let (mut core, replies, tellers, out) = (Core::new(node), BTreeMap::new(), BTreeMap::new(), Vec::new());
        core.set_memory(port.memory());
        let (started, dropped) = (std::time::Instant::now(), VecDeque::new());
        Self {
            core,
            port,
            connector,
            worker,
            registry,
            dropped,
            replies,
            tellers,
            started,
            closing: None,
            is_stopped: false,
            out,
        }
    }

    /// Keeps the link until the node closes.
    pub(super) async fn run(mut self) {
        let mut tries = 0;
        while !self.is_stopped {
            match self.connect().await {
                None => break,
                Some(Ok(ends)) => {
                    let was_ready = self.serve(ends).await;
                    tries = if was_ready { 0 } else { tries + 1 };
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "no link to the repository");
                    tries += 1;
                    self.port.note(|standing| standing.trouble = Some(error));
                }
            }
            if tries > 0 {
                self.rest(pause(tries, PAUSES.0, PAUSES.1)).await;
            }
        }
        self.core.close();
        self.port.lose_links(self.core.links_lost());
        self.tell();
        self.port.note(|standing| (standing.link, standing.is_ended) = (LinkState::Down, true));
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(());
        }
    }

    /// Makes a link while taking what tasks hand over; `None` once the node closes.
    async fn connect(&mut self) -> Option<Result<Ends, Error>> {
        let own = self.core.welcome().and_then(|welcome| self.connector.of_own_shard(welcome));
        let connector = own.unwrap_or_else(|| self.connector.clone());
        let mut connecting = std::pin::pin!(connector.connect());
        loop {
            self.idle_turn();
            if self.is_stopped {
                return None;
            }
            tokio::select! {
                outcome = &mut connecting => return Some(outcome),
                () = self.port.woken() => {}
            }
        }
    }

    async fn rest(&mut self, pause: Duration) {
        let mut resting = std::pin::pin!(tokio::time::sleep(pause));
        loop {
            self.idle_turn();
            if self.is_stopped {
                return;
            }
            tokio::select! {
                () = &mut resting => return,
                () = self.port.woken() => {}
            }
        }
    }

    /// Takes what was handed over while there is no link; what the core finds wrong then has no link to close.
    fn idle_turn(&mut self) {
        self.core.handle_timeout(self.now());
        if let Err(violation) = self.take_inputs() {
            tracing::warn!(%violation, "a replica was loaded anew");
        }
        self.tell();
        // Without a link a node that closes has nothing to wait for.
        self.is_stopped |= self.closing.is_some();
    }

    /// Drives a link to its end; answers whether it ever was ready.
    async fn serve(&mut self, mut ends: Ends) -> bool {
        #[cfg(feature = "node")]
        self.port.count(ends.traffic.take());
        self.core.handle_connected();
        self.port.note(|standing| (standing.link, standing.trouble) = (LinkState::Resuming, None));
        let ended = self.turns(&mut ends).await;
        let trouble = match ended {
            Ended::Stopped => {
                self.core.close();
                self.flush(&mut ends);
                ends.outlet.close(CloseCode::Goodbye, "");
                let _ = tokio::time::timeout(GOODBYE, drain(&mut ends)).await;
                None
            }
            Ended::Lost(why) => {
                tracing::debug!(%why, "the link to the repository is lost");
                Some(why)
            }
            Ended::Violated(Violation { code, text }) => {
                tracing::warn!(%code, text, "closing the link to the repository");
                ends.outlet.close(code, &text);
                Some(Error::turned_down(code, &text))
            }
        };
        let was_ready = self.port.standing().link == LinkState::Ready;
        // Before the replicas wake whoever waits for them.
        self.port.note(|standing| {
            standing.link = LinkState::Down;
            standing.trouble = standing.trouble.take().or(trouble);
        });
        self.core.handle_disconnected();
        self.port.lose_links(self.core.links_lost());
        self.tell();
        was_ready
    }

    async fn turns(&mut self, ends: &mut Ends) -> Ended {
        loop {
            self.core.handle_timeout(self.now());
            if let Err(violation) = self.take_inputs() {
                return Ended::Violated(violation);
            }
            if self.closing.is_some() && self.core.unsettled() == 0 {
                self.is_stopped = true;
            }
            if self.is_stopped {
                return Ended::Stopped;
            }
            self.flush(ends);
            self.tell();
            let due = self.core.poll_timeout().map_or(LOOK, |at| at.since(self.now()).min(LOOK));
            let handled = tokio::select! {
                arrival = ends.inlet.next() => match arrival {
                    Arrival::Records(bytes) => self.core.handle_records(&bytes),
                    Arrival::Segment(bytes) => self.core.handle_segment(&bytes),
                    Arrival::Closed(reason) => return self.lost(reason),
                },
                () = self.port.woken() => Ok(()),
                () = elapsed(due) => Ok(()),
            };
            if let Err(violation) = handled {
                return Ended::Violated(violation);
            }
        }
    }

    fn lost(&mut self, reason: CloseReason) -> Ended {
        self.tell();
        match reason {
            CloseReason::Closed { code, text } => Ended::Lost(Error::turned_down(code, &text)),
            CloseReason::Lost(why) => Ended::Lost(Error::Unavailable { why }),
        }
    }

    fn take_inputs(&mut self) -> Result<(), Violation> {
        let mut outcome = Ok(());
        while let Some(input) = self.port.pop() {
            match input {
                Input::Ring(replica, ring) => outcome = outcome.and(self.core.handle_ring(replica, ring)),
                Input::Register(schema) => self.core.register(&schema),
                Input::Deliver(replica, delivery) => self.core.set_delivery(replica, delivery),
                Input::Ask(ask, reply) => {
                    let request = self.ask(ask);
                    self.replies.insert(request, reply);
                }
                Input::Group(parts) => self.core.commit_group(parts),
                Input::GiveUp => self.give_up(),
                Input::Release(replica) => self.core.release(replica),
                Input::Acknowledge(consumer, event) => self.core.acknowledge(consumer, event),
                Input::Leave(consumer) => self.leave(consumer),
                Input::Close(done) => self.closing = Some(done),
                Input::Stop => self.is_stopped = true,
            }
        }
        outcome
    }

    fn ask(&mut self, ask: Ask) -> RequestId {
        match ask {
            Ask::Open(replica) => self.core.open(replica),
            Ask::Create(replica, value, expiry) => self.core.create(replica, value, expiry),
            Ask::Pull(replica) => self.core.pull(replica),
            Ask::Destroy(replica) => self.core.destroy(replica),
            Ask::Limit(replica, expiry) => self.core.limit(replica, expiry),
            Ask::Lock(replica, wait) => self.core.lock(replica, wait),
            Ask::Join(replica, fence) => self.core.join_lock(replica, fence),
            Ask::Unlock(fence) => self.core.unlock(fence),
            Ask::ReadGroup(marks) => self.core.read_group(marks),
            Ask::Keys { class, prefix, after } => self.core.keys(&class, &prefix, &after),
            Ask::Find { class, field, value, from } => self.core.find(class, field, &value, from),
            Ask::Consume { class, group, teller } => {
                let consumer = self.core.consume(&class, &group);
                self.tellers.insert(consumer, teller);
                consumer
            }
            Ask::EndGroup { class, group } => self.core.end_group(&class, &group),
        }
    }

    fn leave(&mut self, consumer: RequestId) {
        self.tellers.remove(&consumer);
        self.core.leave(consumer);
    }

    /// Hands an event to its consumer. One that has no room is told it again when it was not acknowledged for long.
    fn hand_over(&mut self, told: Told) {
        let consumer = told.consumer;
        let telling = Telling { port: Arc::clone(&self.port), at: std::time::Instant::now(), told };
        let teller = self.tellers.get(&consumer);
        if teller.is_none_or(|teller| matches!(teller.try_send(telling), Err(TrySendError::Closed(_)))) {
            self.leave(consumer);
        }
    }

    /// Ends the waits for locks whose tasks are gone.
    fn give_up(&mut self) {
        let Self { core, replies, .. } = self;
        let abandoned = replies.extract_if(.., |_, reply| reply.is_closed());
        abandoned.for_each(|(request, _)| core.give_up_lock(request));
    }

    fn now(&self) -> Instant {
        Instant(0).after(self.started.elapsed())
    }

    fn flush(&mut self, ends: &mut Ends) {
        self.core.poll_records(&mut self.out);
        if !self.out.is_empty() {
            ends.outlet.send_records(&mut self.out);
            self.out.clear();
        }
        while let Some(segment) = self.core.poll_segment() {
            ends.outlet.send_segment(segment);
        }
        self.port.note_segments(self.core.segments());
    }

    /// Tells tasks and the worker what the core has for them.
    fn tell(&mut self) {
        while let Some(event) = self.core.poll_event() {
            match event {
                CoreEvent::Answered { request, answer } => {
                    if !matches!(answer, Answer::Consuming { .. }) {
                        self.tellers.remove(&request);
                    }
                    let unheard = match self.replies.remove(&request) {
                        Some(reply) => reply.send(answer).err(),
                        None => Some(answer),
                    };
                    match unheard {
                        Some(Answer::Locked { fence, .. }) => self.port.give_back(fence),
                        Some(Answer::Consuming { consumer }) => self.leave(consumer),
                        _ => {}
                    }
                }
                CoreEvent::Told(told) => self.hand_over(told),
                CoreEvent::ConsumerEnded { consumer } => drop(self.tellers.remove(&consumer)),
                CoreEvent::Ready => {
                    let welcome = self.core.welcome().cloned();
                    self.port.note(|standing| (standing.link, standing.welcome) = (LinkState::Ready, welcome));
                }
                CoreEvent::SchemaRefused { class, text } => tracing::error!(class, text, "a class is refused"),
            }
        }
        while let Some(replica) = self.core.poll_work() {
            let _ = self.worker.send(replica);
        }
        self.forget_dropped();
    }

    /// Forgets replicas whose values were dropped and that nobody has a handle to. Each turn looks at a few of those that
    /// had one when they were dropped.
    fn forget_dropped(&mut self) {
        let mut looks = self.dropped.len().min(FORGOTTEN_A_TURN);
        while let Some(replica) = self.core.poll_dropped() {
            self.dropped.push_front(replica);
            looks += 1;
        }
        for _ in 0..looks {
            let Some(id) = self.dropped.pop_front() else { return };
            let Some(replica) = self.core.replica(id).filter(|replica| replica.state() == State::Shell) else {
                continue;
            };
            if self.registry.forget(&replica.name().key, id) {
                self.core.release(id);
            } else {
                self.dropped.push_back(id);
            }
        }
    }
}

/// Waits for so long.
async fn elapsed(due: Duration) {
    tokio::time::sleep(due.max(Duration::from_millis(1))).await;
}

/// Reads a closed link to its end.
async fn drain(ends: &mut Ends) {
    while !matches!(ends.inlet.next().await, Arrival::Closed(_)) {}
}

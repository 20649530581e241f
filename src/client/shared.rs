//! What every handle of one node shares: its ports, its objects, its clock.
//!
//! Invariants: the threads end when the last handle is gone; a wait has a limit, and the timer for it is armed only if
//! there is something to wait for. Source: own reasoning.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connector::Connector;
use super::driver::Driver;
use super::port::{Ask, Input, Port};
use super::registry::Registry;
use super::settings::Settings;
use super::{chance, worker};
use crate::error::Error;
use crate::ids::{NodeId, ObjectName, Token, shard_of};
use crate::node::{Answer, LinkState, Memory, Replica, ReplicaId};
use crate::wire::ShardAddress;

/// One node of this process.
#[derive(Debug)]
pub(super) struct Shared {
    id: NodeId,
    /// The shards' ports, in the order of their ids.
    ports: Vec<Arc<Port>>,
    pub(super) registry: Arc<Registry>,
    pub(super) memory: Arc<Memory>,
    pub(super) settings: Settings,
    timers: Handle,
    next_replica: AtomicU64,
    lost_writes: AtomicU64,
    /// Groups of this node that took effect.
    groups_accepted: AtomicU64,
    /// Kept so that the threads live; makes links to further shards.
    threads: Threads,
}

/// The node's own threads; they end once this is gone and every driver has stopped.
#[derive(Debug)]
struct Threads {
    drivers: UnboundedSender<Driver>,
    worker: Sender<Arc<dyn Replica>>,
    registry: Arc<Registry>,
    memory: Arc<Memory>,
}

impl Shared {
    /// Starts a node and connects it.
    pub(super) async fn start(connector: Connector, settings: Settings) -> Result<Self, Error> {
        let id = NodeId(chance::draw());
        let (registry, memory) = (Arc::default(), Arc::new(Memory::new(settings.memory_max)));
        let (threads, timers) = Threads::start(&registry, &memory).map_err(|error| no_thread(&error))?;
        let first = threads.drive(id, connector.clone());
        let mut node = Self {
            id,
            ports: vec![first],
            registry,
            memory,
            settings,
            timers,
            next_replica: AtomicU64::new(0),
            lost_writes: AtomicU64::new(0),
            groups_accepted: AtomicU64::new(0),
            threads,
        };
        node.connect_all(&connector).await?;
        Ok(node)
    }

    /// Waits for the first link, then makes one to every other shard it names.
    async fn connect_all(&mut self, connector: &Connector) -> Result<(), Error> {
        let [first] = &self.ports[..] else { return Ok(()) };
        let first = Arc::clone(first);
        let greeted = first.until(|standing| match (&standing.welcome, &standing.trouble) {
            (Some(welcome), _) => Some(Ok(welcome.clone())),
            (None, Some(trouble)) => Some(Err(trouble.clone())),
            (None, None) => None,
        });
        let patience = self.settings.patience;
        let welcome = self
            .limited(patience, greeted)
            .await
            .unwrap_or_else(|Elapsed| Err(Error::Unavailable { why: format!("no answer within {patience:?}") }))?;
        let mut shards = welcome.shards;
        shards.sort_by_key(|address| address.shard);
        if shards.len() < 2 {
            return Ok(());
        }
        let port = |address: &ShardAddress| {
            if address.shard == welcome.shard {
                return Arc::clone(&first);
            }
            let connector = connector.of_shard(address).unwrap_or_else(|| connector.clone());
            self.threads.drive(self.id, connector)
        };
        self.ports = shards.iter().map(port).collect();
        Ok(())
    }

    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn ports(&self) -> &[Arc<Port>] {
        &self.ports
    }

    /// The port of the shard that has `key`.
    pub(super) fn port(&self, key: &str) -> Result<&Arc<Port>, Error> {
        let count = u16::try_from(self.ports.len()).unwrap_or(u16::MAX);
        let shard = shard_of(key, count);
        self.ports.get(usize::from(shard.0)).ok_or(Error::Closed)
    }

    pub(super) fn new_replica(&self) -> ReplicaId {
        ReplicaId(self.next_replica.fetch_add(1, Ordering::Relaxed))
    }

    /// A read asked for a version that was lost.
    pub(super) fn count_lost_write(&self, object: &ObjectName, token: Token) {
        self.lost_writes.fetch_add(1, Ordering::Relaxed);
        let class = &object.class;
        tracing::warn!(monotonic_counter.nam_lost_writes = 1_u64, class, %token, "a version that was shown is lost");
    }

    pub(super) fn lost_writes(&self) -> u64 {
        self.lost_writes.load(Ordering::Relaxed)
    }

    /// A group of this node took effect.
    pub(super) fn count_group(&self) {
        self.groups_accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// How many did: a task that lost although this number rises has a node that does not.
    pub(super) fn groups_accepted(&self) -> u64 {
        self.groups_accepted.load(Ordering::Relaxed)
    }

    /// Asks the repository and waits for the answer.
    pub(super) async fn ask(&self, port: &Port, ask: Ask, object: &ObjectName) -> Result<Answer, Error> {
        let answer = self.answer(port, ask, object).await;
        answer.unwrap_or_else(|Elapsed| Err(self.waited_in_vain(port, &format!("an answer about {object}"))))
    }

    /// As [`ask`](Self::ask), for what changes something: without an answer it may take effect all the same.
    pub(super) async fn ask_to_change(&self, port: &Port, ask: Ask, object: &ObjectName) -> Result<Answer, Error> {
        let undecided = || Error::Undecided { object: object.clone(), waited: self.settings.patience };
        let answer = self.answer(port, ask, object).await;
        answer.unwrap_or_else(|Elapsed| Err(if port.standing().is_ended { Error::Closed } else { undecided() }))
    }

    async fn answer(&self, port: &Port, ask: Ask, object: &ObjectName) -> Result<Result<Answer, Error>, Elapsed> {
        let (reply, answer) = oneshot::channel();
        port.push(Input::Ask(ask, reply));
        if port.standing().is_ended {
            return Ok(Err(Error::Closed));
        }
        Ok(match self.patient(port, answer).await? {
            Ok(Answer::Failed { code, text }) => Err(Error::failed(code, &text, object)),
            Ok(Answer::Ended(ending)) => Err(Error::ended(ending, object)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Error::Closed),
        })
    }

    /// What to say when a wait ended without success.
    pub(super) fn waited_in_vain(&self, port: &Port, what: &str) -> Error {
        let standing = port.standing();
        match (standing.is_ended, standing.link) {
            (true, _) => Error::Closed,
            (false, LinkState::Ready) => Error::TimedOut { what: what.to_owned(), waited: self.settings.patience },
            (false, _) => standing
                .trouble
                .unwrap_or(Error::Unavailable { why: "the link to the repository is being resumed".to_owned() }),
        }
    }

    /// Waits for `future`, at most `limit`. Costs no timer if it is ready at once.
    pub(super) async fn limited<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(output);
        }
        let mut timer = pin!(self.timer(limit));
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            timer.as_mut().poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Waits for `future` for as long as the settings say, and longer while large objects move over the link: what waits
    /// behind them, or is one, has not failed.
    pub(super) async fn patient<F: Future>(&self, port: &Port, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            let segments = port.segments();
            match self.limited(self.settings.patience, future.as_mut()).await {
                Err(Elapsed) if port.segments() != segments => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits, whatever runtime the task runs on: the timer is that of the node's thread.
    pub(super) fn timer(&self, pause: Duration) -> tokio::time::Sleep {
        let _entered = self.timers.enter();
        tokio::time::sleep(pause)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ports.iter().for_each(|port| port.push(Input::Stop));
    }
}

/// The limit of a wait was reached.
#[derive(Debug)]
pub(super) struct Elapsed;

impl Threads {
    fn start(registry: &Arc<Registry>, memory: &Arc<Memory>) -> std::io::Result<(Self, Handle)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let timers = runtime.handle().clone();
        let (drivers, mut starting) = unbounded_channel::<Driver>();
        std::thread::Builder::new().name("nam-io".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut running = JoinSet::new();
                while let Some(driver) = starting.recv().await {
                    running.spawn(driver.run());
                }
                running.join_all().await;
            });
        })?;
        let (registry, memory) = (Arc::clone(registry), Arc::clone(memory));
        Ok((Self { drivers, worker: worker::start()?, registry, memory }, timers))
    }

    /// Starts to drive a link.
    fn drive(&self, id: NodeId, connector: Connector) -> Arc<Port> {
        let port = Arc::new(Port::new(Arc::clone(&self.memory)));
        let registry = Arc::clone(&self.registry);
        let driver = Driver::new(id, Arc::clone(&port), connector, (self.worker.clone(), registry));
        let _ = self.drivers.send(driver);
        port
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::Internal { why: format!("no thread for the node: {error}") }
}

//! What does it cost that somebody is told of every object that comes and goes: the creations and ends themselves, and how
//! long is it until a consumer hears of one?
//!
//! Over QUIC, 16 tasks of one node, each with a key of its own that it creates and destroys again and again. The same on
//! daemons of which one has no group of consumers, one has a group that nobody serves, and one has a group whose consumer,
//! on a node of its own, acknowledges what it is told; in turn, with a journal in memory and with one that is synced.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod scratch;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::Node;
use nam::server::{JournalPlace, Server, ServerConfig};
use nam::store::Durability;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use parties::{Desk, one_thread};
use scratch::Scratch;
use table::{Budget, Samples};

const TASKS: usize = 16;

/// Creations of a task, and as many ends, in a turn.
const ROUNDS: usize = 40;
const TURNS: usize = 15;

/// Creations one after the other of which a consumer is awaited.
const TOLD: usize = 20;

/// Who wants to hear of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Nobody,
    Group,
    Consumer,
}

/// A daemon and a node whose objects come and go.
struct Party {
    runtime: Runtime,
    node: Node,
    /// The consumer's node, while there is one.
    _other: Option<Node>,
    /// Events that it was told.
    heard: Arc<AtomicU64>,
    _server: Server,
}

impl Party {
    fn start(audience: Audience, data: Option<PathBuf>) -> Self {
        let journal = data.as_ref().map_or(JournalPlace::Memory, |_| JournalPlace::Data(Durability::Disk));
        let server = Server::start(&ServerConfig { data, journal, ..ServerConfig::default() }).unwrap();
        let (address, runtime, heard) = (server.addresses()[0].to_string(), one_thread(), Arc::new(AtomicU64::new(0)));
        let (node, other) = runtime.block_on(async {
            let node = Node::connect([&address]).await.unwrap();
            if audience == Audience::Nobody {
                return (node, None);
            }
            let other = Node::connect([&address]).await.unwrap();
            let mut events = other.events::<Desk>("bench").await.unwrap();
            if audience == Audience::Group {
                return (node, None);
            }
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                while let Ok(event) = events.next().await {
                    event.acknowledge();
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            });
            (node, Some(other))
        });
        Self { runtime, node, _other: other, heard, _server: server }
    }

    /// The time of a creation and an end, of so many at once.
    fn run(&self, took: &mut Samples) {
        let begun = Instant::now();
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..TASKS {
                let (node, key) = (self.node.clone(), format!("desk {task}"));
                tasks.spawn(async move {
                    for _ in 0..ROUNDS {
                        node.create(&key, Desk::new(1, 20)).await.unwrap();
                        node.destroy::<Desk>(&key).await.unwrap();
                    }
                });
            }
            tasks.join_all().await;
        });
        took.add_nanoseconds(begun.elapsed().as_secs_f64() * 1e9 / (TASKS * ROUNDS) as f64);
    }

    /// Times from the call of a creation until it is acknowledged, and until a consumer was told.
    fn tell(&self, created: &mut Samples, told: &mut Samples) {
        self.runtime.block_on(async {
            let mut events = self.node.events::<Desk>("other").await.unwrap();
            for number in 0..TOLD {
                let (key, begun) = (format!("told {number}"), Instant::now());
                let (made, event) = tokio::join!(
                    async {
                        self.node.create(&key, Desk::new(1, 20)).await.unwrap();
                        begun.elapsed()
                    },
                    async {
                        let event = events.next().await.unwrap();
                        (begun.elapsed(), event)
                    }
                );
                created.add(made);
                told.add(event.0);
                event.1.acknowledge();
                self.node.destroy::<Desk>(&key).await.unwrap();
                events.next().await.unwrap().acknowledge();
            }
            self.node.end_events::<Desk>("other").await.unwrap();
        });
    }
}

fn table_of(what: &str, data: Option<&Path>) {
    let party = |audience| Party::start(audience, data.map(|data| data.join(format!("{audience:?}"))));
    let parties = [Audience::Nobody, Audience::Group, Audience::Consumer].map(party);
    let mut took: [Samples; 3] = Samples::several();
    let [mut created, mut told] = Samples::several();
    for _ in 0..TURNS {
        parties.iter().zip(&mut took).for_each(|(party, took)| party.run(took));
        parties[0].tell(&mut created, &mut told);
    }
    assert!(parties[2].heard.load(Ordering::Relaxed) > 0, "the consumer is told");
    let [nobody, group, consumer] = took.map(|took| took.p50());
    table::title(&format!("an object created and destroyed, 16 tasks, {what}, p50"));
    table::time("nobody is told", nobody, None, Budget::None);
    table::time("a group of consumers keeps it", group, Some(("nobody", nobody)), Budget::None);
    table::time("and a consumer acknowledges it", consumer, Some(("nobody", nobody)), Budget::None);
    table::title(&format!("one creation, {what}, p50"));
    table::time("acknowledged", created.p50(), None, Budget::None);
    table::time("told to a consumer", told.p50(), Some(("acknowledged", created.p50())), Budget::None);
}

fn events(_: &mut Criterion) {
    let scratch = Scratch::new("events");
    table_of("journal in memory", None);
    table_of("synced", Some(&scratch.0));
}

criterion_group!(benches, events);
criterion_main!(benches);

//! What does it cost that several objects change together: groups of 2 and of 8 objects beside updates of one?
//!
//! Over QUIC, the journal in memory. First one at a time, until acknowledged: a group is one record, one entry of a frame
//! and one answer, so it is held against one update, and against its objects updated one after the other. Then 16 tasks of
//! one node, each with objects of its own. Last, two nodes at the same two objects: what is in each other's way begins
//! again as a whole.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops when something is wrong")]

mod parties;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::{Node, Object};
use nam::error::{Error, UpdateError};
use nam::server::{Server, ServerConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use parties::{Desk, reprice};
use table::{Budget, Samples};

const SIZES: [usize; 2] = [2, 8];
const TASKS: usize = 16;

/// Changes of each kind that are timed one by one.
const ALONE: usize = 2_000;

/// Objects that the tasks of one turn change, together or not.
const CHANGED: usize = 8_000;
const TURNS: usize = 7;

/// Groups of each of two nodes in one turn.
const CONTENDED: usize = 500;

struct Party {
    runtime: Runtime,
    nodes: [Node; 2],
    _server: Server,
}

impl Party {
    fn start() -> Self {
        let server = Server::start(&ServerConfig::default()).unwrap();
        let address = server.addresses()[0].to_string();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let nodes = [(), ()].map(|()| runtime.block_on(Node::connect([&address])).unwrap());
        Self { runtime, nodes, _server: server }
    }

    /// So many desks, on a node.
    fn desks(&self, node: &Node, name: &str, count: usize) -> Vec<Object<Desk>> {
        let opening = async |at: usize| node.open_or_create(&format!("{name} {at}"), || Desk::new(100, 20)).await;
        (0..count).map(|at| self.runtime.block_on(opening(at)).unwrap()).collect()
    }
}

/// Gives one instrument of each desk a price, together; how often the closure ran.
async fn reprice_all(node: &Node, desks: &[Object<Desk>], price: f64) -> u64 {
    let runs = AtomicU64::new(0);
    let done = node.update_group(|mut group| {
        runs.fetch_add(1, Ordering::Relaxed);
        async move {
            for desk in desks {
                let step = group.with(desk, |desk| {
                    let mut instruments = desk.instruments_mut();
                    let mut instrument = instruments.get_mut("I0000007").ok_or(Error::Closed)?;
                    *instrument.price_mut() = price;
                    Ok::<(), Error>(())
                });
                step.await?;
            }
            Ok::<_, UpdateError<Error>>((group, ()))
        }
    });
    done.await.unwrap();
    runs.into_inner()
}

fn alone(party: &Party) {
    let node = &party.nodes[0];
    let desks = party.desks(node, "alone", 8);
    let mut price = 0.5;
    let [mut update, mut two, mut eight, mut apart] = Samples::several();
    party.runtime.block_on(async {
        for _ in 0..ALONE {
            price += 1.0;
            let begun = Instant::now();
            reprice(&desks[0], 7, price).await;
            update.add(begun.elapsed());
            for (size, samples) in [(2, &mut two), (8, &mut eight)] {
                price += 1.0;
                let begun = Instant::now();
                reprice_all(node, &desks[..size], price).await;
                samples.add(begun.elapsed());
            }
            price += 1.0;
            let begun = Instant::now();
            for desk in &desks {
                reprice(desk, 7, price).await;
            }
            apart.add(begun.elapsed());
        }
    });
    table::title("a change until acknowledged, one at a time, p50");
    table::time("an update of one object", update.p50(), None, Budget::None);
    table::time("a group of 2 objects", two.p50(), Some(("one update", update.p50())), Budget::None);
    table::time("a group of 8 objects", eight.p50(), Some(("one update", update.p50())), Budget::None);
    table::time("8 objects one after the other", apart.p50(), Some(("a group", eight.p50())), Budget::None);
}

fn at_once(party: &Party) {
    let node = &party.nodes[0];
    let desks: Vec<Arc<[Object<Desk>]>> =
        (0..TASKS).map(|task| party.desks(node, &format!("task {task}"), 8).into()).collect();
    let mut took = [1, SIZES[0], SIZES[1]].map(|size| (size, Samples::default()));
    for turn in 0..TURNS {
        for (size, samples) in &mut took {
            let (size, price) = (*size, (turn * CHANGED) as f64 + 0.25 / *size as f64);
            let begun = Instant::now();
            party.runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for desks in &desks {
                    let (node, desks) = (node.clone(), Arc::clone(desks));
                    tasks.spawn(async move {
                        for change in 0..CHANGED / TASKS / size {
                            let price = price + change as f64;
                            match size {
                                1 => drop(reprice(&desks[change % 8], 7, price).await),
                                size => drop(reprice_all(&node, &desks[..size], price).await),
                            }
                        }
                    });
                }
                tasks.join_all().await;
            });
            samples.add(begun.elapsed());
        }
    }
    table::title("objects changed a second by 16 tasks of one node, each with its own");
    let mut one = None;
    for (size, samples) in &took {
        let a_second = CHANGED as f64 * 1e9 / samples.p50();
        let times = a_second / *one.get_or_insert(a_second);
        let what = if *size == 1 { "by updates".to_owned() } else { format!("by groups of {size}") };
        let beside = format!("{times:.2} × by updates, {:.0} commits a second", a_second / *size as f64);
        table::row(&what, &format!("{a_second:.0}"), &beside, "", true);
    }
}

fn contended(party: &Party) {
    let shared = [0, 1].map(|at| Arc::<[Object<Desk>]>::from(party.desks(&party.nodes[at], "shared", 2)));
    let [mut took, mut runs] = Samples::several();
    for turn in 0..TURNS {
        let begun = Instant::now();
        let ran = party.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (at, desks) in shared.iter().enumerate() {
                let (node, desks) = (party.nodes[at].clone(), Arc::clone(desks));
                tasks.spawn(async move {
                    let mut runs = 0;
                    for change in 0..CONTENDED {
                        runs += reprice_all(&node, &desks, (turn * CONTENDED + change) as f64 + at as f64 / 4.0).await;
                    }
                    runs
                });
            }
            tasks.join_all().await.into_iter().sum::<u64>()
        });
        took.add(begun.elapsed());
        runs.add_nanoseconds(ran as f64 / (2 * CONTENDED) as f64);
    }
    table::title("two nodes at the same two objects, one group at a time each");
    let a_second = (2 * CONTENDED) as f64 * 1e9 / took.p50();
    let beside = format!("{:.2} runs of the closure a group", runs.p50());
    table::row("groups a second", &format!("{a_second:.0}"), &beside, "", true);
}

fn groups(_: &mut Criterion) {
    let party = Party::start();
    alone(&party);
    at_once(&party);
    contended(&party);
}

criterion_group!(benches, groups);
criterion_main!(benches);

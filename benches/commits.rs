//! How many updates a second do 1, 2, 4 and 8 nodes make through one shard when nobody is in anybody's way?
//!
//! Over QUIC, the journal in memory, 16 tasks a node. Each task changes an entry of its own: of one object that all nodes
//! have, so that every commit is judged beside the others' and goes out to all of them, or of an object that only its node
//! has. All parties share this machine's processors, so more nodes show what one shard stands, not how far it scales.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod parties;
mod table;

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use nam::client::{Node, Object};
use nam::server::{Server, ServerConfig};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use parties::{Desk, reprice};
use table::Samples;

const NODES: [usize; 4] = [1, 2, 4, 8];
const TASKS: usize = 16;

/// Updates of one turn, of all nodes together.
const UPDATES: usize = 16_000;

const TURNS: usize = 7;

/// The updates of all tasks of all nodes, each with an object of its own or all with one; answers how many commits they
/// made, each of one or more updates.
async fn hammer(objects: &[Object<Desk>], is_shared: bool, price: f64) -> u64 {
    let mut tasks = JoinSet::new();
    let each = UPDATES / objects.len() / TASKS;
    let mut versions: Vec<_> = objects.iter().map(|object| object.peek().unwrap().version().0).collect();
    let begun = versions.clone();
    for (node, object) in objects.iter().enumerate() {
        for task in 0..TASKS {
            let object = object.clone();
            tasks.spawn(async move {
                let mut last = 0;
                for update in 0..each {
                    last = reprice(&object, node * TASKS + task, price + update as f64).await.0;
                }
                (node, last)
            });
        }
    }
    while let Some(ended) = tasks.join_next().await {
        let (node, version) = ended.unwrap();
        versions[node] = versions[node].max(version);
    }
    let commits = versions.iter().zip(&begun).map(|(version, begun)| version - begun);
    // One object has one row of versions, however many nodes count it.
    if is_shared { commits.max().unwrap() } else { commits.sum() }
}

fn throughput(_: &mut Criterion) {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let address = server.addresses()[0].to_string();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut setups, mut nodes) = (Vec::new(), Vec::new());
    for count in NODES {
        for is_shared in [true, false] {
            let objects = runtime.block_on(async {
                let mut objects = Vec::new();
                for node in 0..count {
                    let link = Node::connect([&address]).await.unwrap();
                    let key = if is_shared { format!("of {count}") } else { format!("{node} of {count}") };
                    objects.push(link.open_or_create(&key, || Desk::new(1_000, 20)).await.unwrap());
                    nodes.push(link);
                }
                objects
            });
            setups.push((count, is_shared, objects, Samples::default(), Samples::default()));
        }
    }
    for turn in 0..TURNS {
        for (_, is_shared, objects, took, combined) in &mut setups {
            let begun = Instant::now();
            let commits = runtime.block_on(hammer(objects, *is_shared, (turn * UPDATES) as f64 + 0.125));
            took.add(begun.elapsed());
            combined.add_nanoseconds(UPDATES as f64 / commits as f64);
        }
    }
    for (title, shared) in [("an entry each of one object", true), ("an object each", false)] {
        table::title(&format!("updates a second of 1 to 8 nodes, 16 tasks each: {title}"));
        let mut one = None;
        for (count, _, _, took, combined) in setups.iter().filter(|(_, is_shared, ..)| *is_shared == shared) {
            let a_second = UPDATES as f64 * 1e9 / took.p50();
            let times = a_second / *one.get_or_insert(a_second);
            let beside = format!("{times:.2} × one node, {:.1} updates a commit", combined.p50());
            table::row(&format!("{count} nodes"), &format!("{a_second:.0}"), &beside, "", true);
        }
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);

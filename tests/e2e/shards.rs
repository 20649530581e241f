//! A daemon of several shards, each at an address of its own.

use std::convert::Infallible;
use std::time::Duration;

use nam::Tracked;
use nam::client::Node;
use nam::server::{Server, ServerConfig};

use crate::slow::Path;

const COUNTERS: u64 = 8;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.ShardCounter")]
struct Counter {
    n: u64,
}

/// The node is given the addresses of both shards, and that of the first one ends while the second one answers.
#[tokio::test]
async fn what_one_shard_is_told_comes_to_no_other() {
    let server = Server::start(&ServerConfig { shards: Some(2), ..ServerConfig::default() }).unwrap();
    let path = Path::to(server.addresses()[0]).await;
    let builder = Node::builder().patience(Duration::from_secs(30)).address(&path.address);
    let node = builder.address(server.addresses()[1].to_string()).connect().await.unwrap();
    let mut counters = Vec::new();
    for number in 0..COUNTERS {
        counters.push(node.create(&format!("counter {number}"), Counter { n: number }).await.unwrap());
    }
    drop(path);
    for round in 1..=2 {
        for (number, counter) in (0..).zip(&counters) {
            let update = counter.update(|counter| {
                *counter.n_mut() += 100;
                Ok::<_, Infallible>(counter.n)
            });
            assert_eq!(update.await.unwrap().value, number + 100 * round);
        }
    }
}

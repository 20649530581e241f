//! A daemon of several shards, each at an address of its own.

use std::convert::Infallible;
use std::time::Duration;

use nam::Tracked;
use nam::client::Node;
use nam::server::{Certificates, Server, ServerConfig};
use nam::transport::Trust;

use crate::slow::Path;
use crate::trust;

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

/// Such a daemon does not know by which name or address its nodes see it.
#[tokio::test]
async fn shards_of_a_daemon_that_listens_everywhere_are_found_by_the_host_that_was_given() {
    let ours = trust::Certificates::make("everywhere");
    let file = |name: &str| ours.0.join(name);
    let certificates = Certificates {
        certificate: file("daemon.crt"),
        key: file("daemon.key"),
        node_authorities: Some(file("ca.crt")),
    };
    let listen = "0.0.0.0:0".parse().unwrap();
    let config = ServerConfig { listen, shards: Some(2), certificates: Some(certificates), ..ServerConfig::default() };
    let server = Server::start(&config).unwrap();
    let builder = Node::builder().address(format!("127.0.0.1:{}", server.addresses()[0].port()));
    let builder = builder.trust(Trust::Authorities(ours.authorities())).identity(ours.identity("node"));
    let node = builder.patience(Duration::from_secs(30)).connect().await.unwrap();
    for number in 0..COUNTERS {
        node.create(&format!("counter {number}"), Counter { n: number }).await.unwrap();
    }
}

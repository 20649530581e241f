//! Searches and references over real QUIC, on several shards and over a restart.

use std::convert::Infallible;

use nam::client::Node;
use nam::error::Error;
use nam::server::{JournalPlace, Server, ServerConfig};
use nam::store::Durability;
use nam::transport::Trust;
use nam::{Ref, Tracked};

use crate::process::Directory;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "e2e.Shelf")]
struct Shelf {
    prices: Vec<u64>,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "e2e.Visit")]
struct Visit {
    #[nam(index)]
    user: String,
    shelf: Ref<Shelf>,
}

async fn node(server: &Server) -> Node {
    let trust = Trust::Fingerprint(server.fingerprint());
    Node::builder().address(server.addresses()[0].to_string()).trust(trust).connect().await.unwrap()
}

async fn found(node: &Node, user: &str) -> usize {
    node.find(Visit::USER, user).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shard_is_asked_and_a_restart_forgets_nobody() {
    let directory = Directory::new("references");
    let config = ServerConfig {
        data: Some(directory.0.clone()),
        journal: JournalPlace::Data(Durability::Process),
        shards: Some(3),
        ..ServerConfig::default()
    };
    let server = Server::start(&config).unwrap();
    let (a, b) = (node(&server).await, node(&server).await);
    let shelf = a.create("spring", Shelf { prices: vec![7] }).await.unwrap();
    for n in 0..12 {
        let visit = Visit { user: "alice".to_owned(), shelf: shelf.reference().unwrap() };
        a.create(&format!("visit {n}"), visit).await.unwrap();
    }
    let visits = b.find(Visit::USER, "alice").await.unwrap();
    assert_eq!(visits.len(), 12);
    let visit = b.resolve(&visits[5]).await.unwrap();
    let renamed = visit.update(|visit| {
        visit.user_mut().push_str(" b.");
        Ok::<_, Infallible>(())
    });
    renamed.await.unwrap();
    assert_eq!((found(&a, "alice").await, found(&a, "alice b.").await), (11, 1));
    a.close().await.unwrap();
    b.close().await.unwrap();
    server.stop();

    let server = Server::start(&config).unwrap();
    let c = node(&server).await;
    assert_eq!((found(&c, "alice").await, found(&c, "alice b.").await), (11, 1));
    let visit = c.resolve(&visits[5]).await.unwrap().read().await.unwrap();
    let shelf = c.resolve(&visit.shelf).await.unwrap();
    assert_eq!(shelf.read().await.unwrap().prices, [7]);
    c.destroy::<Shelf>("spring").await.unwrap();
    c.create("spring", Shelf::default()).await.unwrap();
    assert!(matches!(c.resolve(&visit.shelf).await, Err(Error::Gone { .. })));
    c.close().await.unwrap();
}

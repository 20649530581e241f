//! A rolling deploy: nodes of two versions of a program on one daemon, which is killed and comes back meanwhile.

use nam::client::{Node, Object};
use nam::error::Error;
use nam::transport::Trust;

use crate::process::{Daemon, Directory};

mod old {
    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    #[nam(name = "versions.Order")]
    pub(super) struct Order {
        pub(super) side: Side,
        pub(super) notes: Vec<String>,
    }

    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    pub(super) enum Side {
        Buy,
        Sell,
    }
}

mod new {
    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    #[nam(name = "versions.Order")]
    pub(super) struct Order {
        pub(super) side: Side,
        pub(super) notes: Vec<String>,
    }

    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    pub(super) enum Side {
        Buy,
        Sell,
        Short { until: u64 },
    }
}

async fn node(daemon: &Daemon) -> Node {
    Node::builder().address(&daemon.address).trust(Trust::Fingerprint(daemon.fingerprint)).connect().await.unwrap()
}

async fn set(order: &Object<new::Order>, side: new::Side) -> nam::Token {
    order.edit(|order| order.side = side.clone()).await.unwrap();
    order.token().unwrap()
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::Unreadable { field, variant: Some(2), .. } if field == "side")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_variant_is_met_by_one_object_over_a_restart() {
    let directory = Directory::new("versions");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let (older, newer) = (node(&daemon).await, node(&daemon).await);
    // Large enough to travel in segments.
    let notes = vec!["n".repeat(1_000); 400];
    let there = newer.create("a", new::Order { side: new::Side::Buy, notes }).await.unwrap();
    let here = older.open::<old::Order>("a").await.unwrap();
    let other = older.create("b", old::Order { side: old::Side::Sell, notes: Vec::new() }).await.unwrap();

    let short = set(&there, new::Side::Short { until: 9 }).await;
    assert!(is_unreadable(&here.read_at(short).await.unwrap_err()));
    let address = daemon.address.clone();
    daemon.kill();
    let daemon = Daemon::start(&address, &directory.0);

    other.edit(|order| order.notes.push("after".to_owned())).await.unwrap();
    assert!(is_unreadable(&here.fresh().await.unwrap_err()), "it holds the variant still");
    let late = node(&daemon).await;
    let opened = late.open::<old::Order>("a").await.unwrap();
    assert!(is_unreadable(&opened.read().await.unwrap_err()), "whoever opens it anew cannot read it either");

    let sell = set(&there, new::Side::Sell).await;
    assert_eq!(here.read_at(sell).await.unwrap().side, old::Side::Sell);
    assert_eq!(opened.read_at(sell).await.unwrap().notes.len(), 400);
    set(&there, new::Side::Short { until: 9 }).await;
    late.destroy::<old::Order>("a").await.unwrap();
    assert!(matches!(there.fresh().await, Err(Error::Gone { .. })));
    assert_eq!(*other.fresh().await.unwrap().notes, ["after"]);
}

//! Events between processes: the daemon is killed between an event and its acknowledgement, then the consumer goes away.

use nam::client::Node;
use nam::transport::Trust;
use nam::{EventKind, Tracked};

use crate::process::{Daemon, Directory};

#[derive(Tracked, Clone, Debug, Default)]
#[nam(name = "e2e.Receipt")]
struct Receipt {
    text: String,
}

async fn connect(daemon: &Daemon) -> Node {
    let trust = Trust::Fingerprint(daemon.fingerprint);
    Node::builder().address(&daemon.address).trust(trust).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_outlives_the_daemon_and_its_consumer_until_it_is_acknowledged() {
    let directory = Directory::new("events");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let (shop, billing) = (connect(&daemon).await, connect(&daemon).await);
    let mut events = billing.events::<Receipt>("billing").await.unwrap();
    let receipt = shop.create("alice", Receipt { text: "paid".into() }).await.unwrap();
    receipt.edit(|receipt| receipt.text.push_str(" twice")).await.unwrap();
    shop.destroy::<Receipt>("alice").await.unwrap();
    let created = events.next().await.unwrap();
    assert_eq!((created.kind, created.last.is_some()), (EventKind::Created, false));
    created.acknowledge();
    let ended = events.next().await.unwrap();
    let address = daemon.address.clone();
    daemon.kill();
    let daemon = Daemon::start(&address, &directory.0);
    let again = events.next().await.unwrap();
    assert_eq!((again.kind, again.birth, &again.key[..]), (EventKind::Destroyed, ended.birth, "alice"));
    assert_eq!(again.last.unwrap().text, "paid twice");
    drop((events, billing, shop));
    let other = connect(&daemon).await;
    let mut events = other.events::<Receipt>("billing").await.unwrap();
    let third = events.next().await.unwrap();
    assert_eq!((third.kind, third.birth), (EventKind::Destroyed, ended.birth));
    assert_eq!(third.last.as_ref().unwrap().text, "paid twice");
    third.acknowledge();
    // Behind the acknowledgement on the same link: when this is told, that is durable.
    other.create("bob", Receipt::default()).await.unwrap();
    assert_eq!(events.next().await.unwrap().key, "bob");
    daemon.kill();
    let _daemon = Daemon::start(&address, &directory.0);
    let bob = events.next().await.unwrap();
    assert_eq!((bob.kind, &bob.key[..], bob.missed), (EventKind::Created, "bob", 0), "and nothing of alice");
    bob.acknowledge();
    other.create("carol", Receipt::default()).await.unwrap();
    assert_eq!(events.next().await.unwrap().key, "carol");
}

//! Nodes with replicas over real QUIC: create, update, visible, conflict, restart.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use nam::Tracked;
use nam::client::{Change, Committed, Node, Object};
use nam::error::{Error, UpdateError};
use nam::expiry::Expiry;
use nam::ids::{ShardId, shard_of};
use nam::server::{Server, ServerConfig};
use nam::transport::Trust;

use crate::process::{Daemon, Directory};

/// What the nodes share.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "e2e.Desk")]
pub(crate) struct Desk {
    cash: f64,
    owner: String,
    instruments: BTreeMap<String, Instrument>,
    #[nam(add)]
    requests: u64,
    fills: u64,
}

/// One of many entries.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Instrument {
    price: f64,
    note: String,
}

fn desk(instruments: usize, note_bytes: usize) -> Desk {
    let instrument = |i: usize| (format!("I{i:06}"), Instrument { price: i as f64, note: "x".repeat(note_bytes) });
    Desk { instruments: (0..instruments).map(instrument).collect(), ..Desk::default() }
}

async fn node(address: &str, trust: Trust) -> Node {
    Node::builder().address(address).trust(trust).connect().await.unwrap()
}

async fn nodes(server: &Server) -> (Node, Node) {
    let address = server.addresses()[0].to_string();
    let trust = || Trust::Fingerprint(server.fingerprint());
    (node(&address, trust()).await, node(&address, trust()).await)
}

/// Adds one to the cash of a desk.
async fn earn(desk: &Object<Desk>) -> Committed<()> {
    let earned = desk.update(|desk| {
        *desk.cash_mut() += 1.0;
        Ok::<_, Infallible>(())
    });
    earned.await.unwrap()
}

/// Adds a letter to the owner of a desk.
async fn push(desk: &Object<Desk>) -> Committed<()> {
    let pushed = desk.update(|desk| {
        desk.owner_mut().push('x');
        Ok::<_, Infallible>(())
    });
    pushed.await.unwrap()
}

/// Waits until the replica satisfies `is_there`. Reads, so that a replica that was told to be stale is pulled.
async fn until(object: &Object<Desk>, is_there: impl Fn(&Desk) -> bool) {
    let mut changes = object.watch();
    while !is_there(&object.read().await.unwrap()) {
        changes.next().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_visible_on_the_other_node() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let (a, b) = nodes(&server).await;
    let here = a.create("alice", desk(10, 5)).await.unwrap();
    let there = b.open::<Desk>("alice").await.unwrap();
    assert_eq!(*there.read().await.unwrap(), *here.read().await.unwrap());
    assert!(matches!(b.create("alice", Desk::default()).await, Err(Error::Exists { .. })));

    let mut changes = there.watch();
    let done = here
        .update(|desk| {
            *desk.cash_mut() += 10.5;
            *desk.instruments_mut().get_mut("I000003").ok_or("no such instrument")?.price_mut() = 101.25;
            Ok::<_, &str>(desk.owner.len())
        })
        .await
        .unwrap();
    assert_eq!(done.value, 0);
    loop {
        if let Change::Applied { version, .. } = changes.next().await {
            assert_eq!(version, done.version);
            break;
        }
    }
    let seen = there.read().await.unwrap();
    assert_eq!((seen.cash, seen.instruments["I000003"].price), (10.5, 101.25));
    assert_eq!(*seen, *here.read().await.unwrap());
    a.close().await.unwrap();
    b.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_never_reads_hears_of_every_version() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let (a, b) = nodes(&server).await;
    let here = a.create("watched", Desk::default()).await.unwrap();
    let there = b.open::<Desk>("watched").await.unwrap();
    let mut changes = there.watch();
    // Far more than is pushed to a holder that does not read.
    for _ in 0..1_000 {
        let done = push(&here).await;
        while !matches!(changes.next().await, Change::Applied { version, .. } if version >= done.version) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_on_two_nodes_lose_nothing() {
    const EACH: u64 = 200;
    let server = Server::start(&ServerConfig::default()).unwrap();
    let (a, b) = nodes(&server).await;
    let here = a.create("both", Desk::default()).await.unwrap();
    let there = b.open::<Desk>("both").await.unwrap();
    let mut writers = Vec::new();
    for object in [here.clone(), there.clone()] {
        writers.push(tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let outcome = object
                    .update(|desk| {
                        *desk.fills_mut() += 1;
                        desk.requests_mut().add(1);
                        Ok::<_, Infallible>(())
                    })
                    .await;
                done += u64::from(outcome.is_ok());
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for object in [&here, &there] {
        until(object, |desk| desk.fills == 2 * EACH && desk.requests == 2 * EACH).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_opened_while_small_changes_go_on() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let (a, b) = nodes(&server).await;
    let large = a.create("large", desk(30_000, 450)).await.unwrap();
    let small = a.create("small", Desk::default()).await.unwrap();
    let small_there = b.open::<Desk>("small").await.unwrap();
    let opening = tokio::spawn({
        let b = b.clone();
        async move { b.open::<Desk>("large").await.unwrap() }
    });
    let mut updates = 0_u32;
    while !opening.is_finished() || updates < 20 {
        earn(&small).await;
        updates += 1;
        until(&small_there, |desk| desk.cash == f64::from(updates)).await;
        earn(&large).await;
    }
    let opened = opening.await.unwrap();
    until(&opened, |desk| desk.cash == f64::from(updates)).await;
    assert!(*opened.read().await.unwrap() == *large.read().await.unwrap(), "the copies differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nodes_come_back_by_themselves() {
    let directory = Directory::new("reconnect");
    let daemon = Daemon::forgetful("127.0.0.1:0", &directory.0);
    let (address, fingerprint) = (daemon.address.clone(), daemon.fingerprint);
    let (a, b) = (node(&address, Trust::Fingerprint(fingerprint)).await, node(&address, Trust::Loopback).await);
    a.create("before", Desk::default()).await.unwrap();
    daemon.kill();
    let daemon = Daemon::forgetful(&address, &directory.0);
    // Its journal was in memory: the object is gone, and nobody is told otherwise.
    let again = loop {
        match a.create("after", Desk { cash: 3.0, ..Desk::default() }).await {
            Ok(object) => break object,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    let there = loop {
        match b.open::<Desk>("after").await {
            Ok(object) => break object,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    assert_eq!(there.read().await.unwrap().cash, 3.0);
    assert!(matches!(b.open::<Desk>("before").await, Err(Error::Gone { .. })));
    drop((again, daemon));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart_and_nobody_loads_it_again() {
    let directory = Directory::new("kept");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let (address, fingerprint) = (daemon.address.clone(), daemon.fingerprint);
    let (a, b) = (node(&address, Trust::Fingerprint(fingerprint)).await, node(&address, Trust::Loopback).await);
    let here = a.create("alice", desk(1_000, 1_000)).await.unwrap();
    let there = b.open::<Desk>("alice").await.unwrap();
    earn(&here).await;
    a.create("bob", Desk::default()).await.unwrap();
    a.destroy::<Desk>("bob").await.unwrap();
    until(&there, |desk| desk.cash == 1.0).await;
    daemon.kill();
    let loaded = b.traffic().bytes();
    let daemon = Daemon::start(&address, &directory.0);
    assert_eq!(earn(&here).await.version.0, 3, "versions go on");
    until(&there, |desk| desk.cash == 2.0).await;
    assert!(b.traffic().bytes() - loaded < 100_000, "a megabyte was loaded again");
    assert!(*there.read().await.unwrap() == *here.read().await.unwrap(), "the copies differ");
    assert_eq!(b.keys::<Desk>("").await.unwrap(), ["alice"], "destroyed stays destroyed");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_end_by_themselves_and_what_ended_stays_dead_after_a_restart() {
    let directory = Directory::new("expiry");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let node = node(&daemon.address, Trust::Loopback).await;
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));
    let brief = node.expiring(Expiry::after(second)).create("brief", Desk::default()).await.unwrap();
    let unused = node.expiring(Expiry::idle(3 * second)).create("unused", Desk::default()).await.unwrap();
    let kept = node.create("kept", Desk::default()).await.unwrap();
    kept.set_expiry(Expiry::idle(day).or_after(30 * day)).await.unwrap();
    let ended = async |object: &Object<Desk>| {
        let mut changes = object.watch();
        while !matches!(changes.next().await, Change::Ended(_)) {}
        assert!(matches!(object.read().await, Err(Error::Gone { .. })));
    };
    ended(&brief).await;
    let address = daemon.address.clone();
    daemon.kill();
    let daemon = Daemon::start(&address, &directory.0);
    ended(&unused).await;
    assert_eq!(node.keys::<Desk>("").await.unwrap(), ["kept"]);
    assert_eq!(earn(&kept).await.version.0, 2);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_two_shards_are_found_by_their_keys() {
    let server = Server::start(&ServerConfig { shards: Some(2), ..ServerConfig::default() }).unwrap();
    assert_eq!(server.addresses().len(), 2);
    let (a, b) = nodes(&server).await;
    for number in 0..20 {
        let key = format!("key{number}");
        a.create(&key, Desk { cash: f64::from(number), ..Desk::default() }).await.unwrap();
    }
    for number in 0..20 {
        let object = b.open::<Desk>(&format!("key{number}")).await.unwrap();
        assert_eq!(object.read().await.unwrap().cash, f64::from(number));
    }
    assert_eq!(b.keys::<Desk>("key1").await.unwrap().len(), 11);
    let key_on = |shard| (0..20).map(|number| format!("key{number}")).find(|key| shard_of(key, 2) == ShardId(shard));
    let (first, other) = (key_on(0).unwrap(), key_on(1).unwrap());
    let (x, y) = (b.open::<Desk>(&first).await.unwrap(), b.open::<Desk>(&other).await.unwrap());
    let mut group = b.begin_group();
    group.with(&x, |_| Ok::<_, Error>(())).await.unwrap();
    let apart = group.with(&y, |_| Ok::<_, Error>(())).await;
    let names_both = |error: &Error| {
        let text = error.to_string();
        matches!(error, Error::Invalid { .. }) && [&first, &other, "{tag}"].iter().all(|what| text.contains(*what))
    };
    assert!(matches!(&apart, Err(UpdateError::Failed(error)) if names_both(error)), "{apart:?}");
    assert!(b.read_group((&x, &y)).await.is_err_and(|error| names_both(&error)), "the same of a joint read");
    let desk = |cash| Desk { cash, ..Desk::default() };
    let (x, y) = (b.create("{t}x", desk(1.0)).await.unwrap(), b.create("{t}y", desk(2.0)).await.unwrap());
    let (first, second) = (&x, &y);
    let shifted = b.update_group(|mut group| async move {
        for (object, by) in [(first, -1.0), (second, 1.0)] {
            let step = group.with(object, |desk| {
                *desk.cash_mut() += by;
                Ok::<_, Infallible>(())
            });
            step.await?;
        }
        Ok((group, ()))
    });
    shifted.await.unwrap();
    let (x, y) = b.read_group((&x, &y)).await.unwrap();
    assert_eq!((x.cash, y.cash), (0.0, 3.0), "keys with one tag share a shard");
    let stats = server.stats();
    assert_eq!(stats.links.len(), 4, "two nodes on two shards: {stats:?}");
    let carried = |node: &Node| node.traffic().bytes();
    assert!(carried(&a) > 0 && stats.total.bytes() > 0);
}

#[tokio::test]
async fn what_is_created_or_destroyed_without_an_answer_is_undecided() {
    let directory = Directory::new("undecided");
    let daemon = Daemon::forgetful("127.0.0.1:0", &directory.0);
    let impatient = Node::builder().address(&daemon.address).patience(Duration::from_secs(1)).connect().await.unwrap();
    let other = node(&daemon.address, Trust::Loopback).await;
    impatient.create("old", Desk::default()).await.unwrap();
    daemon.stop();
    let created = impatient.create("new", Desk::default()).await.unwrap_err();
    assert!(matches!(created, Error::Undecided { .. }), "{created}");
    let destroyed = impatient.destroy::<Desk>("old").await.unwrap_err();
    assert!(matches!(destroyed, Error::Undecided { .. }), "{destroyed}");
    daemon.signal("-CONT");
    // Behind both on one link.
    while let Err(Error::Undecided { .. }) = impatient.create("last", Desk::default()).await {}
    assert_eq!(*other.open::<Desk>("new").await.unwrap().read().await.unwrap(), Desk::default());
    assert!(matches!(other.open::<Desk>("old").await, Err(Error::Gone { .. })));
}

#[tokio::test]
async fn addresses_that_do_not_answer_do_not_keep_a_node_from_one_that_does() {
    let sockets: Vec<_> = (0..4).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let silent: Vec<String> = sockets.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
    let refused = Node::connect(&silent).await.unwrap_err();
    assert!(refused.to_string().contains(&silent[0]), "{refused}");
    let server = Server::start(&ServerConfig::default()).unwrap();
    let addresses = silent.into_iter().chain([server.addresses()[0].to_string()]);
    let node = Node::connect(addresses).await.unwrap();
    node.create("desk", Desk::default()).await.unwrap();
}

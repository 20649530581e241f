//! Two nodes over QUIC, as two instances of an application behind a balancer.

use nam::NodeState;
use nam::web::Reads;
use serde_json::json;

use super::requests::{request, session, values};
use super::sessions::SessionStore;
use super::sessions::session_store::Error;
use crate::daemon::Daemon;

#[tokio::test]
async fn instances_read_what_the_other_wrote() {
    let daemon = Daemon::start();
    let ((left, _), (right, _)) = (daemon.store().await, daemon.store().await);
    let id = session(&left, &[("n", json!(0))]).await;
    for n in 1..=50 {
        let store = if n % 2 == 0 { &left } else { &right };
        let one = request(store, Some(id));
        assert_eq!(one.get::<u32>("n").await.unwrap(), Some(n - 1), "the newest, whoever wrote it");
        one.insert("n", n).await.unwrap();
        one.save().await.unwrap();
    }
}

#[tokio::test]
async fn requests_on_two_instances_at_once_both_survive() {
    let daemon = Daemon::start();
    let ((left, _), (right, _)) = (daemon.store().await, daemon.store().await);
    let id = session(&left, &[("guest", json!({"visits": 1})), ("n", json!(1))]).await;
    let (a, b) = (request(&left, Some(id)), request(&right, Some(id)));
    a.insert("guest", json!({"visits": 2})).await.unwrap();
    b.insert("guest", json!({"visits": 1, "name": "bob"})).await.unwrap();
    b.insert("n", 2).await.unwrap();
    let (first, second) = tokio::join!(a.save(), b.save());
    first.unwrap();
    second.unwrap();
    let both = json!({"guest": {"visits": 2, "name": "bob"}, "n": 2});
    assert_eq!(values(&left, id).await, Some(both.clone()));
    assert_eq!(values(&right, id).await, Some(both));
}

#[tokio::test]
async fn a_session_that_one_instance_ends_is_gone_on_the_other() {
    let daemon = Daemon::start();
    let ((left, _), (right, _)) = (daemon.store().await, daemon.store().await);
    let id = session(&left, &[("n", json!(1))]).await;
    let slow = request(&right, Some(id));
    slow.insert("n", 2).await.unwrap();
    left.delete(&id).await.unwrap();
    slow.save().await.unwrap();
    assert_eq!((values(&left, id).await, values(&right, id).await), (None, None));
    assert_eq!((right.counts().late, right.counts().late_moved), (1, 0));
}

#[tokio::test]
async fn a_late_save_on_another_instance_reaches_the_new_id() {
    let daemon = Daemon::start();
    let ((left, _), (right, _)) = (daemon.store().await, daemon.store().await);
    let id = session(&left, &[("n", json!(1))]).await;
    let slow = request(&right, Some(id));
    slow.insert("slow", true).await.unwrap();
    let signing_in = request(&left, Some(id));
    signing_in.insert("login", "alice").await.unwrap();
    signing_in.cycle_id().await.unwrap();
    signing_in.save().await.unwrap();
    slow.save().await.unwrap();
    let new = signing_in.id().unwrap();
    assert_eq!(values(&left, new).await, Some(json!({"n": 1, "login": "alice", "slow": true})));
    assert_eq!((values(&right, id).await, right.counts().late_moved), (None, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_repository_local_reads_go_on_and_the_rest_fails_with_a_reason() {
    let daemon = Daemon::start();
    let (store, node) = daemon.store().await;
    let id = session(&store, &[("n", json!(1))]).await;
    let writing = request(&store, Some(id));
    writing.insert("n", 2).await.unwrap();
    daemon.stop();
    while node.state() == NodeState::Ready {
        tokio::task::yield_now().await;
    }
    for refused in [store.load(&id).await.map(drop), store.delete(&id).await] {
        assert!(matches!(&refused, Err(Error::Backend(why)) if why.contains("unavailable")), "{refused:?}");
    }
    writing.save().await.expect_err("what cannot be committed is not saved");
    let local = store.with_reads(Reads::Local);
    assert_eq!(values(&local, id).await, Some(json!({"n": 1})));
}

//! A new id while other requests of the session run (spring-session #1270).

use serde_json::{Value, json};

use super::requests::{request, session, store, values};
use super::sessions::Session;

fn all(count: usize) -> Value {
    let mut wanted = serde_json::Map::from_iter((0..count).map(|at| (format!("k{at}"), json!(at))));
    wanted.insert("first".to_owned(), json!(true));
    wanted.insert("login".to_owned(), json!("alice"));
    Value::Object(wanted)
}

async fn write(request: &Session, at: usize) {
    request.insert(&format!("k{at}"), at).await.unwrap();
    request.save().await.unwrap();
}

#[tokio::test]
async fn saves_before_between_and_after_the_two_steps_all_survive() {
    let store = store().await;
    let id = session(&store, &[("first", json!(true))]).await;
    let requests: Vec<_> = (0..10).map(|_| request(&store, Some(id))).collect();
    let signing_in = request(&store, Some(id));
    for request in requests.iter().chain([&signing_in]) {
        request.get_value("first").await.unwrap();
    }
    for (at, request) in requests.iter().enumerate().take(3) {
        write(request, at).await;
    }
    signing_in.insert("login", "alice").await.unwrap();
    signing_in.cycle_id().await.unwrap();
    for (at, request) in requests.iter().enumerate().skip(3).take(4) {
        write(request, at).await;
    }
    signing_in.save().await.unwrap();
    for (at, request) in requests.iter().enumerate().skip(7) {
        write(request, at).await;
    }
    let new = signing_in.id().unwrap();
    assert_eq!(values(&store, new).await, Some(all(10)));
    assert_eq!(values(&store, id).await, None, "the former id is dead");
    let counts = store.counts();
    assert_eq!((counts.rotations, counts.late, counts.late_moved), (1, 7, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_requests_at_once_lose_nothing() {
    let store = store().await;
    let id = session(&store, &[("first", json!(true))]).await;
    let loaded = std::sync::Arc::new(tokio::sync::Barrier::new(11));
    let mut running = tokio::task::JoinSet::new();
    for at in 0..10 {
        let (request, loaded) = (request(&store, Some(id)), loaded.clone());
        running.spawn(async move {
            request.get_value("first").await.unwrap();
            loaded.wait().await;
            write(&request, at).await;
        });
    }
    let signing_in = request(&store, Some(id));
    signing_in.insert("login", "alice").await.unwrap();
    loaded.wait().await;
    signing_in.cycle_id().await.unwrap();
    signing_in.save().await.unwrap();
    running.join_all().await;
    assert_eq!(values(&store, signing_in.id().unwrap()).await, Some(all(10)));
    assert_eq!(values(&store, id).await, None);
}

#[tokio::test]
async fn two_rotations_at_once_give_two_sessions_and_neither_learns_the_other_id() {
    let store = store().await;
    let id = session(&store, &[("first", json!(true))]).await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.insert("login", "alice").await.unwrap();
    right.insert("login", "mallory").await.unwrap();
    left.cycle_id().await.unwrap();
    right.cycle_id().await.unwrap();
    left.save().await.unwrap();
    right.save().await.unwrap();
    let (left, right) = (left.id().unwrap(), right.id().unwrap());
    assert_ne!(left, right);
    assert_eq!(values(&store, left).await, Some(json!({"first": true, "login": "alice"})));
    assert_eq!(values(&store, right).await, Some(json!({"first": true, "login": "mallory"})));
}

#[tokio::test]
async fn a_request_goes_on_under_its_new_id() {
    let store = store().await;
    let id = session(&store, &[("first", json!(true))]).await;
    let request_a = request(&store, Some(id));
    request_a.insert("login", "alice").await.unwrap();
    request_a.cycle_id().await.unwrap();
    request_a.save().await.unwrap();
    let new = request_a.id();
    let other = request(&store, new);
    other.insert("other", 1).await.unwrap();
    other.save().await.unwrap();
    request_a.insert("last", 2).await.unwrap();
    request_a.save().await.unwrap();
    let wanted = json!({"first": true, "login": "alice", "other": 1, "last": 2});
    assert_eq!(values(&store, new.unwrap()).await, Some(wanted));
}

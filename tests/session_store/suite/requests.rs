//! Several requests of one session: each is a `Session` of its own, as the layer makes it.

use std::sync::Arc;
use std::time::Duration;

use nam::web::{NamStore, Overwrites, Reads};
use serde_json::{Value, json};

use super::sessions::session::Id;
use super::sessions::{Session, SessionStore};

pub(super) async fn store() -> NamStore {
    NamStore::new(nam::Node::in_process().await.unwrap())
}

/// A request of the session `id`.
pub(super) fn request(store: &NamStore, id: Option<Id>) -> Session {
    Session::new(id, Arc::new(store.clone()), None)
}

/// A session with values, as an earlier request left it.
pub(super) async fn session(store: &NamStore, values: &[(&str, Value)]) -> Id {
    let first = request(store, None);
    for (key, value) in values {
        first.insert(key, value).await.unwrap();
    }
    first.save().await.unwrap();
    first.id().unwrap()
}

/// What the session has now.
pub(super) async fn values(store: &NamStore, id: Id) -> Option<Value> {
    let record = store.load(&id).await.unwrap()?;
    Some(Value::Object(record.data.into_iter().collect()))
}

#[tokio::test]
async fn two_requests_that_write_different_keys_both_survive() {
    let store = store().await;
    let id = session(&store, &[("cart", json!(["pen"])), ("theme", json!("dark"))]).await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.insert("cart", json!(["pen", "ink"])).await.unwrap();
    right.insert("theme", "light").await.unwrap();
    right.insert("seen", 1).await.unwrap();
    left.save().await.unwrap();
    right.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"cart": ["pen", "ink"], "theme": "light", "seen": 1})));
    assert_eq!(store.counts().overwritten, 0);
}

#[tokio::test]
async fn fields_below_one_key_are_apart_too() {
    let store = store().await;
    let id =
        session(&store, &[("guest", json!({"visits": 1, "name": "a", "log": [1, 2], "rows": [{"n": 1}, {"n": 2}]}))])
            .await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.insert("guest", json!({"visits": 2, "name": "a", "log": [1, 2, 3], "rows": [{"n": 9}, {"n": 2}]}))
        .await
        .unwrap();
    right.insert("guest", json!({"visits": 1, "log": [1, 2, 4], "rows": [{"n": 1}, {"n": 8}]})).await.unwrap();
    left.save().await.unwrap();
    right.save().await.unwrap();
    let both = json!({"guest": {"visits": 2, "log": [1, 2, 3, 4], "rows": [{"n": 9}, {"n": 8}]}});
    assert_eq!(values(&store, id).await, Some(both));
}

#[tokio::test]
async fn of_two_writes_of_one_path_the_later_wins_and_is_counted() {
    let store = store().await;
    let id = session(&store, &[("theme", json!("dark"))]).await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.insert("theme", "light").await.unwrap();
    right.insert("theme", "blue").await.unwrap();
    left.save().await.unwrap();
    right.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"theme": "blue"})));
    assert_eq!(store.counts().overwritten, 1);
}

#[tokio::test]
async fn a_strict_store_refuses_the_later_write() {
    let store = store().await.with_overwrites(Overwrites::Refuse);
    let id = session(&store, &[("theme", json!("dark")), ("n", json!(1))]).await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.insert("theme", "light").await.unwrap();
    right.insert("theme", "blue").await.unwrap();
    right.insert("n", 2).await.unwrap();
    left.save().await.unwrap();
    let refused = right.save().await.unwrap_err();
    assert!(refused.to_string().contains("nothing was saved"), "{refused}");
    assert_eq!(values(&store, id).await, Some(json!({"theme": "light", "n": 1})));
    assert_eq!(store.counts().refused, 1);
}

#[tokio::test]
async fn an_object_that_was_removed_stands_again_if_a_later_save_wrote_in_it() {
    let store = store().await;
    let id = session(&store, &[("cart", json!({"pen": 1, "ink": 2}))]).await;
    let (left, right) = (request(&store, Some(id)), request(&store, Some(id)));
    left.remove_value("cart").await.unwrap();
    right.insert("cart", json!({"pen": 5, "ink": 2})).await.unwrap();
    left.save().await.unwrap();
    right.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"cart": {"pen": 5, "ink": 2}})));
    assert_eq!(store.counts().overwritten, 1);
}

#[tokio::test]
async fn a_second_save_sends_only_what_came_after_the_first() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1)), ("b", json!(1))]).await;
    let slow = request(&store, Some(id));
    slow.insert("a", 2).await.unwrap();
    slow.save().await.unwrap();
    let other = request(&store, Some(id));
    other.insert("a", 3).await.unwrap();
    other.insert("b", 3).await.unwrap();
    other.save().await.unwrap();
    slow.insert("c", 4).await.unwrap();
    slow.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"a": 3, "b": 3, "c": 4})));
    slow.insert("c", 5).await.unwrap();
    slow.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"a": 3, "b": 3, "c": 5})));
}

#[tokio::test]
async fn a_save_between_two_of_another_request_is_kept() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let slow = request(&store, Some(id));
    slow.get_value("a").await.unwrap();
    let other = request(&store, Some(id));
    other.insert("b", 3).await.unwrap();
    other.save().await.unwrap();
    slow.insert("a", 2).await.unwrap();
    slow.save().await.unwrap();
    slow.insert("c", 4).await.unwrap();
    slow.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"a": 2, "b": 3, "c": 4})));
}

#[tokio::test]
async fn a_cleared_session_is_empty_whether_it_was_read_or_not() {
    for is_read in [true, false] {
        let store = store().await;
        let id = session(&store, &[("a", json!(1)), ("b", json!(2))]).await;
        let clearing = request(&store, Some(id));
        if is_read {
            clearing.get_value("a").await.unwrap();
        }
        clearing.clear().await;
        clearing.insert("c", 3).await.unwrap();
        clearing.save().await.unwrap();
        assert_eq!(values(&store, id).await, Some(json!({"c": 3})), "read before: {is_read}");
    }
}

#[tokio::test]
async fn without_its_base_a_save_succeeds_only_if_nobody_came_between() {
    let store = store().await.with_bases(0, Duration::from_secs(300));
    let id = session(&store, &[("a", json!(1))]).await;
    let (first, second) = (request(&store, Some(id)), request(&store, Some(id)));
    first.insert("b", 2).await.unwrap();
    second.insert("c", 3).await.unwrap();
    first.save().await.unwrap();
    let refused = second.save().await.unwrap_err();
    assert!(refused.to_string().contains("not kept any more"), "{refused}");
    assert_eq!(values(&store, id).await, Some(json!({"a": 1, "b": 2})));
    assert_eq!(store.counts().baseless, 1);
}

#[tokio::test]
async fn local_reads_show_what_this_node_wrote() {
    let store = store().await.with_reads(Reads::Local);
    let id = session(&store, &[("a", json!(1))]).await;
    let writing = request(&store, Some(id));
    writing.insert("a", 2).await.unwrap();
    writing.save().await.unwrap();
    assert_eq!(request(&store, Some(id)).get::<u8>("a").await.unwrap(), Some(2));
}

#[tokio::test]
async fn ids_are_not_printed() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let printed = format!("{store:?}");
    assert!(!printed.contains(&id.to_string()) && !printed.contains(&id.0.to_string()), "{printed}");
    assert_eq!((store.counts().creations, store.counts().loads), (1, 0));
}

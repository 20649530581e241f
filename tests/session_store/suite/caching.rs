//! Why the store is not to be wrapped: a cache in front of it hands out copies of one load.

use serde_json::json;

use super::requests::{session, store, values};
use super::sessions::{CachingSessionStore, MemoryStore, SessionStore};

#[tokio::test]
async fn behind_a_cache_of_records_an_update_is_lost() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let cached = CachingSessionStore::new(MemoryStore::default(), store.clone());
    cached.load(&id).await.unwrap();
    let (mut left, mut right) = (cached.load(&id).await.unwrap().unwrap(), cached.load(&id).await.unwrap().unwrap());
    left.data.insert("left".to_owned(), json!(1));
    right.data.insert("right".to_owned(), json!(1));
    cached.save(&left).await.unwrap();
    cached.save(&right).await.unwrap();
    // Both are copies of one map, so the second is taken for a later save of the first, which removed `left`.
    assert_eq!(values(&store, id).await, Some(json!({"a": 1, "right": 1})));

    let (mut left, mut right) = (store.load(&id).await.unwrap().unwrap(), store.load(&id).await.unwrap().unwrap());
    left.data.insert("left".to_owned(), json!(1));
    right.data.insert("right".to_owned(), json!(2));
    store.save(&left).await.unwrap();
    store.save(&right).await.unwrap();
    assert_eq!(
        values(&store, id).await,
        Some(json!({"a": 1, "left": 1, "right": 2})),
        "without the cache both are kept"
    );
}

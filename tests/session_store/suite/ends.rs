//! Sessions that end: deleted, over, or about to be.

use nam::web::NamStore;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::requests::{request, session, store, values};
use super::sessions::SessionStore;
use super::sessions::session::{Id, Record};

async fn record(store: &NamStore, left: Duration) -> Record {
    let (data, expiry_date) = ([("a".to_owned(), json!(1))].into(), OffsetDateTime::now_utc() + left);
    let mut record = Record { id: Id::default(), data, expiry_date };
    store.create(&mut record).await.unwrap();
    record
}

#[tokio::test]
async fn a_late_save_brings_no_session_back() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let slow = request(&store, Some(id));
    slow.insert("a", 2).await.unwrap();
    request(&store, Some(id)).flush().await.unwrap();
    slow.save().await.expect("somebody who has signed out gets no error");
    assert_eq!(values(&store, id).await, None);
    assert_eq!((store.counts().late, store.counts().late_moved), (1, 0));
}

#[tokio::test]
async fn late_saves_are_no_part_of_a_session_that_follows_a_flush() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let slow = request(&store, Some(id));
    slow.insert("secret", 2).await.unwrap();
    let leaving = request(&store, Some(id));
    leaving.get_value("a").await.unwrap();
    leaving.flush().await.unwrap();
    slow.save().await.unwrap();
    leaving.insert("bye", true).await.unwrap();
    leaving.save().await.unwrap();
    assert_ne!(leaving.id(), Some(id));
    assert_eq!(values(&store, leaving.id().unwrap()).await, Some(json!({"bye": true})));
}

#[tokio::test]
async fn deleting_twice_or_what_is_not_there_is_no_error() {
    let store = store().await;
    let record = record(&store, Duration::hours(1)).await;
    store.delete(&record.id).await.unwrap();
    store.delete(&record.id).await.unwrap();
    store.delete(&Id::default()).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn an_id_that_is_taken_is_not_taken_again() {
    let store = store().await;
    let first = record(&store, Duration::hours(1)).await;
    let mut second = first.clone();
    second.data = [("b".to_owned(), json!(2))].into();
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(store.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.load(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_session_that_is_over_is_not_there() {
    let store = store().await;
    let over = record(&store, Duration::seconds(-1)).await;
    assert_eq!(store.load(&over.id).await.unwrap(), None);
    let mut ending = record(&store, Duration::hours(1)).await;
    ending.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    store.save(&ending).await.unwrap();
    assert_eq!(store.load(&ending.id).await.unwrap(), None);
}

#[tokio::test]
async fn another_end_is_told_only_if_it_moves_by_a_share() {
    let store = store().await;
    let mut record = record(&store, Duration::hours(1)).await;
    let first = record.clone();
    let saved = |store: &NamStore| (store.counts().saves, store.counts().unchanged, store.counts().ends_told);
    record.expiry_date += Duration::seconds(60);
    store.save(&record).await.unwrap();
    assert_eq!(saved(&store), (0, 1, 0), "a minute more of an hour is not told");
    assert_eq!(store.load(&record.id).await.unwrap(), Some(first));
    record.expiry_date += Duration::minutes(20);
    for unchanged in [2, 3] {
        store.save(&record).await.unwrap();
        assert_eq!(saved(&store), (0, unchanged, 1));
    }
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record), "what is told is given back");
}

#[tokio::test]
async fn a_save_with_values_keeps_the_end_to_the_nanosecond() {
    let store = store().await;
    let mut record = record(&store, Duration::hours(1)).await;
    record.data.insert("b".to_owned(), json!(2));
    record.expiry_date += Duration::nanoseconds(1_234_567_891);
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

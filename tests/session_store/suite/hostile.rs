//! What a browser, or an application in trouble, may send: errors of the store's kind, and nothing secret in the log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use nam::InProcess;
use nam::web::NamStore;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::requests::{request, session, store, values};
use super::sessions::session::{Id, Record};
use super::sessions::session_store::Error;
use super::sessions::{SessionStore, session_store};

fn record(id: i128) -> Record {
    let data = [("secret".to_owned(), json!("tulip"))].into();
    Record { id: Id(id), data, expiry_date: OffsetDateTime::now_utc() + Duration::hours(1) }
}

#[tokio::test]
async fn ids_that_nobody_gave_lead_nowhere_and_make_nothing() {
    let store = store().await;
    for id in [0, 1, -1, i128::MAX, i128::MIN] {
        assert_eq!(store.load(&Id(id)).await.unwrap(), None);
        store.delete(&Id(id)).await.unwrap();
        store.save(&record(id)).await.expect("a late save is no error");
        assert_eq!(store.load(&Id(id)).await.unwrap(), None, "a save brings no session into being");
    }
    assert_eq!((store.counts().late, store.counts().late_moved), (5, 0));
}

#[tokio::test]
async fn a_session_over_its_limit_is_refused_and_stays_as_it_was() {
    let store = store().await;
    let id = session(&store, &[("a", json!(1))]).await;
    let large = request(&store, Some(id));
    large.insert("text", "x".repeat(nam::limits::DELTA_BYTES_MAX + 1)).await.unwrap();
    let refused = large.save().await.unwrap_err().to_string();
    assert!(refused.contains("bytes"), "{refused}");
    assert_eq!(values(&store, id).await, Some(json!({"a": 1})));
    large.remove_value("text").await.unwrap();
    large.insert("b", 2).await.unwrap();
    large.save().await.unwrap();
    assert_eq!(values(&store, id).await, Some(json!({"a": 1, "b": 2})), "the request can still save less");
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What every verb answers.
async fn answers(store: &NamStore, record: &Record) -> Vec<session_store::Result<()>> {
    vec![
        store.load(&record.id).await.map(drop),
        store.save(record).await,
        store.create(&mut record.clone()).await,
        store.delete(&record.id).await,
    ]
}

#[tokio::test]
async fn without_a_repository_every_verb_is_a_backend_error_and_no_id_or_value_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let repository = InProcess::new().unwrap();
    let node = repository.node().await.unwrap();
    let store = NamStore::new(node.clone()).with_bases(0, std::time::Duration::ZERO);
    let mut record = record(Id::default().0);
    store.create(&mut record).await.unwrap();
    let (mut first, second) =
        (store.load(&record.id).await.unwrap().unwrap(), store.load(&record.id).await.unwrap().unwrap());
    first.data.insert("other".to_owned(), json!("tulip"));
    store.save(&first).await.unwrap();
    store.save(&second).await.expect_err("its base is not kept, and another save was faster");
    node.close().await.unwrap();
    for answer in answers(&store, &record).await {
        assert!(matches!(answer, Err(Error::Backend(_))), "{answer:?}");
        tracing::error!(?answer, ?store, "as an application would log it");
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("not kept any more") && text.contains("closed"), "{text}");
    for secret in [record.id.to_string(), record.id.0.to_string(), "tulip".to_owned()] {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}

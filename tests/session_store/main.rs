//! The session store under tower-sessions: the same suite for both versions of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]
#![allow(clippy::duplicate_mod, reason = "the suite is compiled once for each version of tower-sessions")]

mod current;
mod daemon;
mod former;
mod guide;

/// Both versions in one process share what is stored.
#[tokio::test]
async fn both_versions_see_one_session() {
    let store = nam::web::NamStore::new(nam::Node::in_process().await.unwrap());
    let ends = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let id = tower_sessions::session::Id::default();
    let mut record = tower_sessions::session::Record { id, data: Default::default(), expiry_date: ends };
    record.data.insert("name".to_owned(), "alice".into());
    tower_sessions::SessionStore::create(&store, &mut record).await.unwrap();
    let former = tower_sessions_0_14::session::Id(record.id.0);
    let loaded = tower_sessions_0_14::SessionStore::load(&store, &former).await.unwrap().unwrap();
    assert_eq!((loaded.data, loaded.expiry_date), (record.data, ends));
}

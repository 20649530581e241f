//! What a session may hold: it comes back equal, however odd.

use std::collections::HashMap;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::requests::store;
use super::sessions::SessionStore;
use super::sessions::session::{Id, Record};

fn record(data: HashMap<String, Value>) -> Record {
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::now_utc() + Duration::hours(1) }
}

fn nested(levels: usize, inside: Value) -> Value {
    (0..levels).fold(inside, |value, level| if level % 2 == 0 { json!([value]) } else { json!({"": value}) })
}

#[tokio::test]
async fn a_loaded_record_equals_the_saved_one() {
    let store = store().await;
    let odd = json!({
        "null": null, "bools": [true, false], "": "an empty key", "empty": [{}, [], ""],
        "numbers": [0, -1, u64::MAX, i64::MIN, 0.1, -0.0, 1e300, 5e-324, f64::MAX, 1.0],
        "not finite": [f64::NAN, f64::INFINITY],
        "text": "\u{0}\u{1f600} \" \\ é", "a.b/c": {"~0": "\n"},
    });
    let mut created = record(odd.as_object().unwrap().clone().into_iter().collect());
    store.create(&mut created).await.unwrap();
    let mut loaded = store.load(&created.id).await.unwrap().unwrap();
    assert_eq!(loaded, created);
    let zero = loaded.data["numbers"][5].as_f64().unwrap();
    assert!(zero.is_sign_negative(), "to the last bit");
    loaded.data.insert("numbers".to_owned(), json!([{"": 18_446_744_073_709_551_615_u64}, 1e308]));
    loaded.data.remove("");
    store.save(&loaded).await.unwrap();
    assert_eq!(store.load(&created.id).await.unwrap(), Some(loaded));
}

#[tokio::test]
async fn deep_values_come_back_and_deeper_ones_are_refused() {
    let store = store().await;
    for levels in [1, 14, 15, 16, 17, 18, 40, 120] {
        let mut created = record([("deep".to_owned(), nested(levels, json!({"n": 1})))].into());
        store.create(&mut created).await.unwrap();
        let mut loaded = store.load(&created.id).await.unwrap().unwrap();
        assert_eq!(loaded, created, "{levels} levels");
        loaded.data.insert("deep".to_owned(), nested(levels, json!({"n": 2, "m": []})));
        store.save(&loaded).await.unwrap();
        assert_eq!(store.load(&created.id).await.unwrap(), Some(loaded), "{levels} levels");
    }
    let mut small = record([("n".to_owned(), json!(1))].into());
    store.create(&mut small).await.unwrap();
    let mut loaded = store.load(&small.id).await.unwrap().unwrap();
    for levels in [150, 2_000] {
        loaded.data.insert("deep".to_owned(), nested(levels, json!(1)));
        let refused = store.save(&loaded).await.unwrap_err().to_string();
        assert!(refused.contains("levels deep"), "{refused}");
        store.create(&mut record(loaded.data.clone())).await.unwrap_err();
    }
    assert_eq!(store.load(&small.id).await.unwrap(), Some(small), "nothing was changed");
}

#[tokio::test]
async fn a_key_over_its_limit_is_refused_with_a_reason() {
    let store = store().await;
    let mut created = record([("n".to_owned(), json!(1))].into());
    store.create(&mut created).await.unwrap();
    let mut loaded = store.load(&created.id).await.unwrap().unwrap();
    loaded.data.insert("k".repeat(nam::limits::LEAF_BYTES_MAX + 1), json!(1));
    let refused = store.save(&loaded).await.unwrap_err().to_string();
    assert!(refused.contains("limit"), "{refused}");
    assert_eq!(store.load(&created.id).await.unwrap(), Some(created));
}

#[tokio::test]
async fn every_kind_of_value_may_become_every_other() {
    let store = store().await;
    let kinds = [
        json!(null),
        json!(true),
        json!(1),
        json!(-1),
        json!(0.5),
        json!("t"),
        json!([1, 2]),
        json!({"a": 1}),
        nested(20, json!(1)),
    ];
    let mut created = record([("v".to_owned(), json!({"in": [null]}))].into());
    store.create(&mut created).await.unwrap();
    for from in &kinds {
        for to in &kinds {
            for value in [from, to] {
                let mut loaded = store.load(&created.id).await.unwrap().unwrap();
                loaded.data.insert("v".to_owned(), json!({"in": [value]}));
                loaded.data.insert("w".to_owned(), value.clone());
                store.save(&loaded).await.unwrap();
                assert_eq!(store.load(&created.id).await.unwrap(), Some(loaded), "{from} to {to}");
            }
        }
    }
}

#[tokio::test]
async fn arrays_grow_shrink_and_turn() {
    let store = store().await;
    let mut created = record([("list".to_owned(), json!([]))].into());
    store.create(&mut created).await.unwrap();
    let rows = |range: std::ops::Range<u32>| range.map(|n| json!({"n": n})).collect::<Vec<_>>();
    let (mut turned, mut gapped) = (rows(0..50), rows(0..50));
    turned.reverse();
    gapped.remove(20);
    for list in [rows(0..50), rows(0..60), rows(5..60), rows(0..50), gapped, turned, rows(0..1), vec![]] {
        let mut loaded = store.load(&created.id).await.unwrap().unwrap();
        loaded.data.insert("list".to_owned(), Value::Array(list));
        store.save(&loaded).await.unwrap();
        assert_eq!(store.load(&created.id).await.unwrap(), Some(loaded));
    }
}

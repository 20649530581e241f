//! What every place answers, as tests that each kind passes.
//!
//! Source: the invariants in `mod.rs`.

use std::fs;

use super::*;

fn laws(place: &Place) {
    assert_eq!(place.find().unwrap(), Found::Nothing, "nothing there");
    place.begin().unwrap();
    assert!(matches!(place.begin(), Err(BackupError::Unfinished { .. })), "it is taken");
    assert!(place.read("manifest", 10).is_err(), "a file that is not there");
    let long = Bytes::from((0..20_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    place.put(&chunk_name(1), long.clone()).unwrap();
    place.put(&chunk_name(2), Bytes::from_static(b"short")).unwrap();
    assert_eq!(place.find().unwrap(), Found::Chunks);
    assert!(matches!(place.begin(), Err(BackupError::Unfinished { .. })));
    assert_eq!(place.read(&chunk_name(1), 20_000_000).unwrap(), long);
    assert_eq!(place.read(&chunk_name(1), 30_000_000).unwrap(), long, "more room than bytes");
    assert_eq!(place.read(&chunk_name(2), 4).unwrap().len(), 5, "of a longer one, a byte more");
    place.put(&chunk_name(2), Bytes::from_static(b"other")).unwrap();
    assert_eq!(place.read(&chunk_name(2), 9).unwrap(), "other", "the last one stands");
    place.put(MANIFEST, Bytes::from_static(b"m")).unwrap();
    assert_eq!(place.find().unwrap(), Found::Backup);
    assert!(matches!(place.begin(), Err(BackupError::Taken { .. })));
    place.abandon(2);
    assert_eq!(place.find().unwrap(), Found::Nothing, "nothing is left");
    place.put("letter.txt", Bytes::from_static(b"dear")).unwrap_or_else(|_| {
        place.begin().unwrap();
        place.put("letter.txt", Bytes::from_static(b"dear")).unwrap();
    });
    place.abandon(2);
    assert_eq!(place.find().unwrap(), Found::Other("letter.txt".into()));
    assert!(matches!(place.begin(), Err(BackupError::NotEmpty { .. })), "what is not nam's stays");
}

#[test]
fn a_directory_keeps_the_laws() {
    let path = std::env::temp_dir().join(format!("nam-place-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    let place = Place::parse(path.to_str().unwrap(), None).unwrap();
    laws(&place);
    fs::remove_dir_all(&path).unwrap();
    assert!(Place::parse("letter", Some("https://s3.example.org")).is_err(), "a directory has no endpoint");
}

#[cfg(not(feature = "s3"))]
#[test]
fn without_the_feature_a_bucket_is_refused_in_a_sentence() {
    assert!(Place::parse("s3://a/b", None).unwrap_err().to_string().contains("--features s3"));
}

#[cfg(feature = "s3")]
#[test]
fn objects_under_a_prefix_keep_the_laws() {
    use std::sync::Arc;

    use object_store::{ObjectStoreExt as _, PutPayload, memory::InMemory, path::Path};

    let store = Arc::new(InMemory::new());
    let others = async { store.put(&Path::from("nightly/monday2/manifest"), PutPayload::from_static(b"m")).await };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(others).unwrap();
    let bucket = Bucket::new("s3://bucket/nightly/monday".into(), store.clone(), Path::from("nightly/monday")).unwrap();
    assert!(bucket.take().unwrap() && !bucket.take().unwrap(), "of two that found nothing, one has it");
    bucket.remove(&[]);
    laws(&Place(Kind::Bucket(bucket)));
    let bucket = Bucket::new("s3://bucket".into(), store, Path::default()).unwrap();
    assert_eq!(bucket.find().unwrap(), Found::Other("nightly".into()), "a prefix below is something");
}

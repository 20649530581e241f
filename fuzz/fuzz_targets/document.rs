//! Any bytes as commits of an object: refused, or judged, applied, and the same again from what changed since.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nam::coding::{Reader, Writer};
use nam::delta::{Operations, check_delta};
use nam::document::{Document, Scope};
use nam::ids::Version;
use nam::schema::{Schema, parse_lock};

const CLASS: &str = include_str!("../every_kind.lock");

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(parse_lock(CLASS).ok().and_then(|mut schemas| schemas.pop()).expect("the class is a schema"))
});

fn encoded(document: &Document) -> Vec<u8> {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.into_bytes()
}

fuzz_target!(|input: &[u8]| {
    let mut document = Document::new(Arc::clone(&SCHEMA));
    let mut held = Document::new(Arc::clone(&SCHEMA));
    let mut r = Reader::new(input);
    while let (Ok(step), Ok(delta)) = (r.byte(), r.sized()) {
        let base = Version(document.version().0.saturating_sub(u64::from(step >> 4)));
        let scope = if step & 1 == 0 { Scope::Cells } else { Scope::WholeObject };
        if let Ok(judged) = document.judge(&Bytes::copy_from_slice(delta), base, scope) {
            assert_eq!(check_delta(&SCHEMA, &judged.delta, Operations::Refused), Ok(()), "a verdict is a sound delta");
            document.apply(&judged, document.version().next());
        }
        let mut w = Writer::new();
        if step & 2 == 0 && document.since(held.version(), &mut w) == Ok(true) {
            assert_eq!(held.replay(w.as_slice(), document.version()), Ok(()));
            assert_eq!(encoded(&held), encoded(&document), "what changed since leads to the same bytes");
        }
    }
});

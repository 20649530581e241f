//! An image of any object comes back as it was; a damaged one is refused, or is a sound object whose parts all stand.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nam::coding::{Reader, Writer};
use nam::delta::{Operations, check_delta};
use nam::document::{Budget, Document, RestoreError, Scope, Tuning};
use nam::ids::PartId;
use nam::schema::{Schema, parse_lock};

const CLASS: &str = include_str!("../every_kind.lock");

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(parse_lock(CLASS).ok().and_then(|mut schemas| schemas.pop()).expect("the class is a schema"))
});

type Pieces = (Vec<u8>, BTreeMap<PartId, Bytes>);

fn encoded(document: &Document) -> Vec<u8> {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.into_bytes()
}

fn put(document: &mut Document, (trunk, parts): &mut Pieces) {
    let mut image = document.image_within(&mut Budget::unlimited(), 32);
    *trunk = image.trunk().to_vec();
    while let Some((part, bytes)) = image.next_part() {
        assert!(parts.insert(part, bytes).is_none(), "a part is written once");
    }
    for part in image.dropped() {
        assert!(parts.remove(part).is_some(), "what is dropped was there");
    }
    assert!(parts.keys().eq(image.parts()));
}

fn restore((trunk, parts): &Pieces, tuning: Tuning) -> Result<Document, RestoreError<&'static str>> {
    Document::restore(Arc::clone(&SCHEMA), tuning, trunk, &mut |part| parts.get(&part).cloned().ok_or("absent"))
}

/// Writes bytes over a piece from `at` on, or behind its end.
fn damage(piece: &[u8], at: u64, with: &[u8]) -> Vec<u8> {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(piece.len());
    let end = (at + with.len()).min(piece.len());
    [&piece[..at], with, &piece[end..]].concat()
}

fuzz_target!(|input: &[u8]| {
    let mut r = Reader::new(input);
    let Ok(sizes) = r.byte() else { return };
    let size = |bits: u8| [12, 50, 300, 4096][usize::from(sizes >> bits & 3)];
    let tuning =
        Tuning { map_page_bytes: size(0), list_page_bytes: size(2), inline_bytes: size(4), ..Tuning::default() };
    let mut document = Document::with_tuning(Arc::clone(&SCHEMA), tuning);
    let mut pieces = Pieces::default();
    for _ in 0..1 + usize::from(sizes >> 6) {
        let Ok(delta) = r.sized() else { break };
        if let Ok(judged) = document.judge(&Bytes::copy_from_slice(delta), document.version(), Scope::Cells) {
            document.apply(&judged, document.version().next());
        }
        put(&mut document, &mut pieces);
        match restore(&pieces, tuning) {
            Ok(restored) => assert_eq!(encoded(&restored), encoded(&document)),
            Err(error) => panic!("an honest image is refused: {error}"),
        }
    }
    while let (Ok(which), Ok(at), Ok(with)) = (r.byte(), r.varint(), r.sized()) {
        let (trunk, parts) = &mut pieces;
        match parts.values_mut().nth(usize::from(which)) {
            Some(piece) => *piece = damage(piece, at, with).into(),
            None => *trunk = damage(trunk, at, with),
        }
        let Ok(mut restored) = restore(&pieces, tuning) else { continue };
        let bytes = encoded(&restored);
        assert_eq!(check_delta(restored.schema(), &bytes, Operations::Refused), Ok(()), "what is restored is sound");
        let image = restored.image_within(&mut Budget::unlimited(), 32);
        let pages = image.fresh().len();
        assert!(pages <= 1 || !image.dropped().is_empty(), "all pages stand, or tails had changed them");
        let _printed = restored.json().to_string();
    }
});

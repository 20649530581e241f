//! Long texts and byte strings that come in pieces.

use std::sync::Arc;

use nam::coding::Writer;
use nam::delta::cut;
use nam::document::{Budget, Document, Loaded, Loading, Tuning};
use nam::ids::Version;
use nam::schema::{KeyKind, Kind, Policy, Schema, TypeDef, TypeIndex};

use crate::world::{Rng, field, struct_def};

/// `R { 1: u64, 2: text, 3: option<S>, 4: map<u64, S>, 5: list<text>, 6: u64 }`, `S { 1: bytes, 2: u64, 3: option<text> }`
fn schema() -> Arc<Schema> {
    let inner = || Kind::Type(TypeIndex(1));
    let retry = |id, kind| field(id, kind, Policy::Retry);
    let root = vec![
        retry(1, Kind::Uint(64)),
        retry(2, Kind::String),
        retry(3, Kind::Option(Box::new(inner()))),
        retry(4, Kind::Map(KeyKind::Uint, Box::new(inner()))),
        retry(5, Kind::List(Box::new(Kind::String))),
        retry(6, Kind::Uint(64)),
    ];
    let text = Kind::Option(Box::new(Kind::String));
    let s = vec![retry(1, Kind::Bytes), retry(2, Kind::Uint(64)), retry(3, text)];
    let types: Vec<TypeDef> = vec![struct_def("R", root), struct_def("S", s)];
    Arc::new(Schema { class: "t".to_owned(), types, root: TypeIndex(0) })
}

fn text(rng: &mut Rng, max: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..rng.below(max) {
        text.push(['a', 'é', '漢', 'z'][rng.below(4)]);
    }
    text.into_bytes()
}

fn inner(w: &mut Writer, rng: &mut Rng, max: usize) {
    let (bytes, number) = (vec![7; rng.below(max)], rng.below(1_000) as u64);
    let (text, is_some) = (text(rng, max), rng.one_in(2));
    w.framed(|w| {
        w.varint(1 << 3 | 4);
        w.sized(&bytes);
        w.varint(2 << 3);
        w.varint(number);
        w.varint(3 << 3 | 4);
        w.framed(|w| is_some.then(|| w.sized(&text)));
    });
}

/// A full value whose texts have up to `max` characters.
fn value(rng: &mut Rng, max: usize) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(1 << 3);
    w.varint(5);
    w.varint(2 << 3 | 4);
    w.sized(&text(rng, max));
    w.varint(3 << 3 | 4);
    w.framed(|w| inner(w, rng, max));
    w.varint(4 << 3 | 4);
    let entries = rng.below(5) as u64;
    w.framed(|w| {
        w.varint(entries);
        for key in 0..entries {
            w.varint(key);
            inner(w, rng, max);
        }
    });
    w.varint(5 << 3 | 4);
    let elements = rng.below(5) as u64;
    w.framed(|w| {
        w.varint(elements);
        (0..elements).for_each(|_| w.sized(&text(rng, max)));
    });
    w.varint(6 << 3);
    w.varint(9);
    w.into_bytes()
}

/// Loads a value cut into deltas of `bytes_max`; answers it and the bytes that this cost.
fn load(schema: &Arc<Schema>, tuning: Tuning, value: &[u8], bytes_max: usize) -> (Document, usize) {
    let mut document = Box::new(Document::with_tuning(Arc::clone(schema), tuning));
    let mut cost = 0;
    for delta in cut(schema, value, bytes_max) {
        let mut loading = Loading::new(document, delta.unwrap().into(), Version(1));
        document = loop {
            let mut budget = Budget::new(1_000, 256 * 1024);
            let loaded = loading.step(&mut budget);
            cost += budget.bytes();
            match loaded {
                Loaded::Partly(rest) => loading = rest,
                Loaded::Wholly(document) => break document,
                Loaded::Refused(error) => panic!("{error}"),
            }
        };
    }
    (*document, cost)
}

fn encoded(document: &Document) -> Vec<u8> {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.into_bytes()
}

#[test]
fn texts_that_come_in_pieces_are_what_they_were() {
    let schema = schema();
    for seed in 1..400 {
        let mut rng = Rng::new(seed);
        let max = [10, 300, 3_000][rng.below(3)];
        let value = value(&mut rng, max);
        let tuning = Tuning {
            map_page_bytes: [30, 400, 8192][rng.below(3)],
            list_page_bytes: [20, 4096][rng.below(2)],
            inline_bytes: [8, 100, 4096][rng.below(3)],
            ..Tuning::default()
        };
        let bytes_max = [60, 200, 1_000][rng.below(3)];
        let (document, _) = load(&schema, tuning, &value, bytes_max);
        assert!(encoded(&document) == value, "seed {seed}");
        let mut whole = Document::with_tuning(Arc::clone(&schema), tuning);
        whole.replay(&value, Version(1)).unwrap();
        let sizes = |document: &Document| (document.stamp_bytes(), encoded(document).len());
        assert_eq!(sizes(&document), sizes(&whole), "seed {seed}");
    }
}

#[test]
fn a_long_text_costs_its_bytes_once_however_it_comes() {
    let schema = schema();
    let cost_of = |bytes: usize| {
        let mut w = Writer::new();
        w.varint(2 << 3 | 4);
        w.sized(&vec![b'x'; bytes]);
        w.varint(6 << 3);
        w.varint(9);
        let (document, cost) = load(&schema, Tuning::default(), w.as_slice(), 256 * 1024);
        assert!(encoded(&document) == w.into_bytes());
        assert!(document.heap_bytes() < bytes * 5 / 4, "{}", document.heap_bytes());
        cost
    };
    let megabyte = 1 << 20;
    let (small, large) = (cost_of(4 * megabyte), cost_of(32 * megabyte));
    assert!(large < 4 * 32 * megabyte && large < 9 * small, "four megabytes: {small}, eight times as many: {large}");
}

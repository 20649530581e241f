//! How long does the repository's copy take to judge, apply, answer and freeze, and does the cost follow the change?
//!
//! The object is a catalogue of 39,544 entries of about 390 B (15 MB). The table's row edits a map of 10,000 keys inside an
//! entry beside the same edit of a map at the top. What a document costs in memory is counted by `tests/memory`, for every
//! shape that is promised; here the catalogue and the small entries go through the whole million of commits.
#![allow(missing_docs, reason = "a bench has no readers of its items")]

mod table;

#[path = "../tests/memory/shapes.rs"]
#[allow(dead_code, reason = "the memory test uses more of it")]
mod shapes;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nam::coding::Writer;
use nam::delta::WireType;
use nam::document::{Document, Image, Scope, Tuning};
use nam::ids::{FieldId, Version};
use nam::schema::{FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex};
use table::Budget;

use shapes::{Shape, draw, load, work};

fn commit(shape: Shape, state: &mut u64) -> Bytes {
    let mut w = Writer::new();
    shape.commit(state, &mut w);
    Bytes::from(w.into_bytes())
}

fn judge_and_apply(c: &mut Criterion) {
    for shape in [Shape::Catalogue, Shape::Numbers, Shape::List, Shape::Set] {
        let mut document = load(shape);
        let mut state = 7;
        c.bench_function(&format!("judge one change/{shape:?}"), |b| {
            b.iter_batched(
                || commit(shape, &mut state),
                |delta| document.judge(&delta, document.version(), Scope::Cells).is_ok(),
                BatchSize::SmallInput,
            );
        });
        c.bench_function(&format!("judge and apply one change/{shape:?}"), |b| {
            b.iter(|| {
                let delta = commit(shape, &mut state);
                let judged = document.judge(&delta, document.version(), Scope::Cells);
                if let Ok(judged) = judged {
                    document.apply(&judged, document.version().next());
                }
            });
        });
    }
}

fn judge_stale(c: &mut Criterion) {
    let mut document = load(Shape::Catalogue);
    work(Shape::Catalogue, &mut document, 10_000);
    let base = Version(document.version().0 - 5_000);
    let mut state = 7;
    c.bench_function("judge one change 5,000 commits behind", |b| {
        b.iter_batched(
            || commit(Shape::Catalogue, &mut state),
            |delta| document.judge(&delta, base, Scope::Cells).is_ok(),
            BatchSize::SmallInput,
        );
    });
}

fn since(c: &mut Criterion) {
    let mut document = load(Shape::Catalogue);
    work(Shape::Catalogue, &mut document, 20_000);
    for back in [1, 100, 10_000] {
        let base = Version(document.version().0 - back);
        c.bench_function(&format!("since {back} commits"), |b| {
            b.iter(|| {
                let mut w = Writer::new();
                black_box(document.since(base, &mut w).is_ok());
                w.len()
            });
        });
    }
}

fn freeze(c: &mut Criterion) {
    let mut document = load(Shape::Catalogue);
    c.bench_function("freeze 15 MB", |b| b.iter(|| document.freeze()));
    let mut state = 7;
    c.bench_function("freeze and the first commit behind it", |b| {
        b.iter(|| {
            let frozen = document.freeze();
            let delta = commit(Shape::Catalogue, &mut state);
            if let Ok(judged) = document.judge(&delta, document.version(), Scope::Cells) {
                document.apply(&judged, document.version().next());
            }
            frozen
        });
    });
    c.bench_function("cut 15 MB into segments", |b| {
        b.iter(|| {
            let frozen = document.freeze();
            let mut segments = frozen.segments();
            let mut bytes = 0;
            while let Some(segment) = segments.next(&frozen, 256 * 1024) {
                bytes += segment.len();
            }
            bytes
        });
    });
    let creation = Shape::Catalogue.creation();
    c.bench_function("load 15 MB from segments", |b| {
        b.iter(|| {
            let mut document = Document::new(Shape::Catalogue.schema());
            for delta in &creation {
                black_box(document.replay(delta, Version(1)).is_ok());
            }
            document
        });
    });
}

fn written(image: &mut Image) -> usize {
    let mut bytes = image.trunk().len();
    while let Some((_, part)) = image.next_part() {
        bytes += part.len();
    }
    bytes
}

fn images(c: &mut Criterion) {
    let document = load(Shape::Catalogue);
    // A copy has not seen the images of the others, so it writes all of it.
    c.bench_function("take an image of 15 MB", |b| {
        b.iter_batched(|| document.clone(), |mut copy| copy.image(), BatchSize::PerIteration);
    });
    c.bench_function("take an image of 15 MB and make its bytes", |b| {
        b.iter_batched(|| document.clone(), |mut copy| written(&mut copy.image()), BatchSize::PerIteration);
    });
    let mut document = document;
    let mut parts = BTreeMap::new();
    let mut image = document.image();
    let trunk = image.trunk();
    while let Some((part, bytes)) = image.next_part() {
        parts.insert(part, bytes);
    }
    drop(image);
    c.bench_function("restore 15 MB from an image", |b| {
        b.iter(|| {
            let mut read = |part| parts.get(&part).cloned().ok_or(());
            Document::restore(Shape::Catalogue.schema(), Tuning::default(), &trunk, &mut read).is_ok()
        });
    });
    let mut state = 7;
    let mut change = |document: &mut Document| {
        let delta = commit(Shape::Catalogue, &mut state);
        if let Ok(judged) = document.judge(&delta, document.version(), Scope::Cells) {
            document.apply(&judged, document.version().next());
        }
    };
    c.bench_function("one change and an image behind it", |b| {
        b.iter(|| {
            change(&mut document);
            document.image()
        });
    });
    c.bench_function("one change, an image behind it and its bytes", |b| {
        b.iter(|| {
            change(&mut document);
            written(&mut document.image())
        });
    });
    change(&mut document);
    let bytes = written(&mut document.image());
    eprintln!("an image after one change of 15 MB writes {bytes} B");
}

/// Root { 1: map<u64, f64>, 2: map<u64, map<u64, f64>> } with 10,000 keys in each inner map.
fn nested_document() -> Document {
    let numbers = || Kind::Map(KeyKind::Uint, Box::new(Kind::F64));
    let field = |id, kind| {
        let (name, aliases, policy) = (format!("f{id}"), Vec::new(), Policy::Retry);
        FieldDef { id: FieldId(id), name, aliases, kind, policy, index: false, redact: false, optional: true }
    };
    let fields = vec![field(1, numbers()), field(2, Kind::Map(KeyKind::Uint, Box::new(numbers())))];
    let root = TypeDef::Struct(StructDef { name: "R".to_owned(), fields, reserved: Vec::new() });
    let schema = Schema { class: "nested".to_owned(), types: vec![root], root: TypeIndex(0) };
    let inner = |w: &mut Writer| {
        w.framed(|w| {
            w.varint(10_000);
            let mut keys: Vec<Vec<u8>> = (0..10_000).map(key).collect();
            keys.sort();
            for key in keys {
                w.raw(&key);
                w.raw(&1.5_f64.to_le_bytes());
            }
        });
    };
    let mut w = Writer::new();
    w.varint(1 << 3 | WireType::Sized as u64);
    inner(&mut w);
    w.varint(2 << 3 | WireType::Sized as u64);
    w.framed(|w| {
        w.varint(10);
        for outer in 0..10 {
            w.raw(&key(outer));
            inner(w);
        }
    });
    let mut document = Document::new(Arc::new(schema));
    black_box(document.replay(w.as_slice(), Version(1)).is_ok());
    document
}

fn key(n: usize) -> Vec<u8> {
    let mut w = Writer::new();
    w.length(n);
    w.into_bytes()
}

/// Changes one number of a map of 10,000 keys, at the top or in an entry of the map of maps.
fn edit_once(document: &mut Document, state: &mut u64, is_nested: bool) {
    let mut entry = Writer::new();
    entry.raw(&key(draw(state, 10_000)));
    entry.byte(1);
    entry.raw(&(*state as f64).to_le_bytes());
    let mut w = Writer::new();
    if is_nested {
        w.varint(2 << 3 | WireType::EditRest as u64);
        w.raw(&key(draw(state, 10)));
        w.length(entry.len() + 2);
    } else {
        w.varint(1 << 3 | WireType::EditRest as u64);
    }
    w.raw(entry.as_slice());
    let delta = Bytes::from(w.into_bytes());
    if let Ok(judged) = document.judge(&delta, document.version(), Scope::Cells) {
        document.apply(&judged, document.version().next());
    }
}

fn nested(_: &mut Criterion) {
    let (mut document, mut other) = (nested_document(), nested_document());
    let (mut state, mut other_state) = (7, 7);
    let [top, nested] = table::in_turn(
        21,
        5_000,
        [&mut || edit_once(&mut document, &mut state, false), &mut || edit_once(&mut other, &mut other_state, true)],
    );
    assert!(document.version() > Version(1) && other.version() > Version(1), "every edit was accepted");
    table::title("one number of a map of 10,000 keys, judged and applied");
    let beside = Some(("at the top", top.p50()));
    table::time("the map is inside an entry", nested.p50(), beside, Budget::Times(5.0));
}

fn million(c: &mut Criterion) {
    let mut group = c.benchmark_group("a million commits");
    group.sample_size(10);
    for shape in [Shape::Catalogue, Shape::Entries] {
        let mut document = load(shape);
        work(shape, &mut document, 1_000_000);
        let ratio = document.heap_bytes() as f64 / document.encoded_bytes() as f64;
        eprintln!("{shape:?}: heap is {ratio:.3} of what is encoded after a million commits");
        group.bench_function(format!("then 1,000 more/{shape:?}"), |b| b.iter(|| work(shape, &mut document, 1_000)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = judge_and_apply, judge_stale, since, freeze, images, nested, million
}
criterion_main!(benches);

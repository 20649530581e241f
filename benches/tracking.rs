//! What does it cost to know what changed?
//!
//! A leaf write on a held cursor beside a plain store (budget: 5 times), and a whole transaction of one field in a map
//! of 100,000 entries, encoded (budget: 1 µs) or undone. The map is the worst case that is common: the key is hashed,
//! copied and noted, and nothing may cost what the map's size is.
#![allow(clippy::indexing_slicing, reason = "a benchmark stops when something is wrong")]

mod table;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use nam::__private::{Class, Writer};
use nam::Tracked;
use table::Budget;

#[derive(Tracked, Clone, Default)]
struct Instrument {
    price: f64,
    quantity: i64,
    name: String,
}

#[derive(Tracked, Clone, Default)]
struct Portfolio {
    cash: f64,
    owner: String,
    instruments: HashMap<String, Instrument>,
    fills: Vec<Instrument>,
}

fn portfolio(instruments: usize) -> (Portfolio, Vec<String>) {
    let keys: Vec<String> = (0..instruments).map(|i| format!("K{i:07}")).collect();
    let instruments = keys
        .iter()
        .map(|key| (key.clone(), Instrument { price: 1.0, quantity: 2, name: "a plain instrument".to_owned() }))
        .collect();
    (Portfolio { cash: 1.0, owner: "alice".to_owned(), instruments, fills: Vec::new() }, keys)
}

fn leaves(c: &mut Criterion) {
    let (mut value, _) = portfolio(1);
    let mut group = c.benchmark_group("leaf");
    group.bench_function("plain store", |b| {
        b.iter(|| {
            let cash = black_box(&mut value.cash);
            *cash += 1.0;
        });
    });
    let mut changes = PortfolioChanges::default();
    let mut cursor = value.track(&mut changes);
    group.bench_function("write on a held cursor", |b| {
        b.iter(|| {
            let cursor = black_box(&mut cursor);
            *cursor.cash_mut() += 1.0;
        });
    });
    group.finish();
}

fn transactions(c: &mut Criterion) {
    let (mut value, keys) = portfolio(100_000);
    let mut group = c.benchmark_group("map of 100,000");
    // Neighbours in the list are strangers in the map.
    let mut next = 0;
    let mut key = || {
        next = (next + 7_919) % keys.len();
        &keys[next]
    };
    group.bench_function("plain write", |b| {
        b.iter(|| {
            if let Some(instrument) = value.instruments.get_mut(key()) {
                instrument.price += 1.0;
            }
        });
    });
    let mut w = Writer::new();
    group.bench_function("begin, write, encode", |b| {
        b.iter(|| {
            let mut changes = PortfolioChanges::default();
            if let Some(mut instrument) = value.track(&mut changes).instruments_mut().get_mut(key()) {
                *instrument.price_mut() += 1.0;
            }
            w.truncate(0);
            black_box(value.encode_delta(&changes, &mut w))
        });
    });
    group.bench_function("begin, write, undo", |b| {
        b.iter(|| {
            let mut changes = PortfolioChanges::default();
            if let Some(mut instrument) = value.track(&mut changes).instruments_mut().get_mut(key()) {
                *instrument.price_mut() += 1.0;
            }
            value.undo(changes);
        });
    });
    group.finish();
}

fn rows(_: &mut Criterion) {
    let (mut plain, mut tracked) = (portfolio(1).0, portfolio(1).0);
    let mut changes = PortfolioChanges::default();
    let mut cursor = tracked.track(&mut changes);
    let [store, write] = table::in_turn(
        21,
        1_000_000,
        [&mut || *black_box(&mut plain.cash) += 1.0, &mut || *black_box(&mut cursor).cash_mut() += 1.0],
    );
    table::title("what it costs to know what changed");
    let beside = Some(("a plain store", store.p50()));
    table::time("a leaf written on a held cursor", write.p50(), beside, Budget::Times(5.0));

    let (mut value, keys) = portfolio(100_000);
    let mut other = value.clone();
    let (mut here, mut there) = (0, 0);
    let mut w = Writer::new();
    let [plain, whole] = table::in_turn(
        21,
        20_000,
        [
            &mut || {
                here = (here + 7_919) % keys.len();
                if let Some(instrument) = other.instruments.get_mut(&keys[here]) {
                    instrument.price += 1.0;
                }
            },
            &mut || {
                there = (there + 7_919) % keys.len();
                let mut changes = PortfolioChanges::default();
                if let Some(mut instrument) = value.track(&mut changes).instruments_mut().get_mut(&keys[there]) {
                    *instrument.price_mut() += 1.0;
                }
                w.truncate(0);
                black_box(value.encode_delta(&changes, &mut w));
            },
        ],
    );
    let beside = Some(("a plain write", plain.p50()));
    table::time("begin, one field of 100,000 entries, encode", whole.p50(), beside, Budget::Nanoseconds(1_000.0));
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(50);
    targets = leaves, transactions, rows
}
criterion_main!(benches);

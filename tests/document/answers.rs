//! Answers that are too large for one step: what a step costs, and that all steps together say what one would.

use std::sync::Arc;

use nam::coding::Writer;
use nam::document::{Answering, Budget, Document};
use nam::ids::Version;
use nam::limits::{SEGMENT_BYTES_MAX, STEP_CELLS_MAX};
use nam::schema::{KeyKind, Kind, Policy, Schema, TypeIndex};

use crate::world::{field, struct_def};

const GROUPS: u64 = 20;
const MEMBERS: u64 = 6_000;

/// `{ 1: map<u64, map<u64, f64>>, 2: list<list<f64>>, 3: list<f64> }`
fn document() -> Document {
    let numbers = || Kind::List(Box::new(Kind::F64));
    let map = |values| Kind::Map(KeyKind::Uint, Box::new(values));
    let fields = vec![
        field(1, map(map(Kind::F64)), Policy::Retry),
        field(2, Kind::List(Box::new(numbers())), Policy::Retry),
        field(3, numbers(), Policy::Retry),
    ];
    let types = vec![struct_def("R", fields)];
    let mut d = Document::new(Arc::new(Schema { class: "a".to_owned(), types, root: TypeIndex(0) }));
    d.replay(&[], Version(1)).unwrap();
    d
}

fn edit(id: u64, body: &Writer) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(id << 3 | 7);
    w.raw(body.as_slice());
    w.into_bytes()
}

fn sorted(count: u64) -> Vec<u64> {
    let encoded = |n: &u64| {
        let mut w = Writer::new();
        w.varint(*n);
        w.into_bytes()
    };
    let mut keys: Vec<u64> = (0..count).collect();
    keys.sort_by_key(encoded);
    keys
}

fn members(w: &mut Writer, head: &[u8], value: f64) {
    for key in sorted(MEMBERS) {
        w.varint(key);
        w.raw(head);
        w.raw(&value.to_le_bytes());
    }
}

fn numbers(w: &mut Writer, count: u64) {
    w.varint(count);
    (0..count).for_each(|n| w.raw(&(n as f64).to_le_bytes()));
}

/// Puts everything.
fn fill() -> [Vec<u8>; 3] {
    let mut maps = Writer::new();
    for key in sorted(GROUPS) {
        maps.varint(key);
        maps.byte(1);
        maps.framed(|w| {
            w.varint(MEMBERS);
            members(w, &[], 1.0);
        });
    }
    let mut lists = Writer::new();
    lists.varint(2);
    lists.varint(GROUPS << 1 | 1);
    (0..GROUPS).for_each(|_| lists.framed(|w| numbers(w, MEMBERS)));
    let mut list = Writer::new();
    list.varint(2);
    let mut elements = Writer::new();
    numbers(&mut elements, 100_000);
    let count_len = 3;
    list.varint(100_000 << 1 | 1);
    list.raw(&elements.as_slice()[count_len..]);
    [edit(1, &maps), edit(2, &lists), edit(3, &list)]
}

/// Edits everything.
fn change() -> [Vec<u8>; 3] {
    let mut maps = Writer::new();
    for key in sorted(GROUPS) {
        maps.varint(key);
        maps.framed_if(2, |w| {
            members(w, &[1], 2.0);
            true
        });
    }
    let edits = |w: &mut Writer, count: u64| {
        w.byte(0);
        for index in 0..count {
            w.varint(index);
            w.byte(1);
            w.raw(&3.0_f64.to_le_bytes());
        }
    };
    let mut lists = Writer::new();
    lists.byte(0);
    for index in 0..GROUPS {
        lists.varint(index);
        lists.framed_if(2, |w| {
            edits(w, MEMBERS);
            true
        });
    }
    let mut list = Writer::new();
    edits(&mut list, 10_000);
    [edit(1, &maps), edit(2, &lists), edit(3, &list)]
}

/// Answers in steps and at once; answers how many steps it took.
fn answer(d: &Document, base: Version) -> usize {
    let mut whole = Writer::new();
    assert_eq!(d.since(base, &mut whole), Ok(true));
    let mut answering = Answering::new(d.clone(), base);
    for step in 1.. {
        let mut budget = Budget::new(STEP_CELLS_MAX - 200, SEGMENT_BYTES_MAX - 96 * 1024);
        let answer = answering.step(&mut budget);
        assert!(budget.cells() <= STEP_CELLS_MAX && budget.bytes() <= SEGMENT_BYTES_MAX, "{budget:?}");
        if let Some(pieces) = answer {
            let delta: Vec<u8> = pieces.unwrap().into_iter().flatten().collect();
            assert!(delta == whole.as_slice());
            return step;
        }
    }
    0
}

#[test]
fn an_answer_takes_steps_of_bounded_cost_at_any_depth() {
    let mut d = document();
    for delta in fill() {
        d.replay(&delta, d.version().next()).unwrap();
    }
    let filled = d.version();
    let steps = answer(&d, Version(1));
    assert!((20..80).contains(&steps), "about four megabytes were put: {steps} steps");
    for delta in change() {
        d.replay(&delta, d.version().next()).unwrap();
    }
    let steps = answer(&d, filled);
    assert!((250..700).contains(&steps), "a quarter of a million cells changed: {steps} steps");
}

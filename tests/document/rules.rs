//! One test a rule: what conflicts, what is refused, what operations give, what an answer costs.

use std::sync::Arc;

use bytes::Bytes;
use nam::coding::{DecodeError, Writer};
use nam::delta::{FieldsWriter, WireType};
use nam::document::{Budget, Document, Judged, Judging, Making, Refusal, Scope};
use nam::ids::{FieldId, Version};
use nam::limits::{SEGMENT_BYTES_MAX, STEP_CELLS_MAX};
use nam::schema::{KeyKind, Kind, Policy, Schema, TypeIndex};

use crate::world::{field, schema, struct_def};

/// The body of an edit, written by `write`.
pub(crate) fn fields(write: impl FnOnce(&mut FieldsWriter<'_>)) -> Vec<u8> {
    let mut w = Writer::new();
    let mut fields = FieldsWriter::new(&mut w);
    write(&mut fields);
    fields.finish();
    w.into_bytes()
}

pub(crate) fn edit(id: u32, body: &[u8]) -> Bytes {
    Bytes::from(fields(|f| {
        f.edit(FieldId(id), |w| {
            w.raw(body);
            true
        });
    }))
}

pub(crate) fn put(id: u32, wire: WireType, value: &[u8]) -> Bytes {
    Bytes::from(fields(|f| f.put(FieldId(id), wire, |w| w.raw(value))))
}

fn operation(id: u32, operand: &[u8]) -> Bytes {
    Bytes::from(fields(|f| f.operation(FieldId(id), |w| w.raw(operand))))
}

pub(crate) fn sized(text: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.sized(text.as_bytes());
    w.into_bytes()
}

/// `key head` and what follows it.
pub(crate) fn entry(key: &str, head: u8, rest: &[u8]) -> Vec<u8> {
    [&sized(key)[..], &[head], rest].concat()
}

pub(crate) fn document() -> Document {
    let mut document = Document::new(Arc::new(schema()));
    document.replay(&[], Version(1)).unwrap();
    document
}

fn commit(document: &mut Document, delta: &Bytes, base: u64) -> Result<Judged, Refusal> {
    let judged = document.judge(delta, Version(base), Scope::Cells)?;
    document.apply(&judged, document.version().next());
    Ok(judged)
}

/// Commits at head.
pub(crate) fn go(document: &mut Document, delta: &Bytes) -> u64 {
    let head = document.version().0;
    commit(document, delta, head).unwrap();
    head + 1
}

pub(crate) fn json(document: &Document) -> String {
    document.json().to_string()
}

const ITEM: &[u8] = &[2, 16, 7];

#[test]
fn an_honest_stale_commit_conflicts_and_is_never_malformed() {
    let mut d = document();
    go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    go(&mut d, &put(2, WireType::Sized, &sized("a long text")));
    let base = go(&mut d, &edit(10, &[2, 2 << 1 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]));
    go(&mut d, &edit(5, &entry("k", 0, &[])));
    go(&mut d, &put(2, WireType::Sized, &sized("")));
    go(&mut d, &edit(10, &[1]));
    let deltas = [
        edit(5, &entry("k", 2 + 2, &[16, 8])),
        edit(2, &[9, 2, 1, b'x']),
        edit(10, &[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        edit(10, &[2, 0, 1]),
    ];
    for delta in &deltas {
        assert_eq!(d.judge(delta, Version(base), Scope::Cells).unwrap_err(), Refusal::Conflict);
        let now = d.judge(delta, d.version(), Scope::Cells).unwrap_err();
        assert!(matches!(now, Refusal::Malformed(_)), "{now:?}");
    }
}

#[test]
fn what_is_named_twice_is_refused() {
    let mut d = document();
    go(&mut d, &edit(11, &[2, 3 << 1 | 1, 7, 8, 9]));
    let twice = [entry("a", 0, &[]), entry("a", 0, &[])].concat();
    let deltas = [
        edit(5, &twice),
        Bytes::from([put(2, WireType::Sized, &sized("x")), put(2, WireType::Sized, &sized("y"))].concat()),
        edit(11, &[0, 1, 1, 5, 1, 1, 5]),
        edit(11, &[3, 0, 2, 1 << 1, 2]),
    ];
    for delta in &deltas {
        let refusal = d.judge(delta, d.version(), Scope::Cells).unwrap_err();
        assert!(matches!(refusal, Refusal::Malformed(DecodeError::Order { .. })), "{refusal:?}");
    }
    let padded_key = edit(6, &[0x80, 0, 1]);
    assert_eq!(d.judge(&padded_key, d.version(), Scope::Cells).unwrap_err(), Refusal::Malformed(DecodeError::Varint));
}

#[test]
fn depth_counts_edits_and_values_together() {
    // Root { 7: Option<Item> }, Item { 4: Option<Item> }: each level is a field's frame and the item's.
    fn nested(levels: usize) -> Vec<u8> {
        let inner = if levels == 0 { Vec::new() } else { nested(levels - 1) };
        let item = fields(|f| f.put(FieldId(4), WireType::Sized, |w| w.sized(&inner)));
        let mut w = Writer::new();
        w.sized(&item);
        w.into_bytes()
    }
    let mut d = document();
    let mut w = Writer::new();
    w.sized(&nested(25));
    go(&mut d, &put(7, WireType::Sized, w.as_slice()));
    let mut body = fields(|f| {
        f.put(FieldId(4), WireType::Sized, |w| w.sized(&nested(25)));
    });
    for _ in 0..20 {
        body = fields(|f| {
            f.edit(FieldId(4), |w| {
                w.raw(&body);
                true
            });
        });
    }
    let refusal = d.judge(&edit(7, &body), d.version(), Scope::Cells).unwrap_err();
    assert_eq!(refusal, Refusal::Malformed(DecodeError::TooDeep));
}

#[test]
fn an_edit_of_an_absent_container_edits_an_empty_one() {
    let mut d = document();
    go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    let inside = edit(3, &entry("t", 1, &[9]));
    go(&mut d, &edit(5, &entry("k", 2 + inside.len() as u8, &inside)));
    assert_eq!(json(&d), r#"{"f5":{"k":{"f2":7,"f3":{"t":9}}}}"#);
    let refusal = d.judge(&edit(7, &[16, 8]), d.version(), Scope::Cells).unwrap_err();
    assert!(matches!(refusal, Refusal::Malformed(DecodeError::Absent { .. })));
}

#[test]
fn what_was_absent_and_got_nothing_is_absent() {
    let mut d = document();
    go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    let nothing = [edit(2, &[0, 0, 0]), edit(6, &[9, 0]), edit(9, &[7, 0]), edit(10, &[1]), edit(11, &[0])];
    for (field, nothing) in nothing.iter().enumerate() {
        go(&mut d, nothing);
        assert_eq!(json(&d), r#"{"f5":{"k":{"f2":7}}}"#, "edit {field}");
    }
}

#[test]
fn late_work_on_what_was_replaced_never_lands_on_the_newcomer() {
    let mut d = document();
    let base = go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    go(&mut d, &edit(5, &entry("k", 0, &[])));
    go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    let add = fields(|f| f.operation(FieldId(7), |w| w.byte(1)));
    let late = edit(5, &entry("k", 2 + add.len() as u8, &add));
    assert_eq!(commit(&mut d, &late, base).unwrap_err(), Refusal::Conflict);
    let head = d.version().0;
    commit(&mut d, &late, head).unwrap();
}

#[test]
fn operations_meet_without_conflict_and_travel_on_as_values() {
    let mut d = document();
    let base = d.version().0;
    for _ in 0..3 {
        let judged = commit(&mut d, &operation(3, &[5]), base).unwrap();
        assert!(!judged.as_sent);
    }
    for (text, list) in [("a", [1]), ("b", [2])] {
        commit(&mut d, &operation(17, text.as_bytes()), base).unwrap();
        commit(&mut d, &operation(11, &list), base).unwrap();
        commit(&mut d, &operation(12, &sized(text)), base).unwrap();
    }
    commit(&mut d, &operation(13, &[20]), base).unwrap();
    let judged = commit(&mut d, &operation(13, &[18]), base).unwrap();
    assert!(judged.is_empty && judged.delta.is_empty());
    assert_eq!(json(&d), r#"{"f3":15,"f11":[1,2],"f12":["a","b"],"f13":10,"f17":"ab"}"#);
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let head = d.version();
    let refusal = d.judge(&operation(3, &most), head, Scope::Cells).unwrap_err();
    assert_eq!(refusal, Refusal::Overflow { field: "f3".to_owned() });
    let refusal = d.judge(&operation(1, &[0; 8]), head, Scope::Cells).unwrap_err();
    assert!(matches!(refusal, Refusal::Malformed(_)), "a field without a policy has no operation");
}

#[test]
fn lww_puts_never_conflict() {
    let mut d = document();
    let base = d.version().0;
    for text in ["a", "b"] {
        commit(&mut d, &put(14, WireType::Sized, &sized(text)), base).unwrap();
    }
    assert_eq!(commit(&mut d, &put(2, WireType::Sized, &sized("x")), base).map(|j| j.cells), Ok(1));
    assert_eq!(commit(&mut d, &put(2, WireType::Sized, &sized("y")), base).unwrap_err(), Refusal::Conflict);
    assert_eq!(json(&d), r#"{"f2":"x","f14":"b"}"#);
}

#[test]
fn an_isolated_commit_conflicts_with_anything_newer() {
    let mut d = document();
    let base = d.version();
    go(&mut d, &operation(3, &[1]));
    let delta = put(2, WireType::Sized, &sized("x"));
    assert_eq!(d.judge(&delta, base, Scope::WholeObject).unwrap_err(), Refusal::Conflict);
    assert!(d.judge(&delta, base, Scope::Cells).is_ok());
    assert!(d.judge(&delta, d.version(), Scope::WholeObject).is_ok());
}

#[test]
fn redacted_fields_are_never_printed_and_unknown_ones_are_kept() {
    let mut schema = schema();
    let nam::schema::TypeDef::Struct(root) = &mut schema.types[0] else { panic!("a struct") };
    root.fields[1].redact = true;
    let mut d = Document::new(Arc::new(schema));
    d.replay(&put(2, WireType::Sized, &sized("secret \"key\"")), Version(1)).unwrap();
    go(&mut d, &put(99, WireType::Sized, &[2, 0xab, 1]));
    go(&mut d, &put(1, WireType::Eight, &f64::NAN.to_le_bytes()));
    assert_eq!(json(&d), r##"{"f1":"NaN","f2":"<redacted>","#99":"02ab01"}"##);
    assert!(!format!("{:?}", d.json()).contains("secret"));
}

#[test]
fn a_newer_schema_is_taken_only_if_what_was_unknown_fits_it() {
    let newer = |kind| {
        let mut schema = schema();
        let nam::schema::TypeDef::Struct(root) = &mut schema.types[0] else { panic!("a struct") };
        root.fields.push(field(99, kind, Policy::Retry));
        Arc::new(schema)
    };
    let mut d = document();
    // Bytes that would be the stub of a container, were they looked at.
    go(&mut d, &put(99, WireType::Sized, &[6, 0x80, 0, 1, 0, 0, 0]));
    let printed = json(&d);
    d.set_schema(&newer(Kind::List(Box::new(Kind::U8))));
    assert_eq!(json(&d), printed);
    d.set_schema(&newer(Kind::Bytes));
    assert_eq!(json(&d), r#"{"f99":"800001000000"}"#);
}

pub(crate) fn numbers(count: u64) -> Document {
    let map = Kind::Map(KeyKind::Uint, Box::new(Kind::F64));
    let types = vec![struct_def("R", vec![field(1, map, Policy::Retry)])];
    let schema = Schema { class: "n".to_owned(), types, root: TypeIndex(0) };
    let mut keys: Vec<_> = (0..count).map(number_key).collect();
    keys.sort();
    let mut w = Writer::new();
    keys.iter().for_each(|key| {
        w.raw(key);
        w.raw(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
    let mut d = Document::new(Arc::new(schema));
    d.replay(&edit(1, w.as_slice()), Version(1)).unwrap();
    d
}

fn number_key(n: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(n);
    w.into_bytes()
}

#[test]
fn an_answer_costs_what_changed_however_far_back() {
    let mut d = numbers(50_000);
    for n in 0..20_000 {
        let key = number_key(n % 10 * 4_999);
        go(&mut d, &edit(1, &[&key[..], &[1, 0, 0, 0, 0, 0, 0, 0x59, 0x40]].concat()));
    }
    let (mut w, mut budget) = (Writer::new(), Budget::unlimited());
    assert_eq!(d.since_within(Version(1), &mut budget, &mut w), Ok(Some(true)));
    assert_eq!(budget.cells(), 10 + 1, "ten entries and their field");
    assert!(
        budget.bytes() <= 10 * 1_200,
        "what stands in their blocks is passed, at the price of its bytes: {budget:?}"
    );
    assert!(w.len() < 150, "{} B", w.len());
    let mut less = Budget::new(budget.cells() - 1, usize::MAX);
    let mut short = Budget::new(usize::MAX, budget.bytes() - 1);
    let mut nothing = Writer::new();
    assert_eq!(d.since_within(Version(1), &mut less, &mut nothing), Ok(None));
    assert_eq!(d.since_within(Version(1), &mut short, &mut nothing), Ok(None));
    assert!(nothing.is_empty() && less.cells() <= budget.cells(), "an answer that costs too much is given up in time");
}

#[test]
fn what_was_removed_gives_its_memory_back() {
    let mut d = numbers(50_000);
    let before = d.heap_bytes();
    let mut keys: Vec<_> = (0..50_000).map(number_key).collect();
    keys.sort();
    for keys in keys.chunks(1_000) {
        let removals: Vec<u8> = keys.iter().flat_map(|key| [&key[..], &[0]].concat()).collect();
        go(&mut d, &edit(1, &removals));
    }
    while !d.trim(d.version(), 1_000) {}
    assert_eq!((d.stamp_bytes(), json(&d)), (0, r#"{"f1":{}}"#.to_owned()));
    assert!(d.heap_bytes() * 50 < before, "{} of {before}", d.heap_bytes());
}

#[test]
fn the_horizon_moves_when_stamps_exceed_their_share() {
    let mut d = numbers(40_000);
    for n in 0..40_000 {
        go(&mut d, &edit(1, &[&number_key(n)[..], &[1, 0, 0, 0, 0, 0, 0, 0x59, 0x40]].concat()));
    }
    let share = (d.encoded_bytes() / 4).max(64 * 1024);
    assert!(d.horizon() > Version(1) && d.stamp_bytes() < share * 3 / 2, "{} of {share}", d.stamp_bytes());
    let stale = edit(1, &[&number_key(1)[..], &[1, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
    assert_eq!(commit(&mut d, &stale, 1).unwrap_err(), Refusal::Conflict);
    assert!(d.since(Version(1), &mut Writer::new()).is_err());
}

#[test]
fn versions_go_on_past_32_bits() {
    let mut d = document();
    let far = Version(1 + u64::from(u32::MAX));
    for (version, text) in [(far, "a"), (far.next(), "b"), (Version(far.0 * 3), "c")] {
        let judged = d.judge(&put(2, WireType::Sized, &sized(text)), d.version(), Scope::Cells).unwrap();
        let before = d.version();
        d.apply(&judged, version);
        let mut w = Writer::new();
        assert_eq!(d.since(before, &mut w), Ok(true));
        assert_eq!(d.since(version, &mut w), Ok(false));
    }
    assert_eq!(json(&d), r#"{"f2":"c"}"#);
}

/// Commits at head in steps, none of which may cost more than one allows; answers how many it took to judge and to apply.
fn go_in_steps(d: &mut Document, delta: &Bytes) -> (usize, usize) {
    let is_within = |budget: &Budget| {
        let is_within = budget.cells() <= STEP_CELLS_MAX + 1 && budget.bytes() <= SEGMENT_BYTES_MAX + 16 * 1024;
        assert!(is_within, "{budget:?}");
    };
    let step = || Budget::new(STEP_CELLS_MAX, SEGMENT_BYTES_MAX);
    let mut judging = Judging::new(delta.clone(), d.version(), Scope::Cells);
    let (mut judged_in, mut made_in) = (1, 1);
    let judged = loop {
        let mut budget = step();
        let answer = judging.step(d, &mut budget);
        is_within(&budget);
        match answer {
            Some(answer) => break answer.unwrap(),
            None => judged_in += 1,
        }
    };
    let before = json(d);
    let mut making = Making::new(d.clone(), &judged, d.version().next());
    loop {
        let mut budget = step();
        let is_made = making.step(&mut budget);
        is_within(&budget);
        if is_made {
            break;
        }
        made_in += 1;
    }
    assert!(json(d) == before, "nobody sees a version in the making");
    let mut at_once = d.clone();
    at_once.apply(&judged, d.version().next());
    *d = making.into_document(&mut Budget::unlimited());
    assert!(json(d) == json(&at_once));
    assert_eq!(d.stamp_bytes(), at_once.stamp_bytes());
    (judged_in, made_in)
}

pub(crate) fn number_entries(count: u64, head: &[u8]) -> Vec<u8> {
    let mut keys: Vec<_> = (0..count).map(number_key).collect();
    keys.sort();
    keys.iter().flat_map(|key| [&key[..], head, &[0; 8]].concat()).collect()
}

fn frame(count: usize, members: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.framed(|w| {
        w.length(count);
        w.raw(members);
    });
    w.into_bytes()
}

#[test]
fn a_large_edit_takes_steps_of_bounded_cost() {
    let mut d = numbers(10);
    assert_eq!(go_in_steps(&mut d, &edit(1, &number_entries(30_000, &[1]))), (30, 30));
    let frozen = d.freeze();
    let mut keys: Vec<_> = (0..60).map(|n| number_key(n * 500)).collect();
    keys.sort();
    let spread: Vec<u8> = keys.iter().flat_map(|key| [&key[..], &[1], &[0; 8]].concat()).collect();
    let (judged_in, made_in) = go_in_steps(&mut d, &edit(1, &spread));
    assert!(judged_in == 1 && made_in > 1, "pages that are shared are copied, which costs their bytes: {made_in}");
    drop(frozen);
}

#[test]
fn a_large_value_that_is_put_whole_takes_steps_of_bounded_cost() {
    let mut d = numbers(10);
    let whole = frame(100_000, &number_entries(100_000, &[]));
    let (judged_in, made_in) = go_in_steps(&mut d, &put(1, WireType::Sized, &whole));
    assert!(judged_in >= 4 && made_in >= 100, "{judged_in} {made_in}");
    assert!(d.stamp_bytes() < 100, "what is put whole has one stamp, not {} B", d.stamp_bytes());
    assert!(d.heap_bytes() < d.encoded_bytes() * 2);

    let mut d = document();
    let floats = vec![7; 8 * 100_000];
    let (judged_in, made_in) = go_in_steps(&mut d, &put(10, WireType::Sized, &frame(100_000, &floats)));
    assert!(judged_in >= 4 && made_in >= 4, "{judged_in} {made_in}");
    let mut w = Writer::new();
    w.raw(&[3, 0, 1]);
    w.varint(100_000 << 1 | 1);
    w.raw(&floats);
    let (judged_in, made_in) = go_in_steps(&mut d, &edit(10, w.as_slice()));
    assert!(judged_in >= 4 && made_in >= 8, "an insertion and the removal of all behind it: {judged_in} {made_in}");
}

#[test]
fn a_change_of_structure_conflicts_with_a_newer_edit_of_what_it_removes() {
    let mut d = document();
    let base = go(&mut d, &edit(11, &[2, 3 << 1 | 1, 7, 8, 9]));
    go(&mut d, &edit(11, &[0, 1, 1, 80]));
    let removes_edited = edit(11, &[3, 0, 1, 2 << 1, 1]);
    let removes_other = edit(11, &[2, 1 << 1, 2]);
    assert_eq!(commit(&mut d, &removes_edited, base).unwrap_err(), Refusal::Conflict);
    commit(&mut d, &removes_other, base).unwrap();
    assert_eq!(json(&d), r#"{"f11":[80,9]}"#);
    assert_eq!(commit(&mut d, &removes_other, base).unwrap_err(), Refusal::Conflict, "it is taken once");
    let judged = commit(&mut d, &edit(11, &[0, 2, 1, 90]), base).unwrap();
    assert_eq!((json(&d), judged.as_sent), (r#"{"f11":[80,90]}"#.to_owned(), false), "an edit moves with its element");
}

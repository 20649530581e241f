//! What a commit requires is judged as a write of the same cells would be, and leaves nothing: `docs/wire.md` §5.8.

use bytes::Bytes;
use nam::coding::Writer;
use nam::delta::WireType;
use nam::document::{Budget, Document, Judged, Judging, Refusal, Scope};
use nam::ids::{FieldId, Version};
use nam::limits::GUARD_BYTES_MAX;

use crate::rules::{document, edit, entry, fields, go, json, put, sized};

const ITEM: &[u8] = &[2, 16, 7];

fn required(id: u32) -> Bytes {
    Bytes::from(fields(|f| f.guard(FieldId(id))))
}

fn judge(document: &Document, delta: &Bytes, guards: &[Bytes], base: u64) -> Result<Judged, Refusal> {
    let mut w = Writer::new();
    guards.iter().for_each(|guard| w.sized(guard));
    let judging = Judging::new(delta.clone(), Version(base), Scope::Cells);
    judging.guarded_by(w.into_bytes().into()).step(document, &mut Budget::unlimited()).unwrap()
}

/// Whether a write of `delta` falls a commit that requires `guard`, and nothing else does.
fn falls(prepare: &[Bytes], delta: &Bytes, guard: &Bytes) -> bool {
    let mut d = document();
    go(&mut d, &put(1, WireType::Eight, &[1; 8]));
    for delta in prepare {
        go(&mut d, delta);
    }
    let base = d.version().0;
    let mine = put(16, WireType::Sized, &[1, 7]);
    let judged = judge(&d, &mine, std::slice::from_ref(guard), base).unwrap();
    assert!(judged.as_sent && judged.delta == mine && judged.cells == 1);
    go(&mut d, delta);
    let before = json(&d);
    let answer = judge(&d, &mine, std::slice::from_ref(guard), base);
    assert_eq!(json(&d), before);
    // The second of two guards counts as well, and so does a guard without a write.
    assert_eq!(judge(&d, &mine, &[required(17), guard.clone()], base).is_ok(), answer.is_ok());
    assert_eq!(
        judge(&d, &Bytes::new(), std::slice::from_ref(guard), base).map(|judged| judged.is_empty).is_ok(),
        answer.is_ok()
    );
    match answer {
        Ok(_) => false,
        Err(Refusal::Conflict) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_field_of_any_policy_is_required() {
    let text = sized("x");
    for (id, wire, value) in [
        (1, WireType::Eight, &[0; 8][..]),
        (2, WireType::Sized, &text),
        (3, WireType::Varint, &[1]),
        (13, WireType::Varint, &[2]),
        (14, WireType::Sized, &text),
        (18, WireType::Eight, &[0; 8]),
    ] {
        let delta = put(id, wire, value);
        assert!(falls(&[], &delta, &required(id)), "field {id}");
        assert!(!falls(&[], &delta, &required(15)), "field {id}");
    }
    let added = Bytes::from(fields(|f| f.operation(FieldId(3), |w| w.varint(1))));
    assert!(falls(&[], &added, &required(3)));
    assert!(falls(&[], &edit(5, &entry("k", 1, ITEM)), &required(5)), "all of a map");
}

#[test]
fn an_entry_is_required_there_or_not() {
    let item = edit(5, &entry("k", 1, ITEM));
    let there = [item.clone()];
    let guard = edit(5, &entry("k", 0, &[]));
    assert!(falls(&[], &item, &guard), "it came");
    assert!(falls(&there, &edit(5, &entry("k", 0, &[])), &guard), "it went");
    assert!(falls(&there, &edit(5, &entry("k", 4, &[16, 9])), &guard), "it changed inside");
    assert!(falls(&there, &put(5, WireType::Sized, &[1, 0]), &guard), "the map was put");
    assert!(!falls(&there, &edit(5, &entry("l", 1, ITEM)), &guard), "another entry");
    assert!(falls(&[], &edit(6, &[9, 1]), &edit(6, &[9, 0])), "a key of a set");
    assert!(!falls(&[], &edit(6, &[8, 1]), &edit(6, &[9, 0])), "another key of a set");
}

#[test]
fn a_part_of_an_entry_is_required() {
    let there = [edit(5, &entry("k", 1, ITEM))];
    let guard = edit(5, &entry("k", 4, &[16, 0]));
    assert!(falls(&there, &edit(5, &entry("k", 4, &[16, 9])), &guard));
    assert!(!falls(&there, &edit(5, &entry("k", 11, &[11, 0, 0, 0, 0, 0, 0, 0, 0])), &guard), "another field");
    assert!(falls(&there, &edit(5, &entry("k", 0, &[])), &guard), "the entry went");
    assert!(falls(&there, &edit(5, &entry("k", 1, ITEM)), &guard), "another entry took its place");
}

#[test]
fn a_map_of_many_pages_is_required_as_a_small_one() {
    let many: Vec<u8> = (0..2_000).flat_map(|at| entry(&format!("key {at:05}"), 1, ITEM)).collect();
    let there = [edit(5, &many)];
    let guard = edit(5, &entry("key 01500", 4, &[16, 0]));
    assert!(falls(&there, &edit(5, &entry("key 01500", 4, &[16, 9])), &guard));
    assert!(!falls(&there, &edit(5, &entry("key 01501", 4, &[16, 9])), &guard));
    let absent = edit(5, &entry("key 01500x", 0, &[]));
    assert!(falls(&there, &edit(5, &entry("key 01500x", 1, ITEM)), &absent));
}

#[test]
fn what_is_no_guard_is_refused() {
    let mut d = document();
    go(&mut d, &edit(5, &entry("k", 1, ITEM)));
    let head = d.version().0;
    let none = Bytes::new();
    let unsorted = [entry("k", 0, &[]), entry("a", 0, &[])].concat();
    for guard in [
        put(1, WireType::Eight, &[0; 8]),
        edit(1, &[8, 0]),
        edit(4, &[0, 0, 0]),
        edit(2, &[1]),
        edit(5, &entry("k", 1, ITEM)),
        edit(5, &entry("z", 4, &[16, 0])),
        edit(5, &unsorted),
        edit(77, &[8, 0]),
        Bytes::from_static(&[8]),
    ] {
        let answer = judge(&d, &none, std::slice::from_ref(&guard), head);
        assert!(matches!(answer, Err(Refusal::Malformed(_))), "{guard:?} {answer:?}");
    }
    let judging = |guards: Vec<u8>| Judging::new(none.clone(), Version(head), Scope::Cells).guarded_by(guards.into());
    let answer = judging(vec![9]).step(&d, &mut Budget::unlimited()).unwrap();
    assert!(matches!(answer, Err(Refusal::Malformed(_))), "{answer:?}");
    let answer = judging(vec![0; GUARD_BYTES_MAX + 1]).step(&d, &mut Budget::unlimited()).unwrap();
    assert!(matches!(answer, Err(Refusal::Limit { .. })), "{answer:?}");
}

//! Searches by an indexed field: pages, the gate, marks that are new, objects that are cold after a start.

use nam::expiry::Expiry;
use nam::ids::{Alias, Birth, FieldId};
use nam::limits::{INDEXED_BYTES_MAX, INDEXES_MAX, LOADS_IN_FLIGHT_MAX, PAGE_KEYS_MAX};
use nam::repository::{Caps, ImageCaps};
use nam::schema::{FieldDef, Kind, Policy, Schema, SchemaError, TypeDef};
use nam::wire::{CreationValue, FailureCode, Find, Found, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, EPOCH, Peer, cash, name, printed, schema};

const NAME: FieldId = FieldId(2);
const CASH: FieldId = FieldId(1);

/// The class with some fields marked.
fn marked(marks: &[FieldId]) -> Schema {
    let mut schema = schema();
    let TypeDef::Struct(account) = &mut schema.types[0] else { unreachable!() };
    for field in account.fields.iter_mut().filter(|field| marks.contains(&field.id)) {
        field.index = true;
    }
    schema
}

fn connect(bench: &mut Bench, node: u64, marks: &[FieldId]) -> Peer {
    let mut peer = bench.connect_bare(node);
    bench.send(&peer, &ToRepository::Register { schema: &marked(marks).to_bytes() });
    bench.settle();
    bench.receive(&mut peer);
    peer
}

/// Creates an object with a name; answers its birth.
fn create(bench: &mut Bench, peer: &mut Peer, key: &str, text: &str) -> Birth {
    let sequence = peer.next_sequence();
    let (value, expiry) = (name(text), Expiry::NEVER);
    let value = CreationValue::Inline(&value);
    bench.send(peer, &ToRepository::Create { sequence, unacked: sequence, class: CLASS, key, expiry, value });
    bench.image_all();
    bench.receive(peer);
    bench.core.inspect(CLASS, key).unwrap().birth
}

fn ask(bench: &mut Bench, peer: &mut Peer, field: FieldId, value: &[u8], from: u32) {
    let request = peer.next_request();
    bench.send(peer, &ToRepository::Find(Find { request, class: CLASS, field, value, from: Alias(from) }));
}

/// What is answered to a search that the journal and the images do not hold up, without the request's number.
fn find(bench: &mut Bench, peer: &mut Peer, field: FieldId, value: &[u8]) -> String {
    ask(bench, peer, field, value, 0);
    while bench.settle_one() || bench.load_one() {}
    let answers = bench.receive(peer);
    let answer = answers.iter().find(|answer| answer.starts_with("Found") || answer.starts_with("Failed"));
    let answer = answer.unwrap_or_else(|| panic!("{answers:?}"));
    answer.split_once(", ").unwrap().1.to_owned()
}

fn page(found: &[(&str, Birth)], next: Option<u32>) -> String {
    let request = nam::ids::RequestId(1);
    let found = printed(&ToNode::Found(Found { request, found: found.to_vec(), next: next.map(Alias) }));
    found.split_once(", ").unwrap().1.to_owned()
}

#[test]
fn what_changes_is_found_by_what_it_is_and_what_ends_by_nothing() {
    let mut bench = Bench::new();
    let mut a = connect(&mut bench, 1, &[NAME, CASH]);
    let k = create(&mut bench, &mut a, "k", "alice");
    let l = create(&mut bench, &mut a, "l", "alice");
    assert_eq!(find(&mut bench, &mut a, NAME, b"alice"), page(&[("k", k), ("l", l)], None));
    bench.commit(&mut a, 1, &name("bob"));
    bench.commit(&mut a, 2, &cash(300));
    assert_eq!(find(&mut bench, &mut a, NAME, b"alice"), page(&[("l", l)], None));
    assert_eq!(find(&mut bench, &mut a, NAME, b"bob"), page(&[("k", k)], None));
    assert_eq!(find(&mut bench, &mut a, CASH, &[0xac, 2]), page(&[("k", k)], None));
    let sequence = a.next_sequence();
    bench.send(&a, &ToRepository::Destroy { sequence, unacked: sequence, alias: Alias(0), birth: k });
    assert_eq!(find(&mut bench, &mut a, NAME, b"bob"), page(&[], None));
    let again = create(&mut bench, &mut a, "k", "bob");
    assert_eq!(find(&mut bench, &mut a, NAME, b"bob"), page(&[("k", again)], None), "another birth");
}

#[test]
fn a_search_shows_nothing_that_is_not_durable() {
    let mut bench = Bench::new();
    let mut a = connect(&mut bench, 1, &[NAME]);
    let k = create(&mut bench, &mut a, "k", "alice");
    bench.commit(&mut a, 1, &name("bob"));
    ask(&mut bench, &mut a, NAME, b"bob", 0);
    bench.work();
    assert_eq!(bench.receive(&mut a), [""; 0], "I6");
    bench.settle();
    let told = bench.receive(&mut a);
    assert!(told.last().unwrap().ends_with(&page(&[("k", k)], None)), "{told:?}");
}

#[test]
fn a_long_answer_comes_in_pages_by_slots() {
    let mut bench = Bench::new();
    let mut a = connect(&mut bench, 1, &[NAME]);
    let count = PAGE_KEYS_MAX + 7;
    for n in 0..count {
        create(&mut bench, &mut a, &format!("k{n}"), "alice");
    }
    let (mut seen, mut from) = (Vec::new(), 0);
    while seen.len() < count {
        ask(&mut bench, &mut a, NAME, b"alice", from);
        bench.settle();
        let page = bench.receive(&mut a).pop().unwrap();
        let keys = page.split('"').skip(1).step_by(2).map(str::to_owned);
        let before = seen.len();
        seen.extend(keys);
        from = u32::try_from(seen.len()).unwrap();
        let more = if seen.len() < count { format!("Some(Alias({from}))") } else { "None".to_owned() };
        assert!(page.ends_with(&format!("next: {more} }})")), "{page}");
        assert!((before + 1..=before + PAGE_KEYS_MAX).contains(&seen.len()), "{page}");
    }
    assert!(seen.iter().cloned().eq((0..count).map(|n| format!("k{n}"))), "{seen:?}");
}

#[test]
fn a_mark_that_is_new_counts_for_what_is_there() {
    let mut bench = Bench::new();
    let mut a = connect(&mut bench, 1, &[]);
    let k = create(&mut bench, &mut a, "k", "alice");
    let told = find(&mut bench, &mut a, NAME, b"alice");
    assert!(told.contains(&format!("code: {:?}", FailureCode::Invalid)), "{told}");
    let mut b = connect(&mut bench, 2, &[NAME]);
    assert_eq!(find(&mut bench, &mut b, NAME, b"alice"), page(&[("k", k)], None));
    assert_eq!(find(&mut bench, &mut a, NAME, b"alice"), page(&[("k", k)], None), "older nodes may ask too");
}

#[test]
fn what_is_cold_after_a_start_is_found_by_its_head_and_the_deltas_behind_it() {
    let images =
        |journal_bytes| Caps { images: Some(ImageCaps { journal_bytes, memory_max: usize::MAX }), ..Caps::default() };
    let mut bench = Bench::with(images(1));
    let mut a = connect(&mut bench, 1, &[NAME]);
    let (k, l, m) = (
        create(&mut bench, &mut a, "k", "alice"),
        create(&mut bench, &mut a, "l", "alice"),
        create(&mut bench, &mut a, "m", "alice"),
    );
    // Another object takes the journal on, so that these have images.
    create(&mut bench, &mut a, "other", "other");
    bench.start_again(images(1_000_000));
    let mut a = connect(&mut bench, 2, &[NAME]);
    for key in ["k", "m"] {
        let request = a.next_request();
        bench.send(&a, &ToRepository::Open { request, class: CLASS, key, held: None });
        bench.image_all();
        bench.receive(&mut a);
    }
    // Behind the images: k gets another name, m loses its first letter.
    let splice = [2 << 3 | 7, 0, 1, 0];
    bench.commit(&mut a, 1, &name("bob"));
    let sequence = a.next_sequence();
    let spliced = ToRepository::Commit {
        sequence,
        unacked: nam::ids::Sequence(1),
        alias: Alias(2),
        base: nam::ids::Version(1),
        is_isolated: false,
        fence: None,
        guards: &[],
        delta: &splice,
    };
    bench.send(&a, &spliced);
    bench.settle();
    let told = bench.receive(&mut a);
    assert!(told.iter().any(|told| told.starts_with("AsSent") && told.contains(&format!("{sequence:?}"))), "{told:?}");
    bench.start_again(images(1_000_000));
    let value = |bench: &Bench, key| bench.core.inspect(CLASS, key).unwrap().value;
    let (entries, unknown) = bench.core.inspect_index(CLASS);
    let of_these = entries.iter().filter(|entry| [k, l, m].contains(&entry.birth)).count();
    assert_eq!(of_these, 2, "{entries:?}");
    assert!(
        unknown.contains(&m) && !unknown.contains(&k) && !unknown.contains(&l),
        "only a text that was spliced must be looked at"
    );
    let mut a = connect(&mut bench, 3, &[NAME]);
    assert_eq!(find(&mut bench, &mut a, NAME, b"bob"), page(&[("k", k)], None));
    assert_eq!(find(&mut bench, &mut a, NAME, b"alice"), page(&[("l", l)], None));
    assert_eq!(find(&mut bench, &mut a, NAME, b"lice"), page(&[("m", m)], None));
    assert_eq!((value(&bench, "k"), value(&bench, "l")), (None, None), "nothing was loaded that need not be");
}

#[test]
fn a_mark_that_is_new_has_cold_objects_loaded_once() {
    let short = Caps { images: Some(ImageCaps { journal_bytes: 1, memory_max: usize::MAX }), ..Caps::default() };
    let mut bench = Bench::with(short);
    let mut a = connect(&mut bench, 1, &[]);
    let count = 3 * LOADS_IN_FLIGHT_MAX;
    for n in 0..count {
        create(&mut bench, &mut a, &format!("k{n:02}"), "alice");
        bench.image_all();
    }
    bench.start_again(Caps { images: Some(ImageCaps { journal_bytes: 1_000_000, ..short.images.unwrap() }), ..short });
    let mut a = connect(&mut bench, 1, &[NAME]);
    ask(&mut bench, &mut a, NAME, b"alice", 0);
    bench.work();
    assert_eq!(bench.kept.loads.len(), LOADS_IN_FLIGHT_MAX, "several are loaded at a time");
    bench.start_again(short);
    let mut a = connect(&mut bench, 2, &[NAME]);
    ask(&mut bench, &mut a, NAME, b"alice", 0);
    bench.image_all();
    let told = bench.receive(&mut a).pop().unwrap();
    assert_eq!(told.matches("\"k").count(), count, "{told}");
    // Their images say so from now on.
    for n in 0..4 {
        create(&mut bench, &mut a, &format!("x{n}"), "x");
        bench.image_all();
    }
    bench.start_again(short);
    let (entries, unknown) = bench.core.inspect_index(CLASS);
    let named = entries.iter().filter(|entry| entry.value == b"alice").count();
    assert!(unknown.iter().all(|birth| birth.0.epoch != EPOCH), "{unknown:?}");
    assert_eq!(named, count);
}

#[test]
fn a_long_text_is_in_no_index_and_a_class_has_few_of_them() {
    let mut bench = Bench::new();
    let mut a = connect(&mut bench, 1, &[NAME]);
    let long = "a".repeat(INDEXED_BYTES_MAX + 1);
    create(&mut bench, &mut a, "k", &long);
    assert_eq!(bench.core.inspect_index(CLASS), (Vec::new(), Vec::new()));
    bench.commit(&mut a, 1, &name(&long[1..]));
    bench.settle();
    assert_eq!(bench.core.inspect_index(CLASS).0.len(), 1);

    let mut schema = marked(&[NAME]);
    let TypeDef::Struct(account) = &mut schema.types[0] else { unreachable!() };
    for id in 7..7 + INDEXES_MAX as u32 {
        let (aliases, kind, policy) = (Vec::new(), Kind::U8, Policy::Retry);
        let (index, redact, optional) = (true, false, true);
        let field =
            FieldDef { id: FieldId(id), name: format!("f{id}"), aliases, kind, policy, index, redact, optional };
        account.fields.push(field);
    }
    let (what, found, max) = ("indexed fields", INDEXES_MAX + 1, INDEXES_MAX);
    assert_eq!(schema.check(), Err(SchemaError::Limit { what, found, max }));
}

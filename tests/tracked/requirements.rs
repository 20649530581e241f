//! What `require_x()` and `require_key()` leave for the repository: `docs/wire.md` §5.8.

use std::collections::{BTreeMap, BTreeSet};

use nam::__private::{Class, Writer};
use nam::Tracked;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Desk")]
struct Desk {
    cash: f64,
    book: BTreeMap<String, Entry>,
    tags: BTreeSet<u16>,
    lead: Option<Entry>,
    legs: Vec<Entry>,
    #[nam(lww)]
    last: u32,
    side: Side,
    pair: (u8, Entry),
    boxed: Box<Entry>,
    fixed: [Entry; 1],
    #[nam(skip)]
    local: u8,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
struct Entry {
    quantity: u64,
    #[nam(add)]
    hits: u64,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
enum Side {
    #[default]
    None,
    Sell(Entry),
}

fn desk() -> Desk {
    let book = [("a", 1), ("b", 2)].map(|(key, quantity)| (key.to_owned(), Entry { quantity, hits: 0 }));
    Desk {
        book: book.into(),
        tags: [7].into(),
        lead: Some(Entry::default()),
        legs: vec![Entry::default()],
        side: Side::Sell(Entry::default()),
        ..Desk::default()
    }
}

/// What is required where `made` marks are made by `f`, which changes nothing else.
fn required(made: usize, f: impl FnOnce(DeskMut<'_>)) -> Vec<u8> {
    let (mut value, mut changes) = (desk(), DeskChanges::default());
    f(value.track(&mut changes));
    assert!(changes.is_changed());
    let mut w = Writer::new();
    assert!(!value.encode_delta(&changes, &mut w), "what is only required is not written");
    value.encode_requirements(&changes, made, &mut w);
    value.undo(changes);
    assert_eq!(value, desk());
    w.into_bytes()
}

const ALL: [u8; 20] = [8, 0, 16, 0, 24, 0, 32, 0, 40, 0, 48, 0, 56, 0, 64, 0, 72, 0, 80, 0];

/// `docs/wire.md` §5.8: fields of any kind and policy.
#[test]
fn a_field_is_required_by_its_id() {
    assert_eq!(required(1, |mut desk| assert_eq!(*desk.require_cash(), 0.0)), [8, 0]);
    let two = |mut desk: DeskMut<'_>| {
        desk.require_last();
        desk.require_book();
        desk.require_last();
    };
    assert_eq!(required(2, two), [16, 0, 48, 0]);
}

/// `docs/wire.md` §5.8: entries that are there or not, and what is inside of them.
#[test]
fn entries_are_required_by_key() {
    let keys = |mut desk: DeskMut<'_>| {
        assert_eq!(desk.book_mut().require_key("a").map(|entry| entry.quantity), Some(1));
        assert_eq!(desk.book_mut().require_key("z"), None);
        assert!(desk.tags_mut().require_key(&7) && !desk.tags_mut().require_key(&8));
    };
    assert_eq!(required(4, keys), [22, 6, 1, b'a', 0, 1, b'z', 0, 31, 7, 0, 8, 0]);
    let inside = |mut desk: DeskMut<'_>| {
        desk.book_mut().get_mut("b").unwrap().require_hits();
        desk.book_mut().get_mut("a").unwrap().require_quantity();
        desk.book_mut().require_key("a");
    };
    assert_eq!(required(3, inside), [23, 1, b'a', 0, 1, b'b', 4, 16, 0]);
    let passed = |mut desk: DeskMut<'_>| {
        desk.book_mut().iter_mut().for_each(|(_, mut entry)| drop(entry.require_hits().to_string()));
        desk.book_mut().for_each_mut(|_, mut entry| drop(entry.require_quantity().to_string()));
    };
    assert_eq!(required(4, passed), [23, 1, b'a', 6, 8, 0, 16, 0, 1, b'b', 6, 8, 0, 16, 0]);
}

#[test]
fn parts_are_required_at_any_depth() {
    let lead = |mut desk: DeskMut<'_>| {
        desk.lead_mut().as_mut().unwrap().require_hits();
    };
    assert_eq!(required(1, lead), [39, 16, 0]);
    let side = |mut desk: DeskMut<'_>| match desk.side_mut().variant_mut() {
        SideVariantMut::Sell(mut entry) => assert_eq!(*entry.require_quantity(), 0),
        SideVariantMut::None => unreachable!(),
    };
    assert_eq!(required(1, side), [63, 1, 15, 8, 0]);
    let pair = |mut desk: DeskMut<'_>| {
        desk.pair_mut().fields().1.require_hits();
    };
    assert_eq!(required(1, pair), [71, 23, 16, 0]);
    let boxed = |mut desk: DeskMut<'_>| {
        desk.boxed_mut().require_hits();
    };
    assert_eq!(required(1, boxed), [79, 16, 0]);
}

#[test]
fn what_is_required_of_an_element_is_required_of_its_list() {
    let legs = |mut desk: DeskMut<'_>| {
        desk.legs_mut().get_mut(0).unwrap().require_hits();
        desk.legs_mut().for_each_mut(|mut leg| drop(leg.require_quantity().to_string()));
        desk.fixed_mut().get_mut(0).unwrap().require_hits();
    };
    assert_eq!(required(3, legs), [40, 0, 80, 0]);
}

#[test]
fn what_is_required_and_then_undone_requires_everything() {
    let removed = |mut desk: DeskMut<'_>| {
        desk.book_mut().get_mut("a").unwrap().require_hits();
        let entry = desk.book_mut().take("a").unwrap();
        desk.book_mut().insert("a".to_owned(), entry);
    };
    assert_eq!(required(1, removed), ALL);
    let replaced = |mut desk: DeskMut<'_>| {
        desk.require_cash();
        let copy = Desk::clone(&desk);
        desk.set(copy);
    };
    assert_eq!(required(1, replaced), ALL);
    let of_what_is_new = |mut desk: DeskMut<'_>| {
        let copy = desk.legs.clone();
        desk.legs_mut().set(copy);
        desk.legs_mut().get_mut(0).unwrap().require_hits();
    };
    assert_eq!(required(1, of_what_is_new), ALL);
}

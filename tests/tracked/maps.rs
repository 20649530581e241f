//! Maps: edits, puts and removals by key, and what they cost in bytes.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nam::__private::{Changes, DecodeError, Reader, Writer};
use nam::Tracked;
use nam::tracked::{EntryView, MapChanges};

use crate::expanded::Order;
use crate::lists::{Fill, Log};
use crate::transaction::{Delta, bytes, check, delta_of, size};
use crate::wild::run;

type Fills = HashMap<String, Fill>;
type FillsMut<'a> = <Fills as Tracked>::Mut<'a>;

fn fill(n: u8) -> Fill {
    Fill { price: f64::from(n), quantity: u64::from(n) }
}

fn fills() -> Fills {
    [("AAPL", 1), ("IBM", 2), ("MSFT", 3)].map(|(key, n)| (key.to_owned(), fill(n))).into()
}

#[test]
fn an_entry_costs_its_key_and_what_changed() {
    assert_eq!(size(&fills(), |mut map| *map.get_mut("AAPL").unwrap().price_mut() = 7.5), 5 + 1 + 9);
    assert_eq!(size(&fills(), |map| *map.into_get("AAPL").unwrap().into_price() = 7.5), 5 + 1 + 9);
    assert_eq!(size(&fills(), |mut map| assert!(!map.insert("SAP".to_owned(), fill(4)))), 4 + 1 + 12);
    assert_eq!(
        size(&fills(), |mut map| assert!(map.insert("IBM".to_owned(), Fill { quantity: 9, ..fill(2) }))),
        4 + 1 + 2
    );
    assert_eq!(size(&fills(), |mut map| assert!(map.remove("IBM"))), 4 + 1);
    assert_eq!(size(&fills(), |mut map| assert_eq!(map.take("IBM"), Some(fill(2)))), 4 + 1);
    assert_eq!(size(&fills(), |mut map| map.retain(|_, fill| fill.quantity > 1)), 5 + 1);
    assert_eq!(size(&fills(), |mut map| assert!(map.edit(|map| map.remove("IBM")).is_some())), 4 + 1);
    let scalars: BTreeMap<u32, u64> = (0..10).map(|n| (n, 1)).collect();
    assert_eq!(size(&scalars, |mut map| *map.get_mut(&3).unwrap() = 2), 1 + 1 + 1);
}

#[test]
fn what_comes_to_nothing_sends_nothing() {
    let nothing = |f: fn(FillsMut<'_>)| assert_eq!(size(&fills(), f), 0);
    nothing(|mut map| {
        map.insert("SAP".to_owned(), fill(4));
        *map.get_mut("SAP").unwrap().price_mut() = 0.0;
        assert!(map.remove("SAP") && !map.remove("SAP"));
    });
    nothing(|mut map| {
        map.remove("IBM");
        map.insert("IBM".to_owned(), fill(2));
    });
    nothing(|mut map| {
        *map.get_mut("IBM").unwrap().price_mut() = 2.0;
        assert!(map.get_mut("SAP").is_none() && map.take("SAP").is_none());
    });
    nothing(|mut map| {
        map.clear();
        map.extend(fills());
    });
    nothing(|mut map| map.set(fills()));
    nothing(|mut map| map.for_each_mut(|_, mut fill| *fill.quantity_mut() += 0));
    nothing(|mut map| map.iter_mut().for_each(|(_, mut fill)| *fill.quantity_mut() += 0));
}

#[test]
fn a_map_that_kept_nothing_is_put_whole() {
    assert_eq!(check(&fills(), |mut map| map.clear()), Some(Delta::Put(vec![1, 0])));
    let empty = Fills::new();
    assert!(matches!(check(&empty, |mut map| map.set(fills())), Some(Delta::Edit(_))));
}

#[test]
fn a_put_entry_is_written_once_whatever_edits_it_later() {
    let put = |map: &mut FillsMut<'_>| map.insert("IBM".to_owned(), Fill { quantity: 9, ..fill(2) });
    assert_eq!(
        size(&fills(), |mut map| {
            put(&mut map);
            map.iter_mut().for_each(|(_, mut fill)| *fill.quantity_mut() += 1);
        }),
        (4 + 1 + 2) + (5 + 1 + 2) + (5 + 1 + 2)
    );
    assert_eq!(
        size(&fills(), |mut map| {
            map.iter_mut().for_each(|(_, mut fill)| *fill.quantity_mut() += 1);
            put(&mut map);
            *map.get_mut("IBM").unwrap().quantity_mut() = 2;
        }),
        (5 + 1 + 2) + (5 + 1 + 2)
    );
    assert_eq!(
        size(&fills(), |mut map| {
            *map.get_mut("IBM").unwrap().price_mut() = 0.5;
            map.iter_mut().for_each(|(_, mut fill)| *fill.quantity_mut() += 1);
            map.iter_mut().filter(|(key, _)| *key != "IBM").for_each(|(_, mut fill)| *fill.quantity_mut() -= 1);
            map.remove("AAPL");
        }),
        (4 + 1 + 9 + 2) + (5 + 1)
    );
}

#[test]
fn a_removed_entry_comes_back_as_a_new_one() {
    assert_eq!(
        size(&fills(), |mut map| {
            *map.get_mut("IBM").unwrap().price_mut() = 0.5;
            map.remove("IBM");
            *map.get_or_insert_with("IBM".to_owned(), || fill(2)).quantity_mut() = 9;
            *map.get_mut("IBM").unwrap().quantity_mut() += 1;
        }),
        4 + 1 + 2
    );
    assert_eq!(
        size(&fills(), |mut map| {
            *map.get_or_insert_with("IBM".to_owned(), || unreachable!()).quantity_mut() = 9;
            *map.into_get_or_insert_with("SAP".to_owned(), || fill(4)).quantity_mut() = 5;
        }),
        (4 + 1 + 2) + (4 + 1 + 12)
    );
}

#[test]
fn several_entries_at_once() {
    assert_eq!(
        size(&fills(), |mut map| {
            map.insert("SAP".to_owned(), fill(4));
            let [aapl, none, sap] = map.get_disjoint_mut(["AAPL", "X", "SAP"]);
            let (mut aapl, mut sap) = (aapl.unwrap(), sap.unwrap());
            std::mem::swap(&mut *aapl.quantity_mut(), &mut *sap.quantity_mut());
            assert!(none.is_none());
            assert!(map.get_disjoint_mut(["AAPL", "AAPL"]).iter().all(Option::is_none));
        }),
        (5 + 1 + 2) + (4 + 1 + 12)
    );
}

#[test]
fn bytes_depend_on_the_content_alone() {
    let keys: Vec<u32> = vec![70_000, 3, 128, 127, 256, 1];
    let there: HashMap<u32, u32> = keys.iter().map(|&key| (key, key)).collect();
    let back: BTreeMap<u32, u32> = keys.iter().rev().map(|&key| (key, key)).collect();
    let other: HashMap<u32, u32, BuildHasherDefault<DefaultHasher>> = there.clone().into_iter().collect();
    assert_eq!(bytes(&there), bytes(&back));
    assert_eq!(bytes(&there), bytes(&other));
    let hashed = check(&HashMap::<u32, u32>::new(), |mut map| map.extend(keys.iter().map(|&key| (key, 1))));
    let sorted = check(&BTreeMap::<u32, u32>::new(), |mut map| map.extend(keys.iter().rev().map(|&key| (key, 1))));
    assert_eq!(hashed, sorted);
}

#[test]
fn a_change_set_says_what_became_of_each_key() {
    let mut value = fills();
    let mut changes = MapChanges::<Fills>::default();
    let mut map = value.track(&mut changes);
    *map.get_mut("AAPL").unwrap().price_mut() = 7.5;
    map.remove("IBM");
    map.insert("MSFT".to_owned(), fill(9));
    map.insert("SAP".to_owned(), fill(4));
    assert!(matches!(changes.get("AAPL"), Some(EntryView::Edited(fill)) if fill.price.previous() == Some(&1.0)));
    assert!(matches!(changes.get("IBM"), Some(EntryView::Removed { previous }) if *previous == fill(2)));
    assert!(matches!(changes.get("MSFT"), Some(EntryView::Put { previous: Some(previous) }) if *previous == fill(3)));
    assert!(matches!(changes.get("SAP"), Some(EntryView::Put { previous: None })));
    assert!(changes.get("X").is_none());
    assert_eq!(changes.iter().count(), 4);
    assert!(changes.is_changed() && changes.previous().is_none() && changes.heap_bytes() > 0);
    value.track(&mut changes).clear();
    assert_eq!(changes.previous(), Some(&fills()));
}

#[test]
fn a_panic_loses_no_former_value() {
    let undone = |f: fn(FillsMut<'_>)| {
        let mut value = fills();
        let mut changes = MapChanges::<Fills>::default();
        let answer = catch_unwind(AssertUnwindSafe(|| f(value.track(&mut changes))));
        assert!(answer.is_err());
        let _ = delta_of(&value, &changes);
        value.undo(changes);
        assert_eq!(value, fills());
    };
    undone(|mut map| {
        map.for_each_mut(|_, mut fill| {
            *fill.price_mut() += 1.0;
            assert_ne!(fill.quantity, 2);
        });
        unreachable!()
    });
    undone(|mut map| {
        for (_, mut fill) in map.iter_mut() {
            *fill.price_mut() += 1.0;
            assert_ne!(fill.quantity, 2);
        }
    });
    undone(|mut map| {
        map.edit(|map| {
            map.clear();
            panic!("in the middle");
        });
    });
    undone(|mut map| {
        map.remove("IBM");
        map.get_or_insert_with("IBM".to_owned(), || panic!("no value"));
    });
    undone(|mut map| {
        map.get_or_insert_with("SAP".to_owned(), || panic!("no value"));
    });
}

fn refusal(bytes: &[u8]) -> DecodeError {
    let mut value = fills();
    let mut changes = MapChanges::<Fills>::default();
    let error = value.apply(Reader::new(bytes), Some(&mut changes)).unwrap_err();
    value.undo(changes);
    assert_eq!(value, fills());
    assert_eq!(fills().apply(Reader::new(bytes), None).unwrap_err(), error);
    error
}

#[test]
fn hostile_edits_are_refused_and_undone() {
    let entry = |key: &str, rest: &[u8]| {
        let mut w = Writer::new();
        w.sized(key.as_bytes());
        w.raw(rest);
        w.into_bytes()
    };
    let edit = [4, 2 << 3, 9];
    assert!(matches!(refusal(&entry("SAP", &edit)), DecodeError::Absent { .. }));
    let twice = [entry("IBM", &edit), entry("IBM", &edit)].concat();
    assert_eq!(refusal(&twice), DecodeError::Order { what: "keys" });
    let unsorted = [entry("MSFT", &edit), entry("IBM", &edit)].concat();
    assert_eq!(refusal(&unsorted), DecodeError::Order { what: "keys" });
    let removed_then_broken = [entry("IBM", &[0]), entry("AAPL", &[9])].concat();
    assert!(matches!(refusal(&removed_then_broken), DecodeError::Truncated { .. }));
    assert!(matches!(refusal(&entry("IBM", &[1, 200])), DecodeError::Truncated { .. }));
    let mut value = fills();
    value.apply(Reader::new(&entry("SAP", &[0])), None).expect("removing what is not there is nothing");

    let full = |pairs: &[(u32, u32)]| {
        let mut w = Writer::new();
        w.framed(|w| {
            w.length(pairs.len());
            pairs.iter().for_each(|(key, value)| [*key, *value].iter().for_each(|n| w.varint(u64::from(*n))));
        });
        HashMap::<u32, u32>::decode(&mut Reader::new(w.as_slice()))
    };
    assert_eq!(full(&[(1, 5), (2, 6)]).unwrap(), HashMap::from([(1, 5), (2, 6)]));
    assert_eq!(full(&[(2, 5), (1, 6)]), Err(DecodeError::Order { what: "keys" }));
    assert_eq!(full(&[(2, 5), (2, 6)]), Err(DecodeError::Order { what: "keys" }));
    let mut huge = Writer::new();
    huge.framed(|w| w.varint(u64::from(u32::MAX)));
    assert!(matches!(Fills::decode(&mut Reader::new(huge.as_slice())), Err(DecodeError::Truncated { .. })));
}

#[test]
fn random_transactions_of_scalars() {
    assert_eq!(run::<HashMap<String, u32>>(3_000), 0);
    assert_eq!(run::<BTreeMap<u32, f64>>(3_000), 0);
}

#[test]
fn random_transactions_of_structs() {
    run::<HashMap<u32, Order>>(3_000);
    run::<BTreeMap<String, Order>>(2_000);
}

#[test]
fn random_transactions_of_nested_maps() {
    run::<HashMap<String, Vec<Order>>>(2_000);
    run::<BTreeMap<(u8, i64), HashMap<u32, Order>>>(1_500);
    run::<BTreeMap<u32, Log>>(1_500);
    run::<HashMap<u32, BTreeSet<String>>>(1_500);
}

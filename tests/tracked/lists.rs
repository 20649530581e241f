//! Lists: runs, edits of elements, moves, and what they cost in bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nam::__private::{Changes, DecodeError, Edit, Reader, Writer};
use nam::Tracked;
use nam::tracked::{ListChanges, Run};

use crate::expanded::Order;
use crate::transaction::{Delta, check, delta_of, size};
use crate::wild::run;

#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Fill {
    pub price: f64,
    pub quantity: u64,
}

/// Two fields that many nodes write at once.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Log {
    #[nam(append)]
    pub fills: Vec<Fill>,
    #[nam(append)]
    pub codes: VecDeque<u32>,
    #[nam(union)]
    pub names: BTreeSet<String>,
}

/// A fill takes 12 bytes: its length, a tag and 8 bytes, a tag and 1 byte.
fn fill(n: u8) -> Fill {
    Fill { price: f64::from(n), quantity: u64::from(n) }
}

fn fills() -> Vec<Fill> {
    (1..=5).map(fill).collect()
}

#[test]
fn an_insertion_costs_its_runs_and_itself() {
    assert_eq!(size(&fills(), |mut fills| fills.push(fill(9))), 1 + 2 + 1 + 12);
    assert_eq!(size(&fills(), |mut fills| assert!(fills.insert(0, fill(9)))), 1 + 1 + 12 + 2);
    assert_eq!(size(&fills(), |mut fills| assert!(fills.insert(2, fill(9)))), 1 + 2 + 1 + 12 + 2);
    assert_eq!(size(&Vec::<Fill>::new(), |mut fills| fills.extend([fill(1), fill(2)])), 1 + 1 + 24);
}

#[test]
fn a_removal_or_move_costs_two_bytes_a_run() {
    assert_eq!(size(&fills(), |mut fills| assert!(fills.remove(1))), 1 + 2 + 2);
    assert_eq!(size(&fills(), |mut fills| assert!(fills.pop())), 1 + 2);
    assert_eq!(size(&fills(), |mut fills| fills.truncate(1)), 1 + 2);
    assert_eq!(size(&fills(), |mut fills| fills.drain_range(1..=2)), 1 + 2 + 2);
    assert_eq!(size(&fills(), |mut fills| fills.retain(|fill| fill.quantity != 3)), 1 + 2 + 2);
    assert_eq!(size(&fills(), |mut fills| assert!(fills.swap(0, 4))), 1 + 3 * 2);
    assert_eq!(size(&fills(), |mut fills| assert!(fills.swap_remove(0))), 1 + 2 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.rotate_left(2)), 1 + 2 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.rotate_right(1)), 1 + 2 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.reverse()), 1 + 5 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.sort_by_key(|fill| fill.quantity % 2)), 1 + 5 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.clear()), 1);
}

#[test]
fn an_edit_follows_its_element() {
    assert_eq!(size(&fills(), |mut fills| *fills.get_mut(3).unwrap().price_mut() = 7.5), 1 + 1 + 1 + 9);
    let edit_then_remove = |mut fills: <Vec<Fill> as Tracked>::Mut<'_>| {
        *fills.get_mut(3).unwrap().price_mut() = 7.5;
        fills.remove(0);
    };
    assert_eq!(size(&fills(), edit_then_remove), 1 + 2 + 1 + 1 + 9);
    let edit_then_move = |mut fills: <Vec<Fill> as Tracked>::Mut<'_>| {
        *fills.first_mut().unwrap().price_mut() = 7.5;
        fills.rotate_left(1);
        *fills.last_mut().unwrap().quantity_mut() = 8;
    };
    assert_eq!(size(&fills(), edit_then_move), 1 + 4 + 1 + 1 + 9 + 2);
}

#[test]
fn what_comes_to_nothing_sends_nothing() {
    assert_eq!(
        size(&fills(), |mut fills| {
            fills.push(fill(9));
            fills.pop();
        }),
        0
    );
    assert_eq!(
        size(&fills(), |mut fills| {
            fills.pop();
            fills.push(fill(5));
        }),
        0
    );
    assert_eq!(
        size(&fills(), |mut fills| {
            *fills.get_mut(0).unwrap().price_mut() = 1.0;
            fills.iter_mut().for_each(|mut fill| *fill.quantity_mut() += 0);
            fills.for_each_mut(|mut fill| *fill.quantity_mut() += 0);
        }),
        0
    );
    assert_eq!(
        size(&fills(), |mut fills| {
            fills.clear();
            fills.extend((1..=5).map(fill));
        }),
        0
    );
    assert_eq!(
        size(&fills(), |mut fills| {
            fills.reverse();
            fills.sort_by(|a, b| a.quantity.cmp(&b.quantity));
        }),
        0
    );
    assert_eq!(
        size(&fills(), |mut fills| {
            assert!(!fills.remove(5) && !fills.insert(6, fill(9)) && !fills.swap(0, 5) && !fills.swap_remove(5));
            assert!(fills.get_mut(5).is_none() && fills.into_get(99).is_none());
        }),
        0
    );
    assert_eq!(
        size(&Vec::<Fill>::new(), |mut fills| {
            fills.clear();
            assert!(!fills.pop() && fills.last_mut().is_none());
            fills.drain_range(..);
        }),
        0
    );
}

#[test]
fn blind_code_leaves_a_small_delta() {
    assert_eq!(size(&fills(), |mut fills| fills.edit(|fills| fills.insert(0, fill(9)))), 1 + 1 + 12 + 2);
    assert_eq!(size(&fills(), |mut fills| fills.edit(|fills| fills.swap(0, 4))), 1 + 3 * 2);
    assert_eq!(size(&fills(), |mut fills| fills.edit(|fills| fills.reverse())), 1 + 5 * 2);
    let insert_and_change = |fills: &mut Vec<Fill>| {
        fills.insert(0, fill(9));
        fills[4].price = 0.5;
    };
    assert_eq!(size(&fills(), |mut fills| fills.edit(insert_and_change)), 1 + 1 + 12 + 2 + 1 + 1 + 9);
    let mut other = fills();
    other[2].quantity = 8;
    assert_eq!(size(&fills(), |mut fills| fills.set(other)), 1 + 1 + 1 + 2);
    let replaced = |mut fills: <Vec<Fill> as Tracked>::Mut<'_>| {
        fills.remove(2);
        fills.insert(2, Fill { quantity: 8, ..fill(3) });
    };
    assert_eq!(size(&fills(), replaced), 1 + 1 + 1 + 2);
}

#[test]
fn scalars_are_sent_as_they_are() {
    let prices: Vec<f64> = (0..100).map(f64::from).collect();
    assert_eq!(size(&prices, |mut prices| *prices.get_mut(7).unwrap() = 0.5), 1 + 1 + 1 + 8);
    assert_eq!(size(&prices, |mut prices| prices.edit(|prices| prices[7] = 0.5)), 1 + 1 + 1 + 8);
    assert_eq!(size(&prices, |mut prices| prices.edit(|prices| prices.push(0.5))), 1 + 2 + 1 + 8);
    let halved = |prices: &mut Vec<f64>| prices[10..30].iter_mut().for_each(|price| *price += 0.5);
    assert_eq!(size(&prices, |mut prices| prices.edit(halved)), 1 + 2 + 1 + 20 * 8 + 2);
    let flags = vec![false; 1_000];
    assert!(
        matches!(check(&flags, |mut flags| flags.set(vec![true; 1_000])), Some(Delta::Put(bytes)) if bytes.len() == 1_004)
    );
}

#[test]
fn a_shuffle_is_put_whole_where_that_is_shorter() {
    let numbers: Vec<u32> = (0..100).collect();
    let shuffled = check(&numbers, |mut numbers| numbers.sort_by_key(|n| n * 37 % 100));
    assert!(matches!(shuffled, Some(Delta::Put(bytes)) if bytes.len() == 102));
}

#[test]
fn both_ends_of_a_deque_are_cheap() {
    let deque: VecDeque<u32> = (0..1_000).collect();
    let roll = |mut deque: <VecDeque<u32> as Tracked>::Mut<'_>| {
        deque.pop_front();
        deque.push_back(5);
    };
    assert_eq!(size(&deque, roll), 1 + 1 + 2 + 1 + 1);
    let back = |mut deque: <VecDeque<u32> as Tracked>::Mut<'_>| {
        deque.pop_back();
        deque.push_front(5);
    };
    assert_eq!(size(&deque, back), 1 + 1 + 1 + 1 + 2);
}

#[test]
fn appended_elements_and_united_keys_are_operations() {
    let log = Log { fills: fills(), codes: [7].into(), names: ["ann".to_owned()].into() };
    assert_eq!(size(&log, |mut log| log.fills_mut().push(fill(9))), 1 + 1 + 12);
    assert_eq!(size(&log, |mut log| log.codes_mut().extend([1, 2, 3])), 1 + 1 + 3);
    assert_eq!(size(&log, |mut log| assert!(log.names_mut().insert("bo".to_owned()))), 1 + 1 + 3);
    assert_eq!(size(&log, |mut log| assert!(!log.names_mut().insert("ann".to_owned()))), 0);
    let mut body = Writer::new();
    let mut changes = LogChanges::default();
    let mut value = log.clone();
    value.track(&mut changes).fills_mut().push(fill(9));
    assert!(matches!(value.encode_edit(&changes, &mut body), Edit::Edited));
    let mut other = Log { fills: vec![fill(8)], ..log };
    other.apply(Reader::new(body.as_slice()), None).unwrap();
    assert_eq!(other.fills, [fill(8), fill(9)], "an operation goes on from the value it meets");
}

#[test]
fn a_change_set_says_what_became_of_a_list() {
    let mut value = fills();
    let mut changes = ListChanges::<Vec<Fill>>::default();
    assert!(!changes.is_changed());
    let mut cursor = value.track(&mut changes);
    *cursor.get_mut(3).unwrap().price_mut() = 7.5;
    cursor.remove(0);
    cursor.push(fill(9));
    assert_eq!(changes.runs().collect::<Vec<_>>(), [Run::Kept { start: 1, count: 4 }, Run::New { count: 1 }]);
    assert_eq!(changes.removed().collect::<Vec<_>>(), [(0, &fill(1))]);
    let edited: Vec<_> = changes.edited().map(|(at, fill)| (at, fill.price.previous().copied())).collect();
    assert_eq!(edited, [(2, Some(4.0))]);
    assert!(changes.is_changed() && changes.previous().is_none() && changes.heap_bytes() > 0);
    value.track(&mut changes).set(Vec::new());
    assert_eq!(changes.previous(), Some(&fills()));
}

#[test]
fn a_panic_loses_no_former_value() {
    let undone = |f: fn(<Vec<Fill> as Tracked>::Mut<'_>)| {
        let mut value = fills();
        let mut changes = ListChanges::<Vec<Fill>>::default();
        let answer = catch_unwind(AssertUnwindSafe(|| f(value.track(&mut changes))));
        assert!(answer.is_err());
        let _ = delta_of(&value, &changes);
        value.undo(changes);
        assert_eq!(value, fills());
    };
    undone(|mut fills| {
        fills.for_each_mut(|mut fill| {
            *fill.price_mut() += 1.0;
            assert!(fill.quantity < 3);
        });
    });
    undone(|mut fills| {
        for mut fill in fills.iter_mut() {
            *fill.price_mut() += 1.0;
            assert!(fill.quantity < 3);
        }
    });
    undone(|mut fills| {
        fills.edit(|fills| {
            fills.clear();
            panic!("in the middle");
        });
    });
    undone(|mut fills| {
        fills.pop();
        fills.retain(|fill| {
            assert!(fill.quantity < 3);
            false
        });
    });
}

fn refusal(bytes: &[u8]) -> DecodeError {
    let mut value = fills();
    let mut changes = ListChanges::<Vec<Fill>>::default();
    let error = value.apply(Reader::new(bytes), Some(&mut changes)).unwrap_err();
    value.undo(changes);
    assert_eq!(value, fills());
    assert_eq!(fills().apply(Reader::new(bytes), None).unwrap_err(), error);
    error
}

#[test]
fn hostile_edits_are_refused_and_undone() {
    assert!(matches!(refusal(&[3, 0, 3, 2 << 1, 2]), DecodeError::Absent { .. }), "overlap");
    assert!(matches!(refusal(&[3, 3 << 1, 2, 0, 4]), DecodeError::Absent { .. }), "overlap, moved");
    assert!(matches!(refusal(&[2, 4 << 1, 2]), DecodeError::Absent { .. }), "beyond the end");
    assert_eq!(refusal(&[2, 2, 0]), DecodeError::Unknown { what: "count of a run", found: 0 });
    assert_eq!(refusal(&[2, 1]), DecodeError::Unknown { what: "count of a run", found: 0 });
    let mut far = Writer::new();
    far.raw(&[2]);
    far.varint(u64::MAX - 1);
    far.varint(u64::MAX);
    assert!(matches!(refusal(far.as_slice()), DecodeError::Absent { .. }), "far beyond the end");
    let mut many = Writer::new();
    many.raw(&[2]);
    many.varint(u64::MAX);
    assert!(matches!(refusal(many.as_slice()), DecodeError::Truncated { .. }), "more elements than bytes");
    many.truncate(0);
    many.varint(u64::MAX);
    assert!(matches!(refusal(many.as_slice()), DecodeError::Truncated { .. }), "more runs than bytes");
    let edit = [0, 1, 4, 2 << 3, 9, 1, 4, 2 << 3, 9];
    assert_eq!(refusal(&edit), DecodeError::Order { what: "list indices" });
    assert!(matches!(refusal(&[2, 0, 2, 4, 4, 2 << 3, 9]), DecodeError::Absent { .. }), "an element that was removed");
    assert!(matches!(refusal(&[0, 1, 0]), DecodeError::Unknown { .. }), "no removal by index");
    assert!(matches!(refusal(&[]), DecodeError::Truncated { .. }));
    let mut huge = Writer::new();
    huge.framed(|w| w.varint(u64::from(u32::MAX)));
    assert!(matches!(Vec::<Fill>::decode(&mut Reader::new(huge.as_slice())), Err(DecodeError::Truncated { .. })));
}

#[test]
fn random_transactions_of_scalars() {
    run::<Vec<u32>>(3_000);
    run::<Vec<f64>>(1_000);
    run::<VecDeque<i64>>(2_000);
    run::<Vec<bool>>(1_000);
}

#[test]
fn random_transactions_of_structs() {
    run::<Vec<Order>>(3_000);
    run::<VecDeque<Order>>(1_500);
}

#[test]
fn random_transactions_of_nested_lists() {
    run::<Vec<Vec<Order>>>(1_500);
    run::<Vec<HashMap<String, u32>>>(1_500);
    run::<VecDeque<BTreeMap<(u8, i64), Vec<u32>>>>(1_000);
    run::<Vec<Log>>(1_500);
}

//! Sets: keys in and out, and what they cost in bytes.

use std::collections::{BTreeSet, HashSet};

use nam::__private::{Changes, DecodeError, Reader};
use nam::Tracked;
use nam::tracked::{SetChanges, SetTouch};

use crate::transaction::{Delta, bytes, check, size};
use crate::wild::run;

fn names() -> HashSet<String> {
    ["ann", "bo", "cy"].map(str::to_owned).into()
}

#[test]
fn a_key_costs_itself_and_a_byte() {
    assert_eq!(size(&names(), |mut names| assert!(names.insert("dee".to_owned()))), 4 + 1);
    assert_eq!(size(&names(), |mut names| assert!(names.remove("bo"))), 3 + 1);
    assert_eq!(size(&names(), |mut names| names.retain(|name| name != "bo")), 3 + 1);
    assert_eq!(size(&names(), |mut names| names.set(["ann", "bo"].map(str::to_owned).into())), 3 + 1);
    assert_eq!(size(&names(), |mut names| assert!(names.edit(|names| names.remove("ann")))), 4 + 1);
    assert_eq!(check(&names(), |mut names| names.clear()), Some(Delta::Put(vec![1, 0])));
}

#[test]
fn what_comes_to_nothing_sends_nothing() {
    assert_eq!(
        size(&names(), |mut names| {
            assert!(!names.insert("bo".to_owned()) && !names.remove("dee"));
            names.insert("dee".to_owned());
            names.remove("dee");
            names.remove("ann");
            names.extend(["ann", "cy"].map(str::to_owned));
        }),
        0
    );
}

#[test]
fn keys_ascend_by_their_bytes() {
    let keys = [70_000_u32, 3, 128, 127, 256, 1];
    let there: HashSet<u32> = keys.into();
    let back: BTreeSet<u32> = keys.into();
    assert_eq!(bytes(&there), bytes(&back));
    let mut value = back.clone();
    assert_eq!(value.apply(Reader::new(&[5, 1, 4, 1]), None), Err(DecodeError::Order { what: "keys" }));
    assert_eq!(
        value.apply(Reader::new(&[5, 2]), None),
        Err(DecodeError::Unknown { what: "change of a set's key", found: 2 })
    );
    assert_eq!(BTreeSet::<u32>::decode(&mut Reader::new(&[3, 2, 4, 4])), Err(DecodeError::Order { what: "keys" }));
}

#[test]
fn a_change_set_says_what_became_of_each_key() {
    let mut value = names();
    let mut changes = SetChanges::<HashSet<String>>::default();
    let mut names = value.track(&mut changes);
    names.insert("dee".to_owned());
    names.remove("bo");
    let mut seen: Vec<_> = changes.iter().map(|(name, touch)| (name.as_str(), touch)).collect();
    seen.sort_by_key(|(name, _)| name.to_owned());
    assert_eq!(seen, [("bo", SetTouch::Removed), ("dee", SetTouch::Inserted)]);
    assert!(changes.is_changed() && changes.previous().is_none() && changes.heap_bytes() > 0);
}

#[test]
fn random_transactions() {
    assert_eq!(run::<HashSet<String>>(3_000), 0);
    assert_eq!(run::<BTreeSet<u32>>(3_000), 0);
    assert_eq!(run::<BTreeSet<(u8, i64)>>(2_000), 0);
}

//! Maps: edits, puts and removals by key, and what they cost in bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::expanded::Order;
use crate::wild::run;

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
    run::<HashMap<u32, BTreeSet<String>>>(1_500);
}

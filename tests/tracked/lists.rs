//! Lists: runs, edits of elements, moves, and what they cost in bytes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::expanded::Order;
use crate::wild::run;

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
}

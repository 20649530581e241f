//! Sets: keys in and out, and what they cost in bytes.

use std::collections::{BTreeSet, HashSet};

use crate::wild::run;

#[test]
fn random_transactions() {
    assert_eq!(run::<HashSet<String>>(3_000), 0);
    assert_eq!(run::<BTreeSet<u32>>(3_000), 0);
    assert_eq!(run::<BTreeSet<(u8, i64)>>(2_000), 0);
}

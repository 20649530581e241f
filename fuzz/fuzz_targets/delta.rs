//! Any bytes as a delta, a value and a snapshot of a class with every kind nested in every other: an error or a sound walk.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nam::coding::Reader;
use nam::delta::{Operations, check_delta, check_value, cut};
use nam::schema::{Kind, Schema, parse_lock};

const CLASS: &str = include_str!("../every_kind.lock");

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| parse_lock(CLASS).ok().and_then(|mut schemas| schemas.pop()).expect("the class is a schema"));

fuzz_target!(|input: &[u8]| {
    let (bytes_max, bytes) = input.split_first().map_or((0, input), |(first, rest)| (usize::from(*first), rest));
    let is_delta = check_delta(&SCHEMA, bytes, Operations::Allowed).is_ok();
    assert!(is_delta || check_delta(&SCHEMA, bytes, Operations::Refused).is_err());
    let mut w = nam::coding::Writer::new();
    w.sized(bytes);
    let is_value = check_value(&SCHEMA, &Kind::Type(SCHEMA.root), &mut Reader::new(w.as_slice())).is_ok();
    let mut deltas = 0;
    for delta in cut(&SCHEMA, bytes, bytes_max) {
        deltas += 1;
        assert!(deltas <= bytes.len() + 1, "each delta puts something");
        assert!(delta.is_ok() || !is_value, "a value can be cut");
        if let (true, Ok(delta)) = (is_value, delta) {
            assert_eq!(check_delta(&SCHEMA, &delta, Operations::Refused), Ok(()));
        }
    }
});

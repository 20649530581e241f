//! Any bytes as a schema: an error, or a schema with exactly these bytes that merges with itself and with another.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nam::schema::{Schema, merge, parse_lock, print_lock};

const CLASS: &str = include_str!("../every_kind.lock");

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| parse_lock(CLASS).ok().and_then(|mut schemas| schemas.pop()).expect("the class is a schema"));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(schemas) = parse_lock(text)
    {
        let again = parse_lock(&print_lock(&schemas)).expect("what is printed parses");
        assert_eq!(again.len(), schemas.len());
    }
    let Ok(schema) = Schema::decode(bytes) else { return };
    assert_eq!(schema.to_bytes(), bytes, "one schema, one form");
    assert_eq!(parse_lock(&print_lock(&[&schema])), Ok(vec![schema.clone()]));
    assert_eq!(merge(&schema, &schema).as_ref(), Ok(&schema));
    let mut offered = schema;
    offered.class = SCHEMA.class.clone();
    if let Ok(merged) = merge(&SCHEMA, &offered) {
        assert_eq!(merge(&merged, &offered), Ok(merged.clone()), "a second registration teaches nothing");
        assert_eq!(merge(&merged, &SCHEMA), Ok(merged.clone()), "the older program may come back");
    }
});

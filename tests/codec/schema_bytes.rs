//! Schemas as bytes and as text: golden, there and back, and hostile (`docs/wire.md` §7).

use nam::coding::DecodeError;
use nam::limits::SCHEMA_BYTES_MAX;
use nam::schema::{Schema, SchemaError, parse_lock, print_lock};
use proptest::collection::vec;
use proptest::prelude::*;

use super::draw::schema;

/// `docs/wire.md` §7, the example there.
#[test]
fn golden_schema() {
    let schema = parse_lock(
        "class c = A\n\
         struct A\n\
         \x20 1 n: u16, add, optional\n\
         \x20 3 m: map<string, B>, redact, alias k\n\
         \x20 reserved 2\n\
         enum B\n\
         \x20 variant 0 X\n\
         \x20   1 a: array<f32, 300>\n",
    )
    .unwrap()
    .remove(0);
    #[rustfmt::skip]
    let golden = [
        1, b'c', 0, 2,
        0, 1, b'A', 2,
            1, 1, b'n', 0, 3, 16, 2, 4,
            3, 1, b'm', 1, 1, b'k', 17, 6, 13, 1, 0, 2,
            1, 2,
        1, 1, b'B', 1,
            0, 1, b'X', 0, 1,
                1, 1, b'a', 0, 16, 0xac, 2, 7, 0, 0,
            0,
    ];
    assert_eq!(schema.to_bytes(), golden);
    assert_eq!(Schema::decode(&golden), Ok(schema));
}

proptest! {
    #[test]
    fn schemas_go_there_and_back(schema in schema()) {
        prop_assert_eq!(schema.check(), Ok(()));
        prop_assert_eq!(Schema::decode(&schema.to_bytes()), Ok(schema.clone()));
        let text = print_lock(std::slice::from_ref(&schema));
        prop_assert_eq!(parse_lock(&text), Ok(vec![schema.clone()]), "{}", text);
        prop_assert_eq!(nam::schema::merge(&schema, &schema), Ok(schema));
    }

    #[test]
    fn damaged_schemas_are_errors_or_schemas(schema in schema(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<prop::sample::Index>()) {
        let bytes = schema.to_bytes();
        prop_assert!(Schema::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1_u8 << bit;
        if let Ok(other) = Schema::decode(&flipped) {
            prop_assert_eq!(other.to_bytes(), flipped, "one schema, one form");
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_schema(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(schema) = Schema::decode(&bytes) {
            prop_assert_eq!(schema.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_text_is_an_error_or_a_lock(text in "(class|struct|enum|variant|reserved|[0-9]|[a-z<>,:\"#= \n]){0,60}") {
        if let Ok(schemas) = parse_lock(&text) {
            prop_assert_eq!(parse_lock(&print_lock(&schemas)).map(|again| again.len()), Ok(schemas.len()));
        }
    }
}

#[test]
fn lies_about_lengths_and_depth_are_errors() {
    let too_long = vec![0; SCHEMA_BYTES_MAX + 1];
    assert!(matches!(Schema::decode(&too_long), Err(SchemaError::Limit { .. })));
    let many_types = [1, b'c', 0, 0xff, 0xff, 0xff, 0x7f];
    assert!(matches!(Schema::decode(&many_types), Err(SchemaError::Decode(DecodeError::Truncated { .. }))));
    let mut deep = vec![1, b'c', 0, 1, 0, 1, b'A', 1, 1, 1, b'f', 0];
    deep.extend([14; 50_000]);
    assert_eq!(Schema::decode(&deep), Err(SchemaError::Decode(DecodeError::TooDeep)));
    let mut deep_key = vec![1, b'c', 0, 1, 0, 1, b'A', 1, 1, 1, b'f', 0, 18];
    deep_key.extend([8, 1].repeat(25_000));
    assert_eq!(Schema::decode(&deep_key), Err(SchemaError::Decode(DecodeError::TooDeep)));
}

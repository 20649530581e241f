//! The examples and tables of `docs/wire.md` §1–§5, byte by byte; each test names its section.

use std::num::NonZero;
use std::sync::Arc;

use nam::coding::{DecodeError, Reader, Writer};
use nam::delta::{FieldsWriter, Operations, WireType, check_delta, check_edit, check_value, cut};
use nam::ids::FieldId;
use nam::schema::{Kind, Schema, parse_lock};
use nam::tracked::Tracked;

use super::reference::{Value, from_deltas};

const F64_1_5: &str = "00 00 00 00 00 00 f8 3f";

fn bytes(hex: &str) -> Vec<u8> {
    hex.replace("F64", F64_1_5).split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// A class whose root has field 1 of `kind`; struct `S` has f64 1, string 2, u64 3; enum `E` has unit 0 and `Sell` 1.
fn schema_of(kind: &str) -> (Schema, Kind) {
    let text = format!(
        "class c = R\nstruct R\n  1 f: {kind}\nstruct S\n  1 a: f64\n  2 b: string\n  3 c: u64\nenum E\n  variant 0 Buy\n  variant 1 Sell\n    1 limit: f64\n"
    );
    let schema = parse_lock(&text).unwrap().remove(0);
    let kind = schema.root_fields()[0].kind.clone();
    (schema, kind)
}

/// `hex` is a full value of `kind`, there and back, and no byte of it may go.
fn full(kind: &str, hex: &str) -> Value {
    let (schema, kind) = schema_of(kind);
    let bytes = bytes(hex);
    let mut r = Reader::new(&bytes);
    assert_eq!(check_value(&schema, &kind, &mut r), Ok(bytes.as_slice()), "{kind:?} {hex}");
    let value = Value::decode(&schema, &kind, &mut Reader::new(&bytes)).unwrap();
    let mut w = Writer::new();
    value.encode(&schema, &kind, &mut w);
    assert_eq!(w.as_slice(), bytes, "{kind:?} {hex}");
    for cut in 0..bytes.len() {
        let short = check_value(&schema, &kind, &mut Reader::new(&bytes[..cut]));
        assert!(short.is_err(), "{kind:?} {hex} cut at {cut}");
    }
    value
}

fn refused(kind: &str, hex: &str) -> DecodeError {
    let (schema, kind) = schema_of(kind);
    check_value(&schema, &kind, &mut Reader::new(&bytes(hex))).expect_err(hex)
}

/// `edit` leads from `old` to `new`, all of `kind`.
fn edited(kind: &str, old: &str, edit: &str, new: &str) {
    let (schema, kind) = schema_of(kind);
    let (old, edit, new) = (bytes(old), bytes(edit), bytes(new));
    assert_eq!(check_edit(&schema, &kind, Reader::new(&edit), Operations::Refused), Ok(()));
    let mut value = Value::decode(&schema, &kind, &mut Reader::new(&old)).unwrap();
    value.edit(&schema, &kind, Reader::new(&edit)).unwrap();
    let mut w = Writer::new();
    value.encode(&schema, &kind, &mut w);
    assert_eq!(w.as_slice(), new);
}

fn edit_refused(kind: &str, edit: &str) -> DecodeError {
    let (schema, kind) = schema_of(kind);
    check_edit(&schema, &kind, Reader::new(&bytes(edit)), Operations::Allowed).expect_err(edit)
}

/// What the typed side writes.
fn typed<T: Tracked>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    let again = T::decode(&mut Reader::new(w.as_slice())).unwrap();
    let mut w_again = Writer::new();
    again.encode(&mut w_again);
    assert_eq!(w.as_slice(), w_again.as_slice());
    w.into_bytes()
}

/// `docs/wire.md` §1: varints and zigzag.
#[test]
fn numbers() {
    for (value, hex) in
        [(0, "00"), (127, "7f"), (128, "80 01"), (300, "ac 02"), (u64::MAX, "ff ff ff ff ff ff ff ff ff 01")]
    {
        let mut w = Writer::new();
        w.varint(value);
        assert_eq!(w.as_slice(), bytes(hex));
    }
    for (value, hex) in [(0, "00"), (-1, "01"), (1, "02"), (-2, "03"), (2, "04")] {
        let mut w = Writer::new();
        w.zigzag(value);
        assert_eq!(w.as_slice(), bytes(hex));
    }
    assert_eq!(Reader::new(&bytes("80 00")).varint(), Err(DecodeError::Varint));
    assert_eq!(Reader::new(&bytes("ff ff ff ff ff ff ff ff ff 02")).varint(), Err(DecodeError::Varint));
}

/// `docs/wire.md` §2: the example.
#[test]
fn fields() {
    let golden = bytes("0b F64 14 02 68 69 18 ac 02");
    let mut w = Writer::new();
    let mut fields = FieldsWriter::new(&mut w);
    fields.put(FieldId(1), WireType::Eight, |w| w.raw(&1.5_f64.to_le_bytes()));
    fields.put(FieldId(2), WireType::Sized, |w| w.sized(b"hi"));
    fields.put(FieldId(3), WireType::Varint, |w| w.varint(300));
    assert!(fields.finish());
    assert_eq!(w.as_slice(), golden);
    full("S", &format!("10 {}", "0b F64 14 02 68 69 18 ac 02"));
    full("S", "00");
    assert!(matches!(refused("S", "06 14 02 68 69 08 00"), DecodeError::Order { what: "field ids" }));
    assert_eq!(refused("S", "04 18 01 18 01"), DecodeError::Order { what: "field ids" });
    assert_eq!(refused("S", "02 08 01"), DecodeError::WireType { field: 1, expected: 3, found: 0 });
    assert_eq!(refused("S", "03 16 01 00"), DecodeError::Unknown { what: "wire type of a value", found: 6 });
    let unknown = bytes("02 20 05");
    let (schema, kind) = schema_of("S");
    assert!(check_value(&schema, &kind, &mut Reader::new(&unknown)).is_ok(), "an unknown field is skipped");
}

/// `docs/wire.md` §3: scalars.
#[test]
fn scalars() {
    full("bool", "01");
    assert_eq!(refused("bool", "02"), DecodeError::Unknown { what: "bool", found: 2 });
    full("u8", "ff");
    full("i8", "ff");
    full("u16", "ff ff 03");
    assert_eq!(refused("u16", "80 80 04"), DecodeError::Varint);
    full("i16", "ff ff 03");
    assert_eq!(refused("i16", "80 80 04"), DecodeError::Varint);
    full("u32", "ff ff ff ff 0f");
    full("i64", "ff ff ff ff ff ff ff ff ff 01");
    full("u128", "10 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f");
    assert!(matches!(refused("i128", "01 00"), DecodeError::Unknown { .. }));
    full("f32", "00 00 c0 3f");
    full("f64", "F64");
    full("char", "02 c3 a9");
    assert!(matches!(refused("char", "02 61 62"), DecodeError::Unknown { .. }));
    full("string", "03 61 c3 a9");
    assert_eq!(refused("string", "01 c3"), DecodeError::Utf8);
    full("bytes", "02 c3 ff");
    full("leaf<Duration>", "03 01 02 03");
}

/// `docs/wire.md` §3: the typed side writes the same.
#[test]
fn scalars_of_rust() {
    assert_eq!(typed(&true), bytes("01"));
    assert_eq!(typed(&255_u8), bytes("ff"));
    assert_eq!(typed(&-1_i8), bytes("ff"));
    assert_eq!(typed(&u16::MAX), bytes("ff ff 03"));
    assert_eq!(typed(&i16::MIN), bytes("ff ff 03"));
    assert_eq!(typed(&300_u32), bytes("ac 02"));
    assert_eq!(typed(&-2_i32), bytes("03"));
    assert_eq!(typed(&u64::MAX), bytes("ff ff ff ff ff ff ff ff ff 01"));
    assert_eq!(typed(&i64::MIN), bytes("ff ff ff ff ff ff ff ff ff 01"));
    assert_eq!(
        typed(&0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100_u128),
        bytes("10 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f")
    );
    assert_eq!(typed(&1.5_f32), bytes("00 00 c0 3f"));
    assert_eq!(typed(&1.5_f64), bytes("F64"));
    assert_eq!(typed(&'é'), bytes("02 c3 a9"));
    assert_eq!(typed(&"aé".to_owned()), bytes("03 61 c3 a9"));
    assert_eq!(typed(&Arc::<str>::from("aé")), bytes("03 61 c3 a9"));
    assert_eq!(typed(&NonZero::<u8>::MAX), bytes("ff"));
    assert_eq!(typed(&NonZero::new(300_u32).unwrap()), bytes("ac 02"));
    assert_eq!(typed(&NonZero::new(-2_i32).unwrap()), bytes("03"));
}

/// `docs/wire.md` §3: options, enums, containers.
#[test]
fn containers() {
    full("option<string>", "00");
    full("option<string>", "03 02 68 69");
    full("option<option<u8>>", "01 00");
    assert_eq!(refused("option<u8>", "02 01 01"), DecodeError::Trailing { left: 1 });
    full("E", "0a 01 0b F64");
    full("E", "01 00");
    assert_eq!(refused("E", "01 02"), DecodeError::Unknown { what: "variant", found: 2 });
    full("list<u16>", "04 02 01 ac 02");
    full("list<u16>", "01 00");
    full("array<u8, 2>", "03 02 07 08");
    assert_eq!(refused("array<u8, 2>", "02 01 07"), DecodeError::Unknown { what: "length of an array", found: 1 });
    full("map<string, u32>", "08 02 01 61 01 01 62 ac 02");
    assert_eq!(refused("map<string, u32>", "07 02 01 62 01 01 61 01"), DecodeError::Order { what: "keys" });
    full("set<uint>", "03 02 01 02");
    assert_eq!(refused("set<uint>", "03 02 02 02"), DecodeError::Order { what: "keys" });
    assert!(matches!(refused("list<u8>", "05 ff ff ff ff 0f"), DecodeError::Truncated { .. }));
}

/// `docs/wire.md` §3: keys.
#[test]
fn keys() {
    full("set<bool>", "03 02 00 01");
    full("set<byte>", "03 02 7f ff");
    full("set<int>", "03 02 01 02");
    full("set<wide>", "11 01 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f");
    full("set<char>", "03 01 e9 01");
    assert!(matches!(refused("set<char>", "04 01 80 b0 03"), DecodeError::Unknown { what: "character", .. }));
    full("set<string>", "04 01 02 68 69");
    full("set<bytes>", "04 01 02 ff fe");
    full("set<tuple<string, byte>>", "05 01 02 68 69 07");
}

/// `docs/wire.md` §5.1–§5.3: structs, enums, options.
#[test]
fn edits_of_members() {
    edited("S", "00", "0b F64 18 05", "0b 0b F64 18 05");
    edited("S", "05 14 03 68 69 21", "17 02 01 01 3f", "05 14 03 68 69 3f");
    edited("E", "0a 01 0b 00 00 00 00 00 00 00 00", "01 0b F64", "0a 01 0b F64");
    edited("option<S>", "01 00", "18 05", "03 02 18 05");
    assert!(matches!(edit_refused("u64", "05"), DecodeError::Absent { .. }));
    assert!(matches!(edit_refused("E", "07"), DecodeError::Unknown { what: "variant", found: 7 }));
}

/// `docs/wire.md` §5.4: maps and sets.
#[test]
fn edits_of_entries() {
    edited("map<string, u32>", "07 02 01 61 01 01 62 02", "01 61 00 01 62 01 ac 02", "05 01 01 62 ac 02");
    edited("map<string, S>", "04 01 01 63 00", "01 63 0b 0b F64", "0d 01 01 63 09 0b F64");
    edited("set<uint>", "03 02 01 02", "01 00 05 01", "03 02 02 05");
    assert_eq!(edit_refused("map<uint, u8>", "02 00 01 00"), DecodeError::Order { what: "keys" });
    assert!(matches!(edit_refused("set<uint>", "02 02"), DecodeError::Absent { .. }));
}

/// `docs/wire.md` §5.5: lists and arrays.
#[test]
fn edits_of_lists() {
    edited("list<u8>", "03 02 07 08", "03 00 02 03 09", "04 03 07 08 09");
    edited("list<u8>", "03 02 07 08", "03 02 01 00 01", "03 02 08 07");
    edited("list<u8>", "04 03 07 08 09", "00 02 01 05", "04 03 07 08 05");
    edited("list<u8>", "03 02 07 08", "01", "01 00");
    edited("list<S>", "02 01 00", "00 00 04 18 05", "04 01 02 18 05");
    edited("array<u8, 2>", "03 02 07 08", "00 01 01 05", "03 02 07 05");
    assert!(matches!(edit_refused("array<u8, 2>", "02 03 09"), DecodeError::Unknown { .. }));
    assert!(matches!(edit_refused("array<u8, 2>", "00 02 01 05"), DecodeError::Absent { .. }));
    assert_eq!(edit_refused("list<u8>", "03 00 02 02 01"), DecodeError::Order { what: "kept ranges" });
    assert_eq!(edit_refused("list<u8>", "00 01 01 05 01 01 05"), DecodeError::Order { what: "indices" });
    assert_eq!(edit_refused("list<u8>", "02 00 00"), DecodeError::Order { what: "kept ranges" });
}

/// `docs/wire.md` §5.6: splices.
#[test]
fn edits_of_text() {
    edited("string", "05 68 65 6c 6c 6f", "03 02 02 70 21", "05 68 65 6c 70 21");
    edited("bytes", "02 ff fe", "02 00 01 fd", "03 ff fe fd");
    assert_eq!(edit_refused("string", "00 00 01 c3"), DecodeError::Utf8);
}

/// `docs/wire.md` §5.7: operations, from nodes only.
#[test]
fn operations() {
    let text = "class c = R\nstruct R\n  1 m: f64, max\n  2 u: set<uint>, union\n  3 l: list<u8>, append\n  4 n: u64, add\n  5 s: string, append\n";
    let schema = parse_lock(text).unwrap().remove(0);
    let golden = bytes("0d 08 F64 15 02 01 02 1d 02 07 08 25 01 05 2d 02 68 69");
    assert_eq!(check_delta(&schema, &golden, Operations::Allowed), Ok(()));
    assert!(matches!(check_delta(&schema, &golden, Operations::Refused), Err(DecodeError::Absent { .. })));
    for bad in ["15 02 02 01", "25 02 05 05", "2d 01 c3", "0d 01 00"] {
        assert!(check_delta(&schema, &bytes(bad), Operations::Allowed).is_err(), "{bad}");
    }
    let (plain, _) = schema_of("u64");
    assert!(matches!(check_delta(&plain, &bytes("0d 01 05"), Operations::Allowed), Err(DecodeError::Absent { .. })));
}

/// `docs/wire.md` §4: the snapshot of the example, cut small.
#[test]
fn snapshot() {
    let schema = parse_lock("class c = R\nstruct R\n  1 a: f64\n  2 m: map<string, f64>\n").unwrap().remove(0);
    let body = bytes("0b F64 14 15 02 01 61 F64 01 62 F64");
    let deltas: Vec<_> = cut(&schema, &body, 14).map(Result::unwrap).collect();
    assert_eq!(deltas, [bytes("0b F64 14 01 00"), bytes("17 01 61 01 F64"), bytes("17 01 62 01 F64")]);
    let one: Vec<_> = cut(&schema, &body, 100).map(Result::unwrap).collect();
    assert_eq!(one, std::slice::from_ref(&body));
    let both = from_deltas(&schema, [bytes("0b F64 14 01 00").as_slice(), &bytes("17 01 61 01 F64 01 62 01 F64")]);
    assert_eq!(both, from_deltas(&schema, [body.as_slice()]));
}

/// `docs/wire.md` §1: frames nest 64 deep and no deeper, in values and in edits.
#[test]
fn depth() {
    let (schema, kind) = schema_of("option<R>");
    let nest = |levels: usize, mut body: Vec<u8>| {
        for _ in 0..levels {
            let mut w = Writer::new();
            w.framed(|w| {
                w.byte(1 << 3 | 4);
                w.sized(&body);
            });
            body = w.into_bytes();
        }
        body
    };
    let deep = nest(31, vec![0]);
    let mut w = Writer::new();
    w.sized(&deep);
    assert!(check_value(&schema, &kind, &mut Reader::new(w.as_slice())).is_ok());
    let mut w = Writer::new();
    w.sized(&nest(2_000, vec![0]));
    assert_eq!(check_value(&schema, &kind, &mut Reader::new(w.as_slice())), Err(DecodeError::TooDeep));
    let edit = bytes(&"0f ".repeat(64));
    assert_eq!(check_delta(&schema, &edit, Operations::Refused), Ok(()));
    let edit = bytes(&"0f ".repeat(100_000));
    assert_eq!(check_delta(&schema, &edit, Operations::Refused), Err(DecodeError::TooDeep));
}

//! Values and edits of random schemas: the check, the cut, and damage (`docs/wire.md` §3–§5).

use nam::coding::{Reader, Writer};
use nam::delta::{Operations, check_delta, check_value, cut};
use nam::schema::{Kind, Schema};
use proptest::prelude::*;

use super::draw::{Draw, schema};
use super::reference::{Value, from_deltas};

fn body_of(schema: &Schema, root: &Value) -> Vec<u8> {
    let mut w = Writer::new();
    root.encode_body(schema, &Kind::Type(schema.root), &mut w);
    w.into_bytes()
}

/// Cuts `body`, checks every delta, and answers them.
fn deltas_of(schema: &Schema, body: &[u8], bytes_max: usize) -> Vec<Vec<u8>> {
    let deltas: Vec<Vec<u8>> = cut(schema, body, bytes_max).map(|delta| delta.unwrap()).collect();
    for delta in &deltas {
        assert_eq!(check_delta(schema, delta, Operations::Refused), Ok(()));
    }
    deltas
}

proptest! {
    #[test]
    fn a_cut_value_is_whole_again(schema in schema(), seed in any::<u64>(), bytes_max in 1_usize..400) {
        let root = Draw { schema: &schema, state: seed }.root();
        let body = body_of(&schema, &root);
        let deltas = deltas_of(&schema, &body, bytes_max);
        let again = from_deltas(&schema, deltas.iter().map(Vec::as_slice));
        prop_assert_eq!(again, Ok(root.clone()));
        let first = from_deltas(&schema, [deltas[0].as_slice()]).unwrap();
        let (Value::Struct(first), Value::Struct(all)) = (first, root) else { panic!() };
        prop_assert!(first.keys().eq(all.keys()), "the first delta puts every field");
        if body.len() <= bytes_max {
            prop_assert_eq!(deltas, vec![body]);
        }
    }

    #[test]
    fn edits_pass_the_check_and_mean_something(schema in schema(), seed in any::<u64>()) {
        let mut draw = Draw { schema: &schema, state: seed };
        let mut root = draw.root();
        let mut w = Writer::new();
        draw.root_edit(&root, &mut w);
        prop_assert_eq!(check_delta(&schema, w.as_slice(), Operations::Refused), Ok(()));
        root.edit(&schema, &Kind::Type(schema.root), Reader::new(w.as_slice())).unwrap();
        let body = body_of(&schema, &root);
        prop_assert_eq!(check_delta(&schema, &body, Operations::Refused), Ok(()));
        prop_assert_eq!(from_deltas(&schema, [body.as_slice()]), Ok(root));
    }

    #[test]
    fn damage_is_an_error_or_another_delta(
        schema in schema(),
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        bytes_max in 1_usize..100,
    ) {
        let mut draw = Draw { schema: &schema, state: seed };
        let root = draw.root();
        let mut w = Writer::new();
        draw.root_edit(&root, &mut w);
        for mut bytes in [w.into_bytes(), body_of(&schema, &root)] {
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            let _ = check_delta(&schema, &bytes[..at], Operations::Allowed);
            bytes[at] ^= 1_u8 << bit;
            let _ = check_delta(&schema, &bytes, Operations::Allowed);
            let deltas = cut(&schema, &bytes, bytes_max).map_while(Result::ok).count();
            prop_assert!(deltas <= bytes.len() + 1, "each delta puts something");
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_delta(schema in schema(), bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = check_delta(&schema, &bytes, Operations::Allowed);
        let _ = check_value(&schema, &Kind::Type(schema.root), &mut Reader::new(&bytes));
        prop_assert!(cut(&schema, &bytes, 10).map_while(Result::ok).count() <= bytes.len() + 1);
    }
}

#[test]
fn segments_are_full_and_entries_stay_whole() {
    let text = "class c = A\nstruct A\n  1 cash: f64\n  2 rows: map<string, Row>\n  3 log: list<f64>\n  4 note: string\nstruct Row\n  1 price: f64\n  2 name: string\n";
    let schema = nam::schema::parse_lock(text).unwrap().remove(0);
    let plain = |bytes: &[u8]| Value::Plain(bytes.to_vec());
    let row = |i: u32| Value::Struct([(1, plain(&[7; 8])), (2, Value::Text(vec![b'x'; 20 + i as usize % 9]))].into());
    let key = |i: u32| [&[8], format!("{i:08}").as_bytes()].concat();
    let huge = Value::Struct([(1, plain(&[7; 8])), (2, Value::Text("é".repeat(9_000).into_bytes()))].into());
    let mut rows: std::collections::BTreeMap<_, _> = (0..5_000).map(|i| (key(i), row(i))).collect();
    rows.insert(key(2_500), huge);
    let root = Value::Struct(
        [
            (1, plain(&[1; 8])),
            (2, Value::Map(rows)),
            (3, Value::List(vec![plain(&[2; 8]); 3_000])),
            (4, Value::Text("語".repeat(5_000).into_bytes())),
        ]
        .into(),
    );
    let body = body_of(&schema, &root);
    let deltas = deltas_of(&schema, &body, 4_096);
    assert_eq!(from_deltas(&schema, deltas.iter().map(Vec::as_slice)), Ok(root));
    assert!(deltas.iter().all(|delta| delta.len() <= 4_096), "no leaf is larger than a segment");
    let least = body.len().div_ceil(4_096);
    assert!(deltas.len() <= least + least / 10 + 4, "{} segments where {least} would hold it", deltas.len());
}

//! Images: what is written, what is dropped, what comes back, and what damage does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use nam::coding::{DecodeError, Reader, Writer};
use nam::delta::{Operations, WireType, check_delta};
use nam::document::{Budget, Document, Image, RestoreError, Scope, Tuning, first_tails};
use nam::ids::{FieldId, PartId, Version};
use nam::limits::IMAGE_TAILS_MAX;
use nam::schema::{KeyKind, Kind, Policy, Schema, TypeIndex};

use crate::rules::{document, edit, fields, go, json, put};
use crate::shapes::{self, Shape};
use crate::world::{field, struct_def};

/// Where parts are kept, as strict as a store may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) trunk: Bytes,
    pub(crate) parts: BTreeMap<PartId, Bytes>,
    written: BTreeSet<PartId>,
    /// Bytes that the last image wrote, its trunk included.
    pub(crate) bytes: usize,
}

impl Shelf {
    pub(crate) fn put(&mut self, mut image: Image, at: &str) {
        self.trunk = image.trunk();
        self.bytes = self.trunk.len();
        let mut fresh = Vec::new();
        while let Some((part, bytes)) = image.next_part() {
            assert!(self.written.insert(part), "{at}: part {part} is written twice");
            self.bytes += bytes.len();
            self.parts.insert(part, bytes);
            fresh.push(part);
        }
        fresh.sort();
        assert_eq!(fresh, image.fresh(), "{at}: what is written is what was said");
        for part in image.dropped() {
            assert!(self.parts.remove(part).is_some(), "{at}: part {part} is dropped and was not there");
        }
        assert!(self.parts.keys().eq(image.parts()), "{at}: what is left is what the image names");
    }

    pub(crate) fn restore(&self, schema: &Arc<Schema>, tuning: Tuning) -> Result<Document, RestoreError<String>> {
        let mut asked = BTreeSet::new();
        let document = Document::restore(Arc::clone(schema), tuning, &self.trunk, &mut |part| {
            assert!(asked.insert(part), "part {part} is read twice");
            self.parts.get(&part).cloned().ok_or_else(|| "it is not there".to_owned())
        });
        if document.is_ok() {
            assert!(asked.iter().eq(self.parts.keys()), "every part of an image is read");
        }
        document
    }
}

/// Sizes at which small values stand apart.
fn small() -> Tuning {
    Tuning { map_page_bytes: 24, list_page_bytes: 16, inline_bytes: 12, tail_bytes: 1_000, ..Tuning::default() }
}

/// Root { 1: map<u64, f64>, 2: list<Item>, 3: [u8; 20] }, Item { 1: set<u64>, 2: string }.
fn class() -> Arc<Schema> {
    let item = vec![field(1, Kind::Set(KeyKind::Uint), Policy::Retry), field(2, Kind::String, Policy::Retry)];
    let root = vec![
        field(1, Kind::Map(KeyKind::Uint, Box::new(Kind::F64)), Policy::Retry),
        field(2, Kind::List(Box::new(Kind::Type(TypeIndex(1)))), Policy::Retry),
        field(3, Kind::Array(Box::new(Kind::U8), 20), Policy::Retry),
    ];
    let types = vec![struct_def("Root", root), struct_def("Item", item)];
    Arc::new(Schema { class: "i".to_owned(), types, root: TypeIndex(0) })
}

fn item(keys: u64, text: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.sized(&fields(|f| {
        f.put(FieldId(1), WireType::Sized, |w| {
            w.framed(|w| {
                w.varint(keys);
                (0..keys).for_each(|key| w.varint(key));
            });
        });
        f.put(FieldId(2), WireType::Sized, |w| w.sized(text.as_bytes()));
    }));
    w.into_bytes()
}

/// An object of which everything stands apart: a map of `entries`, two items with 20 keys each, an array.
fn object(entries: u64) -> Document {
    let mut document = Document::with_tuning(class(), small());
    let delta = fields(|f| {
        f.put(FieldId(1), WireType::Sized, |w| {
            w.framed(|w| {
                w.varint(entries);
                for key in 0..entries {
                    w.varint(key);
                    w.raw(&(key as f64).to_le_bytes());
                }
            });
        });
        f.put(FieldId(2), WireType::Sized, |w| {
            w.framed(|w| {
                w.varint(2);
                w.raw(&item(20, "a"));
                w.raw(&item(20, "b"));
            });
        });
        f.put(FieldId(3), WireType::Sized, |w| {
            w.framed(|w| {
                w.varint(20);
                w.raw(&[7; 20]);
            });
        });
    });
    document.replay(&delta, Version(1)).unwrap();
    document
}

fn shelf_of(document: &mut Document) -> Shelf {
    let mut shelf = Shelf::default();
    shelf.put(document.image(), "the only image");
    shelf
}

/// An image of pages, and what changed since in two tails.
fn shelf_with_tails(document: &mut Document) -> Shelf {
    let mut shelf = shelf_of(document);
    for delta in [put_zero(), edit(1, &[1, 0])] {
        go(document, &delta);
        shelf.put(image_behind(document), "a tail");
    }
    shelf
}

fn image_behind(document: &mut Document) -> Image {
    document.image_within(&mut Budget::unlimited(), IMAGE_TAILS_MAX)
}

/// Whether an image wrote what changed and no page.
fn is_tail(image: &Image) -> bool {
    image.fresh().len() == 1 && image.dropped().is_empty()
}

fn encoded(document: &Document) -> Vec<u8> {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.into_bytes()
}

#[test]
fn what_is_missing_cut_or_exchanged_is_refused() {
    let mut document = object(12);
    let shelf = shelf_with_tails(&mut document);
    assert!(shelf.parts.len() >= 12, "{} parts", shelf.parts.len());
    assert_eq!(encoded(&shelf.restore(&class(), small()).unwrap()), encoded(&document));
    for (part, bytes) in &shelf.parts {
        let mut without = shelf.clone();
        without.parts.remove(part);
        let error = without.restore(&class(), small()).unwrap_err();
        assert!(matches!(error, RestoreError::Part { part: missing, .. } if missing == *part), "{error}");
        for length in 0..bytes.len() {
            let mut cut = shelf.clone();
            cut.parts.insert(*part, bytes.slice(..length));
            assert!(cut.restore(&class(), small()).is_err(), "{part} cut to {length}");
        }
        for other in shelf.parts.keys().filter(|other| *other != part) {
            let mut exchanged = shelf.clone();
            exchanged.parts.insert(*part, shelf.parts[other].clone());
            let error = exchanged.restore(&class(), small()).unwrap_err();
            assert!(matches!(error, RestoreError::Damaged { part: found, .. } if found == *part), "{error}");
        }
    }
    for length in 0..shelf.trunk.len() {
        let cut = Shelf { trunk: shelf.trunk.slice(..length), ..shelf.clone() };
        assert!(matches!(cut.restore(&class(), small()), Err(RestoreError::Trunk(_))), "trunk cut to {length}");
    }
}

#[test]
fn what_was_flipped_is_refused_or_sound() {
    let shelf = shelf_with_tails(&mut object(12));
    let (mut refused, mut sound) = (0, 0);
    // The pages that tails change, and those around them, are not what was read.
    let pages = 6;
    let mut try_one = |flipped: &Shelf| match flipped.restore(&class(), small()) {
        Err(_) => refused += 1,
        Ok(mut document) => {
            sound += 1;
            assert_eq!(check_delta(&class(), &encoded(&document), Operations::Refused), Ok(()));
            // A schema with another name for something is another schema: it is written anew.
            assert!(image_behind(&mut document).fresh().len() <= pages, "all pages stand");
            if let Ok(judged) = document.judge(&put_zero(), document.version(), Scope::Cells) {
                document.apply(&judged, Version(u64::MAX));
            }
        }
    };
    for bit in 0..8 {
        for (part, bytes) in &shelf.parts {
            for at in 0..bytes.len() {
                let mut flipped = shelf.clone();
                flipped.parts.insert(*part, flip(bytes, at, bit));
                try_one(&flipped);
            }
        }
        for at in 0..shelf.trunk.len() {
            try_one(&Shelf { trunk: flip(&shelf.trunk, at, bit), ..shelf.clone() });
        }
    }
    assert!(refused > 1_000 && sound > 1_000, "{refused} refused, {sound} sound");
}

fn flip(bytes: &Bytes, at: usize, bit: u32) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << bit;
    bytes.into()
}

/// Puts 0 under key 3 of the map.
fn put_zero() -> Bytes {
    edit(1, &[3, 1, 0, 0, 0, 0, 0, 0, 0, 0])
}

#[test]
fn what_is_forgotten_is_written_only_if_pages_join() {
    let mut document = object(40);
    let mut shelf = shelf_of(&mut document);
    go(&mut document, &put_zero());
    shelf.put(document.image(), "after a change");
    assert!(document.trim(document.version(), usize::MAX) && document.stamp_bytes() == 0);
    let image = document.image();
    assert_eq!((image.fresh(), image.dropped()), (&[][..], &[][..]), "a page without its stamps is the same part");
    let removals: Vec<u8> = (0..40).filter(|key| key % 4 > 0).flat_map(|key| [key, 0]).collect();
    go(&mut document, &edit(1, &removals));
    shelf.put(document.image(), "after removals");
    assert!(document.trim(document.version(), usize::MAX) && document.stamp_bytes() == 0);
    let image = document.image();
    assert!(!image.dropped().is_empty(), "pages were joined");
    shelf.put(image, "after the join");
    assert_eq!(encoded(&shelf.restore(&class(), small()).unwrap()), encoded(&document));
}

#[test]
fn an_image_goes_to_another_thread() {
    fn is_send<T: Send + 'static>(_: &T) {}
    is_send(&object(3).image());
}

#[test]
fn numbers_of_parts_go_round() {
    let mut document = object(12);
    let mut shelf = shelf_of(&mut document);
    let names: BTreeSet<PartId> = shelf.parts.keys().copied().collect();
    // The same trunk, but almost all numbers were given.
    let mut r = Reader::new(&shelf.trunk);
    let mut w = Writer::new();
    w.byte(r.byte().unwrap());
    w.varint(r.varint().unwrap());
    assert_eq!(r.varint(), Ok(names.len() as u64));
    w.varint(u64::from(u32::MAX) - 1);
    w.raw(r.rest());
    shelf.trunk = w.into_bytes().into();
    let mut document = shelf.restore(&class(), small()).unwrap();
    go(&mut document, &put_zero());
    let image = document.image();
    let fresh = image.fresh().to_vec();
    assert!(fresh.len() >= 2 && fresh.last() == Some(&PartId(u32::MAX)), "{fresh:?}");
    assert!(fresh.iter().all(|part| part.0 > 0 && !names.contains(part)), "{fresh:?} are not in use");
    shelf.put(image, "after the last number");
    assert_eq!(encoded(&shelf.restore(&class(), small()).unwrap()), encoded(&document));
}

#[test]
fn a_field_that_nobody_could_read_then_is_not_read_now() {
    let newer = |kind| {
        let mut schema = document().schema().clone();
        let nam::schema::TypeDef::Struct(root) = &mut schema.types[0] else { panic!("a struct") };
        root.fields.push(field(99, kind, Policy::Retry));
        Arc::new(schema)
    };
    let mut before = document();
    go(&mut before, &put(99, WireType::Sized, &[6, 0x80, 0, 1, 0, 0, 0]));
    let mut shelf = shelf_of(&mut before);
    let mut after = shelf.restore(&newer(Kind::List(Box::new(Kind::U8))), Tuning::default()).unwrap();
    assert_eq!(json(&after), json(&before));
    assert_eq!(after.schema(), before.schema());
    assert!(after.image().fresh().is_empty());
    let mut after = shelf.restore(&newer(Kind::Bytes), Tuning::default()).unwrap();
    assert_eq!(json(&after), r#"{"f99":"800001000000"}"#);
    let image = after.image();
    assert_eq!((image.fresh().len(), image.dropped().len()), (1, 1), "the schema alone is written anew");
    shelf.put(image, "with the newer schema");
    let again = shelf.restore(&newer(Kind::Bytes), Tuning::default()).unwrap();
    assert_eq!(json(&again), json(&after));
}

/// Root { 1: list<Root> }: level after level stands apart, each in its own part; the last part names `last`.
fn chain(levels: u32, last: u32) -> Result<Document, RestoreError<String>> {
    let root = struct_def("Root", vec![field(1, Kind::List(Box::new(Kind::Type(TypeIndex(0)))), Policy::Retry)]);
    let schema = Arc::new(Schema { class: "chain".to_owned(), types: vec![root], root: TypeIndex(0) });
    let table = |w: &mut Writer, part: u32| {
        w.varint(1);
        w.zigzag(i64::from(part));
        w.varint(1);
    };
    let begin = |part: u32| {
        let mut w = Writer::new();
        w.byte(1);
        w.varint(part.into());
        w
    };
    let mut shelf = Shelf::default();
    let mut w = begin(1);
    schema.encode(&mut w);
    shelf.parts.insert(PartId(1), w.into_bytes().into());
    for part in 2..2 + levels {
        let mut w = begin(part);
        w.varint(1);
        w.varint(part.into());
        w.framed(|w| table(w, if part == 1 + levels { last } else { part + 1 }));
        if part == 2 {
            w.byte(1);
        }
        w.framed(|w| {
            w.varint(1 << 3 | WireType::Sized as u64);
            w.raw(&[6, 0x80, 0]);
            w.raw(&part.to_le_bytes());
        });
        shelf.parts.insert(PartId(part), w.into_bytes().into());
    }
    let mut w = begin(2 + levels);
    w.varint(0);
    w.framed(|_| ());
    shelf.parts.insert(PartId(2 + levels), w.into_bytes().into());
    let mut w = Writer::new();
    w.raw(&[1, 1, 100, 1]);
    table(&mut w, 2);
    shelf.trunk = w.into_bytes().into();
    shelf.restore(&schema, small())
}

#[test]
fn depth_is_counted_through_what_stands_apart() {
    // Each level is the frame of the list and that of its element; the last element has no list.
    let document = chain(32, 34).unwrap();
    assert_eq!(check_delta(document.schema(), &encoded(&document), Operations::Refused), Ok(()));
    for levels in [33, 5_000] {
        let error = chain(levels, levels + 2).unwrap_err();
        assert!(matches!(error, RestoreError::Damaged { error: DecodeError::TooDeep, .. }), "{error}");
    }
}

#[test]
fn a_part_is_used_once() {
    for last in 1..=6 {
        let error = chain(5, last).unwrap_err();
        assert!(matches!(error, RestoreError::Damaged { error: DecodeError::Order { .. }, .. }), "{last}: {error}");
    }
}

#[test]
fn what_changes_little_stands_behind_the_pages() {
    let mut document = object(40);
    let mut shelf = shelf_of(&mut document);
    let change = |document: &mut Document, key: u8| go(document, &edit(1, &[&[key, 1][..], &[key; 8]].concat()));
    for key in 0..IMAGE_TAILS_MAX as u8 {
        change(&mut document, key);
        let image = image_behind(&mut document);
        assert!(is_tail(&image), "{:?} {:?}", image.fresh(), image.dropped());
        shelf.put(image, "a tail");
        assert!(shelf.bytes < 80, "{} B", shelf.bytes);
        if key % 5 == 0 {
            // It goes on from what was kept.
            document = shelf.restore(&class(), small()).unwrap();
        }
    }
    change(&mut document, 39);
    let image = image_behind(&mut document);
    assert!(image.dropped().len() > IMAGE_TAILS_MAX, "all tails go, and the pages that changed");
    shelf.put(image, "pages");
    assert_eq!(encoded(&shelf.restore(&class(), small()).unwrap()), encoded(&document));
}

#[test]
fn objects_that_were_created_together_take_turns_at_having_their_pages_written() {
    const OBJECTS: u64 = 64;
    let restored = |shelf: &Shelf| shelf.restore(&class(), small()).unwrap();
    // Events stand between creations, so numbers follow each other by one or by more.
    for stride in [1, 7] {
        let numbers = (1..=OBJECTS).map(|n| 1_000 + stride * n);
        let mut objects: Vec<_> = numbers.map(|number| (number, shelf_of(&mut object(12)))).collect();
        let (mut most, mut bytes, mut all) = (0, Vec::new(), 0);
        for wave in 0..70_u8 {
            let (mut written, mut of_wave) = (0, 0);
            for (number, shelf) in &mut objects {
                // As when each is brought to memory for its change.
                let mut document = restored(shelf);
                go(&mut document, &edit(1, &[&[wave % 12, 1][..], &[wave; 8]].concat()));
                let image = document.image_within(&mut Budget::unlimited(), first_tails(*number));
                written += u64::from(!is_tail(&image));
                shelf.put(image, "a wave");
                of_wave += shelf.bytes;
            }
            (most, all) = (most.max(written), all + written);
            bytes.push(of_wave);
        }
        assert!((OBJECTS..=3 * OBJECTS).contains(&all), "{all} times in 70 waves");
        assert!(most <= OBJECTS / 16, "stride {stride}: {most} of {OBJECTS} in one wave");
        let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
        assert!(most < &(3 * least), "stride {stride}: {bytes:?} B");
    }
}

#[test]
fn what_no_tail_can_say_is_written_in_pages() {
    let mut document = object(12);
    assert!(!is_tail(&image_behind(&mut document)), "there are no pages yet");
    let change = |document: &mut Document| {
        let value = document.version().0 as u8;
        go(document, &edit(1, &[&[3, 1][..], &[value; 8]].concat()));
    };
    change(&mut document);
    let mut copy = document.clone();
    assert!(is_tail(&image_behind(&mut document)));
    change(&mut document);
    change(&mut copy);
    assert!(!is_tail(&image_behind(&mut copy)), "this copy does not know the last image");
    assert!(!is_tail(&image_behind(&mut document)), "nor does the other now");
    change(&mut document);
    assert!(!is_tail(&document.clone().image_within(&mut Budget::new(1, 10), IMAGE_TAILS_MAX)), "it costs too much");
    let mut document = shelf_of(&mut object(12)).restore(&class(), small()).unwrap();
    change(&mut document);
    document.trim(document.version(), usize::MAX);
    assert!(!is_tail(&image_behind(&mut document)), "what changed is forgotten");
    change(&mut document);
    assert!(is_tail(&image_behind(&mut document)));
    let mut newer = document.schema().clone();
    let nam::schema::TypeDef::Struct(root) = &mut newer.types[0] else { panic!("a struct") };
    root.fields.push(field(9, Kind::F64, Policy::Retry));
    document.set_schema(&Arc::new(newer));
    assert!(!is_tail(&image_behind(&mut document)), "the schema is another");
}

/// `docs/journal.md` §9.
#[test]
fn golden_bytes_of_tails() {
    let mut document = object(3);
    let shelf = shelf_with_tails(&mut document);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // Format, version 3, 9 numbers given, the schema is 1; one page: number 7; two tails: 8 and 9.
    assert_eq!(hex(&shelf.trunk), "02030901010e01020809");
    // Format, number, and what changed: field 1 edited, key 3 put; key 1 removed.
    let tail = |number: u8, delta: &Bytes| [&[1, number, delta.len() as u8][..], delta].concat();
    assert_eq!(shelf.parts[&PartId(8)], tail(8, &put_zero()));
    assert_eq!(shelf.parts[&PartId(9)], tail(9, &edit(1, &[1, 0])));
}

/// `docs/journal.md` §9.
#[test]
fn golden_bytes() {
    let mut document = object(3);
    let shelf = shelf_of(&mut document);
    // As it was before there were tails.
    let mut earlier = Shelf { trunk: shelf.trunk.slice(..shelf.trunk.len() - 1), ..shelf.clone() };
    earlier.trunk = [&[1], &earlier.trunk[1..]].concat().into();
    assert_eq!(encoded(&earlier.restore(&class(), small()).unwrap()), encoded(&document));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let golden = |pieces: &[&str]| pieces.concat();
    // Format, version 1, 7 numbers given, the schema is 1; one page: number 7, one entry; no tails.
    assert_eq!(hex(&shelf.trunk), golden(&["02", "01", "07", "01", "01", "0e", "01", "00"]));
    let parts: Vec<String> = shelf.parts.values().map(|bytes| hex(bytes)).collect();
    assert_eq!(parts[0], golden(&["01", "01", &hex(&class().to_bytes())]));
    // A map's page: no containers; key, 01, value.
    let numbers = ["00", "01", "0000000000000000", "01", "01", "000000000000f03f", "02", "01", "0000000000000040"];
    assert_eq!(parts[1], golden(&["01", "02", "00", &numbers.concat()]));
    // A set's page: key, 01.
    let keys: String = (0..20).map(|key| format!("{key:02x}01")).collect();
    assert_eq!(parts[2], golden(&["01", "03", "00", &keys]));
    assert_eq!(parts[3], golden(&["01", "04", "00", &keys]));
    // A list's page with two containers apart: 3 is part 3 and 4 is part 4, of 20 keys each; two items with stubs.
    let tables = ["02", "03", "03", "01", "06", "14", "04", "03", "01", "08", "14"];
    let items = ["0b", "0c", "06800003000000", "14", "0161", "0b", "0c", "06800004000000", "14", "0162"];
    assert_eq!(parts[4], golden(&["01", "05", &tables.concat(), &items.concat()]));
    assert_eq!(parts[5], golden(&["01", "06", "00", &"07".repeat(20)]));
    // The root: three containers; the empty key, 01, the struct of three stubs.
    let tables = ["03", "01", "03", "01", "04", "03", "02", "03", "01", "0a", "02", "05", "03", "01", "0c", "14"];
    let root = ["01", "18", "0c", "06800001000000", "14", "06800002000000", "1c", "06800005000000"];
    assert_eq!(parts[6], golden(&["01", "07", &tables.concat(), &root.concat()]));
    assert_eq!(parts.len(), 7);
}

#[test]
fn a_small_change_of_a_large_object_writes_little() {
    let mut document = shapes::load(Shape::Catalogue);
    let mut shelf = Shelf::default();
    shelf.put(document.image(), "from nothing");
    let whole = shelf.bytes;
    let pages = shelf.parts.len();
    assert!(whole < document.encoded_bytes() * 101 / 100, "{whole} B of {} B", document.encoded_bytes());
    let mut most = 0;
    for seed in 1..20 {
        let mut w = Writer::new();
        Shape::Catalogue.commit(&mut (seed * 0x9e37_79b9), &mut w);
        go(&mut document, &w.into_bytes().into());
        let image = document.image();
        assert_eq!((image.fresh().len(), image.dropped().len()), (2, 2), "the page and the root's");
        shelf.put(image, "after one change");
        most = most.max(shelf.bytes);
    }
    println!("{whole} B in {pages} parts from nothing, at most {most} B after a change of 16 B");
    assert!(most < 32 * 1024, "{most} B after one change");
    let restored = shelf.restore(&Shape::Catalogue.schema(), Tuning::default()).unwrap();
    assert_eq!(encoded(&restored), encoded(&document));
    let (mut heap, counted) = (restored.heap_bytes() as f64, document.encoded_bytes() as f64);
    heap /= counted;
    assert!(heap < 1.15, "what was restored takes {heap} of what is encoded");
}

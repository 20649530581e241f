//! `docs/journal.md` §4, byte by byte: heads of images and states of shards, there and back, corrupt and truncated.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use nam::Expiry;
use nam::coding::DecodeError;
use nam::ids::{Alias, Birth, CommitNumber, Epoch, FieldId, PartId, ShardId, Version};
use nam::journal::{Head, HeadBody, ImageError, ImageName, IndexedValue, LiveHead, Part, decode_state, encode_state};
use nam::limits::OBJECTS_MAX;

const SHARD: ShardId = ShardId(3);

fn commit(epoch: u64, n: u64) -> CommitNumber {
    CommitNumber { epoch: Epoch(epoch), n }
}

fn part(id: u32, crc: u32) -> Part {
    Part { id: PartId(id), crc }
}

fn live() -> Head {
    let live = LiveHead {
        class: "c".into(),
        key: "alice".into(),
        version: Version(300),
        expiry: Expiry::idle(Duration::from_secs(60)),
        limited_at_ms: 5,
        indexed: Vec::new(),
        trunk: Bytes::from_static(b"trunk"),
        parts: vec![part(1, 0x0102_0304), part(2, 0), part(300, u32::MAX)],
    };
    Head { alias: Alias(4), birth: Birth(commit(17, 2)), body: HeadBody::Live(Box::new(live)) }
}

/// The same of a class that has a field marked `index`, and one that holds nothing.
fn indexed() -> Head {
    let Head { alias, birth, body: HeadBody::Live(live) } = live() else { unreachable!() };
    let indexed = vec![value(2, Some(b"bob")), value(300, None)];
    Head { alias, birth, body: HeadBody::Live(Box::new(LiveHead { indexed, ..*live })) }
}

fn value(field: u32, value: Option<&[u8]>) -> IndexedValue {
    IndexedValue { field: FieldId(field), value: value.map(Arc::from) }
}

fn ended() -> Head {
    Head { alias: Alias(4), birth: Birth(commit(17, 2)), body: HeadBody::Ended { at: commit(18, 200) } }
}

/// The bytes of a picture, with the checksum behind them.
fn sealed(hex: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

#[test]
fn heads_have_the_bytes_of_section_4() {
    let picture = "6e 61 6d 48 01  03 04 11 02  00  01 63  05 61 6c 69 63 65  ac 02  e0 d4 03 00  05 \
                   05 74 72 75 6e 6b  03  01 04 03 02 01  00 00 00 00 00  a9 02 ff ff ff ff";
    assert_eq!(live().encode(SHARD), sealed(picture));
    let indexed_picture = picture.replacen("02  00  01 63", "02  02  02  02 01 03 62 6f 62  ac 02 00  01 63", 1);
    assert_eq!(indexed().encode(SHARD), sealed(&indexed_picture));
    assert_eq!(ended().encode(SHARD), sealed("6e 61 6d 48 01  03 04 11 02  01  12 c8 01"));
    assert_eq!(encode_state(b"state"), sealed("6e 61 6d 53 01  73 74 61 74 65"));
}

#[test]
fn heads_and_states_come_back_and_every_flipped_bit_shows() {
    for head in [live(), indexed(), ended()] {
        let bytes = Bytes::from(head.encode(SHARD));
        let image = head.name(SHARD);
        assert_eq!(Head::decode(image, &bytes).as_ref(), Ok(&head));
        damage(&bytes, |bytes| Head::decode(image, bytes).is_err());
        let other = ImageName { shard: ShardId(2), ..image };
        assert_eq!(Head::decode(other, &bytes), Err(ImageError::Elsewhere { found: image }));
    }
    let bytes = Bytes::from(encode_state(b"state"));
    assert_eq!(decode_state(&bytes).as_deref(), Ok(&b"state"[..]));
    damage(&bytes, |bytes| decode_state(bytes).is_err());
}

fn damage(bytes: &Bytes, is_refused: impl Fn(&Bytes) -> bool) {
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_refused(&bytes.into()), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert!(is_refused(&bytes.slice(..cut)), "cut at {cut}");
    }
}

/// What is refused although its checksum is right.
#[test]
fn a_head_that_was_made_to_deceive_is_refused() {
    let image = live().name(SHARD);
    let decode = |hex: &str| Head::decode(image, &sealed(hex).into());
    let before_parts = "6e 61 6d 48 01 03 04 11 02 00 01 63 05 61 6c 69 63 65 ac 02 00 00 05 00";
    let cases = [
        ("6e 61 6d 48 02 03", ImageError::Format { found: 2, known: 1 }),
        ("6e 61 6d 46 01 03", ImageError::Magic),
        ("6e 61 6d 48 01 03 04 11 02 03", DecodeError::Unknown { what: "body of a head", found: 3 }.into()),
        ("6e 61 6d 48 01 03 04 11 02 01 12 c8 01 00", DecodeError::Trailing { left: 1 }.into()),
        ("6e 61 6d 48 01 03 04 11 02 02 02 05 00 05 00", DecodeError::Order { what: "indexed fields" }.into()),
        ("6e 61 6d 48 01 03 04 11 02 02 01 05 02", DecodeError::Unknown { what: "indexed value", found: 2 }.into()),
        (
            "6e 61 6d 48 01 03 04 11 02 02 00 00 00",
            DecodeError::Limit { what: "indexed values", found: 0, max: 16 }.into(),
        ),
        ("6e 61 6d 48 01 80 80 04 04 11 02 01 12 01", DecodeError::Varint.into()),
    ];
    for (hex, error) in cases {
        assert_eq!(decode(hex), Err(error), "{hex}");
    }
    // Four billion parts in no bytes; ids beyond their end.
    let counted = decode(&format!("{before_parts} ff ff ff ff 0f")).unwrap_err();
    assert!(matches!(counted, ImageError::Content(DecodeError::Truncated { .. })), "{counted}");
    let last = format!("{before_parts} 02 fe ff ff ff 0f 00 00 00 00 01 00 00 00 00");
    assert_eq!(decode(&last), Err(DecodeError::Order { what: "parts" }.into()));
    let long = format!("6e 61 6d 48 01 03 04 11 02 00 81 02 {} 00", "61 ".repeat(257));
    assert!(matches!(decode(&long), Err(ImageError::Content(DecodeError::Limit { found: 257, max: 256, .. }))));
}

proptest! {
    #[test]
    fn any_head_comes_back(
        ids in proptest::collection::btree_set(prop_oneof![9 => any::<u32>(), 1 => Just(u32::MAX)], 0..200),
        (key, trunk) in (".{0,60}", proptest::collection::vec(any::<u8>(), 0..100)),
        held in proptest::collection::btree_map(any::<u32>(), any::<Option<[u8; 5]>>(), 0..16),
        numbers in any::<[u64; 6]>(),
    ) {
        let [epoch, n, version, limited_at_ms, alias, shard] = numbers;
        let parts = ids.into_iter().map(|id| part(id, id.wrapping_mul(0x9e37_79b9))).collect();
        let (version, trunk) = (Version(version >> 2), Bytes::from(trunk));
        let (class, expiry) = ("c".to_owned(), Expiry::NEVER);
        let indexed = held.iter().map(|(field, held)| value(*field, held.as_ref().map(|held| &held[..]))).collect();
        let live = LiveHead { class, key, version, expiry, limited_at_ms, indexed, trunk, parts };
        let birth = Birth(commit(epoch, n));
        let alias = Alias((alias % OBJECTS_MAX as u64) as u32);
        let head = Head { alias, birth, body: HeadBody::Live(Box::new(live)) };
        let shard = ShardId(shard as u16);
        prop_assert_eq!(Head::decode(head.name(shard), &head.encode(shard).into()), Ok(head));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sealed = |magic: &[u8]| {
            let mut all = [magic, &[1], &bytes[..]].concat();
            all.extend(crc32fast::hash(&all).to_le_bytes());
            Bytes::from(all)
        };
        let _refused_or_not = Head::decode(ImageName::default(), &sealed(b"namH"));
        prop_assert!(decode_state(&sealed(b"namS")).is_ok());
        prop_assert!(Head::decode(ImageName::default(), &sealed(b"namS")).is_err());
    }
}

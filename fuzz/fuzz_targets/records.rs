//! Any bytes as what arrives on a link, in pieces: records both ways, and segments.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nam::wire::{Records, Segment, ToNode, ToRepository};

fuzz_target!(|input: &[u8]| {
    let (cut, bytes) = input.split_first().map_or((0, input), |(first, rest)| (usize::from(*first), rest));
    let (head, tail) = bytes.split_at(cut.min(bytes.len()));
    let mut records = Records::new();
    for piece in [head, tail] {
        records.push(piece);
        while let Ok(Some(raw)) = records.next() {
            if let Ok(record) = ToNode::decode(raw) {
                let mut out = Vec::new();
                record.encode(&mut out);
                assert!(!out.is_empty());
            }
            if let Ok(record) = ToRepository::decode(raw) {
                let mut out = Vec::new();
                record.encode(&mut out);
                assert!(!out.is_empty());
            }
        }
    }
    let whole = Bytes::copy_from_slice(bytes);
    if let Ok(segment) = Segment::decode(&whole) {
        assert_eq!(segment.encode().concat(), whole, "a segment has one form");
    }
});

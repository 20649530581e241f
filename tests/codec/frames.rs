//! Entries of frames: `docs/journal.md` §2, golden and hostile.

use bytes::Bytes;
use nam::ids::{Alias, Epoch, FrameNumber, NodeId, Sequence, ShardId, Version};
use nam::journal::{Entry, Frame, Origin, Payload, Share};
use proptest::prelude::*;

fn frame(entries: Vec<Entry>) -> Frame {
    let (epoch, number) = (Epoch(9), FrameNumber(1));
    Frame { shard: ShardId(0), epoch, number, time_ms: 5, first_commit: 1, previous_crc: 0, entries }
}

fn group(shares: Vec<Share>) -> Entry {
    Entry::Grouped { origin: Origin { node: NodeId(7), sequence: Sequence(300) }, shares }
}

fn share(alias: u32, version: u64, delta: &'static [u8]) -> Share {
    Share { alias: Alias(alias), version: Version(version), payload: Payload::Inline(Bytes::from_static(delta)) }
}

/// The bytes of one entry, between what stands before the entries and the checksum.
fn entry_bytes(entry: Entry) -> Vec<u8> {
    let (with, without) = (frame(vec![entry]).encode().bytes, frame(Vec::new()).encode().bytes);
    with[without.len() - 4..with.len() - 4].to_vec()
}

/// The frame of one entry of these bytes, its checksum right.
fn decoded(entry: &[u8]) -> Option<Frame> {
    let empty = frame(Vec::new()).encode().bytes;
    let mut bytes = empty[..empty.len() - 5].to_vec();
    bytes.push(1);
    bytes.extend_from_slice(entry);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Frame::decode(&bytes.into()).ok().map(|(frame, _)| frame)
}

/// `docs/journal.md` §2: a group of two objects, of which the second had what it was to get.
#[test]
fn golden_group() {
    let entry = group(vec![share(5, 8, &[8, 1]), share(9, 3, &[])]);
    let bytes = entry_bytes(entry.clone());
    let origin = [7, 0, 0, 0, 0, 0, 0, 0, 0xac, 2];
    assert_eq!(bytes, [&[10][..], &origin, &[2, 5, 8, 0, 2, 8, 1, 9, 3, 0, 0]].concat());
    assert_eq!(decoded(&bytes), Some(frame(vec![entry])));
}

#[test]
fn a_group_names_no_object_twice_and_one_at_least() {
    let of = |shares| decoded(&entry_bytes(group(shares)));
    assert!(of(vec![share(5, 8, &[8, 1])]).is_some());
    assert_eq!(of(Vec::new()), None);
    assert_eq!(of(vec![share(5, 8, &[8, 1]), share(5, 9, &[8, 1])]), None);
    assert_eq!(of(vec![share(5, 8, &[8, 1]), share(4, 9, &[8, 1])]), None);
    let many = |count| of((0..count).map(|alias| share(alias, 8, &[8, 1])).collect());
    let max = u32::try_from(nam::limits::GROUP_OBJECTS_MAX).unwrap();
    assert!(many(max).is_some() && many(max + 1).is_none());
}

proptest! {
    #[test]
    fn any_entry_is_judged(entry in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(frame) = decoded(&entry) {
            prop_assert_eq!(entry_bytes(frame.entries[0].clone()), entry);
        }
    }

    #[test]
    fn a_damaged_group_is_judged(at in 0_usize..30, byte: u8) {
        let mut entry = entry_bytes(group(vec![share(5, 8, &[8, 1]), share(9, 3, &[])]));
        let place = at % entry.len();
        entry[place] = byte;
        if let Some(frame) = decoded(&entry) {
            prop_assert_eq!(entry_bytes(frame.entries[0].clone()), entry);
        }
    }
}

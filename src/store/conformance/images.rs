//! The laws of [`Images`], as a test that every backend passes.
//!
//! Backends call [`image_laws`] with a way to open the same place again. Source: the laws in `journal/image.rs`.

use std::sync::Arc;

use bytes::Bytes;

use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FieldId, PartId, ShardId, Version};
use crate::journal::{Head, HeadBody, ImageName, Images, IndexedValue, LiveHead, Part, PartName};

/// The bytes of a part at a version.
pub(in crate::store) fn bytes_of(part: u32, version: u64) -> Bytes {
    format!("part {part} of version {version}").repeat(20).into()
}

/// The head of the `n`-th object at a version, whose parts are of the versions given.
pub(in crate::store) fn head_of(n: u64, version: u64, parts: &[(u32, u64)]) -> Head {
    let part = |(id, version): &(u32, u64)| Part { id: PartId(*id), crc: crc32fast::hash(&bytes_of(*id, *version)) };
    let live = LiveHead {
        class: "desk.Portfolio".into(),
        key: format!("key {n}"),
        version: Version(version),
        expiry: Expiry::NEVER,
        limited_at_ms: 7,
        indexed: vec![IndexedValue { field: FieldId(7), value: Some(Arc::from(&b"alice"[..])) }],
        trunk: Bytes::from_static(b"trunk"),
        parts: parts.iter().map(part).collect(),
    };
    Head { alias: Alias(4), birth: birth(n), body: HeadBody::Live(Box::new(live)) }
}

fn birth(n: u64) -> Birth {
    Birth(CommitNumber { epoch: Epoch(9), n })
}

fn put(images: &mut dyn Images, image: ImageName, version: u64, parts: &[u32]) {
    let parts: Vec<_> = parts.iter().map(|part| (PartId(*part), bytes_of(*part, version))).collect();
    images.put_parts(image, &parts).unwrap();
}

/// The heads of a shard; every part that they name must be there, as it was put.
pub(in crate::store) fn kept(images: &mut dyn Images, shard: ShardId) -> Vec<Head> {
    let mut heads = Vec::new();
    images
        .heads(shard, &mut |head| {
            heads.push(head);
            true
        })
        .unwrap();
    for head in &heads {
        assert_eq!(images.head(head.name(shard)).unwrap().as_ref(), Some(head));
        let Some(live) = head.live() else { continue };
        for part in &live.parts {
            images.checked_part(head.name(shard), live, *part).unwrap();
        }
    }
    heads
}

fn is_there(images: &mut dyn Images, image: ImageName, part: u32) -> bool {
    images.part(PartName { image, part: PartId(part) }).unwrap().is_some()
}

/// Checks all laws but the one of failures on a fresh place; `open` opens the same place each time.
pub(in crate::store) fn image_laws(open: &mut dyn FnMut() -> Box<dyn Images>) {
    let (shard, other) = (ShardId(0), ShardId(1));
    let [one, two] = [1, 2].map(|n| ImageName { shard, birth: birth(n) });
    let mut images = open();
    put(images.as_mut(), one, 1, &[1, 2, 3]);
    assert_eq!(kept(images.as_mut(), shard), [], "parts alone are no image");
    assert_eq!(images.head(one).unwrap(), None);
    let first = head_of(1, 1, &[(1, 1), (2, 1), (3, 1)]);
    images.put_head(shard, &first, &[]).unwrap();
    let beside = head_of(2, 1, &[(1, 1)]);
    put(images.as_mut(), two, 1, &[1]);
    images.put_head(shard, &beside, &[]).unwrap();
    let theirs = head_of(1, 5, &[]);
    images.put_head(other, &theirs, &[]).unwrap();

    let mut images = open();
    assert_eq!(kept(images.as_mut(), shard), [first, beside.clone()], "laws 1 and 4");
    assert_eq!(kept(images.as_mut(), other), std::slice::from_ref(&theirs), "shards know nothing of each other");
    let second = head_of(1, 2, &[(1, 1), (3, 1), (4, 2)]);
    put(images.as_mut(), one, 2, &[4, 5]);
    images.put_head(shard, &second, &[PartId(2)]).unwrap();
    assert_eq!(kept(images.as_mut(), shard), [second, beside.clone()], "law 1: in one step");
    assert!(!is_there(images.as_mut(), one, 2), "law 2: dropped");
    put(images.as_mut(), one, 3, &[5]);
    let third = head_of(1, 3, &[(5, 3)]);
    images.put_head(shard, &third, &[PartId(1), PartId(3), PartId(4)]).unwrap();
    assert_eq!(kept(images.as_mut(), shard), [third, beside.clone()], "law 3: what nobody named is written over");

    let at = CommitNumber { epoch: Epoch(9), n: 77 };
    let ended = Head { body: HeadBody::Ended { at }, ..head_of(1, 0, &[]) };
    images.put_head(shard, &ended, &[]).unwrap();
    assert_eq!(kept(images.as_mut(), shard), [ended, beside.clone()]);
    assert!(!is_there(images.as_mut(), one, 5), "law 2: nothing is left of what ended");
    images.remove(one).unwrap();
    images.remove(one).unwrap();
    assert_eq!(kept(images.as_mut(), shard), std::slice::from_ref(&beside));
    images.remove(two).unwrap();
    assert!(!is_there(images.as_mut(), two, 1));
    assert_eq!(kept(images.as_mut(), other), [theirs]);

    assert_eq!(images.state(shard).unwrap(), None);
    for state in ["", "one", "two"] {
        images.put_state(shard, &state.into()).unwrap();
        assert_eq!(open().state(shard).unwrap(), Some(state.into()), "law 6");
    }
    assert_eq!(images.state(other).unwrap(), None);
}

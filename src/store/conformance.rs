//! The laws of [`Journal`](crate::journal::Journal), as a test that every backend passes.
//!
//! Backends call [`laws`] with a way to open the same place again. Source: the laws in `journal/mod.rs`.

use bytes::Bytes;

use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{EncodedFrame, Entry, Frame, Journal, JournalError};

fn frame(epoch: Epoch, number: u64, previous_crc: u32) -> EncodedFrame {
    let entries = vec![Entry::Slice { staging: number, bytes: Bytes::from_static(b"bytes") }];
    let (shard, number) = (ShardId(0), FrameNumber(number));
    Frame { shard, epoch, number, time_ms: 0, first_commit: 1, previous_crc, entries }.encode()
}

fn stored(journal: &mut dyn Journal) -> Vec<(Epoch, u64)> {
    let mut seen = Vec::new();
    journal
        .replay(&mut |frame| {
            seen.push((frame.epoch, frame.number.0));
            true
        })
        .unwrap();
    seen
}

/// Checks laws 1 to 3, 5 and 6 on a fresh, durable journal; `open` opens the same place each time.
pub(super) fn laws(open: &mut dyn FnMut() -> Box<dyn Journal>) {
    let mut first = open();
    let claim = first.claim(ShardId(0), 1_000).unwrap();
    assert_eq!((claim.last_crc, claim.lossy_epoch), (0, claim.epoch), "nothing was there before");
    let one = frame(claim.epoch, 1, 0);
    let two = frame(claim.epoch, 2, one.crc);
    first.append(&one, 0).unwrap();
    assert!(first.append(&one, 0).is_err(), "law 3: a frame only behind its predecessor");
    first.append(&two, one.crc).unwrap();

    let mut second = open();
    let again = second.claim(ShardId(0), 1_000).unwrap();
    assert!(again.epoch > claim.epoch, "law 1: terms rise, whatever the clock says");
    assert_eq!(again.lossy_epoch, claim.epoch, "nothing was lost");
    assert_eq!(again.last_crc, two.crc);
    let late = frame(claim.epoch, 3, two.crc);
    assert_eq!(first.append(&late, two.crc), Err(JournalError::Fenced), "law 1: the old holder is fenced");

    let three = frame(again.epoch, 1, two.crc);
    second.append(&three, two.crc).unwrap();
    let all = [(claim.epoch, 1), (claim.epoch, 2), (again.epoch, 1)];
    assert_eq!(stored(second.as_mut()), all, "law 5: all acknowledged frames, in order");
    second.truncate(claim.epoch, FrameNumber(2)).unwrap();
    assert_eq!(stored(second.as_mut()), all[1..], "law 6: whole frames from the old end");
}

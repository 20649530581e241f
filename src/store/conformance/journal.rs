//! The laws of [`Journal`](crate::journal::Journal), as a test that every backend passes.
//!
//! Backends call [`laws`] with a way to open the same place again. Source: the laws in `journal/mod.rs`.

use bytes::Bytes;

use crate::ids::{Epoch, FrameNumber, ShardId};
use crate::journal::{Append, Entry, Frame, FrameName, Journal, JournalError};

/// A frame of `shard` behind the one whose checksum is `expected`.
pub(in crate::store) fn frame(shard: ShardId, epoch: Epoch, number: u64, expected: u32) -> Append {
    let entries = vec![Entry::Slice { staging: number, bytes: Bytes::from_static(b"bytes") }];
    let (number, time_ms) = (FrameNumber(number), number * 10);
    let frame = Frame { shard, epoch, number, time_ms, first_commit: 1, previous_crc: expected, entries }.encode();
    Append { frame, expected }
}

/// The names of the frames that a replay visits.
pub(in crate::store) fn stored(journal: &mut dyn Journal, shard: ShardId) -> Vec<FrameName> {
    let mut seen = Vec::new();
    journal
        .replay(shard, &mut |frame| {
            seen.push(frame.name());
            true
        })
        .unwrap();
    seen
}

/// Checks laws 1 to 3, 5 and 6 on a fresh, durable journal of two shards; `open` opens the same place each time.
pub(in crate::store) fn laws(open: &mut dyn FnMut() -> Box<dyn Journal>) {
    let (shard, other) = (ShardId(0), ShardId(1));
    let mut first = open();
    let claim = first.claim(shard, 1_000).unwrap();
    assert_eq!((claim.last_crc, claim.lossy_epoch), (0, claim.epoch), "nothing was there before");
    let one = frame(shard, claim.epoch, 1, 0);
    let two = frame(shard, claim.epoch, 2, one.frame.crc);
    first.append(&one).unwrap();
    assert!(first.append(&one).is_err(), "law 3: a frame only behind its predecessor");
    assert!(first.append(&frame(other, Epoch(1), 1, 0)).is_err(), "law 1: nothing without a claim");
    first.append(&two).unwrap();

    let mut second = open();
    let again = second.claim(shard, 1_000).unwrap();
    assert!(again.epoch > claim.epoch, "law 1: terms rise, whatever the clock says");
    assert_eq!(again.lossy_epoch, claim.epoch, "nothing was lost");
    assert_eq!(again.last_crc, two.frame.crc);
    assert_eq!(again.time_ms, 20, "the shard's time goes on behind its last frame");
    let late = frame(shard, claim.epoch, 3, two.frame.crc);
    assert_eq!(first.append(&late), Err(JournalError::Fenced), "law 1: the old holder is fenced");

    let beside = second.claim(other, 1_000).unwrap();
    assert_eq!(beside.last_crc, 0, "shards know nothing of each other");
    let three = frame(shard, again.epoch, 1, two.frame.crc);
    let theirs = frame(other, beside.epoch, 1, 0);
    let astray = frame(other, beside.epoch, 2, 7);
    assert_eq!(second.append_all(&[three.clone(), theirs.clone()]), [Ok(()), Ok(())]);
    let answers = second.append_all(&[frame(shard, again.epoch, 2, three.frame.crc), astray]);
    assert!(answers[0].is_ok() && answers[1].is_err(), "law 3: one shard's mistake is not the other's");

    let last = FrameName { number: FrameNumber(2), ..three.frame.name };
    let all = [one.frame.name, two.frame.name, three.frame.name, last];
    assert_eq!(stored(second.as_mut(), shard), all, "law 5: all acknowledged frames, in order");
    assert_eq!(stored(second.as_mut(), other), [theirs.frame.name]);
    second.truncate(shard, claim.epoch, FrameNumber(2)).unwrap();
    assert_eq!(stored(second.as_mut(), shard), all[1..], "law 6: whole frames from the old end");
    second.truncate(shard, again.epoch, FrameNumber(1)).unwrap();
    assert_eq!(stored(second.as_mut(), shard), all[2..], "law 6: over the end of a term");
    second.truncate(shard, again.epoch, FrameNumber(9)).unwrap();
    assert_eq!(stored(second.as_mut(), shard), [last], "law 6: the newest stays");
    let crc = second.claim(shard, 1_000).unwrap().last_crc;
    assert!(crc != 0 && crc != three.frame.crc, "the chain goes on behind it");
}

/// Checks that a journal of many frames is cut at the frame that is named, and nowhere else.
pub(in crate::store) fn long_cut(journal: &mut dyn Journal) {
    const FRAMES: u64 = 10_000;
    let shard = ShardId(0);
    let claim = journal.claim(shard, 1_000).unwrap();
    let mut expected = claim.last_crc;
    let mut names = Vec::new();
    for number in 1..=FRAMES {
        let next = frame(shard, claim.epoch, number, expected);
        expected = next.frame.crc;
        journal.append(&next).unwrap();
        names.push(next.frame.name);
    }
    let whole = stored(journal, shard);
    journal.truncate(shard, claim.epoch, FrameNumber(FRAMES - 2)).unwrap();
    assert_eq!(stored(journal, shard), names[names.len() - 3..]);
    assert_eq!(whole.len(), names.len());
}

//! Any bytes as the content of a journal's frame, with a checksum that fits: an error, or a frame that goes there and back.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nam::ids::{Epoch, FrameNumber, ShardId};
use nam::journal::Frame;

/// Bytes of magic and format before the content.
const HEAD_BYTES: usize = 5;

fuzz_target!(|content: &[u8]| {
    let (shard, epoch, number, entries) = (ShardId(0), Epoch(1), FrameNumber(1), Vec::new());
    let empty = Frame { shard, epoch, number, time_ms: 0, first_commit: 0, previous_crc: 0, entries }.encode();
    let mut bytes = empty.bytes[..HEAD_BYTES].to_vec();
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    if let Ok((frame, crc)) = Frame::decode(&Bytes::from(bytes)) {
        let again = frame.encode();
        assert_eq!(Frame::decode(&again.bytes), Ok((frame, again.crc)));
        assert_eq!(again.crc, crc, "a frame has one form");
    }
});

//! Any bytes as the head of an image, with a checksum that fits: an error, or a head that goes there and back.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nam::journal::{Head, ImageError, ImageName};

fuzz_target!(|content: &[u8]| {
    let mut bytes = [b"namH\x01", content].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let bytes = Bytes::from(bytes);
    let image = match Head::decode(ImageName::default(), &bytes) {
        Ok(_) => ImageName::default(),
        Err(ImageError::Elsewhere { found }) => found,
        Err(_) => return,
    };
    let head = Head::decode(image, &bytes).unwrap();
    assert_eq!(head.encode(image.shard), bytes, "a head has one form");
});

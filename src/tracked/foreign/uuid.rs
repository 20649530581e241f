//! `Uuid`: an opaque leaf as a value, 16 bytes as a key.
//!
//! Invariant: keys are the bytes in network order. Source: RFC 9562; uuid's serde support.

use uuid::Uuid;

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::KeyKind;
use crate::tracked::key::{Key, Seal};
use crate::tracked::opaque::{Opaque, opaque_types};
use crate::tracked::tracking::Tracking;

opaque_types! { Uuid }

impl Seal for Uuid {}

impl Key for Uuid {
    fn key_kind() -> KeyKind {
        KeyKind::Wide
    }

    fn encode_key(&self, w: &mut Writer) {
        w.raw(self.as_bytes());
    }

    fn decode_key(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array().map(Self::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracked::Tracked;

    #[test]
    fn it_is_a_value_and_a_key() {
        let id = Uuid::from_u128(0x1234);
        let mut w = Writer::new();
        id.encode(&mut w);
        id.encode_key(&mut w);
        let mut r = Reader::new(w.as_slice());
        assert_eq!((Uuid::decode(&mut r), Uuid::decode_key(&mut r), r.finish()), (Ok(id), Ok(id), Ok(())));
    }
}

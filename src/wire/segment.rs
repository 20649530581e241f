//! A piece of a bulk transfer, on a lane of its own.
//!
//! ```text
//! segment   transfer: varint · index << 1 | is last: varint · bytes to the end
//! ```
//! Segments of one transfer count from 0 and may arrive in any order; the receiver confirms each, and the sender keeps
//! at most [`SEGMENTS_UNCONFIRMED_MAX`](crate::limits::SEGMENTS_UNCONFIRMED_MAX) unconfirmed. Invariant: nothing that
//! must keep its place among records travels in a segment. Source: `docs/wire.md` §6.4.

use bytes::Bytes;

use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::TransferId;
use crate::limits::{LEAF_BYTES_MAX, OBJECT_BYTES_MAX, SEGMENT_BYTES_MAX};

/// One piece of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The transfer it belongs to.
    pub transfer: TransferId,
    /// Its place, 0 and up.
    pub index: u32,
    /// Whether the transfer ends with it.
    pub is_last: bool,
    /// Its share: a delta of its own in snapshots and creations, a slice of one delta otherwise.
    pub bytes: Bytes,
}

impl Segment {
    /// Encodes it as its lane carries it: what stands before its share, and the share, which is not copied.
    #[must_use]
    pub fn encode(self) -> [Bytes; 2] {
        let mut w = Writer::append_to(Vec::with_capacity(15));
        w.varint(u64::from(self.transfer.0));
        w.varint(u64::from(self.index) << 1 | u64::from(self.is_last));
        [w.into_bytes().into(), self.bytes]
    }

    /// Decodes what [`encode`](Self::encode) made, sharing its bytes.
    ///
    /// # Errors
    /// `Truncated`, `Varint`, or `Limit` beyond what one entry of an object can be.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let transfer = TransferId(r.varint32()?);
        let place = r.varint()?;
        let index = u32::try_from(place >> 1).map_err(|_| DecodeError::Varint)?;
        let max = Self::bytes_max();
        if r.left() > max {
            return Err(DecodeError::Limit { what: "a segment", found: r.left() as u64, max: max as u64 });
        }
        let share = bytes.slice(bytes.len() - r.left()..);
        Ok(Self { transfer, index, is_last: place & 1 == 1, bytes: share })
    }

    /// Bytes of the largest segment there can be: one entry that cannot be cut makes its segment as large as itself.
    #[must_use]
    pub const fn bytes_max() -> usize {
        OBJECT_BYTES_MAX + SEGMENT_BYTES_MAX + LEAF_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_comes_back() {
        for is_last in [false, true] {
            let segment =
                Segment { transfer: TransferId(300), index: 70, is_last, bytes: Bytes::from_static(b"entries") };
            let bytes = Bytes::from(segment.clone().encode().concat());
            assert_eq!(bytes.len(), 2 + 2 + 7);
            assert_eq!(Segment::decode(&bytes), Ok(segment));
        }
        assert!(Segment::decode(&Bytes::from_static(&[1])).is_err());
    }
}

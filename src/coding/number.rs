//! The bytes of a commit's number, by which births, fences and events are named everywhere: on the wire, in frames, heads,
//! states and backups.
//!
//! ```text
//! number   epoch: varint · number in it: varint, below 2^64 - 1
//! ```
//! So each has one behind it, where a walk through what is kept in their order goes on. Source: own reasoning.

use super::{DecodeError, Reader, Writer};
use crate::ids::{CommitNumber, Epoch};

impl CommitNumber {
    pub(crate) fn write(self, w: &mut Writer) {
        w.varint(self.epoch.0);
        w.varint(self.n);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (epoch, n) = (Epoch(r.varint()?), r.varint()?);
        if n == u64::MAX {
            return Err(DecodeError::Unknown { what: "number of a commit", found: n });
        }
        Ok(Self { epoch, n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_behind_it() {
        let read = |n| {
            let mut w = Writer::new();
            CommitNumber { epoch: Epoch(u64::MAX), n }.write(&mut w);
            CommitNumber::read(&mut Reader::new(&w.into_bytes()))
        };
        assert_eq!(read(u64::MAX - 1).map(|read| read.n), Ok(u64::MAX - 1));
        assert_eq!(read(u64::MAX), Err(DecodeError::Unknown { what: "number of a commit", found: u64::MAX }));
    }
}

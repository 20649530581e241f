//! The bytes of the numbers that are counted on: a commit's, by which births, fences and events are named everywhere (on the
//! wire, in frames, heads, states and backups), and an object's version.
//!
//! ```text
//! number   epoch: varint · number in it: varint, below 2^64 - 1
//! version  varint, below 2^63 - 1
//! slot     varint, below the objects of a shard, on the disk: memory is made for all slots up to it
//! ```
//! So each has one behind it, where a walk through what is kept in their order goes on, and a version leaves a bit free for
//! what stands beside it. Source: own reasoning.

use super::{DecodeError, Reader, Writer};
use crate::ids::{Alias, CommitNumber, Epoch, Version};
use crate::limits::OBJECTS_MAX;

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

/// No version that is read is this one or a later one.
const VERSIONS_END: u64 = u64::MAX >> 1;

impl Version {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::checked(r.varint()?)
    }

    /// Reads a version and the mark that stands in its lowest bit.
    pub(crate) fn read_marked(r: &mut Reader<'_>) -> Result<(Self, bool), DecodeError> {
        let number = r.varint()?;
        Ok((Self::checked(number >> 1)?, number & 1 == 1))
    }

    pub(crate) fn write_marked(self, mark: bool, w: &mut Writer) {
        w.varint(self.0 << 1 | u64::from(mark));
    }

    fn checked(found: u64) -> Result<Self, DecodeError> {
        if found < VERSIONS_END { Ok(Self(found)) } else { Err(DecodeError::Unknown { what: "version", found }) }
    }
}

impl Alias {
    /// Reads the slot that an object is to be put into.
    pub(crate) fn read_slot(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let slot = r.varint32()?;
        if slot as usize >= OBJECTS_MAX {
            return Err(DecodeError::Limit { what: "slot", found: slot.into(), max: OBJECTS_MAX as u64 - 1 });
        }
        Ok(Self(slot))
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

    #[test]
    fn a_version_has_one_behind_it_and_room_for_a_mark() {
        let varint = |number| {
            let mut w = Writer::new();
            w.varint(number);
            w.into_bytes()
        };
        let refused = Err(DecodeError::Unknown { what: "version", found: VERSIONS_END });
        assert_eq!(Version::read(&mut Reader::new(&varint(VERSIONS_END))), refused);
        let last = Version::read(&mut Reader::new(&varint(VERSIONS_END - 1))).unwrap();
        for (version, mark) in [(Version(0), false), (last, true), (last, false)] {
            let mut w = Writer::new();
            version.write_marked(mark, &mut w);
            assert_eq!(Version::read_marked(&mut Reader::new(w.as_slice())), Ok((version, mark)));
        }
        assert_eq!(Version::read_marked(&mut Reader::new(&varint(u64::MAX))).map(|(version, _)| version), refused);
    }

    #[test]
    fn a_slot_is_one_of_those_a_shard_may_have() {
        let read = |slot| {
            let mut w = Writer::new();
            w.varint(slot);
            Alias::read_slot(&mut Reader::new(w.as_slice()))
        };
        let last = OBJECTS_MAX as u64 - 1;
        assert_eq!(read(last).map(|slot| u64::from(slot.0)), Ok(last));
        let found = OBJECTS_MAX as u64;
        assert_eq!(read(found), Err(DecodeError::Limit { what: "slot", found, max: last }));
    }
}

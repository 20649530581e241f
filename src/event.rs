//! Events: what became of an object, for an application that does not hold it.
//!
//! Decided by the repository, kept by frames until a consumer acknowledges it, carried by records. Invariant: a number of
//! an event is given once, like that of a commit, and later events have higher ones. Source: own reasoning (E4).

use std::fmt;

use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Birth, CommitNumber};

/// What became of an object. A change of its id is to be the next one.
///
/// ```text
/// kind   0 created · 1 destroyed · 2 expired
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// It came into being.
    Created,
    /// Somebody ended it.
    Destroyed,
    /// It reached its idle limit or the end of its lifetime.
    Expired,
}

impl EventKind {
    pub(crate) fn write(self, w: &mut Writer) {
        w.byte(match self {
            Self::Created => 0,
            Self::Destroyed => 1,
            Self::Expired => 2,
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.byte()? {
            0 => Ok(Self::Created),
            1 => Ok(Self::Destroyed),
            2 => Ok(Self::Expired),
            found => Err(DecodeError::Unknown { what: "kind of event", found: u64::from(found) }),
        }
    }
}

/// Names an event: the number of its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub CommitNumber);

/// Names a group of consumers: the number of the entry that founded it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub CommitNumber);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl EventId {
    pub(crate) fn write(self, w: &mut Writer) {
        self.0.write(w);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        CommitNumber::read(r).map(Self)
    }
}

impl GroupId {
    pub(crate) fn write(self, w: &mut Writer) {
        self.0.write(w);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        CommitNumber::read(r).map(Self)
    }
}

/// What is told of an object: everything but which event it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening<'a> {
    /// What became of it.
    pub kind: EventKind,
    /// Which object of that key.
    pub birth: Birth,
    /// Its key.
    pub key: &'a str,
    /// Its value when it ended, as a delta from nothing.
    pub last: Option<&'a [u8]>,
}

impl<'a> Happening<'a> {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.kind.write(w);
        self.birth.0.write(w);
        w.sized(self.key.as_bytes());
        w.byte(u8::from(self.last.is_some()));
        if let Some(last) = self.last {
            w.sized(last);
        }
    }

    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (kind, birth, key) = (EventKind::read(r)?, Birth(CommitNumber::read(r)?), r.text()?);
        let last = match r.byte()? {
            0 => None,
            1 => Some(r.sized()?),
            found => return Err(DecodeError::Unknown { what: "last state", found: u64::from(found) }),
        };
        Ok(Self { kind, birth, key, last })
    }
}

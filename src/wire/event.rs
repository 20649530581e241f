//! Records about events, both ways.
//!
//! They stand on the ordered streams like all others. A consumer is named by the request that it joined with, on every
//! link anew. Invariant: what is told of one key in a group comes in its order, the next when the one before was
//! acknowledged. Source: `docs/wire.md` §6.8.

use crate::coding::{DecodeError, Reader, Writer};
use crate::event::{EventId, Happening};
use crate::ids::RequestId;
use crate::limits::NAME_BYTES_MAX;

/// What a node asks about events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventRequest<'a> {
    /// Becomes a consumer of a group, which is founded if there is none; answered by `Joined` or a failure.
    Join {
        /// Names the answer, and from then on the consumer.
        request: RequestId,
        /// The class whose objects it is about.
        class: &'a str,
        /// The group.
        group: &'a str,
    },
    /// The consumer takes nothing any more. Has no answer.
    Leave {
        /// The consumer.
        request: RequestId,
    },
    /// An event was dealt with, whichever consumer of the group was told it. Has no answer.
    Acknowledge {
        /// A consumer of the group.
        request: RequestId,
        /// The event.
        event: EventId,
    },
    /// Ends a group for good, its events with it; answered by `Ended`, also if there is none.
    End {
        /// Names the answer.
        request: RequestId,
        /// The class.
        class: &'a str,
        /// The group.
        group: &'a str,
    },
}

/// What a repository says about events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventAnswer<'a> {
    /// The node is a consumer.
    Joined {
        /// The request.
        request: RequestId,
    },
    /// Something happened; to be acknowledged.
    Told {
        /// The consumer.
        request: RequestId,
        /// The event.
        event: EventId,
        /// How many events before this one the group had to give up.
        missed: u64,
        /// What happened.
        happening: Happening<'a>,
    },
    /// The group is no more: the answer to `End`, or to a consumer the last that it hears.
    Ended {
        /// The request, or the consumer.
        request: RequestId,
    },
}

impl<'a> EventRequest<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        let mut begin = |kind: u8, request: RequestId| {
            w.byte(kind);
            w.varint(u64::from(request.0));
        };
        match *self {
            Self::Join { request, class, group } | Self::End { request, class, group } => {
                begin(if matches!(self, Self::Join { .. }) { 0 } else { 3 }, request);
                w.sized(class.as_bytes());
                w.sized(group.as_bytes());
            }
            Self::Leave { request } => begin(1, request),
            Self::Acknowledge { request, event } => {
                begin(2, request);
                event.write(w);
            }
        }
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (kind, request) = (r.byte()?, RequestId(r.varint32()?));
        Ok(match kind {
            0 => Self::Join { request, class: read_name(r)?, group: read_name(r)? },
            1 => Self::Leave { request },
            2 => Self::Acknowledge { request, event: EventId::read(r)? },
            3 => Self::End { request, class: read_name(r)?, group: read_name(r)? },
            found => return Err(DecodeError::Unknown { what: "event request", found: u64::from(found) }),
        })
    }
}

impl<'a> EventAnswer<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        let (kind, request) = match self {
            Self::Joined { request } => (0, request),
            Self::Told { request, .. } => (1, request),
            Self::Ended { request } => (2, request),
        };
        w.byte(kind);
        w.varint(u64::from(request.0));
        if let Self::Told { event, missed, happening, .. } = self {
            event.write(w);
            w.varint(*missed);
            happening.write(w);
        }
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (kind, request) = (r.byte()?, RequestId(r.varint32()?));
        Ok(match kind {
            0 => Self::Joined { request },
            1 => {
                let (event, missed) = (EventId::read(r)?, r.varint()?);
                Self::Told { request, event, missed, happening: Happening::read(r)? }
            }
            2 => Self::Ended { request },
            found => return Err(DecodeError::Unknown { what: "event answer", found: u64::from(found) }),
        })
    }
}

fn read_name<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let text = r.text()?;
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(DecodeError::Limit { what: "a name", found: text.len() as u64, max: NAME_BYTES_MAX as u64 });
    }
    Ok(text)
}

//! Records about locks, both ways.
//!
//! They stand on the ordered streams like all others, so a grant stands behind what was committed before it. Invariant:
//! a wait has one answer, unless its node gave it up. Source: `docs/wire.md` §6.6.

use super::to_node::{read_birth, write_birth};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Alias, Birth, CommitNumber, Fence, NodeId, RequestId};

/// What a node asks of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockRequest {
    /// Waits for the lock of an object; answered by `Granted`, `TimedOut` or a failure.
    Wait {
        /// Names the answer.
        request: RequestId,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// Milliseconds to wait at most; 0: not at all.
        wait_ms: u64,
    },
    /// Gives a lock back; answered by `Released` or a failure.
    Release {
        /// Names the answer.
        request: RequestId,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// The grant.
        fence: Fence,
    },
    /// Asks whether a grant, whoever has it, is still the current one; answered by `Granted` or a failure.
    Join {
        /// Names the answer.
        request: RequestId,
        /// The object.
        alias: Alias,
        /// Which object of that alias.
        birth: Birth,
        /// The grant.
        fence: Fence,
    },
    /// Nobody waits any more: ends the wait, or what it was granted already. Has no answer.
    GiveUp {
        /// The wait.
        request: RequestId,
    },
}

/// What a repository says of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockAnswer {
    /// The lock is the node's. What was committed before the grant came before this, or a stale notice did.
    Granted {
        /// The wait.
        request: RequestId,
        /// The grant.
        fence: Fence,
    },
    /// The lock is given back.
    Released {
        /// The request.
        request: RequestId,
    },
    /// The wait took as long as it might.
    TimedOut {
        /// The wait.
        request: RequestId,
        /// The node that has the lock.
        holder: NodeId,
        /// Milliseconds since it was granted.
        held_ms: u64,
    },
}

impl LockRequest {
    pub(super) fn write(&self, w: &mut Writer) {
        let mut named = |kind: u8, request: RequestId, alias: Alias, birth: Birth| {
            w.byte(kind);
            w.varint(u64::from(request.0));
            w.varint(u64::from(alias.0));
            write_birth(birth, w);
        };
        match *self {
            Self::Wait { request, alias, birth, wait_ms } => {
                named(0, request, alias, birth);
                w.varint(wait_ms);
            }
            Self::Release { request, alias, birth, fence } => {
                named(1, request, alias, birth);
                write_fence(fence, w);
            }
            Self::Join { request, alias, birth, fence } => {
                named(2, request, alias, birth);
                write_fence(fence, w);
            }
            Self::GiveUp { request } => {
                w.byte(3);
                w.varint(u64::from(request.0));
            }
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, request) = (r.byte()?, RequestId(r.varint32()?));
        let named = |r: &mut Reader<'_>| Ok::<_, DecodeError>((Alias(r.varint32()?), read_birth(r)?));
        Ok(match kind {
            0 => {
                let (alias, birth) = named(r)?;
                Self::Wait { request, alias, birth, wait_ms: r.varint()? }
            }
            1 => {
                let (alias, birth) = named(r)?;
                Self::Release { request, alias, birth, fence: read_fence(r)? }
            }
            2 => {
                let (alias, birth) = named(r)?;
                Self::Join { request, alias, birth, fence: read_fence(r)? }
            }
            3 => Self::GiveUp { request },
            found => return Err(DecodeError::Unknown { what: "lock request", found: u64::from(found) }),
        })
    }
}

impl LockAnswer {
    pub(super) fn write(&self, w: &mut Writer) {
        let mut begin = |kind: u8, request: RequestId| {
            w.byte(kind);
            w.varint(u64::from(request.0));
        };
        match *self {
            Self::Granted { request, fence } => {
                begin(0, request);
                write_fence(fence, w);
            }
            Self::Released { request } => begin(1, request),
            Self::TimedOut { request, holder, held_ms } => {
                begin(2, request);
                w.raw(&holder.0.to_le_bytes());
                w.varint(held_ms);
            }
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kind, request) = (r.byte()?, RequestId(r.varint32()?));
        Ok(match kind {
            0 => Self::Granted { request, fence: read_fence(r)? },
            1 => Self::Released { request },
            2 => {
                let holder = NodeId(u64::from_le_bytes(r.array()?));
                Self::TimedOut { request, holder, held_ms: r.varint()? }
            }
            found => return Err(DecodeError::Unknown { what: "lock answer", found: u64::from(found) }),
        })
    }
}

pub(super) fn write_fence(fence: Fence, w: &mut Writer) {
    fence.0.write(w);
}

pub(super) fn read_fence(r: &mut Reader<'_>) -> Result<Fence, DecodeError> {
    CommitNumber::read(r).map(Fence)
}

//! How changes of one object reach one node that holds it.
//!
//! Chosen by the node for each subscription, kept by the repository with the holder. Source: `docs/wire.md` §6.3;
//! rent-or-buy for the adaptive one (Karlin et al. 1988).

use crate::coding::{DecodeError, Reader, Writer};

/// How changes of an object reach a node that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// By pushes while the node reads; by one stale notice once what was pushed and not read has cost more than a pull
    /// would have, then by nothing until the node pulls. At most twice the bytes of the better of the other two.
    #[default]
    Adaptive,
    /// Always by pushes, for objects whose next read must not wait.
    Push,
    /// Always by one stale notice, for objects that are seldom read.
    Notice,
}

impl Delivery {
    pub(super) fn write(self, w: &mut Writer) {
        w.byte(match self {
            Self::Adaptive => 0,
            Self::Push => 1,
            Self::Notice => 2,
        });
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.byte()? {
            0 => Ok(Self::Adaptive),
            1 => Ok(Self::Push),
            2 => Ok(Self::Notice),
            found => Err(DecodeError::Unknown { what: "delivery", found: u64::from(found) }),
        }
    }
}

//! When an object ends by itself: unused for too long, or at an age of its own.
//!
//! Chosen by the application, carried by records and frames, judged by the repository alone (E1). Invariant: a limit that
//! was checked lies between [`EXPIRY_MS_MIN`] and [`EXPIRY_MS_MAX`]. Source: own reasoning; the two limits are those of
//! web sessions.

use std::time::Duration;

use crate::coding::{DecodeError, Reader, Writer};
use crate::limits::{EXPIRY_MS_MAX, EXPIRY_MS_MIN};

/// The limits after which an object ends by itself; by default there is none.
///
/// ```text
/// expiry   idle limit in ms, 0 for none: varint · lifetime in ms, 0 for none: varint
/// ```
///
/// ```
/// use std::time::Duration;
/// let half_an_hour = Duration::from_secs(30 * 60);
/// let expiry = nam::Expiry::idle(half_an_hour).or_after(48 * half_an_hour);
/// assert_ne!(expiry, nam::Expiry::NEVER);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    idle_ms: Option<u64>,
    lifetime_ms: Option<u64>,
}

/// Says which limit cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an object expires after {EXPIRY_MS_MIN} to {EXPIRY_MS_MAX} ms, not {found_ms}")]
pub struct ExpiryError {
    /// The limit, in milliseconds.
    pub found_ms: u64,
}

impl Expiry {
    /// The object lives until it is destroyed.
    pub const NEVER: Self = Self { idle_ms: None, lifetime_ms: None };

    /// The object ends once nobody has read, changed or opened it for `limit`.
    #[must_use]
    pub fn idle(limit: Duration) -> Self {
        Self { idle_ms: Some(milliseconds(limit)), lifetime_ms: None }
    }

    /// The object ends `lifetime` after the repository learns of this, however much it is used.
    #[must_use]
    pub fn after(lifetime: Duration) -> Self {
        Self::NEVER.or_after(lifetime)
    }

    /// As this, and at the latest `lifetime` after the repository learns of it.
    #[must_use]
    pub fn or_after(self, lifetime: Duration) -> Self {
        Self { lifetime_ms: Some(milliseconds(lifetime)), ..self }
    }

    /// How long the object may be unused, in milliseconds.
    #[must_use]
    pub fn idle_ms(self) -> Option<u64> {
        self.idle_ms
    }

    /// How long the object lives from now on, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(self) -> Option<u64> {
        self.lifetime_ms
    }

    /// Whether both limits can be.
    ///
    /// # Errors
    /// The one that cannot.
    pub fn check(self) -> Result<(), ExpiryError> {
        let found = [self.idle_ms, self.lifetime_ms].into_iter().flatten();
        match found.into_iter().find(|ms| !(EXPIRY_MS_MIN..=EXPIRY_MS_MAX).contains(ms)) {
            Some(found_ms) => Err(ExpiryError { found_ms }),
            None => Ok(()),
        }
    }

    pub(crate) fn write(self, w: &mut Writer) {
        w.varint(self.idle_ms.unwrap_or(0));
        w.varint(self.lifetime_ms.unwrap_or(0));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut limit = || r.varint().map(|ms| (ms != 0).then_some(ms));
        Ok(Self { idle_ms: limit()?, lifetime_ms: limit()? })
    }
}

fn milliseconds(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_lie_between_a_second_and_ten_years() {
        let (second, year) = (Duration::from_secs(1), Duration::from_secs(365 * 24 * 3_600));
        assert_eq!(Expiry::NEVER.check(), Ok(()));
        assert_eq!(Expiry::idle(second).or_after(10 * year).check(), Ok(()));
        for wrong in [Duration::ZERO, second - Duration::from_nanos(1), 11 * year, Duration::MAX] {
            let found_ms = milliseconds(wrong);
            assert_eq!(Expiry::idle(wrong).check(), Err(ExpiryError { found_ms }));
            assert_eq!(Expiry::idle(second).or_after(wrong).check(), Err(ExpiryError { found_ms }));
        }
    }
}

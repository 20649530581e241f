//! The class of a session, and the name it has in the repository.
//!
//! Invariant: a session's id is nowhere in the repository, in a log or in a debug text, only a hash of it (S1); ids are
//! 128 random bits, so a hash of as many tells them apart. Source: own reasoning.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::json::Fields;
use crate::expiry::Expiry;
use crate::limits::{EXPIRY_MS_MAX, EXPIRY_MS_MIN, SESSION_MOVES_A_LIFE};

/// One session.
#[derive(nam_derive::Tracked, Clone)]
#[nam(crate = "crate", name = "web.tower_sessions.Record")]
pub(super) struct Record {
    /// What the application put into it.
    pub(super) data: Arc<Fields>,
    /// When it ends, as the application said: given back as it came, and what the repository was told, about the same.
    #[nam(lww)]
    pub(super) ends: OffsetDateTime,
}

/// Where the data of a session went that got another id; found under the former name for a while.
#[derive(nam_derive::Tracked, Clone)]
#[nam(crate = "crate", name = "web.tower_sessions.Moved")]
pub(super) struct Moved {
    /// The name of the session now.
    pub(super) to: String,
}

/// What is left until `ends`; `None` if that is over.
pub(super) fn left(ends: OffsetDateTime, now: OffsetDateTime) -> Option<Duration> {
    Duration::try_from(ends - now).ok().filter(|left| !left.is_zero())
}

/// The expiry of what ends after `left`, by the repository's clock.
pub(super) fn expiry(left: Duration) -> Expiry {
    let (shortest, longest) = (Duration::from_millis(EXPIRY_MS_MIN), Duration::from_millis(EXPIRY_MS_MAX));
    Expiry::after(left.clamp(shortest, longest))
}

/// Whether an end has moved so far that the repository is to know: tower-sessions moves it with every save (E2).
pub(super) fn is_moved(told: OffsetDateTime, ends: OffsetDateTime, left: Duration) -> bool {
    (ends - told).unsigned_abs() > left / SESSION_MOVES_A_LIFE
}

/// The name of a session: a hash of its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionKey(u128);

impl SessionKey {
    pub(super) fn of(id: i128) -> Self {
        let mut named = b"nam.web.tower_sessions".to_vec();
        named.extend(id.to_le_bytes());
        let hash = digest(&SHA256, &named);
        Self(hash.as_ref().iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }

    pub(super) fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_of_the_end_is_not_told() {
        let (start, hour) = (OffsetDateTime::UNIX_EPOCH, Duration::from_secs(3_600));
        assert!(!is_moved(start, start + Duration::from_secs(120), hour));
        assert!(is_moved(start, start + Duration::from_secs(121), hour));
        assert!(is_moved(start, start - Duration::from_secs(121), hour), "an end that comes sooner is told too");
        assert_eq!((left(start, start), left(start, start + hour)), (None, None));
        assert_eq!(left(start + hour, start), Some(hour));
        let far = time::Date::MAX.midnight().assume_utc();
        assert_eq!(expiry(left(far, start).unwrap()).check(), Ok(()));
        assert_eq!(expiry(Duration::from_nanos(1)).check(), Ok(()));
    }

    #[test]
    fn a_session_is_named_by_a_hash() {
        let key = SessionKey::of(7);
        assert_eq!(key.to_string().len(), 32);
        assert!(key != SessionKey::of(-7) && key.number() != 7);
    }
}

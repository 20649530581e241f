//! How long a browser keeps the cookies of a session.
//!
//! The repository alone ends sessions; a cookie is only not to end before its session does. So it lasts a quarter longer than
//! the session may be unused, and is sent again once that quarter has passed: seldom, and known from what the cookie says
//! of itself. Invariant: a cookie that is sent whenever it is due ends no earlier than the session, unless that has gone
//! unused for its idle limit. Source: own reasoning (S1, E1); RFC 6265bis §5.5 (no cookie lasts longer than 400 days).

use crate::expiry::Expiry;

/// What an idle limit counts as at most, in seconds: with its quarter it is the 400 days that browsers keep a cookie.
const IDLE_S_MAX: u64 = 320 * 24 * 3_600;

/// How long cookies last.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lasting {
    /// The browser forgets them when it is closed.
    UntilClosed,
    /// As long as a session that ends so.
    As(Expiry),
}

impl Lasting {
    /// How long a cookie is to be kept that is set now, in seconds, of a session that was made at `made_at`.
    pub(super) fn max_age_s(self, made_at: u64, now: u64) -> Option<u64> {
        let Self::As(expiry) = self else { return None };
        Some(end(expiry, made_at, now).saturating_sub(now).max(1))
    }

    /// Whether a cookie that was set at `set_at` is to be set again, because it would last longer then.
    pub(super) fn is_due(self, made_at: u64, set_at: u64, now: u64) -> bool {
        let Self::As(expiry) = self else { return false };
        now >= set_at.saturating_add(step_s(expiry)) && end(expiry, made_at, now) > end(expiry, made_at, set_at)
    }
}

/// When a cookie ends that was set at `set_at`, in seconds since 1970 as all times here.
fn end(expiry: Expiry, made_at: u64, set_at: u64) -> u64 {
    let unused = set_at.saturating_add(idle_s(expiry)).saturating_add(step_s(expiry));
    let lifetime = expiry.lifetime_ms().map(|ms| made_at.saturating_add(ms.div_ceil(1_000)));
    lifetime.map_or(unused, |end| end.min(unused))
}

fn idle_s(expiry: Expiry) -> u64 {
    expiry.idle_ms().map_or(IDLE_S_MAX, |ms| ms.div_ceil(1_000)).min(IDLE_S_MAX)
}

fn step_s(expiry: Expiry) -> u64 {
    (idle_s(expiry) / 4).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MADE_AT: u64 = 1_000_000;
    const DAY: u64 = 24 * 3_600;

    fn idle(seconds: u64) -> Expiry {
        Expiry::idle(Duration::from_secs(seconds))
    }

    #[test]
    fn without_a_date_nothing_is_due() {
        assert_eq!(Lasting::UntilClosed.max_age_s(MADE_AT, MADE_AT), None);
        assert!(!Lasting::UntilClosed.is_due(MADE_AT, MADE_AT, u64::MAX));
    }

    #[test]
    fn an_idle_limit_slides_in_quarters_and_never_ends_before_the_session() {
        let lasting = Lasting::As(idle(1_800));
        let (mut set_at, mut times) = (MADE_AT, 0);
        for now in MADE_AT..MADE_AT + DAY {
            if lasting.is_due(MADE_AT, set_at, now) {
                assert_eq!(now - set_at, 450);
                (set_at, times) = (now, times + 1);
            }
            // Used for the last time at this second.
            assert!(set_at + lasting.max_age_s(MADE_AT, set_at).unwrap() > now + 1_800);
        }
        assert_eq!((times, lasting.max_age_s(MADE_AT, MADE_AT)), (DAY / 450 - 1, Some(2_250)));
    }

    #[test]
    fn a_lifetime_counts_from_the_beginning_and_is_never_extended() {
        let lasting = Lasting::As(Expiry::after(Duration::from_secs(DAY)));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT), Some(DAY));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT + 1_000), Some(DAY - 1_000));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT + 2 * DAY), Some(1), "the repository has the last word");
        assert!((0..2 * DAY).all(|second| !lasting.is_due(MADE_AT, MADE_AT, MADE_AT + second)));
    }

    #[test]
    fn of_two_limits_the_nearer_one_counts() {
        let lasting = Lasting::As(idle(400).or_after(Duration::from_secs(1_000)));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT + 400), Some(500));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT + 700), Some(300));
        assert!(lasting.is_due(MADE_AT, MADE_AT + 400, MADE_AT + 700));
        assert!(!lasting.is_due(MADE_AT, MADE_AT + 500, MADE_AT + 999), "it would end at the same time");
    }

    #[test]
    fn what_never_ends_is_kept_for_as_long_as_browsers_do() {
        for expiry in [Expiry::NEVER, idle(1_000 * DAY), Expiry::after(Duration::from_secs(3_000 * DAY))] {
            let lasting = Lasting::As(expiry);
            assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT), Some(400 * DAY));
            assert!(lasting.is_due(MADE_AT, MADE_AT, MADE_AT + 80 * DAY));
            assert!(!lasting.is_due(MADE_AT, MADE_AT, MADE_AT + 80 * DAY - 1));
        }
    }

    #[test]
    fn a_limit_of_a_second_and_a_clock_that_is_behind_are_no_mistake() {
        let lasting = Lasting::As(idle(1));
        assert_eq!(lasting.max_age_s(MADE_AT, MADE_AT), Some(2));
        assert!(lasting.is_due(MADE_AT, MADE_AT, MADE_AT + 1) && !lasting.is_due(MADE_AT, MADE_AT, MADE_AT));
        assert!(!lasting.is_due(MADE_AT, MADE_AT, 0));
        assert!(!lasting.is_due(u64::MAX, u64::MAX, u64::MAX), "nothing overflows");
    }
}

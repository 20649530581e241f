//! Whether a stranger who dials may begin a handshake, which costs the daemon half a millisecond of signing.
//!
//! A bucket of tokens: a handshake takes one, time puts them back. While the bucket is less than half full, who dials is first
//! asked to show that its address is its own, which costs next to nothing: a flood from invented addresses takes no
//! token, and those who are there get in. Invariant: no more handshakes begin in a stretch of time than the bucket holds
//! and gets in it. Source: own reasoning; RFC 9000, 8.1.2 (retry packets).

use std::time::{Duration, Instant};

/// What is to be done with a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The handshake begins.
    Begin,
    /// It must show its address first.
    Prove,
    /// There are too many; it may come again later.
    Refuse,
}

/// The handshakes that may begin.
#[derive(Debug)]
pub(super) struct Admissions {
    a_second: u32,
    most: f64,
    tokens: f64,
    filled: Instant,
}

impl Admissions {
    /// A full bucket of `most` handshakes, into which `a_second` are put back each second.
    pub(super) fn new(most: u32, a_second: u32, now: Instant) -> Self {
        Self { a_second, most: f64::from(most), tokens: f64::from(most), filled: now }
    }

    /// Judges one who dials; `is_proven`: its address is known to be its own.
    pub(super) fn judge(&mut self, now: Instant, is_proven: bool) -> Admission {
        self.fill(now.saturating_duration_since(self.filled));
        self.filled = self.filled.max(now);
        if !is_proven && self.tokens * 2.0 < self.most {
            return Admission::Prove;
        }
        if self.tokens < 1.0 {
            return Admission::Refuse;
        }
        self.tokens -= 1.0;
        Admission::Begin
    }

    fn fill(&mut self, passed: Duration) {
        self.tokens = (self.tokens + passed.as_secs_f64() * f64::from(self.a_second)).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::Admission::{Begin, Prove, Refuse};
    use super::*;

    #[test]
    fn what_is_taken_comes_back_with_time() {
        let start = Instant::now();
        let mut admissions = Admissions::new(4, 2, start);
        let judged = [(); 5].map(|()| admissions.judge(start, true));
        assert_eq!(judged, [Begin, Begin, Begin, Begin, Refuse]);
        let later = start + Duration::from_millis(600);
        assert_eq!([(); 2].map(|()| admissions.judge(later, true)), [Begin, Refuse]);
        let long_after = later + Duration::from_secs(60);
        assert_eq!([(); 5].map(|()| admissions.judge(long_after, true)), judged, "no more are saved than fit");
    }

    #[test]
    fn strangers_prove_their_address_before_they_take_what_is_scarce() {
        let start = Instant::now();
        let mut admissions = Admissions::new(4, 2, start);
        assert_eq!([(); 5].map(|()| admissions.judge(start, false)), [Begin, Begin, Begin, Prove, Prove]);
        assert_eq!(admissions.judge(start, true), Begin, "what is left is for those who did");
    }
}

//! Lines of the log that a stranger can cause, each kind once a second at most.
//!
//! Invariant: however many cookies are forged, a layer writes one line a second of each kind, which says how many there were
//! before it since the last one. Source: own reasoning (O1).

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(1);

/// What is said of the cookies of one layer.
#[derive(Debug, Default)]
pub(super) struct Notices {
    strange: Mutex<Pace>,
    ambiguous: Mutex<Pace>,
}

/// When the last line of a kind was written, and how many there would have been since.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    passed_over: u64,
}

impl Pace {
    /// How many were passed over before this one, if it is to be said.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            self.passed_over += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.passed_over))
    }
}

impl Notices {
    /// The cookies of a request that have the layer's names are none of its own.
    pub(super) fn strange(&self, name: &str) {
        if let Some(passed_over) = self.strange.lock().next(Instant::now()) {
            tracing::info!(
                name,
                passed_over,
                "a cookie of a session is sealed with no key of this instance; it counts for nothing"
            );
        }
    }

    /// A request names two sessions.
    pub(super) fn ambiguous(&self, name: &str) {
        if let Some(passed_over) = self.ambiguous.lock().next(Instant::now()) {
            tracing::info!(name, passed_over, "a request names two sessions; it is given neither");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_passed_over() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let said = [0, 1, 999, 1_000, 1_001, 2_500, 1_800].map(|ms| pace.next(begin + Duration::from_millis(ms)));
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1), None], "nor when a clock seems to go back");
    }
}

//! Lines of the log that a stranger can cause: of each kind one a second, which says how many there were before it.
//!
//! Source: own reasoning (O1).

use std::time::{Duration, Instant};

const A_SECOND: Duration = Duration::from_secs(1);

/// What happens of one kind, as the log has it.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    said: Option<Instant>,
    unsaid: u64,
}

impl Flood {
    /// One more; answers how many others came since the last that was said, if this one is to be.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < A_SECOND) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_second_that_says_how_many_were_passed_over() {
        let (start, mut flood) = (Instant::now(), Flood::default());
        let noted = [0, 10, 999, 1_000, 1_001, 9_000, 8_500].map(|ms| flood.note(start + Duration::from_millis(ms)));
        assert_eq!(noted, [Some(0), None, None, Some(2), None, Some(1), None], "nor when a clock seems to go back");
    }
}

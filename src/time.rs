//! Points of time that a core is handed: it never asks a clock.
//!
//! Drivers turn their clock into [`Instant`]s; the simulator makes them up. Source: own reasoning (sans-I/O).

use std::time::Duration;

/// Milliseconds on a monotonic scale whose zero the driver chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The point `duration` later; far beyond the end of the scale stays at its end.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`, zero if that is in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

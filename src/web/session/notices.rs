//! Lines of the log that a stranger can cause, each kind once a second at most.
//!
//! Invariant: however many cookies are forged, a layer writes one line a second of each kind, which says how many there were
//! before it since the last one. Source: own reasoning (O1).

use std::time::Instant;

use parking_lot::Mutex;

use crate::flood::Flood;

/// What is said of the cookies of one layer.
#[derive(Debug, Default)]
pub(super) struct Notices {
    strange: Mutex<Flood>,
    ambiguous: Mutex<Flood>,
}

impl Notices {
    /// The cookies of a request that have the layer's names are none of its own.
    pub(super) fn strange(&self, name: &str) {
        if let Some(passed_over) = self.strange.lock().note(Instant::now()) {
            tracing::info!(
                name,
                passed_over,
                "a cookie of a session is sealed with no key of this instance; it counts for nothing"
            );
        }
    }

    /// A request names two sessions.
    pub(super) fn ambiguous(&self, name: &str) {
        if let Some(passed_over) = self.ambiguous.lock().note(Instant::now()) {
            tracing::info!(name, passed_over, "a request names two sessions; it is given neither");
        }
    }
}

//! The node's randomness: its id, and the jitter of retries.
//!
//! Not for secrets. Source: the keys that the standard library draws for its hash maps.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A number that nobody else has, very likely.
pub(super) fn draw() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// A pause between half of `longest` and all of it.
pub(super) fn jittered(longest: Duration) -> Duration {
    let half = longest / 2;
    let share = u32::try_from(draw() % 1_024).unwrap_or_default();
    half + half * share / 1_024
}

/// The pause before try number `tries` (1 and up): doubles from `first`, at most `longest`, jittered.
pub(super) fn pause(tries: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(16));
    jittered(doubled.min(longest))
}

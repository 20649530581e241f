//! Clocks that drift: what a shard or a node takes the time for.

use nam::time::Instant;

use crate::dice::Dice;

/// A clock that runs up to a hundredth too fast or too slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    per_mille: u64,
    /// What it shows at the beginning.
    zero: u64,
}

impl Clock {
    /// A clock that shows `zero` at the beginning.
    pub(crate) fn draw(dice: &mut Dice, zero: u64) -> Self {
        Self { per_mille: [990, 997, 1_000, 1_003, 1_010][dice.index(5)], zero }
    }

    /// What it shows.
    pub(crate) fn at(self, now: u64) -> Instant {
        Instant(self.zero + now * self.per_mille / 1_000)
    }

    /// How long until it shows `due`.
    pub(crate) fn until(self, due: Instant, now: u64) -> u64 {
        due.0.saturating_sub(self.at(now).0) * 1_000 / self.per_mille + 1
    }
}

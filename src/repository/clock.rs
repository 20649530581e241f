//! In which order objects in memory are looked at when some have to go: a clock, with the time of the last use for its
//! bit.
//!
//! Invariants: a slot stands in the queue once, whoever lives in it; a sweep looks at each twice at most, so that a shard
//! whose objects all have to stay comes to rest. Source: Corbató, A paging experiment with the Multics system (1968).

use std::collections::VecDeque;

use super::aliases::Aliases;
use crate::ids::Alias;
use crate::time::Instant;

/// The queue and the sweep that is under way.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Slots, roughly by the last use of their objects, which is what was known of it.
    queue: VecDeque<(Alias, Instant)>,
    queued: Aliases,
    /// Looks that the sweep under way still takes.
    looks: Option<usize>,
}

impl Clock {
    /// Puts a slot behind the others, unless it stands there.
    pub(super) fn add(&mut self, alias: Alias, used_at: Instant) {
        if !self.queued.contains(alias) {
            self.queued.insert(alias);
            self.queue.push_back((alias, used_at));
        }
    }

    /// Begins a sweep; whether none was under way.
    pub(super) fn sweep(&mut self) -> bool {
        let is_first = self.looks.is_none();
        self.looks.get_or_insert(self.queue.len() * 2);
        is_first
    }

    /// The next slot of the sweep, taken out, with what was known of its last use; `None` when that ends the sweep.
    pub(super) fn take(&mut self) -> Option<(Alias, Instant)> {
        self.looks = self.looks.and_then(|looks| looks.checked_sub(1));
        let taken = self.looks.and_then(|_| self.queue.pop_front());
        match taken {
            Some((alias, _)) => self.queued.remove(alias),
            None => self.looks = None,
        }
        taken
    }

    /// Ends the sweep.
    pub(super) fn stop(&mut self) {
        self.looks = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_stands_once_whoever_lives_in_it() {
        let mut clock = Clock::default();
        for birth in 0..1_000 {
            clock.add(Alias(birth % 3), Instant(birth.into()));
        }
        assert_eq!(clock.queue.len(), 3);
        assert!(clock.sweep());
        let taken: Vec<_> = std::iter::from_fn(|| clock.take()).collect();
        assert_eq!(taken, [(Alias(0), Instant(0)), (Alias(1), Instant(1)), (Alias(2), Instant(2))]);
        assert_eq!((clock.queue.len(), clock.queued.len()), (0, 0));
    }

    #[test]
    fn a_sweep_ends_though_nothing_goes() {
        let mut clock = Clock::default();
        (0..5_000).for_each(|alias| clock.add(Alias(alias), Instant(0)));
        assert!(clock.sweep());
        let mut looks = 0;
        while let Some((alias, used_at)) = clock.take() {
            clock.add(alias, used_at);
            assert!(!clock.sweep(), "one sweep at a time");
            looks += 1;
        }
        assert_eq!((looks, clock.queue.len()), (10_000, 5_000));
    }
}

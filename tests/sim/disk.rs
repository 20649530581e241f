//! A shard's disk: it takes its time, forgets what it was not done with, is full for a while, and fails.

use nam::ids::FrameNumber;
use nam::journal::{Append, Frame, Journal};

use crate::dice::Dice;
use crate::network::Event;
use crate::shard::Shard;
use crate::world::World;

/// What came of a write.
pub(crate) enum Written {
    Durable(FrameNumber),
    /// Nobody knows whether the frame is there.
    InDoubt,
}

impl Shard {
    /// When a frame that is handed over now will be written: behind the others, seldom much later.
    pub(crate) fn plan_write(&mut self, append: Append, now: u64, dice: &mut Dice) -> u64 {
        let takes = if dice.one_in(50) { 200 } else { 12 };
        self.durable_at = self.durable_at.max(now) + dice.below(takes);
        self.appending.push_back(append);
        self.durable_at
    }

    /// Writes the oldest frame, or fails; a failed write is never tried again.
    pub(crate) fn write(&mut self, dice: &mut Dice) -> Written {
        if !self.is_lossy && dice.one_in(150) {
            return Written::InDoubt;
        }
        Written::Durable(self.keep().unwrap())
    }

    /// The process ends: what is on its way is forgotten, but for the oldest frame, which may have been written.
    pub(crate) fn forget(&mut self, dice: &mut Dice) {
        if !self.is_lossy && dice.one_in(3) {
            self.keep();
        }
        self.appending.clear();
        self.forget_images(dice);
    }

    fn keep(&mut self) -> Option<FrameNumber> {
        let append = self.appending.pop_front()?;
        self.journal.append(&append).unwrap();
        self.history.settle(&Frame::decode(&append.frame.bytes).unwrap().0);
        Some(append.frame.name.number)
    }
}

impl World {
    /// A shard's disk is full until somebody makes room.
    pub(crate) fn fill(&mut self, at: usize) {
        let shard = &mut self.shards[at];
        if shard.is_lossy || shard.is_full {
            return;
        }
        shard.is_full = true;
        shard.core.handle_room(shard.clock.at(self.now), false);
        self.report.filled += 1;
        let room_at = self.now + [20, 200, 2_000][self.dice.index(3)];
        self.agenda.plan(room_at, Event::Room { shard: at });
    }
}

//! Work in steps: what a call does not finish within its budget waits here.
//!
//! Invariant: no call costs more than [`STEP_CELLS_MAX`] cells or [`SEGMENT_BYTES_MAX`] bytes, so a 15 MB object delays a
//! 16-byte delta by one step. What can pause does so when all but a reserve is spent; what cannot is small enough for
//! the reserve, a long text apart. Source: own reasoning.

use super::holders::Place;
use super::locks::Subject;
use super::{Core, WorkDone};
use crate::document::Budget;
use crate::event::GroupId;
use crate::ids::{Alias, TransferId};
use crate::limits::{SEGMENT_BYTES_MAX, STEP_CELLS_MAX};

/// Something that takes more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A node's records are to be read on.
    Read(Place),
    /// A node's dirty objects and requests are to be served on.
    Catch(Place),
    /// Segments of a node are to be taken on.
    Upload(Place, TransferId),
    /// A node left; its holder entries are to be removed.
    Leave(Place),
    /// The objects of sealed frames are to be fanned out on.
    FanOut,
    /// A node's creations are to be loaded on.
    Create(Place),
    /// An object's commit is to be judged or sliced on.
    Commit(Alias),
    /// Objects that are due are to be looked at on.
    Expire,
    /// The holders of an object are to be told its idle limit on, from this place.
    Ask(Alias, Place),
    /// A lock is to be given to the next in line, or those in line are to be told on that there is none.
    HandOver(Subject),
    /// A group's consumers are to be told on what is ready.
    Deliver(GroupId),
    /// Objects are to go on leaving memory.
    Evict,
    /// The shard's state is to be encoded on.
    Save,
}

/// What a call keeps for the end of what it began: a commit applied in place, the answer to it, one record.
const RESERVE: WorkDone = WorkDone { cells: 200, bytes: 96 * 1024 };

/// What the current call has cost, and the most a call did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    now: WorkDone,
    most: WorkDone,
}

impl Cost {
    /// A call begins.
    pub(super) fn begin(&mut self) {
        self.now = WorkDone::default();
    }

    pub(super) fn add(&mut self, cells: usize, bytes: usize) {
        self.now.cells += cells;
        self.now.bytes += bytes;
        self.most.cells = self.most.cells.max(self.now.cells);
        self.most.bytes = self.most.bytes.max(self.now.bytes);
    }

    /// What work that can pause may still cost in this call.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(
            (STEP_CELLS_MAX - RESERVE.cells).saturating_sub(self.now.cells),
            (SEGMENT_BYTES_MAX - RESERVE.bytes).saturating_sub(self.now.bytes),
        )
    }

    /// What an answer that cannot wait may still cost.
    pub(super) fn last_budget(&self) -> Budget {
        Budget::new(STEP_CELLS_MAX.saturating_sub(self.now.cells), self.bytes_left())
    }

    /// Bytes this call may still move, the reserve included.
    pub(super) fn bytes_left(&self) -> usize {
        SEGMENT_BYTES_MAX.saturating_sub(self.now.bytes)
    }

    /// Whether nothing was done in this call yet that could have waited.
    pub(super) fn is_fresh(&self) -> bool {
        self.now.cells <= 1
    }

    /// Adds what a walk has cost.
    pub(super) fn charge(&mut self, budget: &Budget) {
        self.add(budget.cells(), budget.bytes());
    }

    /// Whether what can wait must.
    pub(super) fn is_spent(&self) -> bool {
        self.budget().is_spent()
    }

    pub(super) fn most(&self) -> WorkDone {
        self.most
    }
}

impl Core {
    /// Whether [`poll_work`](Self::poll_work) has anything to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// Does one step of the work that waits; answers whether more does.
    pub fn poll_work(&mut self) -> bool {
        self.cost.begin();
        let Some(work) = self.work.pop_front() else { return false };
        match work {
            Work::Read(place) => self.read_on(place),
            Work::Catch(place) => self.catch_on(place),
            Work::Upload(place, transfer) => self.upload_on(place, transfer),
            Work::Leave(place) => self.leave_on(place),
            Work::FanOut => self.fan_out(),
            Work::Create(place) => self.create_next(place),
            Work::Commit(alias) => self.commit_on(alias),
            Work::Expire => self.expire_on(),
            Work::Ask(alias, next) => self.ask_on(alias, next),
            Work::HandOver(subject) => self.hand_over(subject),
            Work::Deliver(group) => self.deliver_on(group),
            Work::Evict => self.evict_on(),
            Work::Save => self.save_on(),
        }
        !self.work.is_empty()
    }
}

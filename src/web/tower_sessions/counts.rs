//! What a session store has done, in numbers.
//!
//! What the trait cannot express, an update overwritten or a late save, is counted. Source: own reasoning.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a store did what, since it was made; clones of a store count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Sessions that were loaded.
    pub loads: u64,
    /// Sessions that were created, new ids of existing ones included.
    pub creations: u64,
    /// Sessions that got another id: creations that took over the data of a session.
    pub rotations: u64,
    /// Saves that sent what they changed.
    pub saves: u64,
    /// Saves that changed nothing, or only when the session ends.
    pub unchanged: u64,
    /// Times the repository was told of another end of a session.
    pub ends_told: u64,
    /// Paths that a save wrote although another request had written them since the load.
    pub overwritten: u64,
    /// Saves that were refused for that, see [`Overwrites`](super::Overwrites).
    pub refused: u64,
    /// Saves that were refused because what their request had loaded was not kept any more, and the session had changed.
    pub baseless: u64,
    /// Saves that came after their session had ended.
    pub late: u64,
    /// Of these, how many were carried over to the session's new id.
    pub late_moved: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) loads: AtomicU64,
    pub(super) creations: AtomicU64,
    pub(super) rotations: AtomicU64,
    pub(super) saves: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) ends_told: AtomicU64,
    pub(super) overwritten: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) baseless: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) late_moved: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            loads: read(&self.loads),
            creations: read(&self.creations),
            rotations: read(&self.rotations),
            saves: read(&self.saves),
            unchanged: read(&self.unchanged),
            ends_told: read(&self.ends_told),
            overwritten: read(&self.overwritten),
            refused: read(&self.refused),
            baseless: read(&self.baseless),
            late: read(&self.late),
            late_moved: read(&self.late_moved),
        }
    }
}

/// Adds to a count.
pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

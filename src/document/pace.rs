//! Walks that pause: what one step may cost, and where the last one ended.
//!
//! Judging and applying walk an object beside a delta. A step ends when its budget is spent: the recursion unwinds, each
//! level that can be resumed leaves how far it was, the outermost last, and takes that back on the way down. Invariants:
//! every step does one cell at least; what is pinned is finished in the step that began it. Source: own reasoning.

/// What one step of a walk may cost, and what it has cost.
///
/// A cell is what is looked up and carries a version; what is put whole costs its bytes, and so does a page that is
/// copied because a frozen version shares it.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    cells_max: usize,
    bytes_max: usize,
    cells: usize,
    bytes: usize,
}

impl Budget {
    /// Allows so much.
    #[must_use]
    pub const fn new(cells_max: usize, bytes_max: usize) -> Self {
        Self { cells_max, bytes_max, cells: 0, bytes: 0 }
    }

    /// Allows everything at once.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }

    /// Cells that were visited.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Bytes that were checked, written or copied.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.cells >= self.cells_max || self.bytes >= self.bytes_max
    }

    /// Whether so much is left.
    pub(super) fn has(&self, cells: usize, bytes: usize) -> bool {
        let mut more = *self;
        more.spend(cells, bytes);
        more.cells <= self.cells_max && more.bytes <= self.bytes_max
    }

    pub(super) fn spend(&mut self, cells: usize, bytes: usize) {
        self.cells = self.cells.saturating_add(cells);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// One step of a walk whose levels leave an `S` each.
#[derive(Debug)]
pub(super) struct Pace<'b, S> {
    budget: &'b mut Budget,
    resume: Vec<S>,
    paused: Vec<S>,
    has_begun: bool,
    pinned: u32,
}

impl<'b, S> Pace<'b, S> {
    /// Goes on where a step left off that answered `resume`; from the start if that is empty.
    pub(super) fn new(budget: &'b mut Budget, resume: Vec<S>) -> Self {
        Self { budget, resume, paused: Vec::new(), has_begun: false, pinned: 0 }
    }

    /// Where to go on, if the step paused.
    pub(super) fn into_paused(self) -> Vec<S> {
        self.paused
    }

    pub(super) fn spend(&mut self, cells: usize, bytes: usize) {
        self.has_begun |= cells > 0;
        self.budget.spend(cells, bytes);
    }

    /// Whether a level that can pause must.
    pub(super) fn is_out(&self) -> bool {
        self.has_begun && self.pinned == 0 && self.budget.is_spent()
    }

    /// Whether a level inside has paused.
    pub(super) fn is_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    /// Leaves how far this level was.
    pub(super) fn pause(&mut self, level: S) {
        self.paused.push(level);
    }

    /// Whether what comes next was begun by an earlier step.
    pub(super) fn is_resuming(&self) -> bool {
        !self.resume.is_empty()
    }

    /// How far this level was when the last step paused.
    pub(super) fn resume(&mut self) -> Option<S> {
        self.resume.pop()
    }

    /// What follows is finished in this step, until as many calls of [`unpin`](Self::unpin).
    pub(super) fn pin(&mut self) {
        self.pinned += 1;
    }

    pub(super) fn unpin(&mut self) {
        self.pinned = self.pinned.saturating_sub(1);
    }
}

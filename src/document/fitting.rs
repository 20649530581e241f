//! Whether what is stored fits a newer schema: fields that the last one did not know were kept unread.
//!
//! The object is cut as a snapshot is, and each piece is checked as if it came from outside, so a step costs what it
//! cuts; an array is one piece. Invariant: accepts what a check of the whole value accepts. Source: own reasoning.

use std::sync::Arc;

use super::freeze::{Frozen, Segments};
use super::pace::Budget;
use crate::delta::{Operations, check_delta};
use crate::schema::Schema;

/// Bytes of a piece.
const PIECE_BYTES: usize = 16 * 1024;

/// A check of a whole object in the making.
#[derive(Clone, Debug)]
pub struct Fitting {
    schema: Arc<Schema>,
    frozen: Frozen,
    segments: Segments,
}

impl Fitting {
    pub(super) fn new(schema: Arc<Schema>, frozen: Frozen) -> Self {
        let segments = frozen.segments();
        Self { schema, frozen, segments }
    }

    /// The schema that it is held against.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Checks as much as the budget allows, a piece at least; answers whether everything fits, once that is known.
    pub fn step(&mut self, budget: &mut Budget) -> Option<bool> {
        loop {
            let Some(piece) = self.segments.next(&self.frozen, PIECE_BYTES) else { return Some(true) };
            // It is written and read.
            budget.spend(1, 2 * piece.len());
            if check_delta(&self.schema, &piece, Operations::Refused).is_err() {
                return Some(false);
            }
            if budget.is_spent() {
                return None;
            }
        }
    }
}

//! Forgets stamps that nobody needs, a bounded number of entries at a time.
//!
//! The horizon moves at once, so judging and `since` refuse what is below it; the stamps behind it go step by step.
//! Pages keep the oldest mark they may hold, so a step finds the next page to clean by a scan of their heads and needs
//! no memory of where the last one stopped. Source: own reasoning.

use super::apart::{Branch, entry_kinds};
use super::pace::Budget;
use super::stamps::Mark;
use super::tuning::Tuning;
use crate::coding::DecodeError;
use crate::schema::{Kind, Schema};

/// One step of forgetting.
#[derive(Debug)]
pub(super) struct Trimming<'s> {
    pub(super) schema: &'s Schema,
    pub(super) tuning: Tuning,
    pub(super) horizon: Mark,
    /// Entries that may still be looked at; a page that was begun is finished.
    pub(super) budget: usize,
    /// Pages that were joined so far; nothing else changes what an image keeps of a page.
    pub(super) joins: usize,
    /// What was rewritten, a page a cell.
    pub(super) cost: &'s mut Budget,
}

impl Branch {
    /// Forgets stamps not after the horizon; answers whether the budget sufficed.
    pub(super) fn trim(&mut self, trimming: &mut Trimming<'_>, kind: &Kind) -> Result<bool, DecodeError> {
        match (self, entry_kinds(kind), kind) {
            (Self::Map(map), Some(kinds), _) => map.trim(trimming, kinds),
            (Self::List(list), _, Kind::List(element) | Kind::Array(element, _)) => list.trim(trimming, element),
            _ => Ok(true),
        }
    }
}

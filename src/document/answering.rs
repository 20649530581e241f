//! An answer to "what changed since version v" that is made in steps, from a version that is kept as it is.
//!
//! Commits go on meanwhile: a clone of a document shares its pages, and whoever changes one copies it first. Invariant:
//! the delta is what [`Document::since`] writes of that version, whatever the steps. Source: own reasoning.

use std::collections::VecDeque;

use bytes::Bytes;

use super::pace::Budget;
use super::since::{Halt, Since, Walk};
use super::{BelowHorizon, Document};
use crate::ids::Version;

/// An answer in the making.
#[derive(Clone, Debug)]
pub struct Answering {
    document: Document,
    base: Version,
    walk: Walk,
}

impl Answering {
    /// Begins to answer what changed in `document` since `base`.
    #[must_use]
    pub fn new(document: Document, base: Version) -> Self {
        Self { document, base, walk: Walk::default() }
    }

    /// The version that the answer leads to.
    #[must_use]
    pub fn version(&self) -> Version {
        self.document.version
    }

    /// Writes as much as the budget allows, a field of the root or an entry at least; answers the pieces of the delta once
    /// all is written.
    ///
    /// # Errors
    /// [`BelowHorizon`] if that is forgotten: the object must be sent again.
    pub fn step(&mut self, budget: &mut Budget) -> Option<Result<VecDeque<Bytes>, BelowHorizon>> {
        let Self { document, base, walk } = self;
        let below = BelowHorizon { base: *base, horizon: document.horizon };
        if *base < document.horizon {
            return Some(Err(below));
        }
        let since = Since::step(&document.schema, document.mark_of(*base), *budget);
        let written = document.write_since(&since, walk);
        *budget = since.budget();
        match written {
            Ok(()) => Some(Ok(std::mem::take(walk).into_delta().into_pieces())),
            Err(Halt::Spent) => None,
            Err(Halt::Damaged) => Some(Err(below)),
        }
    }
}

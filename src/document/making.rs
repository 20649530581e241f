//! A commit that is applied in steps, on a copy that nobody sees until it is whole.
//!
//! Copying a document copies one pointer, and a step copies only the pages that it changes, so readers keep the version
//! before for as long as it takes. Invariant: the copy differs from what one step would have made in the cut of its
//! pages only. Source: own reasoning.

use bytes::Bytes;

use super::Document;
use super::apply::Saved;
use super::judge::Judged;
use super::pace::Budget;
use crate::ids::Version;

/// A version in the making.
#[derive(Clone, Debug)]
pub struct Making {
    document: Document,
    delta: Bytes,
    version: Version,
    resume: Vec<Saved>,
}

impl Making {
    /// Begins to make `version` of `document` by what was judged well on it.
    #[must_use]
    pub fn new(mut document: Document, judged: &Judged, version: Version) -> Self {
        document.begin(version);
        Self { document, delta: judged.delta.clone(), version, resume: Vec::new() }
    }

    /// Applies as much as the budget allows, one cell at least; answers whether that was the rest.
    pub fn step(&mut self, budget: &mut Budget) -> bool {
        let resume = std::mem::take(&mut self.resume);
        let applied = self.document.change_on(&self.delta, self.version, budget, resume);
        debug_assert!(applied.is_ok(), "a judged delta applies: {applied:?}");
        match applied {
            Ok(resume) => self.resume = resume,
            Err(_damaged) => self.document.horizon = self.version,
        }
        self.resume.is_empty()
    }

    /// The document at the new version; what was not applied is not in it.
    #[must_use]
    pub fn into_document(mut self, cost: &mut Budget) -> Document {
        self.document.version = self.version;
        self.document.relieve(cost);
        self.document
    }
}

//! A piece of a value that comes from outside, checked and applied in steps: a creation, or a segment of one.
//!
//! The document is nobody else's until its value is whole, so it is changed in place. Source: own reasoning.

use bytes::Bytes;

use super::Document;
use super::judge::{Judging, Refusal};
use super::making::Making;
use super::pace::Budget;
use crate::coding::DecodeError;
use crate::ids::Version;

/// A document into which a delta is on its way.
#[derive(Debug)]
pub struct Loading(Stage);

#[derive(Debug)]
enum Stage {
    Checking { document: Box<Document>, judging: Box<Judging>, version: Version },
    Applying(Box<Making>),
}

/// What a step came to.
#[derive(Debug)]
pub enum Loaded {
    /// More is to be done.
    Partly(Loading),
    /// The delta is in the document.
    Wholly(Box<Document>),
    /// The delta is malformed.
    Refused(DecodeError),
}

impl Loading {
    /// Begins to bring a delta into a document, which makes `version` of it or a further part of that version.
    #[must_use]
    pub fn new(document: Box<Document>, delta: Bytes, version: Version) -> Self {
        let judging = Box::new(Judging::of_replay(delta, document.version));
        Self(Stage::Checking { document, judging, version })
    }

    /// Does as much as the budget allows, one cell at least.
    #[must_use]
    pub fn step(self, budget: &mut Budget) -> Loaded {
        match self.0 {
            Stage::Checking { document, mut judging, version } => match judging.step(&document, budget) {
                None => Loaded::Partly(Self(Stage::Checking { document, judging, version })),
                Some(Err(refusal)) => Loaded::Refused(malformed(refusal)),
                Some(Ok(judged)) => {
                    let making = Box::new(Making::new(*document, &judged, version));
                    Self(Stage::Applying(making)).step(budget)
                }
            },
            Stage::Applying(mut making) => match making.step(budget) {
                true => Loaded::Wholly(Box::new(making.into_document(budget))),
                false => Loaded::Partly(Self(Stage::Applying(making))),
            },
        }
    }
}

/// What a refusal means for bytes that were never in conflict.
pub(super) fn malformed(refusal: Refusal) -> DecodeError {
    match refusal {
        Refusal::Malformed(error) => error,
        Refusal::Limit { what, found, max } => DecodeError::Limit { what, found, max },
        Refusal::Splices { found, max } => DecodeError::Limit { what: "bytes moved by splices", found, max },
        _ => DecodeError::Unknown { what: "operation in a replayed delta", found: 0 },
    }
}

//! Judges a commit before anything is changed: does it conflict, is it well formed, what does it say on today's version.
//!
//! ```text
//! delta at base ─▶ one read-only walk beside the document ─▶ Conflict │ Malformed │ ... │ Judged: delta at head
//! ```
//! A commit conflicts if an ancestor of a cell it touches was put after its base, the cell itself changed after it, or,
//! for a whole replacement, anything inside did; and if its base is below the horizon. Invariants: stamps are asked
//! before shape, so an honest stale commit is a conflict and never malformed; what is judged well can be applied
//! without failing; nothing is written, so a walk may pause at any entry and go on from there. Source: `docs/wire.md`
//! §5; own reasoning.

mod entries;
mod fields;
mod guards;
mod list;
mod operation;
mod patches;
mod put;
mod runs;
mod walk;

use bytes::Bytes;

use super::Document;
use super::pace::{Budget, Pace};
use super::stamps::Mark;
use crate::coding::DecodeError;
use crate::ids::Version;
use crate::limits::{DELTA_BYTES_MAX, GUARD_BYTES_MAX, OBJECT_BYTES_MAX};
use patches::Patches;
use walk::{Saved, Stop, Walk};

/// What newer changes a commit cannot live with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those that overlap the cells it touches.
    #[default]
    Cells,
    /// Any in the object: the commit was made by `update_isolated`.
    WholeObject,
}

/// A commit that can be applied.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The change on the version it was judged at: list positions moved to now, operations turned into values.
    pub delta: Bytes,
    /// Whether `delta` is byte for byte what was sent.
    pub as_sent: bool,
    /// Cells it touches.
    pub cells: usize,
    /// Whether it changes nothing.
    pub is_empty: bool,
}

/// Why a commit is refused; the document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Something it touches changed after its base; run it again on the newest version.
    #[error("a newer commit touches the same cells")]
    Conflict,
    /// Its bytes are not a delta of this class.
    #[error("the delta is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// An addition leaves the range of its field.
    #[error("an addition overflows `{field}`")]
    Overflow {
        /// The field's name.
        field: String,
    },
    /// The splices of one text would move too many bytes.
    #[error(
        "the splices of a text move {found} bytes, {max} are allowed: set the text whole, or splice it in more commits"
    )]
    Splices {
        /// Bytes of the text after each splice, added up.
        found: u64,
        /// The cap.
        max: u64,
    },
    /// The delta or the object would exceed a cap.
    #[error("{what} of {found} exceed {max}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How much there would be.
        found: u64,
        /// The cap.
        max: u64,
    },
}

/// A judgement that proceeds in steps, so that a large commit does not hold up its shard.
///
/// The document must not change between the steps. A walk pauses between fields, entries and elements at any depth, of
/// edits and of values put whole; what it does not cut is one operation, one text, and the table of one list's runs.
#[derive(Clone, Debug)]
pub struct Judging {
    delta: Bytes,
    base: Version,
    scope: Scope,
    /// What must not have changed either.
    guards: Bytes,
    is_replay: bool,
    resume: Vec<Saved>,
    patches: Patches,
    cells: usize,
}

impl Judging {
    /// Begins to judge a delta that was made at `base`.
    #[must_use]
    pub fn new(delta: Bytes, base: Version, scope: Scope) -> Self {
        let (resume, patches) = (Vec::new(), Patches::default());
        Self { delta, base, scope, guards: Bytes::new(), is_replay: false, resume, patches, cells: 0 }
    }

    /// Also requires that what `guards` name did not change after the base: edits, each sized (`docs/wire.md` §5.8).
    #[must_use]
    pub fn guarded_by(self, guards: Bytes) -> Self {
        Self { guards, ..self }
    }

    /// Begins to validate a delta that was judged before, made at the document's version.
    pub(super) fn of_replay(delta: Bytes, version: Version) -> Self {
        Self { is_replay: true, ..Self::new(delta, version, Scope::Cells) }
    }

    /// Judges as much as the budget allows, one cell at least; answers `None` if more is left.
    ///
    /// # Errors
    /// The answer is a [`Refusal`] if the commit cannot be applied.
    pub fn step(&mut self, document: &Document, budget: &mut Budget) -> Option<Result<Judged, Refusal>> {
        if self.resume.is_empty()
            && let Err(refusal) = self.admit(document)
        {
            return Some(Err(refusal));
        }
        let base = if self.is_replay { Mark(u32::MAX) } else { document.mark_of(self.base) };
        let pace = Pace::new(budget, std::mem::take(&mut self.resume));
        let mut walk = Walk::new(document.schema(), &self.delta, base, pace);
        walk.patches = std::mem::take(&mut self.patches);
        walk.cells = self.cells;
        let answer = walk.root(document.root());
        self.cells = walk.cells;
        self.patches = walk.patches;
        match answer {
            Ok(()) => Some(Ok(self.finish())),
            Err(Stop::Paused) => {
                self.resume = walk.pace.into_paused();
                None
            }
            Err(Stop::Refused(refusal)) => Some(Err(refusal)),
        }
    }

    fn admit(&self, document: &Document) -> Result<(), Refusal> {
        if self.is_replay {
            return Ok(());
        }
        let limit = |what, found: usize, max: usize| match found > max {
            true => Err(Refusal::Limit { what, found: found as u64, max: max as u64 }),
            false => Ok(()),
        };
        limit("bytes of a delta", self.delta.len(), DELTA_BYTES_MAX)?;
        limit("bytes of an object", document.encoded_bytes() + self.delta.len(), OBJECT_BYTES_MAX)?;
        let is_newer = self.scope == Scope::WholeObject && self.base != document.version();
        if is_newer || self.base < document.horizon() || self.base > document.version() {
            return Err(Refusal::Conflict);
        }
        limit("bytes of guards", self.guards.len(), GUARD_BYTES_MAX)?;
        guards::judge(document, &self.guards, document.mark_of(self.base))
    }

    fn finish(&mut self) -> Judged {
        let as_sent = self.patches.is_empty();
        let delta = if as_sent { self.delta.clone() } else { Bytes::from(self.patches.rewrite(&self.delta)) };
        Judged { delta, as_sent, cells: self.cells, is_empty: self.cells == 0 }
    }
}

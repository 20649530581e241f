//! The state of a judge's walk, and the step from a value to its parts.
//!
//! Recursion is bounded because every level reads a frame of the delta. A pause unwinds it as an error that is none.

use std::ops::Range;

use super::Refusal;
use super::patches::Patches;
use super::runs::Runs;
use crate::coding::{DecodeError, Reader};
use crate::delta::FieldsReader;
use crate::document::apart::{Children, entry_kinds};
use crate::document::apply::{Splice, check_splice, splice};
use crate::document::list::ListView;
use crate::document::map::MapBranch;
use crate::document::offset_in;
use crate::document::pace::Pace;
use crate::document::stamps::{Mark, Stamp};
use crate::document::stored::fields_of;
use crate::document::{ROOT_KEY, root_kinds};
use crate::limits::SPLICED_BYTES_MAX;
use crate::schema::{Kind, Schema, TypeDef, TypeIndex};

/// Why the walk ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The budget of this step is used up.
    Paused,
    /// The commit is refused.
    Refused(Refusal),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Refused(Refusal::Malformed(error))
    }
}

/// The answer to what overlaps a newer change.
pub(super) const CONFLICT: Stop = Stop::Refused(Refusal::Conflict);

/// How far one level was when the walk paused.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved {
    /// Fields, or bytes of a container's edit or value, that were judged.
    pub(super) done: usize,
    /// By how much its part of the delta has grown.
    pub(super) grown: i64,
    /// Where the last key or index stands in the delta.
    pub(super) last: Option<Range<usize>>,
    /// Entries, elements or fields of a value that were checked.
    pub(super) checked: usize,
    /// The runs of a list that were read.
    pub(super) runs: Option<Runs>,
}

/// A stored value beside which an edit is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'d> {
    pub(super) value: &'d [u8],
    pub(super) stamp: &'d Stamp,
    pub(super) children: &'d Children,
    /// Whether a put never conflicts here: the field or one around it is `lww`.
    pub(super) is_lww: bool,
}

/// One step of a judgement.
#[derive(Debug)]
pub(super) struct Walk<'w> {
    pub(super) schema: &'w Schema,
    pub(super) delta: &'w [u8],
    pub(super) base: Mark,
    pub(super) patches: Patches,
    pub(super) cells: usize,
    pub(super) pace: Pace<'w, Saved>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(schema: &'w Schema, delta: &'w [u8], base: Mark, pace: Pace<'w, Saved>) -> Self {
        Self { schema, delta, base, patches: Patches::default(), cells: 0, pace }
    }

    /// Judges the whole delta beside the root struct.
    pub(super) fn root(&mut self, root: &MapBranch) -> Result<(), Stop> {
        let kind = Kind::Type(self.schema.root);
        let found = root.find(root_kinds(&kind), ROOT_KEY)?;
        let (value, stamp, children) = match &found {
            Some((entry, children)) => (entry.value, entry.fate.stamp()?, *children),
            None => (&[0][..], Stamp::default(), Children::none()),
        };
        let target = Target { value, stamp: &stamp, children, is_lww: false };
        self.value(&kind, target, Reader::new(self.delta)).map(drop)
    }

    /// Whether `mark` is newer than the commit's base.
    pub(super) fn is_newer(&self, mark: Mark) -> bool {
        mark > self.base
    }

    /// Pauses here if the budget is used up.
    pub(super) fn breathe(&self) -> Result<(), Stop> {
        if self.pace.is_out() { Err(Stop::Paused) } else { Ok(()) }
    }

    /// Leaves how far a level was if `answer` is a pause.
    pub(super) fn leave<T>(&mut self, answer: Result<T, Stop>, level: impl FnOnce() -> Saved) -> Result<T, Stop> {
        if matches!(answer, Err(Stop::Paused)) {
            self.pace.pause(level());
        }
        answer
    }

    /// Counts one judged cell of so many bytes.
    pub(super) fn count_cell(&mut self, bytes: usize) {
        self.cells += 1;
        self.pace.spend(1, bytes);
    }

    /// Where `part` of the delta stands in it.
    pub(super) fn place(&self, part: &[u8]) -> Range<usize> {
        let start = offset_in(self.delta, part);
        start..start + part.len()
    }

    /// Judges an edit of a stored value that was there, as one value, at the base; answers by how much the delta grows.
    pub(super) fn value(&mut self, kind: &Kind, target: Target<'_>, edit: Reader<'w>) -> Result<i64, Stop> {
        match kind {
            Kind::Type(index) => self.typed(*index, target, edit),
            Kind::Option(inner) => {
                let body = Reader::new(target.value).frame()?;
                if body.is_done() {
                    return Err(DecodeError::Absent { what: "option's value" }.into());
                }
                let inside = Target { value: body.rest(), stamp: target.stamp.option(), ..target };
                if self.is_newer(inside.stamp.own) {
                    return Err(CONFLICT);
                }
                // A value nests a frame deeper than its edit does here.
                let mut edit = edit;
                self.value(inner, inside, edit.frame_of_rest()?)
            }
            Kind::String | Kind::Bytes => self.text(kind, target, edit),
            Kind::Map(..) | Kind::Set(_) => match entry_kinds(kind) {
                Some(kinds) => self.container(kinds, target, edit),
                None => Ok(0),
            },
            Kind::List(element) => {
                let view = ListView::of(target.value, target.stamp, target.children)?;
                self.list(element, false, view, target.is_lww, edit)
            }
            Kind::Array(element, _) => {
                let view = ListView::of(target.value, target.stamp, target.children)?;
                self.list(element, true, view, target.is_lww, edit)
            }
            _ => Err(DecodeError::Unknown { what: "kind that can be edited", found: 0 }.into()),
        }
    }

    fn typed(&mut self, index: TypeIndex, target: Target<'_>, mut edit: Reader<'w>) -> Result<i64, Stop> {
        let mut body = Reader::new(target.value).frame()?;
        let whole = body;
        let fields = fields_of(self.schema, index, &mut body)?;
        if let Some(TypeDef::Enum(_)) = self.schema.type_at(index) {
            let mut current = whole;
            if edit.varint()? != current.varint()? {
                return Err(DecodeError::Absent { what: "variant" }.into());
            }
        }
        self.fields(fields, FieldsReader::new(body), target, FieldsReader::new(edit))
    }

    fn text(&mut self, kind: &Kind, target: Target<'_>, mut edit: Reader<'w>) -> Result<i64, Stop> {
        if self.is_newer(target.stamp.newest()) {
            return Err(CONFLICT);
        }
        let text = Reader::new(target.value).sized()?;
        let mut rest = edit;
        if !rest.is_done() {
            let only = Splice::read(&mut rest)?;
            if rest.is_done() {
                self.count_cell(edit.left());
                return Ok(check_splice(kind, text, &only).map(|()| 0)?);
            }
        }
        let mut text = text.to_vec();
        let mut moved = 0_usize;
        self.count_cell(edit.left() + text.len());
        while !edit.is_done() {
            splice(kind, &mut text, &Splice::read(&mut edit)?)?;
            moved = moved.saturating_add(text.len());
            if moved > SPLICED_BYTES_MAX {
                let (found, max) = (moved as u64, SPLICED_BYTES_MAX as u64);
                return Err(Stop::Refused(Refusal::Splices { found, max }));
            }
        }
        Ok(0)
    }
}

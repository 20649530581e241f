//! Judges an edit of a list: structure against structure, elements against elements, old indices moved to now.
//!
//! Edits of different elements merge, an edit merges past insertions and removals of others; an edit of an element that
//! is gone conflicts. Insertions in different gaps and removals of different elements merge; the same gap and the same
//! element conflict, a removal with a newer edit of what it removes too, and a move with any newer change of structure.

use std::ops::Range;

use super::runs::Runs;
use super::walk::{CONFLICT, Saved, Stop, Target, Walk};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::EntryChange;
use crate::document::list::{ListView, Part, Place};
use crate::document::stamps::Stamp;
use crate::schema::Kind;

impl<'w> Walk<'w> {
    /// Judges an edit of a list; answers by how much the delta grows.
    pub(super) fn list(
        &mut self,
        element: &Kind,
        is_fixed: bool,
        view: ListView<'_>,
        is_lww: bool,
        mut edit: Reader<'w>,
    ) -> Result<i64, Stop> {
        let (whole, edit_start) = (edit.left(), edit);
        let count = edit.varint()?;
        if count > 0 && is_fixed {
            return Err(DecodeError::Unknown { what: "structure of an array", found: count }.into());
        }
        let (mut grown, mut last, mut runs) = (0, None, None);
        if let Some(saved) = self.pace.resume() {
            edit.take(saved.done - (whole - edit.left()))?;
            (grown, last, runs) = (saved.grown, saved.last, saved.runs);
        } else if count > 0 {
            let is_newer = self.is_newer(view.structure());
            let old_len = if is_newer { view.len_at(self.base) } else { view.len() };
            let head = self.place(edit_start.rest().get(..whole - edit.left()).unwrap_or_default());
            runs = Some(Runs::new(head, old_len, count - 1));
        }
        if let Some(unread) = runs.as_mut().filter(|runs| !runs.is_judged) {
            let answer = self.structure(element, &view, unread, &mut edit);
            let done = whole - edit.left();
            grown = self.leave(answer, || Saved { done, runs: runs.take(), ..Saved::default() })?;
        }
        let delta = self.delta;
        while !edit.is_done() {
            let (at, done) = (edit, whole - edit.left());
            let index = edit.varint()?;
            let last_index = last.clone().and_then(|range| Reader::new(delta.get(range)?).varint().ok());
            if last_index.is_some_and(|last| last >= index) {
                return Err(DecodeError::Order { what: "indices" }.into());
            }
            let written = at.rest().get(..at.left() - edit.left()).unwrap_or_default();
            let answer = self
                .breathe()
                .and_then(|()| self.element(element, &view, runs.as_ref(), index, written, is_lww, &mut edit));
            let saved = || Saved { done, grown, last: last.take(), checked: 0, runs: runs.take() };
            grown += self.leave(answer, saved)?;
            last = Some(self.place(written));
        }
        Ok(grown)
    }

    /// Reads the runs of a new list and judges what they keep; answers by how much they grow. A pause leaves the reader where
    /// it goes on.
    fn structure(
        &mut self,
        element: &Kind,
        view: &ListView<'_>,
        runs: &mut Runs,
        edit: &mut Reader<'w>,
    ) -> Result<i64, Stop> {
        let mut piece = 0;
        while runs.left + runs.unchecked > 0 {
            self.breathe()?;
            let left = edit.left();
            if runs.unchecked > 0 {
                let before = *edit;
                let answer = self.put(element, edit);
                if answer.is_err() {
                    *edit = before;
                }
                piece = self.count_piece(piece + answer?);
                runs.unchecked -= 1;
            } else {
                runs.left -= 1;
                self.run(runs, edit)?;
                piece = self.count_piece(piece + left - edit.left());
            }
        }
        let mut kept = runs.kept()?;
        if self.is_newer(view.structure()) {
            if !runs.merge(view.fates(self.base))? {
                return Err(CONFLICT);
            }
            kept = runs.kept()?;
        }
        if self.removes_newer_edit(view, &kept) {
            return Err(CONFLICT);
        }
        runs.is_judged = true;
        self.count_cell(piece);
        let end = self.place(edit.rest()).start;
        let mut grown = 0;
        for (range, bytes) in runs.rewritten(end) {
            if self.delta.get(range.clone()) != Some(&bytes[..]) {
                grown += self.patches.replace(range, bytes);
            }
        }
        Ok(grown)
    }

    /// Reads the head of one run.
    fn run(&self, runs: &mut Runs, edit: &mut Reader<'w>) -> Result<(), DecodeError> {
        let place = self.place(edit.rest()).start;
        let head = edit.varint()?;
        if head & 1 == 0 {
            return runs.push(Some(head >> 1), edit.varint()?, place);
        }
        runs.unchecked = head >> 1;
        runs.push(None, head >> 1, place)
    }

    /// Whether an element outside the kept ranges was edited after the base.
    fn removes_newer_edit(&self, view: &ListView<'_>, kept: &[Range<u64>]) -> bool {
        let mut at = 0_u64;
        for part in view.parts() {
            if self.is_newer(part.newest) {
                for (index, stamp) in part.stamps.edits() {
                    let index = at + u64::from(index);
                    let before = kept.partition_point(|range| range.start <= index);
                    let is_kept = before.checked_sub(1).and_then(|at| kept.get(at)).is_some_and(|r| r.contains(&index));
                    if !is_kept && self.is_newer(stamp.newest()) {
                        return true;
                    }
                }
            }
            at += u64::from(part.count);
        }
        false
    }

    /// Judges the change of one element, whose index as written is `written`.
    #[expect(clippy::too_many_arguments, reason = "one loop's body, cut out for its length")]
    fn element(
        &mut self,
        element: &Kind,
        view: &ListView<'_>,
        runs: Option<&Runs>,
        index: u64,
        written: &[u8],
        is_lww: bool,
        edit: &mut Reader<'w>,
    ) -> Result<i64, Stop> {
        let absent = DecodeError::Absent { what: "element" };
        let old = match runs {
            Some(runs) => runs.old_index(index).ok_or(absent.clone())?,
            None => index,
        };
        let (now, part, place) = match view.trace(self.base, old) {
            Place::Live { now, part, index } => (now, part, index),
            Place::Dead => return Err(CONFLICT),
            Place::Beyond => return Err(absent.into()),
        };
        let stamp = part.stamps.edit(place);
        let grown = self.element_change(element, part, place, &stamp, is_lww, edit)?;
        let new = runs.map_or(now, |runs| runs.new_index(now, index));
        if new == index {
            return Ok(grown);
        }
        let mut w = Writer::new();
        w.varint(new);
        Ok(grown + self.patches.replace(self.place(written), w.into_bytes()))
    }

    fn element_change(
        &mut self,
        element: &Kind,
        part: Part<'_>,
        index: u32,
        stamp: &Stamp,
        is_lww: bool,
        edit: &mut Reader<'w>,
    ) -> Result<i64, Stop> {
        match EntryChange::read(edit)? {
            EntryChange::Remove => Err(DecodeError::Unknown { what: "change of an element", found: 0 }.into()),
            EntryChange::Put => {
                let bytes = self.put(element, edit)?;
                if !is_lww && self.is_newer(stamp.newest()) {
                    return Err(CONFLICT);
                }
                self.count_cell(bytes);
                Ok(0)
            }
            EntryChange::Edit(body) => {
                if self.is_newer(stamp.own) {
                    return Err(CONFLICT);
                }
                let value = part.element(element, index)?;
                let grown = self.value(element, Target { value, stamp, children: part.children, is_lww }, body)?;
                let body = self.place(body.rest());
                Ok(self.patches.reframe(body, 2, grown))
            }
        }
    }
}

//! Judges an edit of a list: structure against structure, elements against elements, old indices moved to now.
//!
//! Edits of different elements merge, an edit merges past insertions and removals of others; an edit of an element that
//! is gone conflicts, a change of structure conflicts with any newer one and with a newer edit of what it removes.

use std::ops::Range;

use super::walk::{CONFLICT, Stop, Target, Walk};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{EntryChange, check_value};
use crate::document::list::{ListView, Part, Place};
use crate::document::stamps::Stamp;
use crate::schema::Kind;

/// The runs of a new list: where each starts there, where it comes from (`None`: new), how many elements it has.
struct Runs(Vec<(u64, Option<u64>, u64)>);

impl Runs {
    /// The old index of the element at `index` of the new list.
    fn old_index(&self, index: u64) -> Option<u64> {
        let at = self.0.partition_point(|(start, ..)| *start <= index).checked_sub(1)?;
        let (start, from, count) = *self.0.get(at)?;
        (index - start < count).then_some(from? + (index - start))
    }

    /// The kept ranges of the old list, ascending.
    fn kept(&self) -> Vec<Range<u64>> {
        let ranges = self.0.iter().filter_map(|(_, from, count)| from.map(|from| from..from + count));
        let mut kept: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
        kept.sort_unstable_by_key(|range| range.start);
        kept
    }
}

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
        let count = edit.varint()?;
        if count > 0 && is_fixed {
            return Err(DecodeError::Unknown { what: "structure of an array", found: count }.into());
        }
        self.unpausable += 1;
        let runs = match count {
            0 => None,
            _ => Some(self.structure(element, &view, count - 1, &mut edit)?),
        };
        let (mut grown, mut last) = (0, None);
        while !edit.is_done() {
            let at = edit;
            let index = edit.varint()?;
            if last.is_some_and(|last| last >= index) {
                return Err(DecodeError::Order { what: "indices" }.into());
            }
            last = Some(index);
            let written = at.rest().get(..at.left() - edit.left()).unwrap_or_default();
            grown += self.element(element, &view, runs.as_ref(), index, written, is_lww, &mut edit)?;
        }
        self.unpausable -= 1;
        Ok(grown)
    }

    /// Judges the runs of a new list.
    fn structure(
        &mut self,
        element: &Kind,
        view: &ListView<'_>,
        count: u64,
        edit: &mut Reader<'w>,
    ) -> Result<Runs, Stop> {
        if self.is_newer(view.structure()) {
            return Err(CONFLICT);
        }
        let before = edit.left();
        let (mut runs, mut at) = (Vec::new(), 0_u64);
        for _ in 0..count {
            let head = edit.varint()?;
            let (from, count) = if head & 1 == 0 {
                let (start, count) = (head >> 1, edit.varint()?);
                let end = start.checked_add(count).filter(|end| *end <= view.len());
                end.ok_or(DecodeError::Absent { what: "range of elements" })?;
                (Some(start), count)
            } else {
                for _ in 0..head >> 1 {
                    check_value(self.schema, element, edit)?;
                }
                (None, head >> 1)
            };
            if count == 0 {
                return Err(DecodeError::Order { what: "kept ranges" }.into());
            }
            runs.push((at, from, count));
            at = at.checked_add(count).filter(|at| u32::try_from(*at).is_ok()).ok_or(DecodeError::Varint)?;
        }
        let runs = Runs(runs);
        let kept = runs.kept();
        if kept.iter().zip(kept.iter().skip(1)).any(|(one, next)| one.end > next.start) {
            return Err(DecodeError::Order { what: "kept ranges" }.into());
        }
        self.count_cell(before - edit.left());
        if self.removes_newer_edit(view, &kept) { Err(CONFLICT) } else { Ok(runs) }
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
        if runs.is_some() || now == index {
            return Ok(grown);
        }
        let mut w = Writer::new();
        w.varint(now);
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
        let before = edit.left();
        match EntryChange::read(edit)? {
            EntryChange::Remove => Err(DecodeError::Unknown { what: "change of an element", found: 0 }.into()),
            EntryChange::Put => {
                check_value(self.schema, element, edit)?;
                if !is_lww && self.is_newer(stamp.newest()) {
                    return Err(CONFLICT);
                }
                self.count_cell(before - edit.left());
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

//! A list as bytes: whole, edited, and back.
//!
//! ```text
//! value   len count value*
//! edit    0 | runs + 1, then each run: start << 1, count (kept) | count << 1 | 1, value* (new)
//!         { index, 1 value | n + 2 body of n bytes }*    indices of the new list, ascending
//! ```
//! Invariants: an edit depends on what the list was and is, not on how it came about; bytes from outside size no
//! allocation. Source: `docs/wire.md` §5.

use std::collections::BTreeMap;

use super::changes::{ListChanges, Structure};
use super::diff::align;
use super::runs::{Run, Runs};
use super::store::ListStore;
use crate::coding::{DecodeError, Reader, Writer};
use crate::tracked::field::edit_entry;
use crate::tracked::{Changes, Edit, Tracked};

/// Writes all elements behind their length and count.
pub(super) fn encode<L: ListStore>(list: &L, w: &mut Writer) {
    w.framed(|w| {
        w.length(list.count());
        list.elements().for_each(|element| element.encode(w));
    });
}

/// Reads what `encode` wrote.
pub(super) fn decode<L: ListStore>(r: &mut Reader<'_>) -> Result<L, DecodeError> {
    let mut body = r.frame()?;
    let count = body.count(1)?;
    let mut list = L::with_room(count.min(body.left() / size_of::<L::Element>().max(1)));
    for _ in 0..count {
        list.push_element(L::Element::decode(&mut body)?);
    }
    body.finish()?;
    Ok(list)
}

/// What an element was before.
enum Before<'c, T: Tracked> {
    Changes(&'c T::Changes),
    Value(&'c T),
}

/// Writes what leads from what `changes` keeps to `list`.
pub(super) fn encode_edit<L: ListStore>(list: &L, changes: &ListChanges<L>, w: &mut Writer) -> Edit {
    if let Some(old) = &changes.whole {
        return encode_diff(list, &**old, w);
    }
    let Some(structure) = &changes.structure else {
        let entries = changes.edits.iter().map(|(&at, c)| (at, Before::Changes(c)));
        return write(list, None, entries, w);
    };
    if structure.removed.is_empty() || !structure.runs.is_ascending() {
        let entries = structure.edited(&changes.edits).map(|(at, c)| (at, Before::Changes(c)));
        return write(list, Some((&structure.runs, structure.old_count)), entries, w);
    }
    let (runs, mut entries) = refine(list, structure);
    entries.extend(structure.edited(&changes.edits).map(|(at, c)| (at, Before::Changes(c))));
    write(list, Some((&runs, structure.old_count)), entries.into_iter(), w)
}

/// Writes what leads from `old` to `list`.
pub(super) fn encode_diff<L: ListStore>(list: &L, old: &L, w: &mut Writer) -> Edit {
    let olds: Vec<_> = old.elements().collect();
    let news: Vec<_> = list.elements().collect();
    let alignment = align(&olds, &news);
    let entries = alignment.pairs.iter().filter_map(|&(old, new)| Some((new, Before::Value(*olds.get(old)?))));
    write(list, Some((&alignment.runs, olds.len())), entries, w)
}

/// Where new elements stand in the place of removed ones: says which of them are the same, or the same but changed.
fn refine<'c, L: ListStore>(
    list: &L,
    structure: &'c Structure<L::Element>,
) -> (Runs, BTreeMap<usize, Before<'c, L::Element>>) {
    let mut runs = Runs::default();
    let mut entries = BTreeMap::new();
    let mut starts = structure.runs.kept().map(|range| range.start).chain([structure.old_count]);
    let mut gap = 0..starts.next().unwrap_or_default();
    for (at, run) in structure.runs.placed() {
        let Run::New { count } = run else {
            runs.push(run);
            if let Run::Kept { start, count } = run {
                gap = start + count..starts.next().unwrap_or_default();
            }
            continue;
        };
        let olds: Vec<_> = structure.removed.range(gap.clone()).map(|(_, value)| value).collect();
        let news: Vec<_> = list.elements().skip(at).take(count).collect();
        let alignment = align(&olds, &news);
        for run in alignment.runs.as_slice() {
            runs.push(match *run {
                Run::Kept { start, count } => Run::Kept { start: gap.start + start, count },
                Run::New { .. } => *run,
            });
        }
        entries
            .extend(alignment.pairs.iter().filter_map(|&(old, new)| Some((at + new, Before::Value(*olds.get(old)?)))));
    }
    (runs, entries)
}

/// Writes an edit: the runs of a list that had `old_count` elements, then `entries`, by index ascending.
fn write<'c, L: ListStore>(
    list: &L,
    structure: Option<(&Runs, usize)>,
    entries: impl Iterator<Item = (usize, Before<'c, L::Element>)>,
    w: &mut Writer,
) -> Edit {
    let start = w.len();
    let structure = structure.filter(|(runs, old_count)| !runs.is_identity(*old_count));
    match structure {
        None => w.varint(0),
        Some((runs, old_count)) => {
            if runs.kept().next().is_none() && old_count > 0 && list.count() > 0 {
                return Edit::Put;
            }
            write_runs(list, runs, w);
        }
    }
    let mut is_changed = structure.is_some();
    for (at, before) in entries {
        is_changed |= write_entry(list, at, &before, w);
    }
    let is_scrambled = structure.is_some_and(|(runs, _)| runs.as_slice().len() > 8.max(list.count() / 2));
    if is_scrambled && w.len() - start >= encoded_len(list) {
        return Edit::Put;
    }
    if is_changed { Edit::Edited } else { Edit::Same }
}

fn write_runs<L: ListStore>(list: &L, runs: &Runs, w: &mut Writer) {
    w.length(runs.as_slice().len() + 1);
    for (at, run) in runs.placed() {
        match run {
            Run::Kept { start, count } => {
                w.varint((start as u64) << 1);
                w.length(count);
            }
            Run::New { count } => {
                w.varint((count as u64) << 1 | 1);
                list.elements().skip(at).take(count).for_each(|element| element.encode(w));
            }
        }
    }
}

fn write_entry<L: ListStore>(list: &L, at: usize, before: &Before<'_, L::Element>, w: &mut Writer) -> bool {
    let Some(value) = list.element(at) else { return false };
    let head = |w: &mut Writer| w.length(at);
    match before {
        Before::Changes(changes) if !changes.is_touched() => false,
        Before::Changes(changes) => edit_entry(w, head, value, |w| value.encode_edit(changes, w)),
        Before::Value(old) => edit_entry(w, head, value, |w| value.encode_diff(old, w)),
    }
}

fn encoded_len<L: ListStore>(list: &L) -> usize {
    let mut w = Writer::new();
    encode(list, &mut w);
    w.len()
}

/// Reads the runs of an edit of a list of `old_count` elements: their order, and the new elements.
pub(super) fn decode_runs<T: Tracked>(
    r: &mut Reader<'_>,
    runs: u64,
    old_count: usize,
) -> Result<(Runs, Vec<T>), DecodeError> {
    let mut order = Runs::default();
    let mut values = Vec::new();
    for _ in 0..runs {
        let head = r.varint()?;
        let number = usize::try_from(head >> 1).map_err(|_| DecodeError::Varint)?;
        if head & 1 == 0 {
            let count = usize::try_from(r.varint()?).map_err(|_| DecodeError::Varint)?;
            if number.checked_add(count).is_none_or(|end| end > old_count) {
                return Err(DecodeError::Absent { what: "a list element" });
            }
            order.push(counted(Run::Kept { start: number, count })?);
        } else {
            for _ in 0..number {
                values.push(T::decode(r)?);
            }
            order.push(counted(Run::New { count: number })?);
        }
    }
    if !order.is_sound(old_count) {
        return Err(DecodeError::Absent { what: "a list element, kept twice," });
    }
    Ok((order, values))
}

/// Refuses a run of no elements.
fn counted(run: Run) -> Result<Run, DecodeError> {
    if run.count() == 0 {
        return Err(DecodeError::Unknown { what: "count of a run", found: 0 });
    }
    Ok(run)
}

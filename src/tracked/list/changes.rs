//! What was done to a list: its runs, the elements that were taken out, and the changes of those that stayed.
//!
//! Invariants: edits are kept by *old* index, so an insertion shifts none of them; a removed element is kept as it was
//! before the transaction; an element that is new has no changes of its own, its cursors write into scratch; once
//! `whole` is kept, nothing else is recorded. Source: own reasoning; research found index logs to be years of bugs.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::ops::Range;

use super::runs::{Run, Runs};
use super::store::ListStore;
use crate::tracked::{Changes, Tracked};

/// The change set of an element of `L`.
pub(super) type ElementChanges<L> = <<L as ListStore>::Element as Tracked>::Changes;

/// Records what a transaction did to a list.
pub struct ListChanges<L: ListStore> {
    /// The list as it was, once all of it was replaced or handed out.
    pub(super) whole: Option<Box<L>>,
    pub(super) structure: Option<Box<Structure<L::Element>>>,
    /// By index in the old list.
    pub(super) edits: BTreeMap<usize, ElementChanges<L>>,
    /// Change sets of new elements, whose content is never read.
    scratch: Vec<ElementChanges<L>>,
}

/// What became of a list's order.
pub(super) struct Structure<T> {
    pub(super) runs: Runs,
    pub(super) old_count: usize,
    /// Elements taken out, by index in the old list, as they were in it.
    pub(super) removed: BTreeMap<usize, T>,
}

impl<L: ListStore> Default for ListChanges<L> {
    fn default() -> Self {
        Self { whole: None, structure: None, edits: BTreeMap::new(), scratch: Vec::new() }
    }
}

impl<L: ListStore> fmt::Debug for ListChanges<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListChanges")
            .field("is_replaced", &self.whole.is_some())
            .field("runs", &self.structure.as_ref().map(|s| s.runs.as_slice()))
            .field("edited", &self.edits.len())
            .finish()
    }
}

impl<L: ListStore> Changes for ListChanges<L> {
    fn is_touched(&self) -> bool {
        self.whole.is_some() || self.structure.is_some() || self.edits.values().any(Changes::is_touched)
    }

    fn heap_bytes(&self) -> usize {
        let whole = self.whole.as_deref().map_or(0, heap_bytes_of);
        let removed = self.structure.as_ref().map_or(0, |structure| {
            let elements: usize = structure.removed.values().map(|v| size_of_val(v) + v.heap_bytes()).sum();
            elements + size_of_val(structure.runs.as_slice())
        });
        let edits: usize = self.edits.values().chain(&self.scratch).map(|c| size_of_val(c) + c.heap_bytes()).sum();
        whole + removed + edits
    }

    fn required(&self) -> usize {
        self.edits.values().map(Changes::required).sum()
    }
}

/// Reading a change set.
impl<L: ListStore> ListChanges<L> {
    /// Whether anything was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_touched()
    }

    /// The list as it was, if all of it was replaced.
    #[must_use]
    pub fn previous(&self) -> Option<&L> {
        self.whole.as_deref()
    }

    /// Where the elements of the changed list come from; empty where the order did not change.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        self.structure.iter().flat_map(|s| s.runs.as_slice()).copied()
    }

    /// The elements that were taken out, by index in the old list, as they were.
    pub fn removed(&self) -> impl Iterator<Item = (usize, &L::Element)> {
        self.structure.iter().flat_map(|s| &s.removed).map(|(&old, value)| (old, value))
    }

    /// The elements that were edited where they stand, by index in the changed list.
    pub fn edited(&self) -> impl Iterator<Item = (usize, &ElementChanges<L>)> {
        let unmoved = self.edits.iter().filter(|_| self.structure.is_none()).map(|(&at, c)| (at, c));
        let moved = self.structure.iter().flat_map(|s| s.edited(&self.edits));
        unmoved.chain(moved).filter(|(_, changes)| changes.is_touched())
    }
}

impl<T> Structure<T> {
    /// The edits of elements that are still there, by present index, ascending.
    pub(super) fn edited<'e, C>(&self, edits: &'e BTreeMap<usize, C>) -> impl Iterator<Item = (usize, &'e C)> {
        self.runs.placed().flat_map(move |(at, run)| {
            let old = match run {
                Run::Kept { start, count } => start..start + count,
                Run::New { .. } => 0..0,
            };
            let start = old.start;
            edits.range(old).map(move |(&old, changes)| (at + (old - start), changes))
        })
    }
}

/// Recording: each call does the change and keeps what undoes it.
impl<L: ListStore> ListChanges<L> {
    /// The change set of the element now at `index`.
    pub(super) fn element(&mut self, index: usize) -> &mut ElementChanges<L> {
        let old = match &self.structure {
            _ if self.whole.is_some() => None,
            Some(structure) => structure.runs.source(index),
            None => Some(index),
        };
        match old {
            Some(old) => self.edits.entry(old).or_default(),
            None => {
                self.scratch.clear();
                self.scratch.push_mut(ElementChanges::<L>::default())
            }
        }
    }

    /// The change sets of all elements, in the order of the list of `count` elements.
    pub(super) fn all_elements(&mut self, count: usize) -> Vec<&mut ElementChanges<L>> {
        let order = match &self.structure {
            _ if self.whole.is_some() => [Run::New { count }].into_iter().collect(),
            Some(structure) => structure.runs.clone(),
            None => Runs::identity(count),
        };
        let old_count = order.kept().map(|range| range.end).max().unwrap_or_default();
        let kept = order.kept().map(|range| range.len()).sum::<usize>();
        let mut edits = mem::take(&mut self.edits);
        self.edits = (0..old_count).map(|old| (old, edits.remove(&old).unwrap_or_default())).collect();
        self.scratch.clear();
        self.scratch.resize_with(count.saturating_sub(kept), Default::default);
        in_order(&order, self.edits.values_mut().collect(), self.scratch.iter_mut())
    }

    /// Runs `f` with the element at `index` and a change set, which is kept if it was touched, by a panic too.
    pub(super) fn visit(
        &mut self,
        list: &mut L,
        index: usize,
        f: impl FnOnce(&mut L::Element, &mut ElementChanges<L>),
    ) {
        let Some(value) = list.element_mut(index) else { return };
        if self.whole.is_some() || self.structure.is_some() || self.edits.contains_key(&index) {
            f(value, self.element(index));
        } else {
            let mut visit = Visit::<L::Element> { edits: &mut self.edits, index, changes: Default::default() };
            f(value, &mut visit.changes);
        }
    }

    /// Puts `value` at the end.
    pub(super) fn push(&mut self, list: &mut L, value: L::Element) {
        if self.whole.is_none() {
            self.structure_of(list).runs.push(Run::New { count: 1 });
        }
        list.push_element(value);
    }

    /// Puts `values` in place of the elements in `range`, which must be within the list.
    pub(super) fn splice(&mut self, list: &mut L, range: Range<usize>, values: Vec<L::Element>) {
        let at = range.start;
        if range.is_empty() && values.is_empty() {
            return;
        }
        if self.whole.is_some() {
            list.take_out(range);
            list.put_in(at, values);
            return;
        }
        let taken = self.structure_of(list).runs.splice(range.clone(), values.len());
        let removed = list.take_out(range);
        list.put_in(at, values);
        self.retire(&taken, removed);
    }

    /// Exchanges two elements of the list.
    pub(super) fn swap(&mut self, list: &mut L, left: usize, right: usize) {
        let (low, high, count) = (left.min(right), left.max(right), list.count());
        if low == high || high >= count {
            return;
        }
        if self.whole.is_none() {
            let kept = |range: Range<usize>| Run::Kept { start: range.start, count: range.len() };
            let ranges = [0..low, high..high + 1, low + 1..high, low..low + 1, high + 1..count];
            self.structure_of(list).runs.arrange(&ranges.into_iter().map(kept).collect());
            self.forget_identity();
        }
        list.swap_elements(low, high);
    }

    /// Rearranges the list: `order` names present elements by index and `values` fills its new runs. What it does not
    /// name is taken out. Its kept ranges must be sound.
    pub(super) fn arrange(&mut self, list: &mut L, order: &Runs, values: Vec<L::Element>) {
        let count = list.count();
        if order.is_identity(count) {
            return;
        }
        if self.whole.is_some() {
            rearrange(list, order, values);
            return;
        }
        let structure = self.structure_of(list);
        let mut taken = structure.runs.clone();
        taken.arrange(&order.dropped(count));
        structure.runs.arrange(order);
        let removed = rearrange(list, order, values);
        self.retire(taken.as_slice(), removed);
    }

    /// Keeps the whole list as it was, so that it may be changed unseen.
    pub(super) fn keep_whole(&mut self, list: &L) {
        if self.whole.is_none() {
            let mut old = list.clone();
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Puts another list in place and keeps the former one.
    pub(super) fn replace(&mut self, list: &mut L, value: L) {
        let mut old = mem::replace(list, value);
        if self.whole.is_none() {
            mem::take(self).undo(&mut old);
            self.whole = Some(Box::new(old));
        }
    }

    /// Restores the list.
    pub(super) fn undo(self, list: &mut L) {
        if let Some(whole) = self.whole {
            *list = *whole;
            return;
        }
        if let Some(structure) = self.structure {
            let order = structure.runs.inverse(structure.old_count);
            rearrange(list, &order, structure.removed.into_values().collect());
        }
        for (old, changes) in self.edits {
            if let Some(value) = list.element_mut(old) {
                value.undo(changes);
            }
        }
    }

    fn structure_of(&mut self, list: &L) -> &mut Structure<L::Element> {
        self.structure.get_or_insert_with(|| {
            let old_count = list.count();
            Box::new(Structure { runs: Runs::identity(old_count), old_count, removed: BTreeMap::new() })
        })
    }

    /// Keeps elements that were taken out, each as it was before the transaction; `runs` says where they come from.
    fn retire(&mut self, runs: &[Run], values: Vec<L::Element>) {
        let Some(structure) = &mut self.structure else { return };
        let mut values = values.into_iter();
        for run in runs {
            match *run {
                Run::New { count } => values.by_ref().take(count).for_each(drop),
                Run::Kept { start, count } => {
                    for (old, mut value) in (start..start + count).zip(values.by_ref()) {
                        if let Some(changes) = self.edits.remove(&old) {
                            value.undo(changes);
                        }
                        structure.removed.insert(old, value);
                    }
                }
            }
        }
        self.forget_identity();
    }

    fn forget_identity(&mut self) {
        if self.structure.as_ref().is_some_and(|s| s.runs.is_identity(s.old_count)) {
            self.structure = None;
        }
    }
}

/// An element's changes while code that may panic writes it.
struct Visit<'c, T: Tracked> {
    edits: &'c mut BTreeMap<usize, T::Changes>,
    index: usize,
    changes: T::Changes,
}

impl<T: Tracked> Drop for Visit<'_, T> {
    fn drop(&mut self) {
        if self.changes.is_touched() {
            self.edits.insert(self.index, mem::take(&mut self.changes));
        }
    }
}

/// The change sets in the order of the changed list: those of kept elements, by old index, and scratch for new ones.
fn in_order<'c, C: 'c>(
    order: &Runs,
    kept: Vec<&'c mut C>,
    mut scratch: impl Iterator<Item = &'c mut C>,
) -> Vec<&'c mut C> {
    let mut by_old: Vec<_> = kept.into_iter().map(Some).collect();
    let mut ordered = Vec::new();
    for run in order.as_slice() {
        match *run {
            Run::New { count } => ordered.extend(scratch.by_ref().take(count)),
            Run::Kept { start, count } => {
                ordered.extend(by_old.iter_mut().skip(start).take(count).filter_map(Option::take));
            }
        }
    }
    ordered
}

/// Brings a list in the order named, with `values` as its new elements; answers what was left out, ascending. Moves
/// only what stands between the first and the last difference.
pub(super) fn rearrange<L: ListStore>(list: &mut L, order: &Runs, values: Vec<L::Element>) -> Vec<L::Element> {
    let (head, middle, tail) = order.around_middle(list.count());
    if values.is_empty() && head + tail + middle.iter().map(|run| run.count()).sum::<usize>() == list.count() {
        permute(list, head, middle);
        return Vec::new();
    }
    let between = list.take_out(head..list.count().saturating_sub(tail));
    let mut slots: Vec<Option<L::Element>> = between.into_iter().map(Some).collect();
    let mut values = values.into_iter();
    let mut placed = Vec::new();
    for run in middle {
        match *run {
            Run::New { count } => placed.extend(values.by_ref().take(count)),
            Run::Kept { start, count } => {
                let from = start.saturating_sub(head);
                placed.extend(slots.iter_mut().skip(from).take(count).filter_map(Option::take));
            }
        }
    }
    list.put_in(head, placed);
    slots.into_iter().flatten().collect()
}

/// Brings the elements from `head` on in the order of `runs`, which names each of them once: cycle by cycle, in place.
fn permute<L: ListStore>(list: &mut L, head: usize, runs: &[Run]) {
    let mut sources: Vec<usize> = Vec::new();
    for run in runs {
        if let Run::Kept { start, count } = *run {
            sources.extend(start..start + count);
        }
    }
    for first in 0..sources.len() {
        let mut at = first;
        while let Some(source) = sources.get_mut(at) {
            let from = mem::replace(source, head + at).saturating_sub(head);
            if from == first || from == at {
                break;
            }
            list.swap_elements(head + at, head + from);
            at = from;
        }
    }
}

/// Bytes of heap behind a list, roughly.
pub(super) fn heap_bytes_of<L: ListStore>(list: &L) -> usize {
    list.room_bytes() + list.elements().map(Tracked::heap_bytes).sum::<usize>()
}

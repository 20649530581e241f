//! When the elements of a list were born, died and changed, without ids for them.
//!
//! ```text
//! v5  A B C D          runs 4:b0
//! v6  insert X at 1    1:b0  1:b6  3:b0
//! v7  remove C         1:b0  1:b6  1:b0  1:b0†7  1:b0
//! since 5: was there = born <= 5 and not dead by 5   ->  kept 0+1 │ new X │ kept 1+1 │ kept 3+1
//! ```
//! An element is its place in the sequence with the dead, so an index at any version after the horizon maps to now by
//! counting. Invariants: the live counts of all runs sum to the list's length; no runs means all inherit; edits are
//! keyed by the index among the living, ascending. Source: own reasoning and measurements.

use super::edits::Edits;
use super::stamps::{Mark, Stamp};
use crate::coding::{DecodeError, Reader, Writer};

/// Elements next to each other that share a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) count: u32,
    pub(super) born: Mark,
    /// When they were removed; unset while they live.
    pub(super) died: Mark,
}

/// What became of elements since a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They were there and are.
    Stayed,
    /// They were removed.
    Went,
    /// They were inserted.
    Came,
}

impl Run {
    /// What became of the elements since `base`; nothing of those that came and went.
    pub(super) fn fate(&self, base: Mark) -> Option<Fate> {
        match (self.was_live(base), self.is_live()) {
            (true, true) => Some(Fate::Stayed),
            (true, false) => Some(Fate::Went),
            (false, true) => Some(Fate::Came),
            (false, false) => None,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        !self.died.is_set()
    }

    /// Whether the elements were there at `base`.
    pub(super) fn was_live(&self, base: Mark) -> bool {
        self.born <= base && (self.is_live() || self.died > base)
    }
}

/// The stamps of a list, or of one page of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ListStamps {
    /// When elements were last inserted, removed or moved.
    pub(super) structure: Mark,
    runs: Vec<Run>,
    edits: Edits,
}

static NONE: ListStamps = ListStamps { structure: Mark::NEVER, runs: Vec::new(), edits: Edits::NONE };

/// Where an index at a base is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// The element is alive, at this index among the living.
    Live(u32),
    /// The element was removed.
    Dead,
    /// The index is behind the end; so many elements were there.
    Beyond(u32),
}

impl ListStamps {
    /// The stamps of a list that was not touched.
    pub(super) fn none() -> &'static Self {
        &NONE
    }

    /// Whether there are none.
    pub(super) fn is_bare(&self) -> bool {
        !self.structure.is_set() && self.runs.is_empty() && self.edits.as_slice().is_empty()
    }

    /// The newest mark.
    pub(super) fn newest(&self) -> Mark {
        let runs = self.runs.iter().map(|run| run.born.max(run.died)).max().unwrap_or_default();
        self.structure.max(runs).max(self.edits.iter().map(|(_, stamp)| stamp.newest()).max().unwrap_or_default())
    }

    /// The oldest mark.
    pub(super) fn oldest(&self) -> Option<Mark> {
        let runs = self.runs.iter().flat_map(|run| [run.born, run.died]);
        let marks = runs.chain([self.structure]).filter(|mark| mark.is_set());
        marks.chain(self.edits.iter().filter_map(|(_, stamp)| stamp.oldest())).min()
    }

    /// Bytes it takes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.edits.heap_bytes()
    }

    /// The runs of a list of `count` living elements.
    pub(super) fn runs(&self, count: u32) -> impl Iterator<Item = Run> + '_ {
        let inherited =
            (self.runs.is_empty() && count > 0).then_some(Run { count, born: Mark::NEVER, died: Mark::NEVER });
        inherited.into_iter().chain(self.runs.iter().copied())
    }

    /// The stamp of the living element at `index`.
    pub(super) fn edit(&self, index: u32) -> Stamp {
        self.edits.find(index).unwrap_or_default()
    }

    /// Sets the stamp of the living element at `index`.
    pub(super) fn set_edit(&mut self, index: u32, stamp: &Stamp) {
        self.edits.set(index, stamp);
    }

    /// The living elements that have stamps of their own.
    pub(super) fn edits(&self) -> impl Iterator<Item = (u32, Stamp)> + '_ {
        self.edits.iter()
    }

    /// Where the element that stood at `index` at `base` is now; `count` elements live.
    pub(super) fn trace(&self, count: u32, base: Mark, index: u32) -> Trace {
        let (mut left, mut live, mut seen) = (index, 0_u32, 0_u32);
        for run in self.runs(count) {
            if run.was_live(base) {
                if left < run.count {
                    return if run.is_live() { Trace::Live(live + left) } else { Trace::Dead };
                }
                left -= run.count;
                seen += run.count;
            }
            if run.is_live() {
                live += run.count;
            }
        }
        Trace::Beyond(seen)
    }

    /// Records that `added` elements were inserted before the living index `at` of `count`.
    pub(super) fn insert(&mut self, count: u32, at: u32, added: u32, mark: Mark) {
        self.edits.open(at, added);
        if self.runs.is_empty() && !mark.is_set() {
            return;
        }
        self.make_explicit(count);
        let place = self.split_runs(at);
        self.runs.insert(place, Run { count: added, born: mark, died: Mark::NEVER });
        self.join_runs();
    }

    /// Records that `removed` elements from the living index `at` of `count` were removed.
    pub(super) fn remove(&mut self, count: u32, at: u32, removed: u32, mark: Mark) {
        self.edits.close(at, removed);
        if self.runs.is_empty() && !mark.is_set() {
            return;
        }
        self.make_explicit(count);
        let from = self.split_runs(at);
        let to = self.split_runs(at + removed);
        for run in self.runs.get_mut(from..to).unwrap_or_default() {
            if !run.is_live() {
                continue;
            }
            if run.born == mark || !mark.is_set() {
                run.count = 0;
            } else {
                run.died = mark;
            }
        }
        self.join_runs();
    }

    /// Takes the stamps of the living elements from `at` of `count` on, and of the dead behind them.
    pub(super) fn split_off(&mut self, count: u32, at: u32) -> Self {
        let mut tail = Self { structure: self.structure, runs: Vec::new(), edits: self.edits.split_off(at) };
        if !self.runs.is_empty() {
            self.make_explicit(count);
            let place = self.split_runs(at);
            tail.runs = self.runs.split_off(place);
            self.runs.shrink_to_fit();
        }
        tail
    }

    /// Puts the stamps of `next_count` elements behind those of `count`.
    pub(super) fn append(&mut self, count: u32, next: &Self, next_count: u32) {
        self.structure = self.structure.max(next.structure);
        for (index, stamp) in next.edits() {
            self.edits.set(count + index, &stamp);
        }
        if !(self.runs.is_empty() && next.runs.is_empty()) {
            self.make_explicit(count);
            self.runs.extend(next.runs(next_count));
            self.join_runs();
        }
    }

    /// Forgets what is not after `horizon`: births, deaths with their dead, edits.
    pub(super) fn trim(&mut self, horizon: Mark) {
        self.structure = self.structure.after(horizon);
        for run in &mut self.runs {
            run.born = run.born.after(horizon);
            if !run.is_live() && run.died <= horizon {
                run.count = 0;
            }
        }
        self.join_runs();
        if self.runs.iter().all(|run| !run.born.is_set() && run.is_live()) {
            self.runs.clear();
        }
        self.runs.shrink_to_fit();
        self.edits.trim(horizon);
    }

    fn make_explicit(&mut self, count: u32) {
        if self.runs.is_empty() && count > 0 {
            self.runs.push(Run { count, born: Mark::NEVER, died: Mark::NEVER });
        }
    }

    /// Cuts runs so that exactly `live` living elements stand before the answered place.
    fn split_runs(&mut self, live: u32) -> usize {
        let mut left = live;
        for (at, run) in self.runs.iter_mut().enumerate() {
            if left == 0 {
                return at;
            }
            if !run.is_live() {
                continue;
            }
            if run.count > left {
                let tail = Run { count: run.count - left, ..*run };
                run.count = left;
                self.runs.insert(at + 1, tail);
                return at + 1;
            }
            left -= run.count;
        }
        self.runs.len()
    }

    fn join_runs(&mut self) {
        self.runs.retain(|run| run.count > 0);
        self.runs.dedup_by(|next, run| {
            let same = run.born == next.born && run.died == next.died;
            if same {
                run.count += next.count;
            }
            same
        });
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        self.structure.encode(w);
        w.length(self.runs.len());
        for run in &self.runs {
            w.varint(u64::from(run.count));
            run.born.encode(w);
            run.died.encode(w);
        }
        w.sized(self.edits.as_slice());
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let structure = Mark::decode(r)?;
        let count = r.count(3)?;
        let mut runs = Vec::with_capacity(count);
        for _ in 0..count {
            runs.push(Run { count: r.varint32()?, born: Mark::decode(r)?, died: Mark::decode(r)? });
        }
        Ok(Self { structure, runs, edits: Edits::from_bytes(r.sized()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn living(stamps: &ListStamps, base: u32) -> u32 {
        stamps.runs(4).filter(|run| run.was_live(Mark(base))).map(|run| run.count).sum()
    }

    #[test]
    fn an_index_maps_from_any_version_to_now() {
        let mut stamps = ListStamps::default();
        stamps.insert(4, 1, 1, Mark(6)); // A X B C D
        stamps.remove(5, 3, 1, Mark(7)); // A X B D
        assert_eq!((living(&stamps, 5), living(&stamps, 6), living(&stamps, 7)), (4, 5, 4));
        assert_eq!(stamps.trace(4, Mark(5), 0), Trace::Live(0));
        assert_eq!(stamps.trace(4, Mark(5), 1), Trace::Live(2));
        assert_eq!(stamps.trace(4, Mark(5), 2), Trace::Dead);
        assert_eq!(stamps.trace(4, Mark(6), 1), Trace::Live(1));
        assert_eq!(stamps.trace(4, Mark(7), 4), Trace::Beyond(4));
    }

    #[test]
    fn what_is_born_and_dies_in_one_version_leaves_nothing() {
        let mut stamps = ListStamps::default();
        stamps.insert(4, 2, 3, Mark(6));
        stamps.remove(7, 2, 3, Mark(6));
        assert!(stamps.runs(4).all(|run| run.is_live()));
        assert_eq!(stamps.runs(4).count(), 1);
    }

    #[test]
    fn edits_move_with_their_elements() {
        let mut stamps = ListStamps::default();
        stamps.set_edit(2, &Stamp::put(Mark(9)));
        stamps.insert(4, 0, 2, Mark(10));
        assert_eq!(stamps.edit(4).own, Mark(9));
        stamps.remove(6, 1, 1, Mark(11));
        assert_eq!(stamps.edit(3).own, Mark(9));
        let mut tail = stamps.split_off(5, 3);
        assert_eq!((stamps.edit(3).own, tail.edit(0).own), (Mark(0), Mark(9)));
        tail.trim(Mark(11));
        assert_eq!(tail, ListStamps::default());
    }

    #[test]
    fn the_dead_between_two_cuts_stay_countable() {
        let mut stamps = ListStamps::default();
        stamps.remove(4, 1, 2, Mark(3));
        let tail = stamps.split_off(2, 1);
        let were = |stamps: &ListStamps, count| -> u32 {
            stamps.runs(count).filter(|run| run.was_live(Mark(2))).map(|run| run.count).sum()
        };
        assert_eq!(were(&stamps, 1) + were(&tail, 1), 4);
    }
}

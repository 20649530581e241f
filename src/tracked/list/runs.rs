//! The structure of a changed list: which old elements stand where, and where new ones do.
//!
//! A run list says what became of the list, not what was done to it, so push-then-pop leaves nothing and a list of
//! runs never grows with the number of calls. Invariants: runs are not empty, neighbours that could be one are one,
//! kept ranges never overlap (they may stand in another order: moves). Source: own reasoning; `docs/wire.md` §5.

use std::ops::Range;

/// A stretch of a changed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Elements of the old list, in their old order.
    Kept {
        /// Index of the first in the old list.
        start: usize,
        /// How many.
        count: usize,
    },
    /// New elements.
    New {
        /// How many.
        count: usize,
    },
}

impl Run {
    /// Elements in the run.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Kept { count, .. } | Self::New { count } => count,
        }
    }

    /// The part of the run within `range`, counted from its first element.
    fn part(self, range: Range<usize>) -> Self {
        let count = range.end.saturating_sub(range.start);
        match self {
            Self::Kept { start, .. } => Self::Kept { start: start + range.start, count },
            Self::New { .. } => Self::New { count },
        }
    }
}

/// The runs of a changed list, in its present order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// An unchanged list of `count` elements.
    pub(super) fn identity(count: usize) -> Self {
        let mut runs = Self::default();
        runs.push(Run::Kept { start: 0, count });
        runs
    }

    /// Whether this is an unchanged list of `count` elements.
    pub(super) fn is_identity(&self, count: usize) -> bool {
        match self.0.as_slice() {
            [] => count == 0,
            [Run::Kept { start: 0, count: kept }] => *kept == count,
            _ => false,
        }
    }

    /// Adds a run at the end; joins it to the last one if they could be one.
    pub(super) fn push(&mut self, run: Run) {
        if run.count() == 0 {
            return;
        }
        match (self.0.last_mut(), run) {
            (Some(Run::New { count }), Run::New { count: more }) => *count += more,
            (Some(Run::Kept { start, count }), Run::Kept { start: next, count: more }) if *start + *count == next => {
                *count += more;
            }
            _ => self.0.push(run),
        }
    }

    /// The runs.
    pub(super) fn as_slice(&self) -> &[Run] {
        &self.0
    }

    /// Each run with the present index of its first element.
    pub(super) fn placed(&self) -> impl Iterator<Item = (usize, Run)> {
        self.0.iter().scan(0, |next, &run| {
            let at = *next;
            *next += run.count();
            Some((at, run))
        })
    }

    /// The old index of the element now at `index`; `None` if it is new.
    pub(super) fn source(&self, index: usize) -> Option<usize> {
        let (at, run) = self.placed().find(|(at, run)| index < at + run.count())?;
        match run {
            Run::Kept { start, .. } => Some(start + (index - at)),
            Run::New { .. } => None,
        }
    }

    /// Whether the kept ranges stand in their old order.
    pub(super) fn is_ascending(&self) -> bool {
        let mut end = 0;
        self.kept().all(|range| range.start >= std::mem::replace(&mut end, range.end))
    }

    /// Whether no two kept ranges overlap and all end at `old_count` at most.
    pub(super) fn is_sound(&self, old_count: usize) -> bool {
        let mut ranges: Vec<_> = self.kept().collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut end = 0;
        ranges.iter().all(|range| range.start >= std::mem::replace(&mut end, range.end)) && end <= old_count
    }

    /// The kept ranges of the old list.
    pub(super) fn kept(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().filter_map(|run| match *run {
            Run::Kept { start, count } => Some(start..start + count),
            Run::New { .. } => None,
        })
    }

    /// Puts `new` new elements in place of those now in `range`; answers the runs that were there.
    pub(super) fn splice(&mut self, range: Range<usize>, new: usize) -> Vec<Run> {
        let first = self.cut(range.start);
        let last = self.cut(range.end).max(first);
        let inserted = (new > 0).then_some(Run::New { count: new });
        let removed = self.0.splice(first..last, inserted).collect();
        self.join(first + 1);
        self.join(first);
        removed
    }

    /// Rearranges: `order` says where the present elements go, its indices being present ones.
    pub(super) fn arrange(&mut self, order: &Self) {
        let starts: Vec<usize> = self.placed().map(|(at, _)| at).collect();
        let mut arranged = Self::default();
        for &piece in &order.0 {
            let Run::Kept { start, count } = piece else {
                arranged.push(piece);
                continue;
            };
            let end = start + count;
            let first = starts.partition_point(|&at| at <= start).saturating_sub(1);
            for (&at, &run) in starts.iter().zip(&self.0).skip(first).take_while(|(at, _)| **at < end) {
                let from = start.max(at) - at;
                let to = end.min(at + run.count()) - at;
                arranged.push(run.part(from..to));
            }
        }
        *self = arranged;
    }

    /// What an order leaves out of a list of `count` elements, ascending.
    pub(super) fn dropped(&self, count: usize) -> Self {
        let mut ranges: Vec<_> = self.kept().collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.push(count..count);
        let mut end = 0;
        let gap = |range: Range<usize>| {
            let start = std::mem::replace(&mut end, range.end);
            Run::Kept { start, count: range.start.saturating_sub(start) }
        };
        ranges.into_iter().map(gap).collect()
    }

    /// The order that leads back: where the kept elements of the old list of `old_count` stand now, and a new run for
    /// each stretch of removed ones.
    pub(super) fn inverse(&self, old_count: usize) -> Self {
        let mut places: Vec<_> = self.placed().filter_map(|(at, run)| old_place(at, run)).collect();
        places.sort_unstable_by_key(|(old, ..)| *old);
        places.push((old_count, 0, 0));
        let mut end = 0;
        let mut order = Self::default();
        for (old, at, count) in places {
            order.push(Run::New { count: old.saturating_sub(end) });
            order.push(Run::Kept { start: at, count });
            end = old + count;
        }
        order
    }

    /// Splits an order of a list of `count` elements: how many stay at the front, the runs between, how many stay at
    /// the end.
    pub(super) fn around_middle(&self, count: usize) -> (usize, &[Run], usize) {
        let mut middle = self.0.as_slice();
        let (mut head, mut tail) = (0, 0);
        if let [Run::Kept { start: 0, count: kept }, rest @ ..] = middle {
            (head, middle) = (*kept, rest);
        }
        if let [rest @ .., Run::Kept { start, count: kept }] = middle
            && start + kept == count
        {
            (tail, middle) = (*kept, rest);
        }
        (head, middle, tail)
    }

    /// Makes a run begin at `at`; answers which.
    fn cut(&mut self, at: usize) -> usize {
        let Some((i, (start, run))) = self.placed().enumerate().find(|(_, (start, run))| at < start + run.count())
        else {
            return self.0.len();
        };
        if start == at {
            return i;
        }
        let halves = [run.part(0..at - start), run.part(at - start..run.count())];
        self.0.splice(i..=i, halves);
        i + 1
    }

    /// Makes the runs `i - 1` and `i` one, if they could be.
    fn join(&mut self, i: usize) {
        let pair = i.checked_sub(1).map(|before| (self.0.get(before).copied(), self.0.get(i).copied()));
        let Some((Some(left), Some(right))) = pair else { return };
        let mut joined = Self(vec![left]);
        joined.push(right);
        if joined.0.len() == 1 {
            self.0.splice(i - 1..=i, joined.0);
        }
    }
}

/// A kept run's first old index, its present place, and its length.
fn old_place(at: usize, run: Run) -> Option<(usize, usize, usize)> {
    match run {
        Run::Kept { start, count } => Some((start, at, count)),
        Run::New { .. } => None,
    }
}

impl FromIterator<Run> for Runs {
    fn from_iter<I: IntoIterator<Item = Run>>(runs: I) -> Self {
        let mut all = Self::default();
        runs.into_iter().for_each(|run| all.push(run));
        all
    }
}

/// The order in which the elements at the given indices stand one after the other.
pub(super) fn order_of(indices: impl IntoIterator<Item = usize>) -> Runs {
    indices.into_iter().map(|start| Run::Kept { start, count: 1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(start: usize, count: usize) -> Run {
        Run::Kept { start, count }
    }

    #[test]
    fn what_is_undone_leaves_nothing() {
        let mut runs = Runs::identity(5);
        runs.splice(5..5, 1);
        assert_eq!(runs.as_slice(), [kept(0, 5), Run::New { count: 1 }]);
        assert_eq!(runs.splice(5..6, 0), [Run::New { count: 1 }]);
        assert!(runs.is_identity(5));
        runs.arrange(&order_of([0, 4, 2, 3, 1]));
        assert_eq!(runs.as_slice(), [kept(0, 1), kept(4, 1), kept(2, 2), kept(1, 1)]);
        assert!(runs.is_sound(5) && !runs.is_ascending());
        runs.arrange(&order_of([0, 4, 2, 3, 1]));
        assert!(runs.is_identity(5));
    }

    #[test]
    fn an_emptied_list_has_no_runs_and_is_changed() {
        let mut runs = Runs::identity(2);
        assert_eq!(runs.splice(0..2, 0), [kept(0, 2)]);
        assert!(runs.as_slice().is_empty());
        assert!(!runs.is_identity(2));
        assert!(runs.is_identity(0));
    }

    #[test]
    fn splices_follow_the_present_list() {
        let mut runs = Runs::identity(10);
        runs.splice(3..3, 2);
        assert_eq!(runs.splice(2..6, 0), [kept(2, 1), Run::New { count: 2 }, kept(3, 1)]);
        assert_eq!(runs.as_slice(), [kept(0, 2), kept(4, 6)]);
        assert_eq!((runs.source(1), runs.source(2), runs.source(99)), (Some(1), Some(4), None));
    }

    #[test]
    fn overlapping_or_foreign_ranges_are_not_sound() {
        let runs: Runs = [kept(4, 2), kept(0, 5)].into_iter().collect();
        assert!(!runs.is_sound(10));
        let runs: Runs = [kept(0, 3)].into_iter().collect();
        assert!(runs.is_sound(3) && !runs.is_sound(2));
    }
}

//! The runs of a new list, and how they go past what came and went since they were written.
//!
//! ```text
//! base   A B C D        commit  keep 0+2 │ X │ keep 2+2          now   N A C M D      (N, M came, B went)
//!                       merged  keep 0+2 │ X │ keep 2+3                N A X C M D
//! ```
//! What a commit does to a list is a row of cuts between what it keeps: elements go, others come. Two commits are in each
//! other's way if both took one element, and if both inserted between the same two of those that neither took: where the
//! dead stood says nothing of where the living come. One that moves elements is in everybody's way. Invariant: of today's
//! list all is kept but what the commit takes. Source: own reasoning (`docs/wire.md` §5.5).

use std::ops::Range;

use crate::coding::{DecodeError, Writer};
use crate::document::runs::Fate;

/// One run of a new list.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Its first index in the new list.
    at: u64,
    /// Where it starts in the old list; `None` if it is new.
    from: Option<u64>,
    count: u64,
    /// Where it starts in the delta.
    place: usize,
}

/// The runs of a new list, as far as they were read.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    /// Where their number stands in the delta.
    head: Range<usize>,
    list: Vec<Run>,
    /// The length of the list they were written for.
    old_len: u64,
    /// The length of the new list so far.
    len: u64,
    /// Runs to read.
    pub(super) left: u64,
    /// Elements to check of the new run that was read last.
    pub(super) unchecked: u64,
    pub(super) is_judged: bool,
    /// What is kept of today's list, if that has changed since.
    merged: Option<Merged>,
}

/// A place where the old list is cut: elements go, new runs come.
#[derive(Clone, Debug)]
struct Cut {
    old: Range<u64>,
    news: Range<usize>,
}

/// What lies between two elements that were there, are there and are kept.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// Whether something was inserted there since.
    has_newcomers: bool,
    /// Whether this commit inserts there.
    has_news: bool,
}

/// What is kept of today's list: each run's place there, and in the new list.
#[derive(Clone, Debug, Default)]
struct Merged {
    kept: Vec<Run>,
    /// For each new run, how many of the kept ones stand before it.
    before_news: Vec<usize>,
    len: u64,
}

/// Bytes of a delta that give way to others.
pub(super) type Rewritten = (Range<usize>, Vec<u8>);

impl Runs {
    /// So many runs, their number at `head` of the delta, for a list that had `old_len` elements.
    pub(super) fn new(head: Range<usize>, old_len: u64, left: u64) -> Self {
        Self { head, list: Vec::new(), old_len, len: 0, left, unchecked: 0, is_judged: false, merged: None }
    }

    /// Takes the next run, which stands at `place` in the delta.
    pub(super) fn push(&mut self, from: Option<u64>, count: u64, place: usize) -> Result<(), DecodeError> {
        if let Some(start) = from {
            let end = start.checked_add(count).filter(|end| *end <= self.old_len);
            end.ok_or(DecodeError::Absent { what: "range of elements" })?;
        }
        if count == 0 {
            return Err(DecodeError::Order { what: "kept ranges" });
        }
        self.list.push(Run { at: self.len, from, count, place });
        let len = self.len.checked_add(count).filter(|len| u32::try_from(*len).is_ok());
        self.len = len.ok_or(DecodeError::Varint)?;
        Ok(())
    }

    /// The old index of the element at `index` of the new list.
    pub(super) fn old_index(&self, index: u64) -> Option<u64> {
        let at = self.list.partition_point(|run| run.at <= index).checked_sub(1)?;
        let run = self.list.get(at)?;
        (index - run.at < run.count).then_some(run.from? + (index - run.at))
    }

    /// Where the element that is at `now` of today's list and at `index` of the list as written will be.
    pub(super) fn new_index(&self, now: u64, index: u64) -> u64 {
        let Some(Merged { kept, .. }) = &self.merged else { return index };
        let at = kept.partition_point(|run| run.from.is_some_and(|from| from <= now)).saturating_sub(1);
        kept.get(at).and_then(|run| Some(run.at + now.checked_sub(run.from?)?)).unwrap_or(index)
    }

    /// The kept ranges of today's list, ascending.
    pub(super) fn kept(&self) -> Result<Vec<Range<u64>>, DecodeError> {
        let runs = self.merged.as_ref().map_or(&self.list, |merged| &merged.kept);
        let mut kept: Vec<_> = runs.iter().filter_map(|run| run.from.map(|from| from..from + run.count)).collect();
        kept.sort_unstable_by_key(|range| range.start);
        let overlaps = kept.iter().zip(kept.iter().skip(1)).any(|(one, next)| one.end > next.start);
        if overlaps { Err(DecodeError::Order { what: "kept ranges" }) } else { Ok(kept) }
    }

    /// Brings the runs to today's list, whose elements came and went as `fates` says; answers whether that is possible.
    pub(super) fn merge(&mut self, fates: impl Iterator<Item = (Fate, u64)>) -> Result<bool, DecodeError> {
        self.merged = self.cuts().and_then(|cuts| Merged::of(&self.list, &cuts, fates));
        let is_short = self.merged.as_ref().is_none_or(|merged| u32::try_from(merged.len).is_ok());
        if is_short { Ok(self.merged.is_some()) } else { Err(DecodeError::Varint) }
    }

    /// What of the delta gives way to other runs, which end at `end`.
    pub(super) fn rewritten(&self, end: usize) -> Vec<Rewritten> {
        let Some(merged) = &self.merged else { return Vec::new() };
        let news = self.list.iter().enumerate().filter(|(_, run)| run.from.is_none());
        let starts = news.clone().map(|(_, run)| run.place).chain([end]);
        // A new run ends where the next one starts.
        let ends = news.map(|(at, _)| self.list.get(at + 1).map_or(end, |next| next.place));
        let mut count = Writer::new();
        count.varint((merged.kept.len() + merged.before_news.len()) as u64 + 1);
        let borders = merged.before_news.iter().copied().chain([merged.kept.len()]);
        let mut written = 0;
        let kept = [self.head.end].into_iter().chain(ends).zip(starts).zip(borders).map(|((from, to), border)| {
            let mut w = Writer::new();
            for run in merged.kept.get(written..border).unwrap_or_default() {
                w.varint(run.from.unwrap_or_default() << 1);
                w.varint(run.count);
            }
            written = border;
            (from..to, w.into_bytes())
        });
        [(self.head.clone(), count.into_bytes())].into_iter().chain(kept).collect()
    }

    /// The cuts, from left to right; `None` if elements are moved.
    fn cuts(&self) -> Option<Vec<Cut>> {
        let (mut cuts, mut old, mut news) = (Vec::new(), 0, 0..0);
        let end = (self.old_len, 0, self.list.len());
        let kept = self.list.iter().enumerate().filter_map(|(at, run)| run.from.map(|from| (from, run.count, at)));
        for (from, count, at) in kept.chain([end]) {
            news.end = at;
            if from < old {
                return None;
            }
            if from > old || !news.is_empty() {
                cuts.push(Cut { old: old..from, news });
            }
            old = from + count;
            news = at + 1..at + 1;
        }
        Some(cuts)
    }
}

impl Merged {
    /// Goes along the old list and today's; `None` if they are in each other's way.
    fn of(runs: &[Run], cuts: &[Cut], fates: impl Iterator<Item = (Fate, u64)>) -> Option<Self> {
        let (mut merged, mut cuts, mut gap) = (Self::default(), cuts.iter().peekable(), Gap::default());
        let (mut old, mut now) = (0, 0);
        for (fate, count) in fates {
            if fate == Fate::Came {
                gap.has_newcomers = true;
                merged.keep(now, count);
                now += count;
                continue;
            }
            let end = old + count;
            while old < end {
                let (to, is_kept) = match cuts.peek() {
                    None => (end, true),
                    Some(cut) if old < cut.old.start => (end.min(cut.old.start), true),
                    Some(cut) if old < cut.old.end => (end.min(cut.old.end), false),
                    Some(cut) => {
                        gap.has_news |= merged.insert(runs, cut);
                        cuts.next();
                        continue;
                    }
                };
                match (fate == Fate::Stayed, is_kept) {
                    (true, true) => {
                        std::mem::take(&mut gap).is_free()?;
                        merged.keep(now, to - old);
                    }
                    (false, false) => return None,
                    _ => {}
                }
                now += if fate == Fate::Stayed { to - old } else { 0 };
                old = to;
            }
        }
        for cut in cuts {
            gap.has_news |= merged.insert(runs, cut);
        }
        gap.is_free()?;
        Some(merged)
    }

    fn keep(&mut self, now: u64, count: u64) {
        let is_new_between = self.before_news.last() == Some(&self.kept.len());
        let last = self.kept.last_mut().filter(|run| !is_new_between && run.from == now.checked_sub(run.count));
        match last {
            Some(run) => run.count += count,
            None => self.kept.push(Run { at: self.len, from: Some(now), count, place: 0 }),
        }
        self.len += count;
    }

    /// Puts the new runs of a cut; answers whether there are any.
    fn insert(&mut self, runs: &[Run], cut: &Cut) -> bool {
        for run in runs.get(cut.news.clone()).unwrap_or_default() {
            self.before_news.push(self.kept.len());
            self.len += run.count;
        }
        !cut.news.is_empty()
    }
}

impl Gap {
    /// Something if it was not filled from both sides.
    fn is_free(self) -> Option<()> {
        (!(self.has_newcomers && self.has_news)).then_some(())
    }
}

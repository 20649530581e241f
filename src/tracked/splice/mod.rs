//! Texts and byte vectors that change by splices.
//!
//! The change set keeps the parts that were overwritten, each beside the window that now stands in its place; so a
//! change in the middle of a long text costs what it replaced. Invariants: windows ascend, and neither overlap nor
//! touch; putting each window's former part back restores the former value. Source: own reasoning; bytes as in
//! `docs/wire.md` §5.

mod bytes;
mod encode;
mod text;

pub use bytes::{AsBytes, ByteVecMut};
pub use text::StringMut;

pub(super) use encode::{apply_splices, encode_between};

use std::fmt;
use std::ops::{Bound, Range, RangeBounds};

use super::Changes;

/// Windows kept apart; beyond it they are joined into one, so that a step through them stays short.
const WINDOWS_MAX: usize = 32;

/// Text or bytes.
pub trait Buffer: Clone + Default + Send + Sync + 'static {
    /// A part of it.
    type Part: ?Sized;

    /// Its bytes.
    fn as_bytes(&self) -> &[u8];

    /// Whether it may be cut at a byte offset.
    fn is_boundary(&self, at: usize) -> bool;

    /// A copy of a part; empty if the range is not one.
    fn part(&self, range: Range<usize>) -> Self;

    /// Puts `by` in the place of a part.
    fn splice(&mut self, range: Range<usize>, by: &Self::Part);

    /// The whole as a part.
    fn whole(&self) -> &Self::Part;

    /// Bytes that were read, as a part.
    ///
    /// # Errors
    /// `Utf8` if they are no text.
    fn part_of(bytes: &[u8]) -> Result<&Self::Part, crate::coding::DecodeError>;
}

/// What splices overwrote.
#[derive(Default)]
pub struct SpliceChanges<B>(Kept<B>);

#[derive(Default)]
enum Kept<B> {
    #[default]
    Nothing,
    /// What was overwritten, part by part.
    Windows(Vec<Window<B>>),
    /// The whole former value.
    Whole(B),
}

/// A part that was overwritten.
struct Window<B> {
    /// Where it stands now.
    at: usize,
    /// Bytes that stand there now.
    len: usize,
    /// What stood there before.
    old: B,
}

impl<B> Window<B> {
    fn end(&self) -> usize {
        self.at + self.len
    }
}

impl<B: Buffer> SpliceChanges<B> {
    /// Whether anything was written; it may have its former value again.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !matches!(self.0, Kept::Nothing)
    }

    /// The value before, given the value now; `None` if nothing was written. Costs a copy.
    #[must_use]
    pub fn previous(&self, now: &B) -> Option<B> {
        match &self.0 {
            Kept::Nothing => None,
            Kept::Whole(old) => Some(old.clone()),
            Kept::Windows(windows) => {
                let mut old = now.clone();
                put_back(&mut old, windows);
                Some(old)
            }
        }
    }

    /// Notes that `range` of `value` is about to be replaced by `len` bytes. Call it before the change.
    fn note(&mut self, value: &B, range: Range<usize>, len: usize) {
        if matches!(self.0, Kept::Nothing) {
            self.0 = Kept::Windows(Vec::new());
        }
        let Kept::Windows(windows) = &mut self.0 else { return };
        let first = windows.partition_point(|window| window.end() < range.start);
        let behind = windows.partition_point(|window| window.at <= range.end);
        let removed = range.len();
        match windows.get_mut(first) {
            // Inside of one window: nothing old is overwritten.
            Some(window) if first + 1 == behind && window.at <= range.start && range.end <= window.end() => {
                window.len = window.len - removed + len;
            }
            _ => {
                let mut joined = join(value, windows.drain(first..behind), range);
                joined.len = joined.len - removed + len;
                windows.insert(first, joined);
            }
        }
        for window in windows.iter_mut().skip(first + 1) {
            window.at = window.at - removed + len;
        }
    }

    /// Splices `by` in, and notes it.
    fn splice(&mut self, value: &mut B, range: Range<usize>, by: &B::Part, len: usize) {
        self.note(value, range.clone(), len);
        value.splice(range, by);
        self.bound(value);
    }

    /// Joins all windows if there are too many.
    fn bound(&mut self, value: &B) {
        if let Kept::Windows(windows) = &mut self.0
            && windows.len() > WINDOWS_MAX
        {
            let from = windows.first().map_or(0, |window| window.at);
            let joined = join(value, windows.drain(..), from..from);
            windows.push(joined);
        }
    }

    /// Keeps the whole former value, and answers the value to be written without further notes.
    fn write_whole<'v>(&mut self, value: &'v mut B) -> &'v mut B {
        if !matches!(self.0, Kept::Whole(_)) {
            self.0 = Kept::Whole(self.previous(value).unwrap_or_else(|| value.clone()));
        }
        value
    }

    /// Puts a new value in place; the former one is moved, not copied.
    fn replace(value: &mut B, new: B, changes: Option<&mut Self>) {
        let mut former = std::mem::replace(value, new);
        let Some(changes) = changes else { return };
        changes.0 = match std::mem::take(&mut changes.0) {
            Kept::Whole(old) => Kept::Whole(old),
            Kept::Nothing => Kept::Whole(former),
            Kept::Windows(windows) => {
                put_back(&mut former, &windows);
                Kept::Whole(former)
            }
        };
    }

    /// Restores the former value.
    fn undo(self, value: &mut B) {
        match self.0 {
            Kept::Nothing => {}
            Kept::Windows(windows) => put_back(value, &windows),
            Kept::Whole(old) => *value = old,
        }
    }
}

fn put_back<B: Buffer>(value: &mut B, windows: &[Window<B>]) {
    for window in windows.iter().rev() {
        value.splice(window.at..window.end(), window.old.whole());
    }
}

/// One window over `windows`, what is between them, and `range`.
fn join<B: Buffer>(value: &B, windows: impl Iterator<Item = Window<B>>, range: Range<usize>) -> Window<B> {
    let mut joined: Option<Window<B>> = None;
    for window in windows {
        let window = match joined {
            None if range.start < window.at => {
                let mut old = value.part(range.start..window.at);
                push(&mut old, &window.old);
                Window { at: range.start, len: window.end() - range.start, old }
            }
            None => window,
            Some(mut before) => {
                let between = value.part(before.end()..window.at);
                push(&mut before.old, &between);
                push(&mut before.old, &window.old);
                Window { at: before.at, len: window.end() - before.at, old: before.old }
            }
        };
        joined = Some(window);
    }
    let mut joined = joined.unwrap_or_else(|| Window { at: range.start, len: 0, old: B::default() });
    if joined.end() < range.end {
        let behind = value.part(joined.end()..range.end);
        push(&mut joined.old, &behind);
        joined.len = range.end - joined.at;
    }
    joined
}

fn push<B: Buffer>(to: &mut B, part: &B) {
    let end = to.as_bytes().len();
    to.splice(end..end, part.whole());
}

/// The byte range that `bounds` mean in a value of `len` bytes.
fn range_of(bounds: impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match bounds.start_bound() {
        Bound::Included(&at) => at,
        Bound::Excluded(&at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match bounds.end_bound() {
        Bound::Included(&at) => at.saturating_add(1),
        Bound::Excluded(&at) => at,
        Bound::Unbounded => len,
    };
    start..end
}

impl<B> fmt::Debug for SpliceChanges<B> {
    /// Says only how many parts were written: values are printed nowhere but in the document's JSON view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kept::Nothing => f.write_str("Same"),
            Kept::Windows(windows) => write!(f, "Spliced({})", windows.len()),
            Kept::Whole(_) => f.write_str("Changed"),
        }
    }
}

impl<B: Buffer> Changes for SpliceChanges<B> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Kept::Nothing => 0,
            Kept::Whole(old) => old.as_bytes().len(),
            Kept::Windows(windows) => {
                let kept: usize = windows.iter().map(|window| window.old.as_bytes().len()).sum();
                kept + windows.capacity() * size_of::<Window<B>>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::coding::{Reader, Writer};
    use crate::tracked::{Edit, Tracked};

    /// Runs `f` on a copy of `before`; checks replay and undo; answers the bytes of the edit, `None` for a put.
    fn check(before: &str, f: impl FnOnce(&mut StringMut<'_>)) -> Option<usize> {
        let (mut value, mut changes) = (before.to_owned(), SpliceChanges::default());
        f(&mut value.track(&mut changes));
        assert_eq!(changes.previous(&value).unwrap_or_else(|| value.clone()), before);
        let mut w = Writer::new();
        let edit = value.encode_edit(&changes, &mut w);
        match edit {
            Edit::Same => assert_eq!(value, before),
            Edit::Edited => {
                let (mut replica, mut remote) = (before.to_owned(), SpliceChanges::default());
                replica.apply(Reader::new(w.as_slice()), Some(&mut remote)).unwrap();
                assert_eq!(replica, value);
                replica.undo(remote);
                assert_eq!(replica, before);
            }
            _ => {}
        }
        value.undo(changes);
        assert_eq!(value, before);
        (edit != Edit::Put).then_some(w.len())
    }

    #[test]
    fn a_splice_costs_what_it_changes() {
        let text = "alice in wonderland".repeat(20);
        assert_eq!(check(&text, |s| s.push_str(" smith")), Some(2 + 1 + 1 + 6));
        assert_eq!(check(&text, |s| s.insert_str(5, "!")), Some(1 + 1 + 1 + 1));
        assert_eq!(check(&text, |s| s.set(text.replacen("in", "on", 1))), Some(4));
        assert_eq!(check(&text, |s| _ = s.pop()), Some(2 + 1 + 1));
        assert_eq!(check(&text, |s| s.push('x')), Some(5));
        assert_eq!(check(&text, |s| s.edit(|s| s.make_ascii_uppercase())), None);
        assert_eq!(check("alice", |s| s.set("bob")), None);
        assert_eq!(check("alice", |s| s.clear()), None);
    }

    #[test]
    fn what_comes_back_costs_nothing() {
        let back = |s: &mut StringMut<'_>| {
            s.push('x');
            s.pop();
            s.truncate(2);
            s.push_str("ice");
        };
        assert_eq!(check("alice", back), Some(0));
        assert_eq!(check("alice", |s| s.set("alice")), Some(0));
    }

    #[test]
    fn characters_stay_whole() {
        let text = "äöü".repeat(10);
        assert_eq!(check(&text, |s| s.set(text.replacen('ö', "ä", 1))), Some(1 + 1 + 1 + 2));
        let mut value = text.clone();
        let cut = Reader::new(&[1, 0, 0]);
        assert_eq!(value.apply(cut, None), Err(crate::coding::DecodeError::Utf8));
        let outside = Reader::new(&[60, 1, 0]);
        assert!(value.apply(outside, None).is_err());
    }

    #[test]
    fn a_refused_range_leaves_no_trace() {
        let (mut value, mut changes) = ("äö".to_owned(), SpliceChanges::default());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            value.track(&mut changes).insert_str(1, "x");
        }));
        assert!(caught.is_err() && !changes.is_changed());
    }

    proptest! {
        #[test]
        fn any_splices_replay_and_undo(
            text in "[aä]{0,40}",
            splices in prop::collection::vec((0..50_usize, 0..9_usize, "[abä]{0,4}", 0..30_u8), 0..60),
        ) {
            check(&text, |s| {
                for (at, len, insert, kind) in splices {
                    let cut = |s: &str, at: usize| (0..=at.min(s.len())).rev().find(|&at| s.is_char_boundary(at)).unwrap();
                    let (from, to) = (cut(s, at), cut(s, at + len));
                    match kind {
                        0 => s.set(insert),
                        1 => s.edit(|s| s.insert_str(from, &insert)),
                        2 => _ = s.pop(),
                        _ => s.replace_range(from..to, &insert),
                    }
                }
            });
        }
    }
}

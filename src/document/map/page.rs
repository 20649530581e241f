//! One page of a map that stands apart: packed entries, and the containers behind their stubs.
//!
//! A page is the unit of copy-on-write: whoever changes one that a frozen version shares copies it first. Source: own
//! reasoning and measurements (about 8 KiB: a point edit moves 1 µs of bytes, a frozen version costs a pointer each).

use super::packed::{Entry, Fate, Packed, write_entry, write_gone};
use crate::coding::{DecodeError, Writer};
use crate::document::apart::{ARC_BYTES, Children, EntryKinds, Totals, each_stub};
use crate::document::apply::{Applying, Change, apply_value, put_value};
use crate::document::promote::settle;
use crate::document::stamps::{Mark, Stamp};
use crate::document::trim::Trimming;
use crate::schema::Schema;

/// Entries next to each other in key order.
#[derive(Clone, Debug, Default)]
pub(in crate::document) struct MapPage {
    pub(in crate::document) entries: Packed,
    pub(in crate::document) children: Children,
    live: u32,
    stamp_bytes: usize,
}

/// The marks that a trimmed page still has.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::document) struct MarksLeft {
    pub(in crate::document) newest: Mark,
    pub(in crate::document) oldest: Option<Mark>,
}

impl MarksLeft {
    pub(in crate::document) fn add(&mut self, newest: Mark, oldest: Option<Mark>) {
        self.newest = self.newest.max(newest);
        self.oldest = self.oldest.into_iter().chain(oldest).min();
    }
}

impl MapPage {
    /// Makes a page of packed entries and the children of their stubs.
    pub(in crate::document) fn new(
        bytes: Vec<u8>,
        children: Children,
        kinds: EntryKinds<'_>,
    ) -> Result<Self, DecodeError> {
        let mut page = Self { entries: Packed::from_bytes(bytes, kinds)?, children, live: 0, stamp_bytes: 0 };
        page.count(kinds)?;
        Ok(page)
    }

    /// Living entries.
    pub(in crate::document) fn live(&self) -> u32 {
        self.live
    }

    pub(super) fn len(&self) -> usize {
        self.entries.as_slice().len()
    }

    /// Whether nothing is stamped or removed.
    pub(in crate::document) fn is_plain(&self) -> bool {
        self.stamp_bytes == 0
    }

    /// The page's bytes, if they read as the edit that puts its entries: nothing is stamped or removed, nothing stands apart.
    pub(in crate::document) fn as_edit(&self) -> Option<&[u8]> {
        (self.is_plain() && self.children.is_empty()).then(|| self.entries.as_slice())
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.children.totals();
        let heads = self.live as usize;
        totals.encoded += self.len().saturating_sub(self.stamp_bytes + heads);
        totals.stamps += self.stamp_bytes;
        totals.heap += ARC_BYTES + size_of::<Self>() + self.entries.heap_bytes();
        totals
    }

    /// Changes one entry.
    pub(super) fn change(
        &mut self,
        applying: &mut Applying<'_>,
        kinds: EntryKinds<'_>,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<(), DecodeError> {
        if self.splice_in_place(applying, kinds, key, &change)? {
            return Ok(());
        }
        let Self { entries, children, .. } = self;
        let found = entries.find(kinds, key)?;
        let (range, old) = match &found {
            Ok(entry) => (entry.range.clone(), Some(entry)),
            Err(at) => (*at..*at, None),
        };
        let old_stamps = old.map_or(0, Entry::stamp_bytes);
        let old = old.filter(|entry| entry.is_live());
        let was_live = old.is_some();
        let mut w = applying.take_buffer();
        let is_live = match change {
            Change::Remove => {
                let Some(old) = old else { return Ok(()) };
                applying.pace.spend(1, old.value.len());
                children.drop_of(applying.schema, kinds.values, old.value)?;
                if applying.mark.is_set() {
                    write_gone(key, applying.mark, &mut w);
                }
                false
            }
            Change::Put(value) => {
                // What an earlier step put of this value stands where the old value stood.
                let is_resuming = applying.pace.is_resuming();
                if let Some(old) = old.filter(|_| !is_resuming) {
                    children.drop_of(applying.schema, kinds.values, old.value)?;
                }
                let mut put = applying.take_buffer();
                match kinds.values {
                    Some(kind) => {
                        let standing = old.filter(|_| is_resuming).map(|old| old.value);
                        put_value(applying, kind, value, standing, children, &mut put)?;
                    }
                    None => applying.pace.spend(1, key.len()),
                }
                write_entry(key, &Stamp::put(applying.mark), put.as_slice(), &mut w);
                applying.give_buffer(put);
                true
            }
            Change::Edit(body) => {
                let (Some(old), Some(kind)) = (old, kinds.values) else {
                    return Err(DecodeError::Absent { what: "key" });
                };
                let mut stamp = old.fate.stamp()?;
                let mut value = applying.take_buffer();
                applying.pace.spend(0, old.value.len());
                apply_value(applying, kind, old.value, body, &mut stamp, children, &mut value)?;
                let settled = settle(applying, Some(kind), value.as_slice(), &mut stamp, children)?;
                write_entry(key, &stamp, settled.as_deref().unwrap_or(value.as_slice()), &mut w);
                applying.give_buffer(value);
                true
            }
        };
        self.entries.replace(range.clone(), w.as_slice(), applying.mark, kinds)?;
        self.live = self.live + u32::from(is_live) - u32::from(was_live);
        let new_stamps = self.stamps_at(kinds, range.start, w.len())?;
        self.stamp_bytes = self.stamp_bytes + new_stamps - old_stamps;
        applying.give_buffer(w);
        Ok(())
    }

    /// Splices a text where it stands if that is all that a change does, and nothing is to be stamped; answers whether it
    /// did.
    fn splice_in_place(
        &mut self,
        applying: &mut Applying<'_>,
        kinds: EntryKinds<'_>,
        key: &[u8],
        change: &Change<'_>,
    ) -> Result<bool, DecodeError> {
        let (Some(kind), Change::Edit(_), false) = (kinds.values, change, applying.mark.is_set()) else {
            return Ok(false);
        };
        let Ok(entry) = self.entries.find(kinds, key)? else { return Ok(false) };
        if !matches!(entry.fate, Fate::Plain) {
            return Ok(false);
        }
        let place = (entry.range.clone(), entry.value.len());
        self.entries.splice_in_place(applying, kind, place, change)
    }

    /// Takes about the second half of the entries; `None` if there is no place to cut.
    pub(super) fn split(&mut self, schema: &Schema, kinds: EntryKinds<'_>) -> Result<Option<Self>, DecodeError> {
        let middle = self.len() / 2;
        let mut cut = None;
        for entry in self.entries.entries(kinds) {
            let start = entry?.range.start;
            if start > 0 {
                cut = Some(start);
                if start >= middle {
                    break;
                }
            }
        }
        let Some(cut) = cut else { return Ok(None) };
        let mut moved = Children::default();
        if !self.children.is_empty() {
            for entry in self.entries.entries_from(kinds, cut) {
                let entry = entry?;
                if entry.is_live() {
                    self.children.move_of(&mut moved, schema, kinds.values, entry.value)?;
                }
            }
        }
        let (head, tail) = self.entries.as_slice().split_at_checked(cut).unwrap_or_default();
        let tail = Self::new(tail.to_vec(), moved, kinds)?;
        *self = Self::new(head.to_vec(), std::mem::take(&mut self.children), kinds)?;
        Ok(Some(tail))
    }

    /// Takes over the entries of the page behind this one.
    pub(super) fn append(&mut self, next: &mut Self, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        let mut bytes = Vec::with_capacity(self.len() + next.len());
        bytes.extend_from_slice(self.entries.as_slice());
        bytes.extend_from_slice(next.entries.as_slice());
        let mut children = std::mem::take(&mut self.children);
        children.absorb(&mut next.children);
        *self = Self::new(bytes, children, kinds)?;
        Ok(())
    }

    /// Forgets stamps not after the horizon, here and in the children; `None` if the budget ended first.
    pub(super) fn trim(
        &mut self,
        trimming: &mut Trimming<'_>,
        kinds: EntryKinds<'_>,
    ) -> Result<Option<MarksLeft>, DecodeError> {
        if !self.trim_children(trimming, kinds)? {
            return Ok(None);
        }
        let mut left = MarksLeft::default();
        for child in self.children.iter() {
            left.add(child.newest(), child.oldest());
        }
        let mut w = Writer::append_to(Vec::with_capacity(self.len()));
        for entry in self.entries.entries(kinds) {
            let entry = entry?;
            trimming.budget = trimming.budget.saturating_sub(1);
            if let Fate::Gone(mark) = entry.fate {
                if mark > trimming.horizon {
                    write_gone(entry.key, mark, &mut w);
                    left.add(mark, Some(mark));
                }
                continue;
            }
            let mut stamp = entry.fate.stamp()?;
            stamp.trim(trimming.horizon);
            left.add(stamp.newest(), stamp.oldest());
            write_entry(entry.key, &stamp, entry.value, &mut w);
        }
        let mut bytes = w.into_bytes();
        bytes.shrink_to_fit();
        *self = Self::new(bytes, std::mem::take(&mut self.children), kinds)?;
        Ok(Some(left))
    }

    fn trim_children(&mut self, trimming: &mut Trimming<'_>, kinds: EntryKinds<'_>) -> Result<bool, DecodeError> {
        let Some(kind) = kinds.values.filter(|_| !self.children.is_empty()) else { return Ok(true) };
        let mut done = Ok(true);
        let Self { entries, children, .. } = self;
        for entry in entries.entries(kinds) {
            let entry = entry?;
            if !entry.is_live() {
                continue;
            }
            each_stub(trimming.schema, kind, entry.value, &mut |id, kind| {
                if let Ok(true) = done {
                    done = children.find_mut(id).and_then(|branch| branch.trim(trimming, kind));
                }
            })?;
        }
        done
    }

    fn stamps_at(&self, kinds: EntryKinds<'_>, start: usize, len: usize) -> Result<usize, DecodeError> {
        if len == 0 {
            return Ok(0);
        }
        self.entries.entries_from(kinds, start).next().map_or(Ok(0), |entry| Ok(entry?.stamp_bytes()))
    }

    fn count(&mut self, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        (self.live, self.stamp_bytes) = (0, 0);
        for entry in self.entries.entries(kinds) {
            let entry = entry?;
            self.live += u32::from(entry.is_live());
            self.stamp_bytes += entry.stamp_bytes();
        }
        Ok(())
    }
}

//! Map entries packed into one byte vector, sorted by key, each with its stamp beside it.
//!
//! ```text
//! { key │ head │ value }*     head 1: untouched, so an untouched page reads as an edit that puts all its entries
//!       │ n+2 │ stamp of n bytes │ value
//!       │ 0   │ mark              removed at mark; no value
//! restarts: where a block of about 512 bytes begins, so a search is a few comparisons and a short scan
//! newest:   the newest mark of each block, so what changed is found without a scan of what did not
//! ```
//! Invariants: keys ascend by their bytes (encodings of one key kind are prefix-free, so comparing the shorter length
//! suffices); a restart is the start of an entry and not the first; a block's newest mark bounds its entries' marks from
//! above. Source: own reasoning; restart points as in LevelDB's table format.

use std::ops::Range;

use crate::coding::{DecodeError, Reader, Writer};
use crate::document::apart::EntryKinds;
use crate::document::apply::{Applying, Change, splice_in_place};
use crate::document::overwrite;
use crate::document::stamps::{Mark, Stamp};
use crate::document::stored::{stored_key, stored_value};
use crate::schema::Kind;

/// Bytes between restart points; small entries cost a scan of half of it, large ones a point each.
const BLOCK_BYTES: usize = 512;

/// What stands beside an entry's key.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) enum Fate<'a> {
    /// The entry was removed.
    Gone(Mark),
    /// The entry has no stamp.
    Plain,
    /// The entry has this packed stamp.
    Stamped(&'a [u8]),
}

impl Fate<'_> {
    /// The stamp of a living entry.
    pub(in crate::document) fn stamp(&self) -> Result<Stamp, DecodeError> {
        match self {
            Self::Stamped(bytes) => Stamp::decode(&mut Reader::new(bytes)),
            Self::Plain | Self::Gone(_) => Ok(Stamp::default()),
        }
    }
}

/// One entry as it is stored.
#[derive(Clone, Debug)]
pub(in crate::document) struct Entry<'a> {
    pub(in crate::document) key: &'a [u8],
    pub(in crate::document) fate: Fate<'a>,
    pub(in crate::document) value: &'a [u8],
    /// Its bytes in the page.
    pub(in crate::document) range: Range<usize>,
}

impl Entry<'_> {
    pub(in crate::document) fn is_live(&self) -> bool {
        !matches!(self.fate, Fate::Gone(_))
    }

    /// The newest mark of it.
    fn newest(&self) -> Result<Mark, DecodeError> {
        match self.fate {
            Fate::Gone(mark) => Ok(mark),
            Fate::Plain => Ok(Mark::NEVER),
            Fate::Stamped(_) => self.fate.stamp().map(|stamp| stamp.newest()),
        }
    }

    /// Bytes of it that are neither key nor value nor the head of an untouched entry.
    pub(in crate::document) fn stamp_bytes(&self) -> usize {
        match self.fate {
            Fate::Gone(_) => self.range.len(),
            Fate::Plain => 0,
            Fate::Stamped(_) => self.range.len() - self.key.len() - self.value.len() - 1,
        }
    }
}

/// Writes one entry; a stamp that says nothing leaves it plain.
pub(super) fn write_entry(key: &[u8], stamp: &Stamp, value: &[u8], w: &mut Writer) {
    w.raw(key);
    if stamp.newest().is_set() {
        w.framed_if(2, |w| {
            stamp.encode(w);
            true
        });
    } else {
        w.byte(1);
    }
    w.raw(value);
}

/// Writes what remembers that `key` was removed at `mark`.
pub(super) fn write_gone(key: &[u8], mark: Mark, w: &mut Writer) {
    w.raw(key);
    w.byte(0);
    mark.encode(w);
}

/// The entries of one page.
#[derive(Clone, Debug, Default)]
pub(in crate::document) struct Packed {
    bytes: Vec<u8>,
    restarts: Vec<Restart>,
    /// The newest mark before the first restart.
    newest: Mark,
}

/// Where a block begins, and the newest mark in it.
#[derive(Clone, Copy, Debug)]
struct Restart {
    start: u32,
    newest: Mark,
}

/// Goes through entries in order.
#[derive(Debug)]
pub(in crate::document) struct Entries<'a, 'k> {
    kinds: EntryKinds<'k>,
    reader: Reader<'a>,
    total: usize,
}

impl<'a> Iterator for Entries<'a, '_> {
    type Item = Result<Entry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.reader.is_done()).then(|| self.read())
    }
}

impl<'a> Entries<'a, '_> {
    fn read(&mut self) -> Result<Entry<'a>, DecodeError> {
        let r = &mut self.reader;
        let start = self.total - r.left();
        let key = stored_key(self.kinds.keys, r)?;
        let (fate, value) = match r.varint()? {
            0 => (Fate::Gone(Mark::decode(r)?), &[][..]),
            1 => (Fate::Plain, stored_value(self.kinds.values, r)?),
            n => {
                let stamp = r.take(usize::try_from(n - 2).map_err(|_| DecodeError::Varint)?)?;
                (Fate::Stamped(stamp), stored_value(self.kinds.values, r)?)
            }
        };
        Ok(Entry { key, fate, value, range: start..self.total - r.left() })
    }
}

impl Packed {
    pub(super) fn from_bytes(bytes: Vec<u8>, kinds: EntryKinds<'_>) -> Result<Self, DecodeError> {
        let mut packed = Self { bytes, restarts: Vec::new(), newest: Mark::NEVER };
        packed.rebuild_blocks(kinds)?;
        Ok(packed)
    }

    pub(in crate::document) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.restarts.capacity() * size_of::<Restart>()
    }

    /// All entries, the removed ones too.
    pub(in crate::document) fn entries<'k>(&self, kinds: EntryKinds<'k>) -> Entries<'_, 'k> {
        self.entries_from(kinds, 0)
    }

    /// The entries from byte `start` on, which must be the start of one.
    pub(in crate::document) fn entries_from<'k>(&self, kinds: EntryKinds<'k>, start: usize) -> Entries<'_, 'k> {
        Entries { kinds, reader: Reader::new(self.bytes.get(start..).unwrap_or_default()), total: self.bytes.len() }
    }

    /// The entries of the blocks that changed after `base`, in order, from byte `from` on, which is the start of one.
    pub(in crate::document) fn entries_since<'k>(
        &self,
        kinds: EntryKinds<'k>,
        base: Mark,
        from: usize,
    ) -> impl Iterator<Item = Result<Entry<'_>, DecodeError>> + use<'_, 'k> {
        let changed = (0..=self.restarts.len()).filter(move |block| self.newest_in(*block) > base);
        changed.flat_map(move |block| {
            let (start, end) = self.block(block);
            let start = start.max(from).min(end);
            Entries { kinds, reader: Reader::new(self.bytes.get(start..end).unwrap_or_default()), total: end }
        })
    }

    /// Finds `key`, or where it would stand.
    pub(in crate::document) fn find<'a>(
        &'a self,
        kinds: EntryKinds<'_>,
        key: &[u8],
    ) -> Result<Result<Entry<'a>, usize>, DecodeError> {
        let block = self.restarts.partition_point(|restart| self.key_at(restart.start, key.len()) <= key);
        let (start, _) = self.block(block);
        for entry in self.entries_from(kinds, start) {
            let entry = entry?;
            match entry.key.cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Ok(entry)),
                std::cmp::Ordering::Greater => return Ok(Err(entry.range.start)),
            }
        }
        Ok(Err(self.bytes.len()))
    }

    /// Puts `new`, whose newest mark is `mark` or older, in the place of the entry at `range`, or before `range.start` if
    /// that is empty.
    pub(super) fn replace(
        &mut self,
        range: Range<usize>,
        new: &[u8],
        mark: Mark,
        kinds: EntryKinds<'_>,
    ) -> Result<(), DecodeError> {
        self.raise(self.block_around(range.start), mark);
        if range.len() == new.len() {
            if let Some(place) = self.bytes.get_mut(range) {
                place.copy_from_slice(new);
            }
            return Ok(());
        }
        let grown = new.len().saturating_sub(range.len());
        if self.bytes.capacity() - self.bytes.len() < grown {
            self.bytes.reserve_exact(grown + self.bytes.len() / 32);
        }
        let start = range.start;
        let before = self.bytes.len();
        overwrite(&mut self.bytes, range, new);
        self.shift_blocks(start, before)?;
        if new.is_empty() {
            self.drop_empty_blocks();
        }
        if self.bytes.capacity() > self.bytes.len() * 2 + 64 {
            self.bytes.shrink_to_fit();
        }
        self.cut_block(start, kinds)
    }

    /// Splices a text in the value of the entry at `range`, which has no stamp, if that is all that a change does; answers
    /// whether it did.
    pub(super) fn splice_in_place(
        &mut self,
        applying: &mut Applying<'_>,
        kind: &Kind,
        (range, value_len): (Range<usize>, usize),
        change: &Change<'_>,
    ) -> Result<bool, DecodeError> {
        let before = self.bytes.len();
        let is_done = splice_in_place(applying, kind, &mut self.bytes, range.end - value_len, change)?;
        self.shift_blocks(range.start, before)?;
        Ok(is_done)
    }

    /// Moves the blocks behind the entry at `start`, before whose change the page had `before` bytes.
    fn shift_blocks(&mut self, start: usize, before: usize) -> Result<(), DecodeError> {
        let now = self.bytes.len();
        for restart in &mut self.restarts {
            if restart.start as usize > start {
                restart.start = offset((restart.start as usize + now).saturating_sub(before))?;
            }
        }
        Ok(())
    }

    /// Adds a restart point to the block around `at` if it has grown too long.
    fn cut_block(&mut self, at: usize, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        let block = self.block_around(at);
        let (start, end) = self.block(block);
        if end - start < 2 * BLOCK_BYTES {
            return Ok(());
        }
        let mut cut = None;
        for entry in self.entries_from(kinds, start) {
            let here = entry?.range.start;
            if here >= start + BLOCK_BYTES || here >= end {
                cut = (here < end).then_some(here);
                break;
            }
        }
        if let Some(cut) = cut {
            if self.restarts.len() == self.restarts.capacity() {
                self.restarts.reserve_exact(4);
            }
            self.restarts.insert(block, Restart { start: offset(cut)?, newest: self.newest_in(block) });
        }
        Ok(())
    }

    /// Notes a mark in a block.
    fn raise(&mut self, block: usize, mark: Mark) {
        let restart = block.checked_sub(1).and_then(|at| self.restarts.get_mut(at));
        let newest = restart.map_or(&mut self.newest, |restart| &mut restart.newest);
        *newest = mark.max(*newest);
    }

    /// Joins blocks that have lost their entries with those before them.
    fn drop_empty_blocks(&mut self) {
        for at in (0..self.restarts.len()).rev() {
            let ((before, start), (_, end)) = (self.block(at), self.block(at + 1));
            if before == start || start == end {
                let lost = self.restarts.remove(at);
                self.raise(at, lost.newest);
            }
        }
    }

    /// The block in which what stands at byte `at` is, or what is put there would be.
    fn block_around(&self, at: usize) -> usize {
        self.restarts.partition_point(|restart| restart.start as usize <= at)
    }

    /// Where a block begins and ends.
    fn block(&self, block: usize) -> (usize, usize) {
        let start = |at: usize| self.restarts.get(at).map(|restart| restart.start as usize);
        (block.checked_sub(1).and_then(start).unwrap_or(0), start(block).unwrap_or(self.bytes.len()))
    }

    /// The newest mark in a block.
    fn newest_in(&self, block: usize) -> Mark {
        let restart = block.checked_sub(1).and_then(|at| self.restarts.get(at));
        restart.map_or(self.newest, |restart| restart.newest)
    }

    fn rebuild_blocks(&mut self, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        let mut blocks = Self { restarts: Vec::with_capacity(self.bytes.len() / BLOCK_BYTES), ..Self::default() };
        let mut next = BLOCK_BYTES;
        for entry in self.entries(kinds) {
            let entry = entry?;
            if entry.range.start >= next {
                blocks.restarts.push(Restart { start: offset(entry.range.start)?, newest: Mark::NEVER });
                next = entry.range.start + BLOCK_BYTES;
            }
            blocks.raise(blocks.restarts.len(), entry.newest()?);
        }
        blocks.restarts.shrink_to_fit();
        (self.restarts, self.newest) = (blocks.restarts, blocks.newest);
        Ok(())
    }

    /// At most `len` bytes of the key at `start`, for a comparison with a key of that length.
    fn key_at(&self, start: u32, len: usize) -> &[u8] {
        let rest = self.bytes.get(start as usize..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest)
    }
}

fn offset(at: usize) -> Result<u32, DecodeError> {
    let max = u64::from(u32::MAX);
    u32::try_from(at).map_err(|_| DecodeError::Limit { what: "bytes of a page", found: at as u64, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::KeyKind;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_sorted_map() {
        let kinds = EntryKinds { keys: &KeyKind::String, values: Some(&Kind::Bytes) };
        let (mut packed, mut model, mut seed) = (Packed::default(), BTreeMap::new(), 1_u32);
        for step in 0..4_000_u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut key = Writer::new();
            key.sized(format!("key{}", (seed >> 8) % 300).as_bytes());
            let key = key.into_bytes();
            let found = packed.find(kinds, &key).unwrap().map(|entry| entry.range);
            let place = found.unwrap_or_else(|at| at..at);
            let mut w = Writer::new();
            if seed >> 28 == 0 {
                model.remove(&key);
            } else {
                let mut value = Writer::new();
                value.sized(&vec![7; (seed >> 20) as usize % 40]);
                let value = value.into_bytes();
                write_entry(&key, &Stamp::put(Mark(step)), &value, &mut w);
                model.insert(key.clone(), (step, value));
            }
            packed.replace(place, w.as_slice(), Mark(step), kinds).unwrap();
            assert_eq!(packed.find(kinds, &key).unwrap().is_ok(), model.contains_key(&key), "step {step}");
        }
        assert!(packed.restarts.len() > 5);
        let mut entries = packed.entries(kinds).map(Result::unwrap);
        for (key, (step, value)) in &model {
            let entry = entries.next().unwrap();
            assert_eq!((entry.key, entry.value), (&key[..], &value[..]));
            assert_eq!(entry.fate.stamp().unwrap().own, Mark(*step));
        }
        assert!(entries.next().is_none());
        let is_late = |step: &u32| *step > 3_980;
        let (mut looked_at, mut late) = (0, 0);
        for entry in packed.entries_since(kinds, Mark(3_980), 0).map(Result::unwrap) {
            looked_at += 1;
            late += usize::from(is_late(&entry.fate.stamp().unwrap().own.0));
        }
        assert_eq!(late, model.values().filter(|(step, _)| is_late(step)).count());
        assert!(looked_at < model.len(), "blocks without a late entry are passed over");
    }
}

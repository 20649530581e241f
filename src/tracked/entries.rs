//! Entries of maps and sets in the order of their encoded keys.
//!
//! A hash map has no order and a tree map has its own; both write their entries here, in full values and in edits, so
//! that bytes depend on the content alone and readers see a duplicate at once. Invariant: keys ascend strictly, as
//! bytes. Source: `docs/wire.md` §4–§5.

use crate::coding::{DecodeError, Reader, Writer};
use crate::limits::ROOM_FACTOR_MAX;
use crate::tracked::Key;

/// Writes entries in any order and sorts them at the end.
pub(super) struct EntriesWriter<'w> {
    writer: &'w mut Writer,
    start: usize,
    entries: Vec<Entry>,
    is_sorted: bool,
}

/// Where an entry stands in the writer: its key, then the rest, up to the next entry.
#[derive(Clone, Copy)]
struct Entry {
    at: usize,
    key_end: usize,
    end: usize,
}

impl<'w> EntriesWriter<'w> {
    /// Starts at the writer's end.
    pub(super) fn new(writer: &'w mut Writer) -> Self {
        let start = writer.len();
        Self { writer, start, entries: Vec::new(), is_sorted: true }
    }

    /// Writes an entry: its key, then what `rest` writes; nothing if that answers `false`.
    pub(super) fn entry<K: Key>(&mut self, key: &K, rest: impl FnOnce(&mut Writer) -> bool) {
        let at = self.writer.len();
        key.encode_key(self.writer);
        let key_end = self.writer.len();
        if !rest(self.writer) {
            self.writer.truncate(at);
            return;
        }
        let bytes = self.writer.as_slice();
        if let Some(last) = self.entries.last() {
            self.is_sorted &= bytes.get(last.at..last.key_end) < bytes.get(at..key_end);
        }
        self.entries.push(Entry { at, key_end, end: bytes.len() });
    }

    /// Sorts the entries; answers whether there are any.
    pub(super) fn finish(mut self) -> bool {
        if !self.is_sorted {
            let bytes = self.writer.as_slice();
            self.entries.sort_unstable_by(|a, b| bytes.get(a.at..a.key_end).cmp(&bytes.get(b.at..b.key_end)));
            let mut sorted = Vec::with_capacity(bytes.len() - self.start);
            for entry in &self.entries {
                sorted.extend_from_slice(bytes.get(entry.at..entry.end).unwrap_or_default());
            }
            self.writer.truncate(self.start);
            self.writer.raw(&sorted);
        }
        !self.entries.is_empty()
    }
}

/// Reads keys and refuses those that do not ascend.
#[derive(Default)]
pub(super) struct AscendingKeys<'a> {
    last: Option<&'a [u8]>,
}

impl<'a> AscendingKeys<'a> {
    /// Reads the key of the next entry.
    pub(super) fn next<K: Key>(&mut self, r: &mut Reader<'a>) -> Result<K, DecodeError> {
        let before = r.rest();
        let key = K::decode_key(r)?;
        let encoded = before.get(..before.len() - r.left()).unwrap_or_default();
        if self.last.is_some_and(|last| last >= encoded) {
            return Err(DecodeError::Order { what: "keys" });
        }
        self.last = Some(encoded);
        Ok(key)
    }
}

/// Entries that are to come behind the `here` first ones of a container, which took all of `edit`; 0 unless more is
/// announced. What is announced is not believed beyond [`ROOM_FACTOR_MAX`] times what is here.
pub(super) fn entries_to_come(here: usize, edit: &Reader<'_>) -> usize {
    let at_this_rate = here.saturating_mul(edit.following()) / edit.left().max(1);
    at_this_rate.min(here.saturating_mul(ROOM_FACTOR_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_at_the_rate_so_far_and_for_no_lie() {
        let segment = [0; 1_000];
        let edit = Reader::new(&segment);
        assert_eq!(entries_to_come(10, &edit), 0);
        assert_eq!(entries_to_come(10, &edit.followed_by(5_000)), 50);
        assert_eq!(entries_to_come(10, &edit.followed_by(usize::MAX)), 10 * ROOM_FACTOR_MAX);
        assert_eq!(entries_to_come(0, &Reader::new(&[]).followed_by(5_000)), 0);
    }

    #[test]
    fn what_follows_is_known_inside_of_the_last_edit_only() {
        let bytes = [2, 7, 7, 9, 9, 9];
        let mut reader = Reader::new(&bytes).followed_by(40);
        assert_eq!(reader.frame().map(|frame| frame.following()), Ok(0));
        assert_eq!(reader.frame_of_rest().map(|frame| frame.following()), Ok(40));
    }
}

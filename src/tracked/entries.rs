//! Entries of maps and sets in the order of their encoded keys.
//!
//! A hash map has no order and a tree map has its own; both write their entries here, in full values and in edits, so
//! that bytes depend on the content alone and readers see a duplicate at once. Invariant: keys ascend strictly, as
//! bytes. Source: `docs/wire.md` §4–§5.

use crate::coding::{DecodeError, Reader, Writer};
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

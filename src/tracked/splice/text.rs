//! `String`: the cursor and the encoding.
//!
//! Invariant: the cursor's methods panic where those of `String` do, before anything is noted. Source: `docs/wire.md`
//! §3 and §5.

use std::fmt;
use std::ops::{Deref, Range, RangeBounds};

use super::{Buffer, SpliceChanges, apply_splices, encode_between, range_of};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};
use crate::tracked::policy::Appendable;
use crate::tracked::{AsList, Edit, Tracked};

impl Buffer for String {
    type Part = str;

    fn as_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn is_boundary(&self, at: usize) -> bool {
        self.is_char_boundary(at)
    }

    fn part(&self, range: Range<usize>) -> Self {
        self.get(range).unwrap_or_default().to_owned()
    }

    fn splice(&mut self, range: Range<usize>, by: &str) {
        if range.start == self.len() {
            self.push_str(by);
        } else {
            self.replace_range(range, by);
        }
    }

    fn whole(&self) -> &str {
        self
    }

    fn part_of(bytes: &[u8]) -> Result<&str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)
    }
}

/// Writes a `String`; reads are those of the `String`.
pub struct StringMut<'a> {
    value: &'a mut String,
    changes: &'a mut SpliceChanges<String>,
}

impl<'a> StringMut<'a> {
    /// A shorter cursor.
    pub fn reborrow(&mut self) -> StringMut<'_> {
        StringMut { value: self.value, changes: self.changes }
    }

    /// Puts text at the end.
    pub fn push_str(&mut self, text: &str) {
        let end = self.value.len();
        self.changes.splice(self.value, end..end, text, text.len());
    }

    /// Puts a character at the end.
    pub fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    /// Removes the last character and answers it.
    pub fn pop(&mut self) -> Option<char> {
        let last = self.value.chars().next_back()?;
        let end = self.value.len();
        self.changes.splice(self.value, end - last.len_utf8()..end, "", 0);
        Some(last)
    }

    /// Cuts the text at `len` bytes, if it is longer.
    ///
    /// # Panics
    /// If `len` cuts a character.
    pub fn truncate(&mut self, len: usize) {
        if len < self.value.len() {
            self.replace_range(len.., "");
        }
    }

    /// Inserts text before the byte `at`.
    ///
    /// # Panics
    /// If `at` is beyond the end or cuts a character.
    pub fn insert_str(&mut self, at: usize, text: &str) {
        self.replace_range(at..at, text);
    }

    /// Inserts a character before the byte `at`.
    ///
    /// # Panics
    /// If `at` is beyond the end or cuts a character.
    pub fn insert(&mut self, at: usize, c: char) {
        self.insert_str(at, c.encode_utf8(&mut [0; 4]));
    }

    /// Puts text in the place of a range of bytes.
    ///
    /// # Panics
    /// If the range is not one, or cuts a character.
    pub fn replace_range(&mut self, range: impl RangeBounds<usize>, text: &str) {
        let range = range_of(range, self.value.len());
        #[expect(clippy::string_slice, reason = "panics as String does, before anything is noted")]
        let _: &str = &self.value[range.clone()];
        self.changes.splice(self.value, range, text, text.len());
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.set(String::new());
    }

    /// Replaces the text; the former one moves into the change set.
    pub fn set(&mut self, text: impl Into<String>) {
        SpliceChanges::replace(self.value, text.into(), Some(self.changes));
    }

    /// The plain `String`, for code that knows no cursors. Costs a copy; the delta is the difference.
    pub fn as_mut_string(&mut self) -> &mut String {
        self.changes.write_whole(self.value)
    }

    /// As [`as_mut_string`](Self::as_mut_string), for as long as this cursor may.
    #[must_use]
    pub fn into_mut_string(self) -> &'a mut String {
        self.changes.write_whole(self.value)
    }

    /// Runs code that knows no cursors. Costs a copy; the delta is the difference.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut String) -> R) -> R {
        f(self.as_mut_string())
    }
}

impl Deref for StringMut<'_> {
    type Target = String;
    fn deref(&self) -> &String {
        self.value
    }
}

impl fmt::Write for StringMut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl fmt::Debug for StringMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StringMut").field(&self.changes).finish()
    }
}

impl Tracked for String {
    type Changes = SpliceChanges<Self>;
    type Mut<'a> = StringMut<'a>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::String
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> StringMut<'a> {
        StringMut { value: self, changes }
    }

    fn encode(&self, w: &mut Writer) {
        w.sized(self.as_bytes());
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.text().map(str::to_owned)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.encode(self, w)
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        encode_between(self, old, w)
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        apply_splices(self, edit, changes)
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        SpliceChanges::replace(self, value, changes);
    }

    fn undo(&mut self, changes: Self::Changes) {
        changes.undo(self);
    }

    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl Appendable for String {
    type Part = Self;

    fn end(&self) -> usize {
        self.len()
    }

    fn append(&mut self, part: Self, changes: Option<&mut Self::Changes>) {
        match changes {
            Some(changes) => self.track(changes).push_str(&part),
            None => self.push_str(&part),
        }
    }

    fn decode_part(operand: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let left = operand.left();
        String::part_of(operand.take(left)?).map(str::to_owned)
    }

    fn encode_tail(&self, from: usize, w: &mut Writer) {
        w.raw(self.as_bytes().get(from..).unwrap_or_default());
    }
}

//! `Vec<u8>` and `bytes::Bytes`: the cursor and the encoding.
//!
//! Invariant: the cursor's methods panic where those of `Vec` do, before anything is noted. Source: `docs/wire.md` §3
//! and §5.

use std::fmt;
use std::ops::{Deref, Range, RangeBounds};

use bytes::Bytes;

use super::{Buffer, SpliceChanges, apply_splices, encode_between, range_of};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, Policy, SchemaBuilder};
use crate::tracked::{AsList, Edit, Leaf, LeafChanges, Tracked, Tracking};

impl Buffer for Vec<u8> {
    type Part = [u8];

    fn as_bytes(&self) -> &[u8] {
        self
    }

    fn is_boundary(&self, at: usize) -> bool {
        at <= self.len()
    }

    fn part(&self, range: Range<usize>) -> Self {
        self.get(range).unwrap_or_default().to_vec()
    }

    fn splice(&mut self, range: Range<usize>, by: &[u8]) {
        if range.start == self.len() {
            self.extend_from_slice(by);
        } else {
            self.splice(range, by.iter().copied());
        }
    }

    fn whole(&self) -> &[u8] {
        self
    }

    fn part_of(bytes: &[u8]) -> Result<&[u8], DecodeError> {
        Ok(bytes)
    }
}

/// Writes a `Vec<u8>`; reads are those of the `Vec`.
pub struct ByteVecMut<'a> {
    value: &'a mut Vec<u8>,
    changes: &'a mut SpliceChanges<Vec<u8>>,
}

impl<'a> ByteVecMut<'a> {
    /// A shorter cursor.
    pub fn reborrow(&mut self) -> ByteVecMut<'_> {
        ByteVecMut { value: self.value, changes: self.changes }
    }

    /// Puts a byte at the end.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Puts bytes at the end.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.value.len();
        self.changes.splice(self.value, end..end, bytes, bytes.len());
    }

    /// Removes the last byte and answers it.
    pub fn pop(&mut self) -> Option<u8> {
        let last = *self.value.last()?;
        self.truncate(self.value.len() - 1);
        Some(last)
    }

    /// Cuts the bytes at `len`, if there are more.
    pub fn truncate(&mut self, len: usize) {
        if len < self.value.len() {
            self.replace_range(len.., &[]);
        }
    }

    /// Writes one byte in place.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut u8> {
        if at < self.value.len() {
            self.changes.note(self.value, at..at + 1, 1);
            self.changes.bound(self.value);
        }
        self.value.get_mut(at)
    }

    /// Inserts a byte before the one at `at`.
    ///
    /// # Panics
    /// If `at` is beyond the end.
    pub fn insert(&mut self, at: usize, byte: u8) {
        self.replace_range(at..at, &[byte]);
    }

    /// Puts bytes in the place of a range.
    ///
    /// # Panics
    /// If the range is not one.
    pub fn replace_range(&mut self, range: impl RangeBounds<usize>, bytes: &[u8]) {
        let range = range_of(range, self.value.len());
        #[expect(clippy::indexing_slicing, reason = "panics as Vec does, before anything is noted")]
        let _: &[u8] = &self.value[range.clone()];
        self.changes.splice(self.value, range, bytes, bytes.len());
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.set(Vec::new());
    }

    /// Replaces the bytes; the former ones move into the change set.
    pub fn set(&mut self, bytes: impl Into<Vec<u8>>) {
        SpliceChanges::replace(self.value, bytes.into(), Some(self.changes));
    }

    /// The plain `Vec<u8>`, for code that knows no cursors. Costs a copy; the delta is the difference.
    pub fn as_mut_vec(&mut self) -> &mut Vec<u8> {
        self.changes.write_whole(self.value)
    }

    /// As [`as_mut_vec`](Self::as_mut_vec), for as long as this cursor may.
    #[must_use]
    pub fn into_mut_vec(self) -> &'a mut Vec<u8> {
        self.changes.write_whole(self.value)
    }

    /// Runs code that knows no cursors. Costs a copy; the delta is the difference.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        f(self.as_mut_vec())
    }
}

impl Deref for ByteVecMut<'_> {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        self.value
    }
}

impl fmt::Debug for ByteVecMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteVecMut").field(&self.changes).finish()
    }
}

/// Tracks a `Vec<u8>` as bytes.
#[derive(Clone, Copy, Debug)]
pub struct AsBytes;

impl crate::tracked::Form<Vec<u8>> for AsBytes {
    const WIRE: WireType = WireType::Sized;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::Bytes
    }

    fn encode(value: &Vec<u8>, w: &mut Writer) {
        w.sized(value);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
        r.sized().map(<[u8]>::to_vec)
    }

    fn heap_bytes(value: &Vec<u8>) -> usize {
        value.capacity()
    }
}

impl Tracking<Vec<u8>> for AsBytes {
    type Form = Self;
    type Changes = SpliceChanges<Vec<u8>>;
    type Mut<'a> = ByteVecMut<'a>;
    const POLICY: Policy = Policy::Retry;
    const EDITS_NOTHING: bool = true;

    #[inline]
    fn track<'a>(value: &'a mut Vec<u8>, changes: &'a mut Self::Changes) -> ByteVecMut<'a> {
        ByteVecMut { value, changes }
    }

    fn encode_edit(value: &Vec<u8>, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.encode(value, w)
    }

    fn encode_diff(value: &Vec<u8>, old: &Vec<u8>, w: &mut Writer) -> Edit {
        encode_between(value, old, w)
    }

    fn apply(value: &mut Vec<u8>, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        apply_splices(value, edit, changes)
    }

    fn replace(value: &mut Vec<u8>, new: Vec<u8>, changes: Option<&mut Self::Changes>) {
        SpliceChanges::replace(value, new, changes);
    }

    fn undo(value: &mut Vec<u8>, changes: Self::Changes) {
        changes.undo(value);
    }
}

/// A leaf that shares its bytes: what it was before is a reference, not a copy.
impl Tracked for Bytes {
    type Changes = LeafChanges<Self>;
    type Mut<'a> = Leaf<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::Bytes
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, Self> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        w.sized(self);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.sized().map(Self::copy_from_slice)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
    }

    fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
        if self == old { Edit::Same } else { Edit::Put }
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        let mut bytes = self.to_vec();
        apply_splices(&mut bytes, edit, None)?;
        self.put_whole(Self::from(bytes), changes);
        Ok(())
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        LeafChanges::replace(changes, self, value);
    }

    fn undo(&mut self, changes: Self::Changes) {
        if let Some(old) = changes.into_previous() {
            *self = old;
        }
    }

    fn heap_bytes(&self) -> usize {
        self.len()
    }
}

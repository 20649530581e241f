//! One page of a list: elements as they travel, one after the other, and their stamps beside them.
//!
//! Invariants: the stamps' runs count exactly the page's living elements; an inline list is one page for as long as a
//! change takes. Source: own reasoning and measurements (2 to 4 KiB: an index is found by a scan).

use crate::coding::{DecodeError, Reader};
use crate::delta::WireType;
use crate::document::apart::{ARC_BYTES, Children, Totals};
use crate::document::overwrite;
use crate::document::runs::ListStamps;
use crate::document::stored::stored_value;
use crate::schema::{Kind, Schema};

/// Elements next to each other.
#[derive(Clone, Debug, Default)]
pub(in crate::document) struct ListPage {
    pub(in crate::document) bytes: Vec<u8>,
    pub(in crate::document) count: u32,
    pub(in crate::document) stamps: ListStamps,
    pub(in crate::document) children: Children,
}

impl ListPage {
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.children.totals();
        let stamps = self.stamps.heap_bytes();
        totals.encoded += self.bytes.len();
        totals.stamps += stamps;
        totals.heap += ARC_BYTES + size_of::<Self>() + self.bytes.capacity() + stamps;
        totals
    }

    /// Where the element at `index` starts; the end for the count.
    pub(super) fn offset(&self, element: &Kind, index: u32) -> Result<usize, DecodeError> {
        if index == self.count {
            return Ok(self.bytes.len());
        }
        element_offset(&self.bytes, element, index)
    }

    /// Puts `new` in the place of the bytes from `from` to `to`.
    pub(super) fn replace(&mut self, from: usize, to: usize, new: &[u8]) {
        if to - from == new.len() {
            if let Some(place) = self.bytes.get_mut(from..to) {
                place.copy_from_slice(new);
            }
            return;
        }
        let grown = new.len().saturating_sub(to - from);
        if self.bytes.capacity() - self.bytes.len() < grown {
            self.bytes.reserve_exact(grown + self.bytes.len() / 32);
        }
        overwrite(&mut self.bytes, from..to, new);
        if self.bytes.capacity() > self.bytes.len() * 2 + 64 {
            self.bytes.shrink_to_fit();
        }
    }

    /// Takes about the second half of the elements; `None` if there are fewer than two.
    pub(super) fn split(&mut self, schema: &Schema, element: &Kind) -> Result<Option<Self>, DecodeError> {
        let (mut r, mut head) = (Reader::new(&self.bytes), 0_u32);
        while head + 1 < self.count && (head == 0 || self.bytes.len() - r.left() < self.bytes.len() / 2) {
            stored_value(Some(element), &mut r)?;
            head += 1;
        }
        if head == 0 {
            return Ok(None);
        }
        let at = self.bytes.len() - r.left();
        let mut children = Children::default();
        if !self.children.is_empty() {
            for _ in head..self.count {
                self.children.move_of(&mut children, schema, Some(element), stored_value(Some(element), &mut r)?)?;
            }
        }
        let tail = Self {
            bytes: self.bytes.get(at..).unwrap_or_default().to_vec(),
            count: self.count - head,
            stamps: self.stamps.split_off(self.count, head),
            children,
        };
        self.bytes.truncate(at);
        self.bytes.shrink_to_fit();
        self.count = head;
        Ok(Some(tail))
    }

    /// Takes over the elements of the page behind this one.
    pub(super) fn append(&mut self, next: &mut Self) {
        self.bytes.reserve_exact(next.bytes.len());
        self.bytes.extend_from_slice(&next.bytes);
        self.stamps.append(self.count, &next.stamps, next.count);
        self.count += next.count;
        self.children.absorb(&mut next.children);
    }
}

/// Where the element at `index` of packed elements starts; without a scan if all have one width.
pub(in crate::document) fn element_offset(bytes: &[u8], element: &Kind, index: u32) -> Result<usize, DecodeError> {
    let width = match WireType::of(element) {
        WireType::One => 1,
        WireType::Four => 4,
        WireType::Eight => 8,
        _ => {
            let mut r = Reader::new(bytes);
            for _ in 0..index {
                stored_value(Some(element), &mut r)?;
            }
            return Ok(bytes.len() - r.left());
        }
    };
    Ok(index as usize * width)
}

/// The element at `index` of packed elements.
pub(in crate::document) fn element_at<'a>(
    bytes: &'a [u8],
    element: &Kind,
    index: u32,
) -> Result<&'a [u8], DecodeError> {
    let at = element_offset(bytes, element, index)?;
    stored_value(Some(element), &mut Reader::new(bytes.get(at..).unwrap_or_default()))
}

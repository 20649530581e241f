//! The stamps of single list elements, packed: most lists have few, and one allocation holds them all.
//!
//! ```text
//! { gap, length, stamp }*      gap: elements without a stamp since the one before
//! ```
//! Part of [`ListStamps`](super::runs::ListStamps). Invariant: indices ascend, no stamp is empty. Source: own reasoning.

use super::stamps::{Mark, Stamp};
use crate::coding::{Reader, Writer, varint_len};

/// Stamps by element index, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edits {
    bytes: Vec<u8>,
}

/// One packed record.
#[derive(Clone, Copy, Debug)]
struct Record<'a> {
    /// Where it starts.
    at: usize,
    index: u32,
    stamp: &'a [u8],
}

struct Records<'a> {
    reader: Reader<'a>,
    total: usize,
    next: u32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.reader.is_done() {
            return None;
        }
        let at = self.total - self.reader.left();
        let index = self.next + self.reader.varint32().ok()?;
        let stamp = self.reader.sized().ok()?;
        self.next = index + 1;
        Some(Record { at, index, stamp })
    }
}

impl Edits {
    pub(super) const NONE: Self = Self { bytes: Vec::new() };

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// All stamps with their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Stamp)> + '_ {
        self.records().map(|record| (record.index, Stamp::decode(&mut Reader::new(record.stamp)).unwrap_or_default()))
    }

    /// The stamp at `index`.
    pub(super) fn find(&self, index: u32) -> Option<Stamp> {
        let record = self.records().take_while(|record| record.index <= index).find(|record| record.index == index)?;
        Stamp::decode(&mut Reader::new(record.stamp)).ok()
    }

    /// Sets the stamp at `index`.
    pub(super) fn set(&mut self, index: u32, stamp: &Stamp) {
        if !stamp.newest().is_set() {
            return self.remove(index);
        }
        let mut w = Writer::new();
        stamp.encode(&mut w);
        let mut place = (self.bytes.len(), self.bytes.len(), None);
        let mut next = 0;
        for record in self.records() {
            if record.index >= index {
                let end = record.at + Self::record_len(record.index - next, record.stamp.len());
                place = (record.at, end, Some((record.index, record.stamp.to_vec())));
                break;
            }
            next = record.index + 1;
        }
        let mut packed = Writer::new();
        packed.varint(u64::from(index - next));
        packed.sized(w.as_slice());
        if let (_, _, Some((later, stamp))) = &place
            && *later > index
        {
            packed.varint(u64::from(later - index - 1));
            packed.sized(stamp);
        }
        let grown = packed.len().saturating_sub(place.1 - place.0);
        if self.bytes.capacity() - self.bytes.len() < grown {
            self.bytes.reserve_exact(grown + self.bytes.len() / 8);
        }
        self.bytes.splice(place.0..place.1, packed.into_bytes());
    }

    /// Makes room for `added` elements before `at`.
    pub(super) fn open(&mut self, at: u32, added: u32) {
        if !self.bytes.is_empty() {
            self.rebuild(|index| Some(if index < at { index } else { index + added }));
        }
    }

    /// Forgets `removed` elements from `at` on; later ones move up.
    pub(super) fn close(&mut self, at: u32, removed: u32) {
        if !self.bytes.is_empty() {
            self.rebuild(|index| {
                if index < at { Some(index) } else { index.checked_sub(removed).filter(|index| *index >= at) }
            });
        }
    }

    /// Takes the stamps from `at` on, counted from there.
    pub(super) fn split_off(&mut self, at: u32) -> Self {
        if self.bytes.is_empty() {
            return Self::NONE;
        }
        let mut tail = self.clone();
        tail.rebuild(|index| index.checked_sub(at));
        self.rebuild(|index| (index < at).then_some(index));
        tail
    }

    /// Forgets what is not after `horizon`.
    pub(super) fn trim(&mut self, horizon: Mark) {
        let mut w = Writer::new();
        let mut next = 0;
        for (index, mut stamp) in self.iter() {
            stamp.trim(horizon);
            if stamp.newest().is_set() {
                w.varint(u64::from(index - next));
                w.framed(|w| stamp.encode(w));
                next = index + 1;
            }
        }
        self.bytes = w.into_bytes();
        self.bytes.shrink_to_fit();
    }

    fn remove(&mut self, index: u32) {
        if self.find(index).is_some() {
            self.rebuild(|known| (known != index).then_some(known));
        }
    }

    /// Gives every stamp the index that `place` answers, or drops it.
    fn rebuild(&mut self, place: impl Fn(u32) -> Option<u32>) {
        let mut w = Writer::append_to(Vec::with_capacity(self.bytes.len() + 4));
        let mut next = 0;
        for record in self.records() {
            if let Some(index) = place(record.index) {
                w.varint(u64::from(index - next));
                w.sized(record.stamp);
                next = index + 1;
            }
        }
        self.bytes = w.into_bytes();
    }

    fn records(&self) -> Records<'_> {
        Records { reader: Reader::new(&self.bytes), total: self.bytes.len(), next: 0 }
    }

    fn record_len(gap: u32, stamp: usize) -> usize {
        varint_len(u64::from(gap)) + varint_len(stamp as u64) + stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_by_index() {
        let mut edits = Edits::default();
        let mut model = std::collections::BTreeMap::new();
        let mut seed = 7_u32;
        for step in 1..400_u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (index, what) = ((seed >> 8) % 50, seed >> 29);
            match what {
                0..=4 => {
                    edits.set(index, &Stamp::put(Mark(step * 97)));
                    model.insert(index, step * 97);
                }
                5 => {
                    edits.open(index, 3);
                    model = model.into_iter().map(|(k, v)| (if k < index { k } else { k + 3 }, v)).collect();
                }
                6 => {
                    edits.close(index, 4);
                    model = model
                        .into_iter()
                        .filter(|(k, _)| *k < index || *k >= index + 4)
                        .map(|(k, v)| (if k < index { k } else { k - 4 }, v))
                        .collect();
                }
                _ => {
                    edits.trim(Mark(step * 40));
                    model.retain(|_, v| *v > step * 40);
                }
            }
            let found: Vec<_> = edits.iter().map(|(index, stamp)| (index, stamp.own.0)).collect();
            assert_eq!(found, model.clone().into_iter().collect::<Vec<_>>(), "step {step}");
            assert_eq!(edits.find(index).map(|stamp| stamp.own.0), model.get(&index).copied());
        }
    }
}

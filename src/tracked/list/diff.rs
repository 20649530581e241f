//! What became of a list that was changed unseen: which elements stayed, moved, changed or are new.
//!
//! Equal means equal encodings. The equal front and end are trimmed, then a list of the same length is compared place by
//! place, and what is left is matched by encoding, so that an insertion, a removal and a move stay as small as they
//! are. Invariant: what is called kept and is not among the pairs has the same encoding as before. Source: own
//! reasoning (a patience-like matching; no shortest script is promised).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::runs::{Run, Runs};
use crate::coding::Writer;
use crate::delta::WireType;
use crate::tracked::{Edit, Tracked};

/// How a new list is made of an old one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// Kept and new elements.
    pub(super) runs: Runs,
    /// Kept elements whose value differs: (index in the old list, index in the new one), ascending by the latter.
    pub(super) pairs: Vec<(usize, usize)>,
}

impl Alignment {
    fn keep(&mut self, start: usize, count: usize) {
        self.runs.push(Run::Kept { start, count });
    }
}

/// Aligns two lists.
pub(super) fn align<T: Tracked>(old: &[&T], new: &[&T]) -> Alignment {
    let scratch = &mut Writer::new();
    let shorter = old.len().min(new.len());
    let head = old.iter().zip(new).take_while(|(old, new)| is_same(**old, **new, scratch)).count();
    let ends = old.iter().rev().zip(new.iter().rev()).take(shorter - head);
    let tail = ends.take_while(|(old, new)| is_same(**old, **new, scratch)).count();
    let old_middle = old.get(head..old.len() - tail).unwrap_or_default();
    let new_middle = new.get(head..new.len() - tail).unwrap_or_default();

    let mut alignment = Alignment::default();
    alignment.keep(0, head);
    align_middle(old_middle, new_middle, head, &mut alignment, scratch);
    alignment.keep(old.len() - tail, tail);
    alignment
}

/// Aligns what stands `head` elements behind the front of both lists.
fn align_middle<T: Tracked>(old: &[&T], new: &[&T], head: usize, alignment: &mut Alignment, scratch: &mut Writer) {
    if old.is_empty() || new.is_empty() {
        alignment.runs.push(Run::New { count: new.len() });
        return;
    }
    let is_scalar = T::WIRE != WireType::Sized;
    if old.len() == new.len() {
        let places = old.iter().zip(new).enumerate();
        let changed: Vec<_> = places.filter(|(_, (old, new))| !is_same(**old, **new, scratch)).collect();
        let is_mostly_same = changed.len() * 2 <= new.len() + 4;
        if is_mostly_same && (is_scalar || !has_moved(changed.iter().map(|(_, pair)| *pair))) {
            alignment.keep(head, new.len());
            alignment.pairs = changed.iter().map(|(i, _)| (head + i, head + i)).collect();
            return;
        }
    }
    if is_scalar {
        alignment.runs.push(Run::New { count: new.len() });
        return;
    }
    let mut matching = Matching::new(old);
    let matches: Vec<_> = new.iter().map(|value| matching.find(*value, scratch)).collect();
    let mut next = 0;
    for (i, found) in matches.into_iter().enumerate() {
        if let Some(at) = found {
            alignment.keep(head + at, 1);
            next = at + 1;
        } else if matching.claim(next) {
            alignment.keep(head + next, 1);
            alignment.pairs.push((head + next, head + i));
            next += 1;
        } else {
            alignment.runs.push(Run::New { count: 1 });
        }
    }
}

fn is_same<T: Tracked>(old: &T, new: &T, scratch: &mut Writer) -> bool {
    scratch.truncate(0);
    new.encode_diff(old, scratch) == Edit::Same
}

/// Whether one of the new values of these pairs is one of the old ones.
fn has_moved<'t, T: Tracked>(pairs: impl Iterator<Item = (&'t &'t T, &'t &'t T)> + Clone) -> bool {
    let old: BTreeSet<_> = pairs.clone().map(|(old, _)| encoded(*old)).collect();
    pairs.into_iter().any(|(_, new)| old.contains(&encoded(*new)))
}

fn encoded<T: Tracked>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.into_bytes()
}

/// Finds old elements by their encodings, each once.
struct Matching {
    by_encoding: BTreeMap<Vec<u8>, VecDeque<usize>>,
    is_free: Vec<bool>,
    /// The place behind the last match: the one that makes a run longer.
    next: usize,
}

impl Matching {
    fn new<T: Tracked>(old: &[&T]) -> Self {
        let mut by_encoding = BTreeMap::<_, VecDeque<_>>::new();
        for (i, value) in old.iter().enumerate() {
            by_encoding.entry(encoded(*value)).or_default().push_back(i);
        }
        Self { by_encoding, is_free: vec![true; old.len()], next: 0 }
    }

    /// The place of an equal element that nobody has found yet.
    fn find<T: Tracked>(&mut self, value: &T, scratch: &mut Writer) -> Option<usize> {
        scratch.truncate(0);
        value.encode(scratch);
        let places = self.by_encoding.get_mut(scratch.as_slice())?;
        let at = match places.binary_search(&self.next) {
            Ok(i) => places.remove(i)?,
            Err(_) => places.pop_front()?,
        };
        self.next = at + 1;
        self.claim(at).then_some(at)
    }

    /// Takes the place `at`, if it is free.
    fn claim(&mut self, at: usize) -> bool {
        self.is_free.get_mut(at).is_some_and(std::mem::take)
    }
}

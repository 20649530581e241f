//! The plain lists that can be tracked, seen alike: `Vec` and `VecDeque`.
//!
//! Invariant: a method that is given an index or range outside of the list changes nothing beyond the list's end.
//! Source: own reasoning.

use std::collections::VecDeque;
use std::ops::Range;

use crate::tracked::Tracked;

/// A plain list of tracked elements. Implemented by `Vec` and `VecDeque` only: it cannot be named outside.
pub trait ListStore: Clone + Default + Send + Sync + 'static {
    /// What it holds.
    type Element: Tracked;

    /// Makes an empty list with room for `count` elements.
    fn with_room(count: usize) -> Self;

    /// How many elements there are.
    fn count(&self) -> usize;

    /// The element at `index`.
    fn element(&self, index: usize) -> Option<&Self::Element>;

    /// The element at `index`, to change.
    fn element_mut(&mut self, index: usize) -> Option<&mut Self::Element>;

    /// All elements, in order.
    fn elements(&self) -> impl DoubleEndedIterator<Item = &Self::Element> + ExactSizeIterator;

    /// All elements, in order, to change.
    fn elements_mut(&mut self) -> impl Iterator<Item = &mut Self::Element>;

    /// Puts an element at the end.
    fn push_element(&mut self, value: Self::Element);

    /// Exchanges two elements.
    fn swap_elements(&mut self, left: usize, right: usize);

    /// Takes the elements of a range out.
    fn take_out(&mut self, range: Range<usize>) -> Vec<Self::Element>;

    /// Puts elements in, the first one at `at`.
    fn put_in(&mut self, at: usize, values: Vec<Self::Element>);

    /// Bytes of the list's own heap.
    fn room_bytes(&self) -> usize;
}

/// The part of `range` that a list of `count` elements has.
fn within(range: &Range<usize>, count: usize) -> Range<usize> {
    let end = range.end.min(count);
    range.start.min(end)..end
}

impl<T: Tracked> ListStore for Vec<T> {
    type Element = T;

    fn with_room(count: usize) -> Self {
        Self::with_capacity(count)
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn element(&self, index: usize) -> Option<&T> {
        self.get(index)
    }

    fn element_mut(&mut self, index: usize) -> Option<&mut T> {
        self.get_mut(index)
    }

    fn elements(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.iter()
    }

    fn elements_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.iter_mut()
    }

    fn push_element(&mut self, value: T) {
        self.push(value);
    }

    fn swap_elements(&mut self, left: usize, right: usize) {
        if left < self.len() && right < self.len() {
            self.swap(left, right);
        }
    }

    fn take_out(&mut self, range: Range<usize>) -> Vec<T> {
        self.drain(within(&range, self.len())).collect()
    }

    fn put_in(&mut self, at: usize, values: Vec<T>) {
        let at = at.min(self.len());
        self.splice(at..at, values);
    }

    fn room_bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

impl<T: Tracked> ListStore for VecDeque<T> {
    type Element = T;

    fn with_room(count: usize) -> Self {
        Self::with_capacity(count)
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn element(&self, index: usize) -> Option<&T> {
        self.get(index)
    }

    fn element_mut(&mut self, index: usize) -> Option<&mut T> {
        self.get_mut(index)
    }

    fn elements(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.iter()
    }

    fn elements_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.iter_mut()
    }

    fn push_element(&mut self, value: T) {
        self.push_back(value);
    }

    fn swap_elements(&mut self, left: usize, right: usize) {
        if left < self.len() && right < self.len() {
            self.swap(left, right);
        }
    }

    fn take_out(&mut self, range: Range<usize>) -> Vec<T> {
        self.drain(within(&range, self.len())).collect()
    }

    fn put_in(&mut self, at: usize, values: Vec<T>) {
        let at = at.min(self.len());
        if values.len() <= 1 {
            values.into_iter().for_each(|value| self.insert(at, value));
        } else if at == 0 {
            values.into_iter().rev().for_each(|value| self.push_front(value));
        } else {
            let mut tail = self.split_off(at);
            self.extend(values);
            self.append(&mut tail);
        }
    }

    fn room_bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

//! The cursor of a list.
//!
//! Reads go to the plain list through `Deref`; every change goes through a method that records it. Invariant: there is
//! no `DerefMut`, so a change cannot pass unseen. Methods do not hand out old elements: those are kept for undo. An
//! index outside of the list changes nothing and answers `false` or `None`. Source: `std`'s names and meanings.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::{Bound, Deref, RangeBounds};

use super::changes::ListChanges;
use super::runs::{Runs, order_of};
use super::store::ListStore;
use crate::tracked::Tracked;

type CursorOf<'a, L> = <<L as ListStore>::Element as Tracked>::Mut<'a>;

/// Writes a `Vec` or `VecDeque` and records what was done to it.
pub struct ListMut<'a, L: ListStore> {
    list: &'a mut L,
    changes: &'a mut ListChanges<L>,
}

impl<L: ListStore> std::fmt::Debug for ListMut<'_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListMut").field("len", &self.list.count()).field("changes", self.changes).finish()
    }
}

impl<L: ListStore> Deref for ListMut<'_, L> {
    type Target = L;

    #[inline]
    fn deref(&self) -> &L {
        self.list
    }
}

/// Elements where they stand.
impl<'a, L: ListStore> ListMut<'a, L> {
    #[inline]
    pub(super) fn new(list: &'a mut L, changes: &'a mut ListChanges<L>) -> Self {
        Self { list, changes }
    }

    /// Borrows the cursor for a while.
    pub fn reborrow(&mut self) -> ListMut<'_, L> {
        ListMut { list: self.list, changes: self.changes }
    }

    /// A cursor of the element at `index`.
    pub fn get_mut(&mut self, index: usize) -> Option<CursorOf<'_, L>> {
        self.reborrow().into_get(index)
    }

    /// A cursor of the element at `index` that lives as long as this one could.
    pub fn into_get(self, index: usize) -> Option<CursorOf<'a, L>> {
        let value = self.list.element_mut(index)?;
        Some(value.track(self.changes.element(index)))
    }

    /// A cursor of the first element.
    pub fn first_mut(&mut self) -> Option<CursorOf<'_, L>> {
        self.get_mut(0)
    }

    /// A cursor of the last element.
    pub fn last_mut(&mut self) -> Option<CursorOf<'_, L>> {
        let last = self.list.count().checked_sub(1)?;
        self.get_mut(last)
    }

    /// Cursors of all elements, in order. Makes a change set for each element at once; [`for_each_mut`](Self::for_each_mut)
    /// keeps only those that are written.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = CursorOf<'_, L>> {
        let changes = self.changes.all_elements(self.list.count());
        self.list.elements_mut().zip(changes).map(|(value, changes)| value.track(changes))
    }

    /// Calls `f` with a cursor of each element, in order.
    pub fn for_each_mut(&mut self, mut f: impl FnMut(CursorOf<'_, L>)) {
        for index in 0..self.list.count() {
            self.changes.visit(self.list, index, |value, changes| f(value.track(changes)));
        }
    }
}

/// Elements in and out.
impl<L: ListStore> ListMut<'_, L> {
    /// Puts an element at the end.
    pub fn push(&mut self, value: L::Element) {
        self.changes.push(self.list, value);
    }

    /// Puts elements at the end.
    pub fn extend(&mut self, values: impl IntoIterator<Item = L::Element>) {
        values.into_iter().for_each(|value| self.push(value));
    }

    /// Removes the last element; answers whether there was one.
    pub fn pop(&mut self) -> bool {
        self.list.count().checked_sub(1).is_some_and(|last| self.remove(last))
    }

    /// Puts an element at `index`, those from there on move up; answers whether `index` is at most the length.
    pub fn insert(&mut self, index: usize, value: L::Element) -> bool {
        let is_within = index <= self.list.count();
        if is_within {
            self.changes.splice(self.list, index..index, vec![value]);
        }
        is_within
    }

    /// Removes the element at `index`, those behind it move down; answers whether there was one.
    pub fn remove(&mut self, index: usize) -> bool {
        let is_within = index < self.list.count();
        if is_within {
            self.changes.splice(self.list, index..index + 1, Vec::new());
        }
        is_within
    }

    /// Removes the element at `index` and puts the last one in its place; answers whether there was one.
    pub fn swap_remove(&mut self, index: usize) -> bool {
        let is_within = index < self.list.count();
        if is_within {
            self.swap(index, self.list.count() - 1);
            self.pop();
        }
        is_within
    }

    /// Removes all elements from the `len`-th on.
    pub fn truncate(&mut self, len: usize) {
        let count = self.list.count();
        self.changes.splice(self.list, len.min(count)..count, Vec::new());
    }

    /// Removes the elements of a range; what of it is outside of the list is ignored.
    pub fn drain_range(&mut self, range: impl RangeBounds<usize>) {
        let count = self.list.count();
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => count,
        };
        let end = end.min(count);
        self.changes.splice(self.list, start.min(end)..end, Vec::new());
    }

    /// Removes the elements for which `keep` answers `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&L::Element) -> bool) {
        let kept = self.list.elements().enumerate().filter(|(_, value)| keep(value)).map(|(at, _)| at);
        let order = order_of(kept);
        self.changes.arrange(self.list, &order, Vec::new());
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        if self.list.count() > 0 {
            self.set(L::default());
        }
    }

    /// Puts another list in place. The delta says how it differs.
    pub fn set(&mut self, value: L) {
        self.changes.replace(self.list, value);
    }

    /// Runs code that knows nothing of cursors on the plain list. Costs a clone of the list; the delta says how it
    /// differs.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut L) -> R) -> R {
        self.changes.keep_whole(self.list);
        f(self.list)
    }
}

/// Elements in another order.
impl<L: ListStore> ListMut<'_, L> {
    /// Exchanges two elements; answers whether both are there.
    pub fn swap(&mut self, left: usize, right: usize) -> bool {
        let is_within = left.max(right) < self.list.count();
        self.changes.swap(self.list, left, right);
        is_within
    }

    /// Sorts the list; equal elements keep their order.
    pub fn sort_by(&mut self, mut compare: impl FnMut(&L::Element, &L::Element) -> Ordering) {
        let mut elements: Vec<_> = self.list.elements().enumerate().collect();
        elements.sort_by(|(_, left), (_, right)| compare(left, right));
        let order = order_of(elements.into_iter().map(|(at, _)| at));
        self.changes.arrange(self.list, &order, Vec::new());
    }

    /// Sorts the list by a key; elements of equal keys keep their order.
    pub fn sort_by_key<K: Ord>(&mut self, mut key: impl FnMut(&L::Element) -> K) {
        self.sort_by(|left, right| key(left).cmp(&key(right)));
    }

    /// Turns the list round.
    pub fn reverse(&mut self) {
        let order: Runs = order_of((0..self.list.count()).rev());
        self.changes.arrange(self.list, &order, Vec::new());
    }

    /// Moves the first `count` elements to the end; all of them, if there are not so many.
    pub fn rotate_left(&mut self, count: usize) {
        let len = self.list.count();
        let count = count.min(len);
        let order: Runs = order_of((count..len).chain(0..count));
        self.changes.arrange(self.list, &order, Vec::new());
    }

    /// Moves the last `count` elements to the front; all of them, if there are not so many.
    pub fn rotate_right(&mut self, count: usize) {
        self.rotate_left(self.list.count().saturating_sub(count));
    }
}

/// Both ends of a `VecDeque`.
impl<T: Tracked> ListMut<'_, VecDeque<T>> {
    /// Puts an element at the end.
    pub fn push_back(&mut self, value: T) {
        self.push(value);
    }

    /// Puts an element at the front.
    pub fn push_front(&mut self, value: T) {
        self.insert(0, value);
    }

    /// Removes the last element; answers whether there was one.
    pub fn pop_back(&mut self) -> bool {
        self.pop()
    }

    /// Removes the first element; answers whether there was one.
    pub fn pop_front(&mut self) -> bool {
        self.remove(0)
    }
}

//! `add`: numbers that many nodes count up and down.
//!
//! Invariants: the operand is the sum of this transaction's additions. Where a sum of integers overflows, the value on
//! this node wraps and the commit is refused. Source: own reasoning.

use std::fmt;
use std::ops::Deref;

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Policy;
use crate::tracked::opaque::same_or_put;
use crate::tracked::{Changes, Edit, LeafChanges, Plain, Tracked, Tracking};

/// A number that `add`, `max` and `min` work on: the integers and floats of std.
pub trait Number: Tracked<Changes = LeafChanges<Self>> + Copy + fmt::Debug {
    /// Nothing added.
    const ZERO: Self;

    /// The sum, wrapped, and whether it overflowed.
    #[must_use]
    fn plus(self, other: Self) -> (Self, bool);

    /// What to add to `from` to get exactly this number.
    #[must_use]
    fn distance(self, from: Self) -> Option<Self>;

    /// Whether it is greater; never with NaN.
    #[must_use]
    fn exceeds(self, other: Self) -> bool;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Number for $type {
            const ZERO: Self = 0;

            #[inline]
            fn plus(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }

            fn distance(self, from: Self) -> Option<Self> {
                self.checked_sub(from)
            }

            #[inline]
            fn exceeds(self, other: Self) -> bool {
                self > other
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty)*) => {$(
        impl Number for $type {
            const ZERO: Self = 0.0;

            #[inline]
            fn plus(self, other: Self) -> (Self, bool) {
                (self + other, false)
            }

            fn distance(self, from: Self) -> Option<Self> {
                let distance = self - from;
                (distance.is_finite() && (from + distance).to_bits() == self.to_bits()).then_some(distance)
            }

            #[inline]
            fn exceeds(self, other: Self) -> bool {
                self > other
            }
        }
    )*};
}

integers! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }
floats! { f32 f64 }

/// Tracks a number by what is added to it: `#[nam(add)]`.
#[derive(Clone, Copy, Debug)]
pub struct Add;

/// What was added to a number.
#[derive(Debug)]
pub struct AddChanges<N: Number> {
    old: LeafChanges<N>,
    operand: N,
    has_overflowed: bool,
    /// A whole value was put: what is added to it goes with it.
    is_put: bool,
}

impl<N: Number> AddChanges<N> {
    /// Whether anything was added or put.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.old.is_changed()
    }

    /// The number before.
    #[must_use]
    pub fn previous(&self) -> Option<&N> {
        self.old.previous()
    }

    fn add(changes: Option<&mut Self>, value: &mut N, operand: N) {
        let former = *value;
        *value = former.plus(operand).0;
        let Some(changes) = changes else { return };
        changes.old.keep(|| former);
        let (sum, overflowed) = changes.operand.plus(operand);
        changes.operand = sum;
        changes.has_overflowed |= overflowed;
    }
}

impl<N: Number> Default for AddChanges<N> {
    fn default() -> Self {
        Self { old: LeafChanges::default(), operand: N::ZERO, has_overflowed: false, is_put: false }
    }
}

impl<N: Number> Changes for AddChanges<N> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// Adds to a number; reads are those of the number on this node.
pub struct AddMut<'a, N: Number> {
    value: &'a mut N,
    changes: &'a mut AddChanges<N>,
}

impl<N: Number> AddMut<'_, N> {
    /// Adds. Where integers overflow, the sum wraps here and the repository refuses the commit.
    #[inline]
    pub fn add(&mut self, operand: N) {
        AddChanges::add(Some(self.changes), self.value, operand);
    }
}

impl<N: Number> Deref for AddMut<'_, N> {
    type Target = N;
    fn deref(&self) -> &N {
        self.value
    }
}

impl<N: Number> fmt::Debug for AddMut<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddMut").field("is_changed", &self.changes.is_changed()).finish_non_exhaustive()
    }
}

impl<N: Number> Tracking<N> for Add {
    type Form = Plain;
    type Changes = AddChanges<N>;
    type Mut<'a> = AddMut<'a, N>;
    const POLICY: Policy = Policy::Add;
    const EDITS_NOTHING: bool = true;

    #[inline]
    fn track<'a>(value: &'a mut N, changes: &'a mut AddChanges<N>) -> AddMut<'a, N> {
        AddMut { value, changes }
    }

    fn encode_edit(value: &N, changes: &AddChanges<N>, w: &mut Writer) -> Edit {
        let Some(old) = changes.previous() else { return Edit::Same };
        if changes.is_put {
            return value.encode_diff(old, w);
        }
        if changes.has_overflowed {
            w.overflow("the additions of one commit together");
        }
        encode_operand(changes.operand, w)
    }

    fn encode_diff(value: &N, old: &N, w: &mut Writer) -> Edit {
        if value.encode_diff(old, w) == Edit::Same {
            return Edit::Same;
        }
        value.distance(*old).map_or(Edit::Put, |distance| encode_operand(distance, w))
    }

    fn apply(value: &mut N, edit: Reader<'_>, _: Option<&mut AddChanges<N>>) -> Result<(), DecodeError> {
        value.apply(edit, None)
    }

    fn apply_operation(
        value: &mut N,
        mut operand: Reader<'_>,
        changes: Option<&mut AddChanges<N>>,
    ) -> Result<(), DecodeError> {
        let number = N::decode(&mut operand)?;
        operand.finish()?;
        AddChanges::add(changes, value, number);
        Ok(())
    }

    fn replace(value: &mut N, new: N, changes: Option<&mut AddChanges<N>>) {
        let former = std::mem::replace(value, new);
        if let Some(changes) = changes {
            changes.old.keep(|| former);
            changes.is_put = true;
        }
    }

    fn undo(value: &mut N, changes: AddChanges<N>) {
        value.undo(changes.old);
    }
}

fn encode_operand<N: Number>(operand: N, w: &mut Writer) -> Edit {
    match same_or_put(w, |w| operand.encode(w), |w| N::ZERO.encode(w)) {
        Edit::Same => Edit::Same,
        _ => {
            operand.encode(w);
            Edit::Operation
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_summed_and_undone() {
        let (mut value, mut changes) = (10_i64, AddChanges::default());
        let mut cursor = Add::track(&mut value, &mut changes);
        cursor.add(5);
        cursor.add(-8);
        assert_eq!(*cursor, 7);
        let mut w = Writer::new();
        assert_eq!(Add::encode_edit(&value, &changes, &mut w), Edit::Operation);
        assert_eq!(Reader::new(w.as_slice()).zigzag(), Ok(-3));
        Add::undo(&mut value, changes);
        assert_eq!(value, 10);
    }

    #[test]
    fn what_adds_up_to_nothing_is_nothing() {
        let (mut value, mut changes) = (1.5_f64, AddChanges::default());
        let mut cursor = Add::track(&mut value, &mut changes);
        cursor.add(2.0);
        cursor.add(-2.0);
        assert_eq!(Add::encode_edit(&value, &changes, &mut Writer::new()), Edit::Same);
    }

    #[test]
    fn a_sum_of_operands_beyond_the_type_is_refused() {
        let (mut value, mut changes) = (0_u8, AddChanges::default());
        let mut cursor = Add::track(&mut value, &mut changes);
        cursor.add(200);
        cursor.add(100);
        assert_eq!(*cursor, 44);
        let mut w = Writer::new();
        let _ = Add::encode_edit(&value, &changes, &mut w);
        assert!(matches!(w.refusal(), Some(DecodeError::Overflow { .. })));
    }

    #[test]
    fn a_difference_is_an_operation_where_one_leads_there() {
        let mut w = Writer::new();
        assert_eq!(Add::encode_diff(&7_u32, &5, &mut w), Edit::Operation);
        assert_eq!(w.as_slice(), [2]);
        assert_eq!(Add::encode_diff(&5_u32, &7, &mut Writer::new()), Edit::Put);
        assert_eq!(Add::encode_diff(&f64::NAN, &1.0, &mut Writer::new()), Edit::Put);
        assert_eq!(Add::encode_diff(&f64::NAN, &f64::NAN, &mut Writer::new()), Edit::Same);
    }
}

//! `max` and `min`: numbers that only rise or only fall.
//!
//! Invariants: the operand is the bound this transaction set last, if that moved the number on this node. NaN moves
//! nothing. Source: own reasoning.

use std::fmt;
use std::ops::Deref;

use super::Number;
use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Policy;
use crate::tracked::{Changes, Edit, LeafChanges, Plain, Tracking};

/// What a bound did to a number.
#[derive(Debug)]
pub struct BoundChanges<N: Number> {
    old: LeafChanges<N>,
    /// A whole value was put: bounds on it go with it.
    is_put: bool,
}

impl<N: Number> BoundChanges<N> {
    /// Whether the number moved or was put.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.old.is_changed()
    }

    /// The number before.
    #[must_use]
    pub fn previous(&self) -> Option<&N> {
        self.old.previous()
    }
}

impl<N: Number> Default for BoundChanges<N> {
    fn default() -> Self {
        Self { old: LeafChanges::default(), is_put: false }
    }
}

impl<N: Number> Changes for BoundChanges<N> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

macro_rules! bound {
    ($manner:ident, $cursor:ident, $method:ident, $moves:expr, $text:literal, $verb:literal) => {
        #[doc = concat!("Tracks a number by its ", $text, ": `#[nam(", stringify!($method), ")]`.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $manner;

        #[doc = concat!($verb, " a number; reads are those of the number on this node.")]
        pub struct $cursor<'a, N: Number> {
            value: &'a mut N,
            changes: &'a mut BoundChanges<N>,
        }

        impl<N: Number> $cursor<'_, N> {
            #[doc = concat!($verb, " the number to `bound`, unless it is there already.")]
            #[inline]
            pub fn $method(&mut self, bound: N) {
                $manner::bound(self.value, Some(self.changes), bound);
            }
        }

        impl<N: Number> Deref for $cursor<'_, N> {
            type Target = N;
            fn deref(&self) -> &N {
                self.value
            }
        }

        impl<N: Number> fmt::Debug for $cursor<'_, N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($cursor))
                    .field("is_changed", &self.changes.is_changed())
                    .finish_non_exhaustive()
            }
        }

        impl $manner {
            #[inline]
            fn bound<N: Number>(value: &mut N, changes: Option<&mut BoundChanges<N>>, bound: N) {
                let moves: fn(N, N) -> bool = $moves;
                if moves(bound, *value) {
                    let former = std::mem::replace(value, bound);
                    if let Some(changes) = changes {
                        changes.old.keep(|| former);
                    }
                }
            }
        }

        impl<N: Number> Tracking<N> for $manner {
            type Form = Plain;
            type Changes = BoundChanges<N>;
            type Mut<'a> = $cursor<'a, N>;
            const POLICY: Policy = Policy::$manner;
            const EDITS_NOTHING: bool = true;

            #[inline]
            fn track<'a>(value: &'a mut N, changes: &'a mut BoundChanges<N>) -> $cursor<'a, N> {
                $cursor { value, changes }
            }

            fn encode_edit(value: &N, changes: &BoundChanges<N>, w: &mut Writer) -> Edit {
                match changes.previous() {
                    Some(old) if changes.is_put => value.encode_diff(old, w),
                    Some(old) => Self::encode_diff(value, old, w),
                    None => Edit::Same,
                }
            }

            fn encode_diff(value: &N, old: &N, w: &mut Writer) -> Edit {
                let moves: fn(N, N) -> bool = $moves;
                if moves(*value, *old) {
                    value.encode(w);
                    Edit::Operation
                } else {
                    value.encode_diff(old, w)
                }
            }

            fn apply(value: &mut N, edit: Reader<'_>, _: Option<&mut BoundChanges<N>>) -> Result<(), DecodeError> {
                value.apply(edit, None)
            }

            fn apply_operation(
                value: &mut N,
                mut operand: Reader<'_>,
                changes: Option<&mut BoundChanges<N>>,
            ) -> Result<(), DecodeError> {
                let bound = N::decode(&mut operand)?;
                operand.finish()?;
                Self::bound(value, changes, bound);
                Ok(())
            }

            fn replace(value: &mut N, new: N, changes: Option<&mut BoundChanges<N>>) {
                let former = std::mem::replace(value, new);
                if let Some(changes) = changes {
                    changes.old.keep(|| former);
                    changes.is_put = true;
                }
            }

            fn undo(value: &mut N, changes: BoundChanges<N>) {
                value.undo(changes.old);
            }
        }
    };
}

bound!(Max, MaxMut, max, |bound, value| bound.exceeds(value), "maximum", "Raises");
bound!(Min, MinMut, min, |bound, value| value.exceeds(bound), "minimum", "Lowers");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moves_is_an_operation() {
        let (mut value, mut changes) = (10_u32, BoundChanges::default());
        Max::track(&mut value, &mut changes).max(9);
        assert!(!changes.is_changed());
        Max::track(&mut value, &mut changes).max(12);
        Max::track(&mut value, &mut changes).max(11);
        let mut w = Writer::new();
        assert_eq!((value, Max::encode_edit(&value, &changes, &mut w)), (12, Edit::Operation));
        assert_eq!(w.as_slice(), [12]);
        Max::undo(&mut value, changes);
        assert_eq!(value, 10);
    }

    #[test]
    fn a_value_that_was_put_is_put() {
        let (mut value, mut changes) = (1.0_f64, BoundChanges::default());
        Min::replace(&mut value, 5.0, Some(&mut changes));
        Min::track(&mut value, &mut changes).min(f64::NAN);
        assert_eq!(Min::encode_edit(&value, &changes, &mut Writer::new()), Edit::Put);
        Min::track(&mut value, &mut changes).min(1.0);
        assert_eq!(Min::encode_edit(&value, &changes, &mut Writer::new()), Edit::Same);
    }
}

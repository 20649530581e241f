//! What a commit must do to a value it did not see: the reference, made of plain values only.
//!
//! `mine` was made from `base`, and `theirs` came in between. Cell by cell: what only one side changed is taken, what
//! both changed overlaps (and must not have been accepted), policies give their defined result (I9).

use std::collections::{BTreeMap, BTreeSet};

use crate::class::{Desk, Entry, Leg, Mood, Status};

/// Why there is no merged value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clash {
    /// Both changed this.
    Overlap(String),
    /// Both changed the order of a list: plain values do not tell which element is which.
    Unknown,
}

pub(crate) trait Merge: Sized + Clone + PartialEq + std::fmt::Debug {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        one_side(base, mine, theirs).ok_or_else(|| overlap(base, mine, theirs))
    }
}

fn overlap<T: std::fmt::Debug>(base: &T, mine: &T, theirs: &T) -> Clash {
    Clash::Overlap(format!("{base:?} became {mine:?} and {theirs:?}"))
}

fn one_side<T: Clone + PartialEq>(base: &T, mine: &T, theirs: &T) -> Option<T> {
    match (mine == base, theirs == base) {
        (true, _) => Some(theirs.clone()),
        (false, true) => Some(mine.clone()),
        (false, false) => None,
    }
}

macro_rules! cells {
    ($($type:ty),*) => {$(impl Merge for $type {})*};
}

cells!(bool, u8, u32, i64, f64, String, Vec<u8>, Mood);

impl<T: Merge> Merge for Box<T> {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        T::merge(base, mine, theirs).map(Box::new)
    }
}

impl<T: Merge> Merge for Option<T> {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        match (base, mine, theirs) {
            (Some(base), Some(mine), Some(theirs)) => T::merge(base, mine, theirs).map(Some),
            _ => one_side(base, mine, theirs).ok_or_else(|| overlap(base, mine, theirs)),
        }
    }
}

impl<K: Ord + Clone + std::fmt::Debug, V: Merge> Merge for BTreeMap<K, V> {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        let keys: BTreeSet<&K> = base.keys().chain(mine.keys()).chain(theirs.keys()).collect();
        let mut merged = Self::new();
        for key in keys {
            let of = |map: &Self| map.get(key).cloned();
            if let Some(value) = Option::merge(&of(base), &of(mine), &of(theirs))? {
                merged.insert(key.clone(), value);
            }
        }
        Ok(merged)
    }
}

impl Merge for BTreeSet<u32> {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        let keys: Self = base.iter().chain(mine).chain(theirs).copied().collect();
        let is_in = |key: &u32| match (base.contains(key), mine.contains(key), theirs.contains(key)) {
            (base, mine, theirs) if mine == base => theirs,
            (_, mine, _) => mine,
        };
        Ok(keys.into_iter().filter(is_in).collect())
    }
}

impl<T: Merge> Merge for Vec<T>
where
    Vec<T>: List,
{
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        one_side(base, mine, theirs).ok_or(Clash::Unknown)
    }
}

/// Vectors that are lists of elements; `Vec<u8>` is one cell.
pub(crate) trait List {}
impl List for Vec<Leg> {}

impl<T: Merge, const N: usize> Merge for [T; N] {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        let mut merged = base.clone();
        for (at, place) in merged.iter_mut().enumerate() {
            *place = T::merge(&base[at], &mine[at], &theirs[at])?;
        }
        Ok(merged)
    }
}

impl Merge for (u32, String) {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        Ok((u32::merge(&base.0, &mine.0, &theirs.0)?, String::merge(&base.1, &mine.1, &theirs.1)?))
    }
}

impl Merge for Status {
    fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
        match (base, mine, theirs) {
            (
                Self::Filled { price: a, quantity: x },
                Self::Filled { price: b, quantity: y },
                Self::Filled { price: c, quantity: z },
            ) => Ok(Self::Filled { price: f64::merge(a, b, c)?, quantity: i64::merge(x, y, z)? }),
            _ => one_side(base, mine, theirs).ok_or_else(|| overlap(base, mine, theirs)),
        }
    }
}

macro_rules! structs {
    ($($name:ident { $($field:ident),* } [$($policy:ident: $rule:expr),*];)*) => {$(
        impl Merge for $name {
            fn merge(base: &Self, mine: &Self, theirs: &Self) -> Result<Self, Clash> {
                Ok(Self {
                    $($field: Merge::merge(&base.$field, &mine.$field, &theirs.$field)?,)*
                    $($policy: $rule(&base.$policy, &mine.$policy, &theirs.$policy),)*
                })
            }
        }
    )*};
}

structs! {
    Leg { price, text, next } [];
    Entry { quantity, legs, marks, status, memo, tags } [hits: add];
    Desk { cash, rate, is_open, level, title, blob, pair, fixed, lead, status, book, legs, tags, mood } [
        hits: add,
        peak: |_: &i64, mine: &i64, theirs: &i64| *mine.max(theirs),
        floor: |_: &i64, mine: &i64, theirs: &i64| *mine.min(theirs),
        seen: |_: &BTreeSet<u32>, mine: &BTreeSet<u32>, theirs: &BTreeSet<u32>| mine | theirs,
        log: append,
        last: |base: &u32, mine: &u32, theirs: &u32| if mine == base { *theirs } else { *mine }
    ];
}

fn add(base: &i64, mine: &i64, theirs: &i64) -> i64 {
    theirs + (mine - base)
}

fn append(base: &[Leg], mine: &[Leg], theirs: &[Leg]) -> Vec<Leg> {
    theirs.iter().chain(&mine[base.len()..]).cloned().collect()
}

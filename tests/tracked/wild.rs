//! Random values and random transactions over the whole cursor API of the collections, nested at will.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

use nam::__private::{AsList, Key, Tracked};

use crate::expanded::{Order, OrderMut, Status, StatusVariantMut};
use crate::lists::{Fill, FillMut, Log, LogMut};
use crate::transaction::{Delta, bytes, check_damaged, check_in_batch};

/// A small generator (xorshift64*): equal seeds, equal tests.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

/// A type that can be made and changed at random.
pub trait Wild: Tracked + PartialEq + Debug {
    fn random(dice: &mut Dice) -> Self;
    fn change(cursor: Self::Mut<'_>, dice: &mut Dice);
}

/// A key that can be made at random, out of few, so that transactions meet.
pub trait WildKey: Key + Hash + Debug {
    fn random_key(dice: &mut Dice) -> Self;
}

impl WildKey for String {
    fn random_key(dice: &mut Dice) -> Self {
        ["AAPL", "MSFT", "a longer name", "", "é", "Z", "IBM", "b"][dice.below(8)].to_owned()
    }
}

impl WildKey for u32 {
    fn random_key(dice: &mut Dice) -> Self {
        [1, 2, 3, 127, 128, 255, 256, 70_000][dice.below(8)]
    }
}

impl WildKey for (u8, i64) {
    fn random_key(dice: &mut Dice) -> Self {
        (dice.below(3) as u8, dice.below(4) as i64 - 2)
    }
}

macro_rules! wild_scalars {
    ($($type:ty: $random:expr;)*) => {$(
        impl Wild for $type {
            fn random(dice: &mut Dice) -> Self {
                #[allow(clippy::redundant_closure_call, reason = "the macro takes closures")]
                ($random)(dice)
            }
            fn change(mut cursor: Self::Mut<'_>, dice: &mut Dice) {
                *cursor = Self::random(dice);
            }
        }
    )*};
}

wild_scalars! {
    u32: |dice: &mut Dice| dice.below(300) as u32;
    i64: |dice: &mut Dice| dice.below(300) as i64 - 150;
    f64: |dice: &mut Dice| dice.below(6) as f64 / 2.0;
    bool: |dice: &mut Dice| dice.below(2) == 1;
}

impl Wild for Order {
    fn random(dice: &mut Dice) -> Self {
        let status = match dice.below(3) {
            0 => Status::New,
            1 => Status::Filled { price: f64::random(dice), quantity: 3 },
            _ => Status::Rejected(u32::random(dice)),
        };
        Self {
            price: f64::random(dice),
            tags: (0..dice.below(4)).map(|_| u32::random(dice)).collect(),
            status,
            cache: 0,
        }
    }

    fn change(mut order: OrderMut<'_>, dice: &mut Dice) {
        match dice.below(6) {
            0 => *order.price_mut() = f64::random(dice),
            1 => Vec::<u32>::change(order.tags_mut(), dice),
            2 => match order.status_mut().variant_mut() {
                StatusVariantMut::Filled { mut quantity, .. } => *quantity += 1,
                StatusVariantMut::Rejected(mut code) => *code = u32::random(dice),
                StatusVariantMut::New => order.status_mut().set(Status::Rejected(1)),
            },
            3 => order.set(Self::random(dice)),
            4 => order.edit(|order| order.price += 1.0),
            _ => {}
        }
    }
}

impl Wild for Fill {
    fn random(dice: &mut Dice) -> Self {
        Self { price: f64::random(dice), quantity: dice.below(5) as u64 }
    }

    fn change(mut fill: FillMut<'_>, dice: &mut Dice) {
        *fill.price_mut() = f64::random(dice);
    }
}

impl Wild for Log {
    fn random(dice: &mut Dice) -> Self {
        Self { fills: Wild::random(dice), codes: some(dice, u32::random).into(), names: Wild::random(dice) }
    }

    fn change(mut log: LogMut<'_>, dice: &mut Dice) {
        match dice.below(8) {
            0..2 => log.fills_mut().push(Fill::random(dice)),
            2..4 => log.codes_mut().extend(some(dice, u32::random)),
            4..6 => log.names_mut().extend([String::random_key(dice)]),
            6 => log.set(Self::random(dice)),
            _ => log.edit(|log| log.codes = some(dice, u32::random).into()),
        }
    }
}

fn some<T>(dice: &mut Dice, mut random: impl FnMut(&mut Dice) -> T) -> Vec<T> {
    (0..dice.below(7)).map(|_| random(dice)).collect()
}

macro_rules! wild_lists {
    ($($list:ident [$($bound:tt)*];)*) => {$(
        impl<T: Wild $($bound)*> Wild for $list<T> {
            fn random(dice: &mut Dice) -> Self {
                some(dice, T::random).into_iter().collect()
            }

            fn change(mut list: Self::Mut<'_>, dice: &mut Dice) {
                let len = list.len();
                let (at, other) = (dice.below(len + 1), dice.below(len + 1));
                match dice.below(24) {
                    0..3 => list.push(T::random(dice)),
                    3 => assert_eq!(list.pop(), len > 0),
                    4 => assert_eq!(list.insert(at, T::random(dice)), at <= len),
                    5 => assert_eq!(list.remove(at), at < len),
                    6 => assert_eq!(list.swap_remove(at), at < len),
                    7 => assert_eq!(list.swap(at, other), at.max(other) < len),
                    8 => list.truncate(len - dice.below(3).min(len)),
                    9 => {
                        let mut dice = dice.clone();
                        list.retain(|_| dice.below(4) > 0);
                    }
                    10 => list.extend(some(dice, T::random)),
                    11 => list.drain_range(at.min(other)..at.max(other)),
                    12 => list.sort_by_key(|value| format!("{value:?}")),
                    13 => list.reverse(),
                    14 => list.rotate_left(at),
                    15 => list.clear(),
                    16 => {
                        let which = dice.below(3);
                        list.iter_mut().enumerate().filter(|(i, _)| i % 3 == which).for_each(|(_, e)| T::change(e, dice));
                    }
                    17 => list.for_each_mut(|element| {
                        if dice.below(3) == 0 {
                            T::change(element, dice);
                        }
                    }),
                    18 => list.edit(|list| {
                        if let Some(element) = list.get_mut(at) {
                            *element = T::random(dice);
                        }
                        let turn = other.min(list.len());
                        list.rotate_left(turn);
                    }),
                    19 if dice.below(4) == 0 => list.set(Self::random(dice)),
                    _ => {
                        if let Some(element) = list.get_mut(at) {
                            T::change(element, dice);
                        }
                    }
                }
            }
        }
    )*};
}

wild_lists! {
    Vec [+ Tracked<InVec = AsList>];
    VecDeque [];
}

macro_rules! wild_maps {
    ($($map:ident [$($bound:tt)*];)*) => {$(
        impl<K: WildKey $($bound)*, V: Wild> Wild for $map<K, V> {
            fn random(dice: &mut Dice) -> Self {
                some(dice, |dice| (K::random_key(dice), V::random(dice))).into_iter().collect()
            }

            fn change(mut map: Self::Mut<'_>, dice: &mut Dice) {
                let key = K::random_key(dice);
                let was_there = map.contains_key(&key);
                match dice.below(16) {
                    0..3 => assert_eq!(map.insert(key, V::random(dice)), was_there),
                    3..5 => assert_eq!(map.remove(&key), was_there),
                    5 => assert_eq!(map.take(&key).is_some(), was_there),
                    6 => V::change(map.get_or_insert_with(key, || V::random(&mut dice.clone())), dice),
                    7 => {
                        let mut dice = dice.clone();
                        map.retain(|_, _| dice.below(4) > 0);
                    }
                    8 if dice.below(3) == 0 => map.clear(),
                    9 => map.extend(some(dice, |dice| (K::random_key(dice), V::random(dice)))),
                    10 => {
                        let which = dice.below(3);
                        map.iter_mut().enumerate().filter(|(i, _)| i % 3 == which).for_each(|(_, (_, v))| V::change(v, dice));
                    }
                    11 => map.for_each_mut(|_, value| {
                        if dice.below(3) == 0 {
                            V::change(value, dice);
                        }
                    }),
                    12 => map.edit(|map| {
                        map.insert(key, V::random(dice));
                        map.remove(&K::random_key(dice));
                    }),
                    13 if dice.below(4) == 0 => map.set(Self::random(dice)),
                    _ => {
                        if let Some(value) = map.get_mut(&key) {
                            V::change(value, dice);
                        }
                    }
                }
            }
        }
    )*};
}

wild_maps! {
    HashMap [];
    BTreeMap [+ Ord];
}

macro_rules! wild_sets {
    ($($set:ident [$($bound:tt)*];)*) => {$(
        impl<K: WildKey $($bound)*> Wild for $set<K> {
            fn random(dice: &mut Dice) -> Self {
                some(dice, K::random_key).into_iter().collect()
            }

            fn change(mut set: Self::Mut<'_>, dice: &mut Dice) {
                let key = K::random_key(dice);
                let was_there = set.contains(&key);
                match dice.below(12) {
                    0..5 => assert_eq!(set.insert(key), !was_there),
                    5..8 => assert_eq!(set.remove(&key), was_there),
                    8 => set.extend(some(dice, K::random_key)),
                    9 => {
                        let mut dice = dice.clone();
                        set.retain(|_| dice.below(4) > 0);
                    }
                    10 => match dice.below(3) {
                        0 => set.clear(),
                        1 => set.set(Self::random(dice)),
                        _ => {}
                    },
                    _ => {
                        set.edit(|set| set.insert(key));
                    }
                }
            }
        }
    )*};
}

wild_sets! {
    HashSet [];
    BTreeSet [+ Ord];
}

/// Runs `rounds` random batches of up to four transactions of up to six changes each, and damages what they send.
/// Answers how many deltas changed nothing: only lists may send such, where equal elements changed places.
pub fn run<T: Wild>(rounds: u64) -> usize {
    let mut idle = 0;
    for round in 0..rounds {
        let dice = &mut Dice::new(round);
        let base = T::random(dice);
        let mut batch: Option<Delta> = None;
        for _ in 0..=dice.below(4) {
            let changes_in_it = dice.below(6) + 1;
            let (delta, after) = check_in_batch(&base, batch.as_ref(), |value, changes| {
                for _ in 0..changes_in_it {
                    T::change(value.track(changes), dice);
                }
            });
            idle += usize::from(delta.is_some() && bytes(&after) == bytes(&base));
            batch = delta;
        }
        if let Some(delta) = batch {
            let damage: Vec<_> = (0..4).map(|_| (dice.below(delta.len()), 1_u8 << dice.below(8))).collect();
            let cut = (dice.below(delta.len()), 0);
            check_damaged(&base, &delta, damage.into_iter().chain([cut]));
        }
    }
    idle
}

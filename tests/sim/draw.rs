//! Random values and random changes, over the whole API of the cursors.

use std::collections::{BTreeMap, BTreeSet};

use nam::__private::{AsList, Key, Tracked};

use crate::class::{Desk, DeskMut, Entry, EntryMut, Leg, LegMut, Mood, Status, StatusMut, StatusVariantMut};
use crate::dice::Dice;

pub(crate) trait Draw: Tracked {
    fn draw(dice: &mut Dice) -> Self;
    fn change(cursor: Self::Mut<'_>, dice: &mut Dice);
}

/// Keys out of few, so that commits meet.
pub(crate) trait DrawKey: Key + Ord + std::hash::Hash {
    fn draw_key(dice: &mut Dice) -> Self;
}

impl DrawKey for String {
    fn draw_key(dice: &mut Dice) -> Self {
        ["AAPL", "MSFT", "a longer name", "", "é", "IBM"][dice.index(6)].to_owned()
    }
}

impl DrawKey for u32 {
    fn draw_key(dice: &mut Dice) -> Self {
        [1, 2, 127, 128, 300, 70_000][dice.index(6)]
    }
}

macro_rules! scalars {
    ($($type:ty: $draw:expr;)*) => {$(
        impl Draw for $type {
            fn draw(dice: &mut Dice) -> Self {
                let draw: fn(&mut Dice) -> Self = $draw;
                draw(dice)
            }
            fn change(mut cursor: Self::Mut<'_>, dice: &mut Dice) {
                *cursor = Self::draw(dice);
            }
        }
    )*};
}

scalars! {
    u8: |dice| u8::try_from(dice.below(200)).unwrap();
    u32: |dice| u32::try_from(dice.below(300)).unwrap();
    i64: |dice| i64::try_from(dice.below(1_000)).unwrap() - 500;
    f64: |dice| f64::from(u32::draw(dice)) / 4.0;
    bool: |dice| dice.one_in(2);
}

fn some<T>(dice: &mut Dice, draw: impl Fn(&mut Dice) -> T) -> Vec<T> {
    (0..dice.below(5)).map(|_| draw(dice)).collect()
}

impl Draw for String {
    fn draw(dice: &mut Dice) -> Self {
        "the quick brown fox jumps"[..dice.index(20)].to_owned()
    }

    fn change(mut text: Self::Mut<'_>, dice: &mut Dice) {
        let len = text.len();
        match dice.below(7) {
            0 => text.push_str("né"),
            1 => {
                text.pop();
            }
            2 => text.insert_str(0, "<"),
            3 => text.set(Self::draw(dice)),
            4 => text.edit(|text| text.push('!')),
            5 if text.is_char_boundary(len / 2) => text.truncate(len / 2),
            _ => text.insert(0, 'x'),
        }
    }
}

/// Bytes of a long `Vec<u8>`.
pub(crate) const LONG_BYTES: usize = 90_000;

impl Draw for Vec<u8> {
    fn draw(dice: &mut Dice) -> Self {
        // Some objects are too large for a record, some for a record of a narrow window.
        let len = match dice.below(40) {
            0 => LONG_BYTES,
            1..6 => 3_000 + dice.index(6_000),
            _ => dice.index(60),
        };
        vec![u8::draw(dice); len]
    }

    fn change(mut bytes: Self::Mut<'_>, dice: &mut Dice) {
        let len = bytes.len();
        match dice.below(7) {
            0 => bytes.push(u8::draw(dice)),
            1 => bytes.extend_from_slice(&[1, 2, 3]),
            2 => bytes.truncate(len / 2),
            3 => bytes.replace_range(len / 3..len / 2, &[9; 4]),
            4 if dice.one_in(8) => bytes.set(Self::draw(dice)),
            5 => bytes.edit(|bytes| bytes.iter_mut().take(3).for_each(|byte| *byte = byte.wrapping_add(1))),
            _ => {
                if let Some(byte) = bytes.get_mut(len / 2) {
                    *byte ^= 1;
                }
            }
        }
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(dice: &mut Dice) -> Self {
        (!dice.one_in(3)).then(|| T::draw(dice))
    }

    fn change(mut option: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(6) {
            0 => option.clear(),
            1 => option.set(Self::draw(dice)),
            2 => {
                option.take();
            }
            _ => T::change(option.get_or_insert_with(|| T::draw(&mut dice.clone())), dice),
        }
    }
}

impl Draw for Box<Leg> {
    fn draw(dice: &mut Dice) -> Self {
        Box::new(Leg::draw(dice))
    }

    fn change(leg: Self::Mut<'_>, dice: &mut Dice) {
        Leg::change(leg, dice);
    }
}

impl<T: Draw + Tracked<InVec = AsList>> Draw for Vec<T>
where
    Vec<T>: crate::merge::List,
{
    fn draw(dice: &mut Dice) -> Self {
        some(dice, T::draw)
    }

    fn change(mut list: Self::Mut<'_>, dice: &mut Dice) {
        let len = list.len();
        let (at, other) = (dice.index(len + 1), dice.index(len + 1));
        match dice.below(20) {
            0..3 => list.push(T::draw(dice)),
            3 => {
                list.pop();
            }
            4 => {
                list.insert(at, T::draw(dice));
            }
            5 => {
                list.remove(at);
            }
            6 => {
                list.swap_remove(at);
            }
            7 => {
                list.swap(at, other);
            }
            8 => list.truncate(len.saturating_sub(1)),
            9 => {
                let mut dice = dice.clone();
                list.retain(|_| !dice.one_in(4));
            }
            10 => list.extend(some(dice, T::draw)),
            11 => list.drain_range(at.min(other)..at.max(other)),
            12 => list.reverse(),
            13 => list.rotate_left(at),
            14 if dice.one_in(3) => list.clear(),
            15 => list.for_each_mut(|element| {
                if dice.one_in(3) {
                    T::change(element, dice);
                }
            }),
            16 if dice.one_in(3) => list.set(Self::draw(dice)),
            _ => {
                if let Some(element) = list.get_mut(at) {
                    T::change(element, dice);
                }
            }
        }
    }
}

impl<K: DrawKey, V: Draw> Draw for BTreeMap<K, V> {
    fn draw(dice: &mut Dice) -> Self {
        some(dice, |dice| (K::draw_key(dice), V::draw(dice))).into_iter().collect()
    }

    fn change(mut map: Self::Mut<'_>, dice: &mut Dice) {
        let key = K::draw_key(dice);
        match dice.below(16) {
            0..3 => {
                map.insert(key, V::draw(dice));
            }
            3 => {
                map.remove(&key);
            }
            4 => {
                map.take(&key);
            }
            5..8 => V::change(map.get_or_insert_with(key, || V::draw(&mut dice.clone())), dice),
            8 => {
                let mut dice = dice.clone();
                map.retain(|_, _| !dice.one_in(4));
            }
            9 if dice.one_in(4) => map.clear(),
            10 => map.extend(some(dice, |dice| (K::draw_key(dice), V::draw(dice)))),
            11 => map.for_each_mut(|_, value| {
                if dice.one_in(3) {
                    V::change(value, dice);
                }
            }),
            12 if dice.one_in(4) => map.set(Self::draw(dice)),
            _ => {
                if let Some(value) = map.get_mut(&key) {
                    V::change(value, dice);
                }
            }
        }
    }
}

impl Draw for BTreeSet<u32> {
    fn draw(dice: &mut Dice) -> Self {
        some(dice, u32::draw_key).into_iter().collect()
    }

    fn change(mut set: Self::Mut<'_>, dice: &mut Dice) {
        let key = u32::draw_key(dice);
        match dice.below(8) {
            0..4 => {
                set.insert(key);
            }
            4..6 => {
                set.remove(&key);
            }
            6 if dice.one_in(4) => set.clear(),
            _ => set.extend(some(dice, u32::draw_key)),
        }
    }
}

impl Draw for Status {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::New,
            1 => Self::Filled { price: f64::draw(dice), quantity: 3 },
            _ => Self::Rejected(u32::draw(dice)),
        }
    }

    fn change(mut status: StatusMut<'_>, dice: &mut Dice) {
        if dice.one_in(3) {
            status.set(Self::draw(dice));
            return;
        }
        match status.variant_mut() {
            StatusVariantMut::Filled { mut quantity, mut price } => {
                if dice.one_in(2) {
                    *quantity += 1;
                } else {
                    *price = f64::draw(dice);
                }
            }
            StatusVariantMut::Rejected(mut code) => *code = u32::draw(dice),
            StatusVariantMut::New => {}
        }
    }
}

impl Draw for Leg {
    fn draw(dice: &mut Dice) -> Self {
        let next = dice.one_in(4).then(|| Box::new(Self::draw(dice)));
        Self { price: f64::draw(dice), text: String::draw(dice), next }
    }

    fn change(mut leg: LegMut<'_>, dice: &mut Dice) {
        match dice.below(6) {
            0 | 1 => *leg.price_mut() = f64::draw(dice),
            2 => String::change(leg.text_mut(), dice),
            3 => leg.edit(|leg| leg.price += 1.0),
            4 => Option::<Box<Self>>::change(leg.next_mut(), dice),
            _ => leg.set(Self::draw(dice)),
        }
    }
}

impl Draw for Entry {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            quantity: i64::draw(dice),
            legs: Vec::draw(dice),
            marks: BTreeMap::draw(dice),
            status: Status::draw(dice),
            memo: Option::draw(dice),
            tags: BTreeSet::draw(dice),
            hits: i64::draw(dice),
        }
    }

    fn change(mut entry: EntryMut<'_>, dice: &mut Dice) {
        match dice.below(9) {
            0 => *entry.quantity_mut() += 1,
            1 => Vec::<Leg>::change(entry.legs_mut(), dice),
            2 | 3 => BTreeMap::change(entry.marks_mut(), dice),
            4 => Status::change(entry.status_mut(), dice),
            5 => Option::change(entry.memo_mut(), dice),
            6 => BTreeSet::change(entry.tags_mut(), dice),
            7 => entry.hits_mut().add(i64::draw(dice)),
            _ if dice.one_in(4) => entry.set(Self::draw(dice)),
            _ => entry.edit(|entry| entry.quantity -= 1),
        }
    }
}

impl Draw for Desk {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            cash: i64::draw(dice),
            title: String::draw(dice),
            blob: Vec::draw(dice),
            lead: Option::draw(dice),
            status: Status::draw(dice),
            book: BTreeMap::draw(dice),
            legs: Vec::draw(dice),
            tags: BTreeSet::draw(dice),
            ..Self::default()
        }
    }

    fn change(mut desk: DeskMut<'_>, dice: &mut Dice) {
        match dice.below(30) {
            0 => *desk.cash_mut() += i64::draw(dice),
            1 => *desk.rate_mut() = f64::draw(dice),
            2 => *desk.is_open_mut() = bool::draw(dice),
            3 => *desk.level_mut() = u8::draw(dice),
            4 => String::change(desk.title_mut(), dice),
            5 => Vec::<u8>::change(desk.blob_mut(), dice),
            6 => desk.pair_mut().edit(|pair| pair.0 += 1),
            7 => desk.pair_mut().set((u32::draw(dice), String::draw(dice))),
            8 => {
                if let Some(mut number) = desk.fixed_mut().get_mut(dice.index(3)) {
                    *number = i64::draw(dice);
                }
            }
            9 => Option::change(desk.lead_mut(), dice),
            10 => Status::change(desk.status_mut(), dice),
            11..17 => BTreeMap::change(desk.book_mut(), dice),
            17 | 18 => Vec::<Leg>::change(desk.legs_mut(), dice),
            19 => BTreeSet::change(desk.tags_mut(), dice),
            20 => desk.hits_mut().add(i64::draw(dice)),
            21 => desk.peak_mut().max(i64::draw(dice)),
            22 => desk.floor_mut().min(i64::draw(dice)),
            23 => {
                desk.seen_mut().insert(u32::draw_key(dice));
            }
            24 => desk.log_mut().push(Leg::draw(dice)),
            25..29 => *desk.mood_mut() = Mood::of(u8::try_from(dice.below(4)).unwrap()),
            _ => *desk.last_mut() = u32::draw(dice),
        }
    }
}

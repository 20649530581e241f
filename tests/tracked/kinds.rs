//! A class with every kind of node, and random changes of it through the whole cursor API.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nam::Tracked;

use crate::wild::{Dice, Wild, WildKey};

/// A struct inside of others.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Part {
    pub price: f64,
    pub name: String,
    #[nam(default)]
    pub quantity: i64,
    #[nam(add)]
    pub hits: u32,
}

/// An enum with data.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub enum State {
    New,
    Filled { part: Part, rate: f64 },
    Rejected(String, u32),
}

/// An enum that is a key.
#[derive(Tracked, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[nam(key)]
pub enum Side {
    Buy,
    Sell,
}

/// A newtype that is a key.
#[derive(Tracked, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[nam(key)]
pub struct Symbol(pub String);

/// A newtype of a container.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Book(pub Vec<f64>);

/// A recursive type.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Tree {
    pub value: i64,
    pub children: Vec<Tree>,
    pub left: Option<Box<Tree>>,
}

/// A generic type.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct Pair<L, R> {
    pub left: L,
    pub right: R,
}

macro_rules! wild_values {
    ($($type:ty: $random:expr;)*) => {$(
        impl Wild for $type {
            fn random(dice: &mut Dice) -> Self {
                let random: fn(&mut Dice) -> Self = $random;
                random(dice)
            }
            fn change(mut cursor: Self::Mut<'_>, dice: &mut Dice) {
                match dice.below(3) {
                    0 => cursor.set(Self::random(dice)),
                    _ => *cursor = Self::random(dice),
                }
            }
        }
    )*};
}

wild_values! {
    i8: |dice| dice.below(256) as u8 as i8;
    u16: |dice| dice.below(65_536) as u16;
    u64: |dice| u64::MAX >> dice.below(64);
    i32: |dice| (i64::from(i32::MIN) >> dice.below(33)) as i32;
    u128: |dice| u128::MAX >> dice.below(128);
    i128: |dice| i128::MIN >> dice.below(128);
    f32: |dice| [0.0, -0.0, 1.5, f32::NAN, -f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, 3.0][dice.below(8)];
    char: |dice| ['a', 'ä', '€', '😀', '\0'][dice.below(5)];
    (): |_| ();
    Duration: |dice| Duration::new(dice.below(5) as u64, dice.below(5) as u32);
    Bytes: |dice| Bytes::from(vec![7; dice.below(40)]);
    Arc<str>: |dice| String::random(dice).into();
    NonZero<u8>: |dice| NonZero::new(1 + dice.below(3) as u8).unwrap();
    NonZero<i64>: |dice| NonZero::new(i64::random(dice)).unwrap_or(NonZero::<i64>::MIN);
    Side: |dice| [Side::Buy, Side::Sell][dice.below(2)];
}

impl WildKey for Side {
    fn random_key(dice: &mut Dice) -> Self {
        Self::random(dice)
    }
}

impl WildKey for Symbol {
    fn random_key(dice: &mut Dice) -> Self {
        Self(String::random_key(dice))
    }
}

impl Wild for String {
    fn random(dice: &mut Dice) -> Self {
        "näm: a text of some length, ä€😀".chars().cycle().skip(dice.below(20)).take(dice.below(40)).collect()
    }

    fn change(mut text: Self::Mut<'_>, dice: &mut Dice) {
        let cut = |text: &str, at: usize| (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let (one, other) = (dice.below(text.len() + 1), dice.below(text.len() + 1));
        let (from, to) = (cut(&text, one.min(other)), cut(&text, one.max(other)));
        match dice.below(13) {
            0..3 => text.push_str(&Self::random(dice)),
            3 => text.push(char::random(dice)),
            4 => _ = text.pop(),
            5 => text.truncate(from),
            6 => text.insert_str(from, "€"),
            7 => text.insert(to, char::random(dice)),
            8 => text.replace_range(from..to, "x"),
            9 => text.clear(),
            10 => text.set(Self::random(dice)),
            11 => text.as_mut_string().retain(|c| c != 'a'),
            12 => write!(text, "{one}").unwrap(),
            _ => text.edit(|text| text.make_ascii_uppercase()),
        }
    }
}

impl Wild for Vec<u8> {
    fn random(dice: &mut Dice) -> Self {
        (0..dice.below(40)).map(|_| dice.below(3) as u8).collect()
    }

    fn change(mut bytes: Self::Mut<'_>, dice: &mut Dice) {
        let (one, other) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match dice.below(11) {
            0 => bytes.push(1),
            1 => bytes.extend_from_slice(&Self::random(dice)),
            2 => _ = bytes.pop(),
            3 => bytes.truncate(to),
            4 => bytes.insert(from, 9),
            5 => bytes.replace_range(from..to, &[5, 5]),
            6 => bytes.clear(),
            7 => bytes.set(Self::random(dice)),
            8 => bytes.as_mut_vec().reverse(),
            _ => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte = byte.wrapping_add(1);
                }
            }
        }
    }
}

impl<T: Wild, const N: usize> Wild for [T; N] {
    fn random(dice: &mut Dice) -> Self {
        std::array::from_fn(|_| T::random(dice))
    }

    fn change(mut array: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(6) {
            0 => array.set(Self::random(dice)),
            1 => array.edit(|array| array.reverse()),
            2 => array.iter_mut().for_each(|element| {
                if dice.below(2) == 0 {
                    T::change(element, dice);
                }
            }),
            _ => T::change(array.get_mut(dice.below(N)).unwrap(), dice),
        }
    }
}

impl<A: Wild, B: Wild> Wild for (A, B) {
    fn random(dice: &mut Dice) -> Self {
        (A::random(dice), B::random(dice))
    }

    fn change(mut tuple: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(5) {
            0 => tuple.set(Self::random(dice)),
            1 => tuple.edit(|tuple| tuple.0 = A::random(dice)),
            2 => A::change(tuple.fields().0, dice),
            _ => {
                let (left, right) = tuple.into_fields();
                A::change(left, dice);
                B::change(right, dice);
            }
        }
    }
}

impl<T: Wild> Wild for Option<T> {
    fn random(dice: &mut Dice) -> Self {
        (dice.below(3) > 0).then(|| T::random(dice))
    }

    fn change(mut option: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(9) {
            0 => option.set(Self::random(dice)),
            1 => option.clear(),
            2 => {
                let taken = option.take();
                option.set(taken);
            }
            3 => {
                let value = T::random(dice);
                T::change(option.insert(value), dice);
            }
            4 => T::change(option.get_or_insert_with(|| T::random(&mut dice.clone())), dice),
            5 => option.edit(|option| {
                if let Some(value) = option {
                    *value = T::random(dice);
                }
            }),
            6 => option.into_some().into_iter().for_each(|value| T::change(value, dice)),
            _ => option.as_mut().into_iter().for_each(|value| T::change(value, dice)),
        }
    }
}

impl<T: Wild> Wild for Box<T> {
    fn random(dice: &mut Dice) -> Self {
        Self::new(T::random(dice))
    }

    fn change(value: Self::Mut<'_>, dice: &mut Dice) {
        T::change(value, dice);
    }
}

impl<T: Wild> Wild for Arc<T> {
    fn random(dice: &mut Dice) -> Self {
        Self::new(T::random(dice))
    }

    fn change(mut value: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(3) {
            0 => *value = Self::random(dice),
            1 => *Self::make_mut(&mut value) = T::random(dice),
            _ => value.set(Self::clone(&value)),
        }
    }
}

impl Wild for Part {
    fn random(dice: &mut Dice) -> Self {
        let hits = dice.below(1_000) as u32;
        Self { price: f64::random(dice), name: String::random(dice), quantity: i64::random(dice), hits }
    }

    fn change(mut part: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(9) {
            0..3 => *part.price_mut() = f64::random(dice),
            3 => String::change(part.name_mut(), dice),
            4 => *part.quantity_mut() += 1,
            5 => part.hits_mut().add(dice.below(9) as u32),
            6 => part.set(Self::random(dice)),
            7 => part.edit(|part| {
                part.price *= 2.0;
                part.hits += 3;
            }),
            _ => {
                let mut fields = part.fields();
                *fields.price = -0.0;
                fields.hits.add(1);
                String::change(fields.name, dice);
            }
        }
    }
}

impl Wild for State {
    fn random(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::New,
            1 => Self::Filled { part: Part::random(dice), rate: f64::random(dice) },
            _ => Self::Rejected(String::random(dice), u32::random(dice)),
        }
    }

    fn change(mut state: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(5) {
            0 => state.set(Self::random(dice)),
            1 => state.edit(|state| {
                if let Self::Filled { rate, .. } = state {
                    *rate += 1.0;
                }
            }),
            _ => match state.variant_mut() {
                StateVariantMut::New => {}
                StateVariantMut::Filled { part, mut rate } => {
                    *rate = f64::random(dice);
                    Part::change(part, dice);
                }
                StateVariantMut::Rejected(text, mut code) => {
                    *code = u32::random(dice);
                    String::change(text, dice);
                }
            },
        }
    }
}

impl Wild for Book {
    fn random(dice: &mut Dice) -> Self {
        Self(Vec::random(dice))
    }

    fn change(book: Self::Mut<'_>, dice: &mut Dice) {
        Vec::<f64>::change(book.into_0(), dice);
    }
}

impl Wild for Tree {
    fn random(dice: &mut Dice) -> Self {
        let children = (0..dice.below(5).saturating_sub(3)).map(|_| Self::random(dice)).collect();
        let left = (dice.below(4) == 0).then(|| Box::new(Self::random(dice)));
        Self { value: i64::random(dice), children, left }
    }

    fn change(mut tree: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(4) {
            0 => *tree.value_mut() += 1,
            1 => Vec::<Self>::change(tree.children_mut(), dice),
            2 => Option::change(tree.left_mut(), dice),
            _ => tree.edit(|tree| tree.value = i64::random(dice)),
        }
    }
}

impl<L: Wild, R: Wild> Wild for Pair<L, R> {
    fn random(dice: &mut Dice) -> Self {
        Self { left: L::random(dice), right: R::random(dice) }
    }

    fn change(mut pair: Self::Mut<'_>, dice: &mut Dice) {
        match dice.below(3) {
            0 => L::change(pair.left_mut(), dice),
            1 => R::change(pair.into_right(), dice),
            _ => pair.set(Self::random(dice)),
        }
    }
}

/// The class, its random value, and a random change: fields that change as their type does, then fields of a policy.
macro_rules! everything {
    (
        $($plain:ident $plain_mut:ident: $plain_type:ty,)*
        --
        $($(#[$attribute:meta])* $field:ident $field_mut:ident: $type:ty = $random:expr, |$cursor:ident, $dice:ident| $change:expr,)*
    ) => {
        /// A root with every kind of node.
        #[derive(Tracked, Clone, Debug, PartialEq)]
        #[nam(name = "test.Everything")]
        pub struct Everything {
            $(pub $plain: $plain_type,)*
            $($(#[$attribute])* pub $field: $type,)*
        }

        impl Wild for Everything {
            fn random(dice: &mut Dice) -> Self {
                Self {
                    $($plain: <$plain_type as Wild>::random(dice),)*
                    $($field: {
                        let random: fn(&mut Dice) -> $type = $random;
                        random(dice)
                    },)*
                }
            }

            fn change(mut all: Self::Mut<'_>, dice: &mut Dice) {
                let mut left = dice.below([$(stringify!($plain),)* $(stringify!($field),)*].len());
                $(
                    if left == 0 {
                        return <$plain_type as Wild>::change(all.$plain_mut(), dice);
                    }
                    left -= 1;
                )*
                $(
                    if left == 0 {
                        let (mut $cursor, $dice) = (all.$field_mut(), &mut *dice);
                        return $change;
                    }
                    left -= 1;
                )*
                unreachable!("one of {left} more fields");
            }
        }
    };
}

everything! {
    flag flag_mut: bool,
    signed signed_mut: i8,
    short short_mut: u16,
    number number_mut: u32,
    long long_mut: u64,
    int int_mut: i32,
    wide wide_mut: u128,
    wide_int wide_int_mut: i128,
    single single_mut: f32,
    double double_mut: f64,
    letter letter_mut: char,
    nothing nothing_mut: (),
    text text_mut: String,
    bytes bytes_mut: Vec<u8>,
    shared shared_mut: Bytes,
    title title_mut: Arc<str>,
    rank rank_mut: NonZero<u8>,
    step step_mut: NonZero<i64>,
    samples samples_mut: [f64; 4],
    parts parts_mut: [Part; 2],
    pair pair_mut: (u32, String),
    maybe maybe_mut: Option<Part>,
    maybe_text maybe_text_mut: Option<String>,
    maybe_maybe maybe_maybe_mut: Option<Option<u32>>,
    boxed boxed_mut: Box<Part>,
    arc arc_mut: Arc<Part>,
    wait wait_mut: Duration,
    state state_mut: State,
    side side_mut: Side,
    book book_mut: Book,
    tree tree_mut: Tree,
    generic generic_mut: Pair<u32, String>,
    list list_mut: Vec<Part>,
    numbers numbers_mut: Vec<f64>,
    texts texts_mut: VecDeque<String>,
    lists lists_mut: Vec<Vec<f64>>,
    by_name by_name_mut: HashMap<String, Part>,
    by_symbol by_symbol_mut: BTreeMap<Symbol, f64>,
    nested nested_mut: BTreeMap<u32, HashMap<String, Part>>,
    by_side by_side_mut: HashMap<Side, Vec<Part>>,
    tags tags_mut: HashSet<String>,
    ranks ranks_mut: BTreeSet<(u8, i64)>,
    titles titles_mut: Vec<Arc<str>>,
    steps steps_mut: Vec<NonZero<u8>>,
    --
    byte byte_mut: u8 = |_| 1, |byte, dice| *byte = dice.below(3) as u8,
    digest digest_mut: [u8; 16] = |_| [0; 16], |digest, dice| match dice.below(3) {
        0 => digest.edit(|digest| digest[3] = dice.below(9) as u8),
        1 => digest.set([dice.below(9) as u8; 16]),
        _ => *digest.get_mut(dice.below(16)).unwrap() = dice.below(2) as u8,
    },
    #[nam(leaf)] opened opened_mut: BTreeMap<u8, String> = |_| BTreeMap::new(),
        |opened, dice| _ = opened.insert(dice.below(3) as u8, String::random(dice)),
    #[nam(add)] count count_mut: u64 = |dice| dice.below(99) as u64, |count, dice| count.add(dice.below(300) as u64),
    #[nam(add)] balance balance_mut: f64 = f64::random, |balance, dice| balance.add(f64::random(dice) - 1.0),
    #[nam(add)] level level_mut: i8 = |_| 0, |level, dice| level.add(dice.below(21) as i8 - 10),
    #[nam(max)] high high_mut: i64 = i64::random, |high, dice| high.max(i64::random(dice)),
    #[nam(min)] low low_mut: f64 = f64::random, |low, dice| low.min(f64::random(dice) - 1.0),
    #[nam(union)] seen seen_mut: BTreeSet<u32> = BTreeSet::random, |seen, dice| _ = seen.insert(u32::random_key(dice)),
    #[nam(union)] names names_mut: HashSet<String> = |_| HashSet::new(),
        |names, dice| names.extend([String::random_key(dice), String::random_key(dice)]),
    #[nam(append)] log log_mut: Vec<Part> = |_| Vec::new(), |log, dice| log.push(Part::random(dice)),
    #[nam(append)] queue queue_mut: VecDeque<u32> = |_| VecDeque::new(), |queue, dice| queue.extend([1, u32::random(dice)]),
    #[nam(append)] notes notes_mut: String = |_| String::new(), |notes, dice| notes.push_str(&String::random(dice)),
    #[nam(lww)] status status_mut: String = String::random, |status, dice| status.set(String::random(dice)),
    #[nam(lww, leaf)] stamp stamp_mut: (u8, String) = |_| (0, String::new()), |stamp, dice| stamp.0 = dice.below(9) as u8,
}

//! The class of the simulation: every kind of field, nested two deep.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use nam::Tracked;
use serde::de::{Deserialize, Deserializer, Error};

thread_local! {
    /// Whether what runs is of an older version of the program.
    static IS_OLD: Cell<bool> = const { Cell::new(false) };
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "sim.Desk")]
pub(crate) struct Desk {
    pub(crate) cash: i64,
    pub(crate) rate: f64,
    pub(crate) is_open: bool,
    pub(crate) level: u8,
    #[nam(index)]
    pub(crate) title: String,
    pub(crate) blob: Vec<u8>,
    pub(crate) pair: (u32, String),
    pub(crate) fixed: [i64; 3],
    pub(crate) lead: Option<Leg>,
    pub(crate) status: Status,
    pub(crate) book: BTreeMap<String, Entry>,
    pub(crate) legs: Vec<Leg>,
    pub(crate) tags: BTreeSet<u32>,
    #[nam(add, index)]
    pub(crate) hits: i64,
    #[nam(max)]
    pub(crate) peak: i64,
    #[nam(min)]
    pub(crate) floor: i64,
    #[nam(union)]
    pub(crate) seen: BTreeSet<u32>,
    #[nam(append)]
    pub(crate) log: Vec<Leg>,
    #[nam(lww, index)]
    pub(crate) last: u32,
    #[nam(leaf)]
    pub(crate) mood: Mood,
}

/// Something that older versions of the program do not wholly know.
#[derive(serde::Serialize, Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mood(u8);

impl Mood {
    const NEW: Self = Self(3);

    /// The mood of this number; an old program has none that it does not know.
    pub(crate) fn of(number: u8) -> Self {
        if IS_OLD.get() && Self(number) == Self::NEW { Self::default() } else { Self(number) }
    }

    /// Whether old programs know it.
    pub(crate) fn is_old(self) -> bool {
        self != Self::NEW
    }
}

impl<'de> Deserialize<'de> for Mood {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mood = Self(u8::deserialize(deserializer)?);
        if IS_OLD.get() && !mood.is_old() { Err(D::Error::custom("a mood of later days")) } else { Ok(mood) }
    }
}

/// Runs something of an older version of the program, if it is one.
pub(crate) fn of_version<R>(is_old: bool, run: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            IS_OLD.set(self.0);
        }
    }
    let _back = Back(IS_OLD.replace(is_old));
    run()
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) quantity: i64,
    pub(crate) legs: Vec<Leg>,
    pub(crate) marks: BTreeMap<u32, f64>,
    pub(crate) status: Status,
    pub(crate) memo: Option<String>,
    pub(crate) tags: BTreeSet<u32>,
    #[nam(add)]
    pub(crate) hits: i64,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Leg {
    pub(crate) price: f64,
    pub(crate) text: String,
    pub(crate) next: Option<Box<Leg>>,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) enum Status {
    #[default]
    New,
    Filled {
        price: f64,
        quantity: i64,
    },
    Rejected(u32),
}

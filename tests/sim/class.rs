//! The class of the simulation: every kind of field, nested two deep.

use std::collections::{BTreeMap, BTreeSet};

use nam::Tracked;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "sim.Desk")]
pub(crate) struct Desk {
    pub(crate) cash: i64,
    pub(crate) rate: f64,
    pub(crate) is_open: bool,
    pub(crate) level: u8,
    pub(crate) title: String,
    pub(crate) blob: Vec<u8>,
    pub(crate) pair: (u32, String),
    pub(crate) fixed: [i64; 3],
    pub(crate) lead: Option<Leg>,
    pub(crate) status: Status,
    pub(crate) book: BTreeMap<String, Entry>,
    pub(crate) legs: Vec<Leg>,
    pub(crate) tags: BTreeSet<u32>,
    #[nam(add)]
    pub(crate) hits: i64,
    #[nam(max)]
    pub(crate) peak: i64,
    #[nam(min)]
    pub(crate) floor: i64,
    #[nam(union)]
    pub(crate) seen: BTreeSet<u32>,
    #[nam(append)]
    pub(crate) log: Vec<Leg>,
    #[nam(lww)]
    pub(crate) last: u32,
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

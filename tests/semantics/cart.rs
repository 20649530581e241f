//! What the rules are tried on: a cart with a field of each policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nam::node::{Settled, Slot, Ticket};
use nam::{InProcess, Node, Object, Tracked};

use crate::rig::Rig;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Cart")]
pub(crate) struct Cart {
    pub(crate) owner: String,
    pub(crate) total: u64,
    pub(crate) items: BTreeMap<String, Item>,
    pub(crate) notes: Vec<String>,
    pub(crate) lines: Vec<u64>,
    #[nam(add)]
    pub(crate) visits: u64,
    #[nam(add)]
    pub(crate) small: u8,
    #[nam(max)]
    pub(crate) highest: u64,
    #[nam(min)]
    pub(crate) lowest: i64,
    #[nam(union)]
    pub(crate) seen: BTreeSet<u32>,
    #[nam(append)]
    pub(crate) log: Vec<u32>,
    #[nam(lww)]
    pub(crate) page: u32,
    pub(crate) marks: [u64; 8],
    #[nam(add)]
    pub(crate) balance: i8,
}

/// One of many entries.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    pub(crate) count: u32,
    pub(crate) note: String,
}

/// So many nodes that have the cart, without a clock.
pub(crate) fn several(nodes: u64) -> (Rig, Vec<Arc<Slot<Cart>>>) {
    let mut rig = Rig::new(nodes);
    let mut slots = vec![rig.create(0, "alice", Cart::default())];
    slots.extend((1..rig.parties.len()).map(|at| rig.open(at, "alice")).collect::<Vec<_>>());
    (rig, slots)
}

/// Two of them.
pub(crate) fn rig() -> (Rig, Arc<Slot<Cart>>, Arc<Slot<Cart>>) {
    let (rig, slots) = several(2);
    let [at_a, at_b] = slots.try_into().unwrap();
    (rig, at_a, at_b)
}

/// Two nodes as applications have them, each with the cart.
pub(crate) async fn nodes() -> (InProcess, [(Node, Object<Cart>); 2]) {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let at_a = a.create("alice", Cart::default()).await.unwrap();
    let at_b = b.open("alice").await.unwrap();
    (repository, [(a, at_a), (b, at_b)])
}

/// The version that a commit made.
pub(crate) fn version_of(ticket: &Ticket) -> u64 {
    match ticket.settled() {
        Some(Settled::Committed(version)) => version.0,
        other => panic!("{other:?}"),
    }
}

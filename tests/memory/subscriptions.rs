//! What a subscription costs a repository, of nodes that follow and of nodes that are slow (I12).

use stats_alloc::Region;

use nam::ids::{Alias, Version};
use nam::repository::{Caps, Windows};
use nam::wire::ToRepository;

use crate::bench::{Bench, CLASS, Peer, cash};
use crate::{ALLOCATOR, live};

const OBJECTS: u32 = 10_000;
const NODES: u64 = 4;

/// Bytes that a subscription may cost in all (I12).
const SUBSCRIPTION_BYTES_MAX: f64 = 24.0;

/// What a window of records holds back for one slow node.
const WINDOW_BYTES: usize = 4_096;

/// A core with objects, and what lives more when nodes have opened them, for each subscription.
fn subscribed() -> (Bench, Peer, Vec<Peer>, f64) {
    let windows = Windows { inline_bytes: 1_024, unconfirmed_bytes: WINDOW_BYTES, ..Windows::default() };
    let mut bench = Bench::with(Caps { windows, unread_bytes_max: usize::MAX, ..Caps::default() });
    let mut author = bench.connect(1);
    let keys: Vec<String> = (0..OBJECTS).map(|n| format!("k{n}")).collect();
    for key in &keys {
        bench.create(&mut author, key);
    }
    let mut peers: Vec<Peer> = (0..NODES).map(|n| bench.connect(2 + n)).collect();
    let region = Region::new(ALLOCATOR);
    for peer in &mut peers {
        for key in &keys {
            let told = bench.open(peer, key);
            assert!(told[0].starts_with("Opened"), "{CLASS} {key}: {told:?}");
        }
    }
    let each = live(&region).0 as f64 / f64::from(OBJECTS) / NODES as f64;
    (bench, author, peers, each)
}

/// What lives more when every object has changed once.
fn changed(are_slow: bool) -> f64 {
    let (mut bench, mut author, mut peers, _) = subscribed();
    peers.iter_mut().for_each(|peer| peer.is_slow = are_slow);
    let region = Region::new(ALLOCATOR);
    let delta = cash(7);
    for n in 0..OBJECTS {
        let (sequence, alias, base) = (author.next_sequence(), Alias(n), Version(1));
        let unacked = sequence;
        let commit = ToRepository::Commit {
            sequence,
            unacked,
            alias,
            base,
            is_isolated: false,
            fence: None,
            guards: &[],
            delta: &delta,
        };
        bench.send(&author, &commit);
        bench.settle();
        bench.receive(&mut author);
        for peer in &mut peers {
            bench.receive(peer);
        }
    }
    let waiting: usize = peers.iter().map(|peer| bench.core.record_bytes(peer.connection)).sum();
    let window = WINDOW_BYTES * peers.len();
    assert_eq!(waiting > window / 2, are_slow, "{waiting} bytes of records wait");
    assert!(waiting <= 2 * window, "{waiting} bytes of records wait");
    live(&region).0 as f64
}

pub(crate) fn measure() {
    let clean = subscribed().3;
    let (quick, slow) = (changed(false), changed(true));
    let dirty = (slow - quick) / f64::from(OBJECTS) / NODES as f64;
    println!("a subscription costs {clean:.1} B, and {dirty:.1} B more when it is dirty");
    assert!(clean + dirty <= SUBSCRIPTION_BYTES_MAX, "{clean} B clean, {dirty} B more dirty");
    assert!(clean >= 8.0 && dirty >= 3.0, "an entry of a holder and one of a queue: {clean}, {dirty}");
}

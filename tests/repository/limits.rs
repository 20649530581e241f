//! Caps: whoever crosses one hears which, the others nothing.

use nam::expiry::Expiry;
use nam::ids::{Alias, Sequence, Version};
use nam::limits::{COMMITS_UNACKNOWLEDGED_MAX, UNCONFIRMED_BYTES_MAX};
use nam::repository::Caps;
use nam::wire::{CloseCode, CreationValue, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, Peer, add_hits, cash, commit, name, printed};
use crate::images::{caps, spend};

fn create(bench: &mut Bench, peer: &mut Peer, key: &str) -> Vec<String> {
    let sequence = peer.next_sequence();
    let value = cash(1);
    let value = CreationValue::Inline(&value);
    bench.send(
        peer,
        &ToRepository::Create { sequence, unacked: sequence, class: CLASS, key, expiry: Expiry::NEVER, value },
    );
    bench.settle();
    bench.receive(peer)
}

#[test]
fn objects_and_their_bytes_are_limited() {
    let mut bench = Bench::with(Caps { objects_max: 1, object_bytes_max: 100, ..Caps::default() });
    let mut a = bench.connect(1);
    assert!(create(&mut bench, &mut a, "k")[0].starts_with("Created"));
    assert!(create(&mut bench, &mut a, "l")[0].contains("code: Limit"));
    assert!(create(&mut bench, &mut a, "")[0].contains("code: Invalid"));
    bench.commit(&mut a, 1, &name(&"x".repeat(200)));
    bench.settle();
    assert!(bench.receive(&mut a)[0].contains("code: Limit"));
    bench.commit(&mut a, 1, &name("x"));
    bench.settle();
    assert!(bench.receive(&mut a)[0].starts_with("AsSent"), "the object stays as it was");
}

#[test]
fn subscriptions_and_nodes_are_limited() {
    let mut bench = Bench::with(Caps { subscriptions_max: 1, nodes_max: 2, ..Caps::default() });
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    bench.create(&mut b, "l");
    let told = bench.open(&mut a, "l");
    assert!(told[0].contains("code: Limit"), "{told:?}");
    bench.connect_bare(3);
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::TooManyNodes);
}

#[test]
fn a_window_of_commits_ends_somewhere() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    bench.send(&a, &commit(Sequence(2_000), 1, &cash(1)));
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::TooManyRequests);
}

#[test]
fn a_node_presents_no_more_objects_than_it_may_hold_also_if_it_is_one_again_and_again() {
    let mut bench = Bench::with(Caps { subscriptions_max: 3, ..Caps::default() });
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    bench.commit(&mut a, 1, &cash(2));
    bench.settle();
    let mut b = bench.connect(2);
    for version in [1, 2, 1] {
        bench.send(&b, &ToRepository::Resume { alias: Alias(0), birth, version: Version(version) });
        bench.settle();
    }
    assert!(bench.closes.is_empty());
    assert_eq!(bench.receive(&mut b).len(), 2, "what differs is brought each time");
    bench.send(&b, &ToRepository::Resume { alias: Alias(0), birth, version: Version(1) });
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::TooManyRequests);
}

/// A commit that claims that the node has seen every outcome before it.
fn claiming(sequence: u64, delta: &[u8]) -> Vec<u8> {
    let mut record = commit(Sequence(sequence), 1, delta);
    if let ToRepository::Commit { unacked, .. } = &mut record {
        *unacked = Sequence(sequence);
    }
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// A node that holds an object whose document nobody brings: its commits wait.
fn waiting() -> (Bench, Peer) {
    let caps = caps(400, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    spend(&mut bench, &mut a, 60);
    bench.start_again(caps);
    let again = bench.connect_bare(1);
    bench.send(&again, &ToRepository::Resume { alias: Alias(0), birth, version: Version(61) });
    bench.send(&again, &ToRepository::ResumeEnd);
    (bench, again)
}

#[test]
fn commits_that_wait_are_bounded_whatever_their_node_claims_to_have_seen() {
    let (mut bench, a) = waiting();
    let taken = (100..10_000).take_while(|sequence| {
        bench.core.handle_records(bench.now, a.connection, &claiming(*sequence, &add_hits(1)));
        bench.work();
        bench.closes.is_empty()
    });
    assert_eq!(taken.count(), 2 * COMMITS_UNACKNOWLEDGED_MAX);
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::TooManyRequests);
}

#[test]
fn a_commit_that_is_under_way_is_not_taken_again() {
    let (mut bench, a) = waiting();
    for _ in 0..2 {
        assert!(bench.closes.is_empty());
        bench.core.handle_records(bench.now, a.connection, &claiming(100, &add_hits(1)));
        bench.work();
    }
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::OutOfOrder);
    while bench.load_one() {}
    assert_eq!(bench.version("k"), 61, "I8");
}

#[test]
fn who_asks_without_end_and_confirms_nothing_loses_its_link() {
    let owed_bytes_max = 2 * UNCONFIRMED_BYTES_MAX;
    let mut bench = Bench::with(Caps { owed_bytes_max, ..Caps::default() });
    let (mut a, b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    // An object that it does not hold: each is refused at once, which needs no room.
    let mut sequence = 0;
    while bench.closes.is_empty() {
        sequence += 1;
        assert!(sequence < 100_000, "{} B are kept for it", bench.core.record_bytes(b.connection));
        bench.core.handle_records(bench.now, b.connection, &claiming(sequence, &cash(1)));
        bench.work();
    }
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::TooManyRequests);
    let sequence = bench.commit(&mut a, 1, &cash(2));
    bench.settle();
    assert_eq!(bench.receive(&mut a), [printed(&ToNode::AsSent { sequence })], "the others hear nothing");
}

#[test]
fn a_full_disk_refuses_what_is_new_and_answers_for_what_was_taken() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    let taken = bench.commit(&mut a, 1, &cash(1));
    bench.settle();
    assert!(bench.receive(&mut a)[0].starts_with("AsSent"));
    bench.core.handle_room(bench.now, false);
    bench.commit(&mut a, 2, &cash(2));
    bench.settle();
    let told = bench.receive(&mut a);
    assert!(told[0].contains("code: Unavailable") && told[0].contains("disk"), "{told:?}");
    bench.send(&a, &commit(taken, 1, &cash(1)));
    bench.settle();
    let told = bench.receive(&mut a);
    assert!(told[0].starts_with("Accepted") && told[0].contains("Version(2)"), "{told:?}");
    bench.core.handle_room(bench.now, true);
    bench.commit(&mut a, 2, &cash(3));
    bench.settle();
    assert!(bench.receive(&mut a)[0].starts_with("AsSent"), "there is room again");
    assert_eq!(bench.version("k"), 3);
}

//! Caps: whoever crosses one hears which, the others nothing.

use nam::expiry::Expiry;
use nam::ids::Sequence;
use nam::repository::Caps;
use nam::wire::{CloseCode, CreationValue, ToRepository};

use crate::bench::{Bench, CLASS, Peer, cash, commit, name};

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

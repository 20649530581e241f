//! What is remembered of nodes that left: for how long, how much of it, and what it means when it is not.

use nam::ids::{Alias, Birth, CommitNumber, Sequence, Version};
use nam::limits::OUTCOMES_KEPT_MS;
use nam::repository::{Caps, ImageCaps, Rule, Rules};
use nam::wire::{Again, FailureCode, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, EPOCH, Peer, add_hits, commit, printed};

/// A node that has commits without an outcome below `below`, sent when `n` was the next one.
fn again(below: Sequence, n: u64) -> Again {
    Again { below, since: CommitNumber { epoch: EPOCH, n } }
}

/// The node is back with what it sent before, presents the object, and sends a commit again or for the first time.
fn come_back(bench: &mut Bench, node: u64, again: Again, birth: Birth, sequence: Sequence) -> Vec<String> {
    let mut peer = bench.connect_with(node, again);
    let version = Version(bench.version("k"));
    bench.send(&peer, &ToRepository::Resume { alias: Alias(0), birth, version });
    bench.send(&peer, &ToRepository::ResumeEnd);
    bench.send(&peer, &commit(sequence, version.0, &add_hits(5)));
    bench.image_all();
    bench.receive(&mut peer)
}

fn forgotten(sequence: Sequence) -> String {
    printed(&ToNode::CommitRefused { sequence, code: FailureCode::Forgotten, text: "" })
}

/// One node has created the object, and another has added 5 to it, which is version 2, and left.
fn one_that_left(caps: Caps) -> (Bench, Peer, Birth, Sequence) {
    let mut bench = Bench::with(caps);
    let (mut other, mut a) = (bench.connect(2), bench.connect(1));
    let birth = bench.create(&mut other, "k");
    bench.open(&mut a, "k");
    let sequence = bench.commit(&mut a, 1, &add_hits(5));
    bench.settle();
    bench.core.handle_disconnected(bench.now, a.connection);
    bench.work();
    (bench, other, birth, sequence)
}

#[test]
fn what_is_forgotten_is_undecided_and_not_done_twice() {
    let next = |sequence: Sequence| Sequence(sequence.0 + 1);
    for is_capped in [false, true] {
        let departed_bytes_max = if is_capped { 0 } else { Caps::default().departed_bytes_max };
        let (mut bench, mut other, birth, sequence) = one_that_left(Caps { departed_bytes_max, ..Caps::default() });
        if !is_capped {
            bench.pass(OUTCOMES_KEPT_MS);
        }
        assert_eq!(bench.core.departed_dropped(), u64::from(is_capped));
        let told = come_back(&mut bench, 1, again(next(sequence), 1), birth, sequence);
        assert!(told.contains(&forgotten(sequence)), "{told:?}");
        assert_eq!(bench.version("k"), 2);
        // What was not sent before is judged, on the same link.
        let told = come_back(&mut bench, 1, again(next(sequence), 1), birth, next(sequence));
        assert!(told.iter().any(|record| record.starts_with("Accepted")), "{told:?}");
        // So is what was sent first after the last node was forgotten.
        let told = come_back(&mut bench, 9, again(Sequence(2), 4), birth, Sequence(1));
        assert!(told.iter().any(|record| record.starts_with("Accepted")), "{told:?}");
        bench.receive(&mut other);
        assert_eq!(bench.version("k"), 4);
    }
}

#[test]
fn without_the_rule_it_would_be_done_twice() {
    let (mut bench, _, birth, sequence) = one_that_left(Caps { departed_bytes_max: 0, ..Caps::default() });
    bench.core.set_rules(Rules::without(Rule::Forgotten));
    come_back(&mut bench, 1, again(Sequence(sequence.0 + 1), 1), birth, sequence);
    assert_eq!(bench.version("k"), 3);
}

#[test]
fn who_is_remembered_is_answered_whoever_was_forgotten_meanwhile() {
    let (mut bench, _, birth, sequence) = one_that_left(Caps { departed_bytes_max: 400, ..Caps::default() });
    assert_eq!(bench.core.departed_dropped(), 0);
    // Sent when the next commit was 2, before the node was forgotten that came later; never arrived.
    let lost = Sequence(sequence.0 + 1);
    let mut peer = bench.connect_with(1, again(Sequence(lost.0 + 1), 2));
    bench.core.handle_disconnected(bench.now, peer.connection);
    let told = come_back(&mut bench, 1, again(Sequence(lost.0 + 1), 2), birth, sequence);
    assert!(told.iter().any(|record| record.starts_with("Accepted")), "{told:?}");
    let told = come_back(&mut bench, 1, again(Sequence(lost.0 + 1), 2), birth, lost);
    assert!(told.iter().any(|record| record.starts_with("Accepted")), "what did not arrive is done now: {told:?}");
    bench.receive(&mut peer);
    assert_eq!(bench.version("k"), 3);
}

#[test]
fn an_endless_row_of_nodes_costs_no_more_than_the_cap_and_nobody_who_is_here() {
    let (mut bench, mut other, birth, sequence) = one_that_left(Caps { departed_bytes_max: 4_000, ..Caps::default() });
    for node in 100..200 {
        let mut peer = bench.connect(node);
        bench.open(&mut peer, "k");
        bench.commit(&mut peer, 1, &add_hits(1));
        bench.settle();
        bench.core.handle_disconnected(bench.now, peer.connection);
        bench.work();
        bench.receive(&mut other);
    }
    assert!(bench.core.departed_dropped() > 80, "{}", bench.core.departed_dropped());
    // The one that is here has an outcome, too: that of its creation.
    let created = Sequence(1);
    let mut peer = bench.connect_with(2, again(Sequence(2), 1));
    let value = nam::wire::CreationValue::Inline(&[]);
    let (unacked, expiry) = (created, nam::expiry::Expiry::NEVER);
    bench.send(&peer, &ToRepository::Create { sequence: created, unacked, class: CLASS, key: "k", expiry, value });
    bench.settle();
    let told = bench.receive(&mut peer);
    assert!(told.contains(&printed(&ToNode::Created { sequence: created, alias: Alias(0), birth })), "{told:?}");
    let told = come_back(&mut bench, 1, again(Sequence(sequence.0 + 1), 1), birth, sequence);
    assert!(told.contains(&forgotten(sequence)), "{told:?}");
}

#[test]
fn a_restart_knows_what_was_forgotten_before_it_and_what_was_not() {
    let images = Some(ImageCaps { journal_bytes: 300, memory_max: usize::MAX });
    for is_cut in [false, true] {
        let caps = Caps { departed_bytes_max: 0, images: images.filter(|_| is_cut), ..Caps::default() };
        let (mut bench, mut other, birth, sequence) = one_that_left(caps);
        // A node that has committed nothing since the cut, and one that came after it.
        let idle = bench.connect(3);
        for _ in 0..40 {
            let base = bench.version("k");
            bench.commit(&mut other, base, &add_hits(1));
            bench.settle();
            bench.receive(&mut other);
            if is_cut {
                bench.image_all();
            }
        }
        let before = bench.version("k");
        bench.core.handle_disconnected(bench.now, idle.connection);
        bench.start_again(Caps { departed_bytes_max: Caps::default().departed_bytes_max, ..caps });
        let told = come_back(&mut bench, 1, again(Sequence(sequence.0 + 1), 1), birth, sequence);
        // Without a cut, the journal still says what became of it.
        let expected = if is_cut { forgotten(sequence) } else { String::new() };
        assert_eq!(told.contains(&expected), is_cut, "{told:?}");
        assert_eq!(bench.version("k"), before, "it is not done again in either case");
        let told = come_back(&mut bench, 3, again(Sequence(2), 3), birth, Sequence(1));
        assert!(told.iter().any(|record| record.starts_with("Accepted")), "it was here when it was sent: {told:?}");
    }
}

//! Commits: order, conflict, results, the gate, exactly once.

use nam::ids::{Alias, Sequence, Version};
use nam::wire::{FailureCode, ToNode, ToRepository};

use crate::bench::{Bench, add_hits, cash, commit, delta, name, printed};

fn as_sent(sequence: Sequence) -> String {
    printed(&ToNode::AsSent { sequence })
}

fn accepted(sequence: Sequence, version: u64) -> String {
    printed(&ToNode::Accepted { sequence, version: Version(version) })
}

#[test]
fn the_author_hears_as_sent_and_the_other_gets_the_delta() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    assert!(bench.open(&mut b, "k")[0].starts_with("Opened"));
    let sequence = bench.commit(&mut a, 1, &cash(5));
    assert_eq!(bench.receive(&mut a), Vec::<String>::new(), "I6: nothing before it is durable");
    assert_eq!(bench.receive(&mut b), Vec::<String>::new(), "I6: nothing before it is durable");
    bench.settle();
    assert_eq!(bench.receive(&mut a), [as_sent(sequence)]);
    assert_eq!(bench.receive(&mut b), [delta(1, &cash(5))]);
}

#[test]
fn what_was_sealed_is_fanned_out_when_it_is_on_its_way() {
    let mut bench = Bench::new();
    let (mut author, mut holder) = (bench.connect(1), bench.connect(2));
    bench.create(&mut author, "k");
    bench.open(&mut holder, "k");
    let mut send = |bench: &mut Bench, base| {
        let mut record = Vec::new();
        commit(author.next_sequence(), base, &cash(base + 1)).encode(&mut record);
        bench.core.handle_records(bench.now, author.connection, &record);
        while bench.core.poll_wake().is_some() {}
        author.connection
    };
    let held = |bench: &Bench| bench.core.record_bytes(holder.connection);
    let before = held(&bench);
    let author = send(&mut bench, 1);
    let append = bench.core.poll_append().unwrap();
    assert_eq!(held(&bench), before, "the journal waits for nothing that the holders are told");
    assert!(bench.core.poll_append().is_none());
    assert!(held(&bench) > before, "what they are told is ready when the frame is durable");
    bench.core.handle_durable(bench.now, append.frame.name.number);
    let woken = |bench: &mut Bench| std::iter::from_fn(|| bench.core.poll_wake()).collect::<Vec<_>>();
    assert_eq!(woken(&mut bench), [holder.connection, author]);

    // A journal that writes at once answers before it is asked for more.
    send(&mut bench, 2);
    let append = bench.core.poll_append().unwrap();
    bench.core.handle_durable(bench.now, append.frame.name.number);
    assert_eq!(woken(&mut bench), [holder.connection, author]);
}

#[test]
fn the_author_is_woken_behind_those_who_hold_the_object() {
    let mut bench = Bench::new();
    let (mut a, mut b, mut c) = (bench.connect(1), bench.connect(2), bench.connect(3));
    bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    bench.open(&mut c, "k");
    for (base, author) in (1..).zip([&mut a, &mut b, &mut c]) {
        while bench.core.poll_wake().is_some() {}
        bench.commit(author, base, &cash(base + 10));
        bench.settle();
        let woken: Vec<_> = std::iter::from_fn(|| bench.core.poll_wake()).collect();
        assert_eq!((woken.len(), woken.last()), (3, Some(&author.connection)));
    }
}

#[test]
fn disjoint_commits_pass_and_overlapping_ones_conflict() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    bench.commit(&mut a, 1, &cash(5));
    let disjoint = bench.commit(&mut b, 1, &name("x"));
    let overlapping = bench.commit(&mut b, 1, &cash(6));
    bench.settle();
    let told = bench.receive(&mut b);
    let conflict = printed(&ToNode::Conflict { sequence: overlapping });
    assert_eq!(bench.version("k"), 3);
    let deltas = [delta(1, &cash(5)), delta(1, &name("x"))];
    assert_eq!(told[..2], deltas, "what was missed and what the own commit did, before any result");
    assert_eq!(told[2..], [conflict, accepted(disjoint, 3)]);
}

#[test]
fn what_a_frame_merges_reaches_holders_as_one_delta() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    bench.commit(&mut a, 1, &cash(2));
    // The first is on its way; the next three gather in one frame.
    for base in 2..5 {
        bench.commit(&mut a, base, &cash(base + 1));
    }
    bench.settle();
    let told = bench.receive(&mut b);
    assert_eq!(told, [delta(1, &cash(2)), delta(3, &cash(5))]);
}

#[test]
fn operations_come_back_as_values_to_their_author_too() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    let sequence = bench.commit(&mut a, 1, &add_hits(7));
    bench.settle();
    let value = [3 << 3, 7];
    assert_eq!(bench.receive(&mut a), [delta(1, &value), accepted(sequence, 2)]);
}

#[test]
fn a_commit_sent_again_gets_its_outcome_and_no_second_effect() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    let sequence = bench.commit(&mut a, 1, &cash(5));
    // The link breaks before the answer; the node comes back with what it held.
    let mut again = bench.connect(1);
    assert_eq!(bench.closes.len(), 1, "the older link of the same node is closed");
    bench.send(&again, &ToRepository::Resume { alias: Alias(0), birth, version: Version(1) });
    bench.send(&again, &ToRepository::ResumeEnd);
    bench.send(&again, &commit(sequence, 1, &cash(5)));
    bench.settle();
    assert_eq!(bench.version("k"), 2);
    let told = bench.receive(&mut again);
    let expected = [delta(1, &cash(5)), printed(&ToNode::Resumed), accepted(sequence, 2)];
    assert_eq!(told, expected);
}

#[test]
fn a_commit_of_an_object_that_is_not_held_is_refused() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    let sequence = bench.commit(&mut b, 1, &cash(5));
    bench.settle();
    assert_eq!(
        bench.receive(&mut b),
        [printed(&ToNode::CommitRefused { sequence, code: FailureCode::Gone, text: "" })]
    );
    assert_eq!(bench.version("k"), 1);
}

#[test]
fn an_unknown_base_and_a_bad_delta_are_refused() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    bench.commit(&mut a, 9, &cash(5));
    bench.commit(&mut a, 1, &[0xff]);
    bench.settle();
    let told = bench.receive(&mut a);
    assert!(told[0].contains("code: Invalid") && told[1].contains("code: Malformed"), "{told:?}");
    assert_eq!(bench.version("k"), 1);
}

#[test]
fn destroyed_stays_destroyed_and_the_slot_waits_for_every_holder() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    let sequence = a.next_sequence();
    bench.send(&a, &ToRepository::Destroy { sequence, unacked: Sequence(1), alias: Alias(0), birth });
    let late = bench.commit(&mut b, 1, &cash(9));
    bench.settle();
    let gone = printed(&ToNode::Gone { alias: Alias(0), birth, is_lost: false });
    assert_eq!(bench.receive(&mut a), [gone.clone(), accepted(sequence, 2)]);
    let told = bench.receive(&mut b);
    assert!(told.contains(&gone), "{told:?}");
    assert!(told.contains(&printed(&ToNode::CommitRefused { sequence: late, code: FailureCode::Gone, text: "" })));

    bench.send(&a, &ToRepository::Close { alias: Alias(0), birth });
    bench.create(&mut a, "other");
    assert_eq!(bench.core.inspect(crate::bench::CLASS, "other").unwrap().alias, Alias(1), "b may still mean 0");
    bench.send(&b, &ToRepository::Close { alias: Alias(0), birth });
    let newer = bench.create(&mut a, "k");
    assert_eq!(bench.core.inspect(crate::bench::CLASS, "k").unwrap().alias, Alias(0));
    assert_ne!(newer, birth);

    // A node that was away presents the old birth.
    let mut away = bench.connect(3);
    bench.send(&away, &ToRepository::Resume { alias: Alias(0), birth, version: Version(1) });
    bench.send(&away, &ToRepository::ResumeEnd);
    bench.commit(&mut away, 1, &cash(9));
    bench.settle();
    let told = bench.receive(&mut away);
    assert_eq!(told[..2], [gone, printed(&ToNode::Resumed)]);
    assert!(told[2].starts_with("CommitRefused"), "{told:?}");
    assert_eq!(bench.version("k"), 1);
}

#[test]
fn an_existing_name_is_not_created_again() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    let sequence = b.next_sequence();
    let value = cash(2);
    let value = nam::wire::CreationValue::Inline(&value);
    let class = crate::bench::CLASS;
    bench.send(
        &b,
        &ToRepository::Create { sequence, unacked: sequence, class, key: "k", expiry: nam::Expiry::NEVER, value },
    );
    bench.settle();
    assert_eq!(bench.receive(&mut b), [printed(&ToNode::Exists { sequence })]);
}

#[test]
fn a_failed_append_shows_nothing_and_stops_the_shard() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    bench.commit(&mut a, 1, &cash(5));
    bench.core.handle_append_failed(bench.now);
    bench.work();
    assert_eq!(bench.receive(&mut a), Vec::<String>::new());
    assert!(bench.core.is_stopped());
    assert_eq!(bench.closes[0].code, nam::wire::CloseCode::Stopped);
}

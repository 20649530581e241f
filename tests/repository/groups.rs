//! Groups by script: all of several objects or nothing, once, and joint reads (W7).

use nam::ids::{Alias, Birth, CommitNumber, Epoch, Fence, NodeId, Sequence, Version};
use nam::journal::{Entry, Origin, Payload, Share};
use nam::repository::{Caps, Core, Windows};
use nam::wire::{
    CloseCode, FailureCode, GroupAnswer, GroupCommit, GroupPart, GroupRead, LockRequest, PartOutcome, ToNode,
    ToRepository,
};

use crate::bench::{Bench, EPOCH, Peer, add_hits, cash, commit, identity, name, printed, rates};

/// The parts of a group: of which object, on which base, what.
type Changes<'a> = [(u32, u64, &'a [u8])];

fn part(alias: u32, base: u64, delta: &[u8]) -> GroupPart<'_> {
    let (alias, base) = (Alias(alias), Version(base));
    GroupPart { alias, base, is_isolated: false, fence: None, guards: &[], delta }
}

fn send(bench: &mut Bench, peer: &Peer, sequence: Sequence, parts: Vec<GroupPart<'_>>) {
    bench.send(peer, &ToRepository::Group(GroupCommit { sequence, unacked: Sequence(1), parts }));
}

fn group(bench: &mut Bench, peer: &mut Peer, changes: &Changes<'_>) -> Sequence {
    let sequence = peer.next_sequence();
    let parts = changes.iter().map(|(alias, base, delta)| part(*alias, *base, delta)).collect();
    send(bench, peer, sequence, parts);
    sequence
}

fn told(sequence: Sequence, outcomes: &[PartOutcome]) -> String {
    printed(&ToNode::Group(GroupAnswer::Committed { sequence, outcomes: outcomes.to_vec() }))
}

fn accepted(versions: &[u64]) -> Vec<PartOutcome> {
    versions.iter().map(|version| PartOutcome::Accepted(Version(*version))).collect()
}

fn delta_of(alias: u32, span: u64, delta: &[u8]) -> String {
    printed(&ToNode::Delta { alias: Alias(alias), span, delta })
}

fn refused(sequence: Sequence, code: FailureCode) -> String {
    printed(&ToNode::CommitRefused { sequence, code, text: "" })
}

fn conflict(sequence: Sequence) -> String {
    printed(&ToNode::Conflict { sequence })
}

/// Objects 0 and 1, as `a` and `b`, held by both peers.
fn bench_with(caps: Caps) -> (Bench, Peer, Peer) {
    let mut bench = Bench::with(caps);
    let (mut one, mut other) = (bench.connect(1), bench.connect(2));
    for key in ["a", "b"] {
        bench.create(&mut one, key);
        bench.open(&mut other, key);
    }
    (bench, one, other)
}

fn bench() -> (Bench, Peer, Peer) {
    bench_with(Caps::default())
}

fn versions(bench: &Bench) -> (u64, u64) {
    (bench.version("a"), bench.version("b"))
}

/// A core that replayed everything.
fn restarted(bench: &Bench) -> Core {
    let mut core = Core::new(identity(Epoch(2_000), 0), Caps::default());
    for frame in &bench.frames {
        core.replay(frame).unwrap();
    }
    core.handle_replayed(bench.now).unwrap();
    core
}

#[test]
fn a_group_is_one_entry_and_everybody_hears_of_all_of_it() {
    let (mut bench, mut one, mut other) = bench();
    let frames = bench.frames.len();
    let sequence = group(&mut bench, &mut one, &[(0, 1, &cash(5)), (1, 1, &cash(6))]);
    assert!(bench.receive(&mut one).is_empty() && bench.receive(&mut other).is_empty(), "I6");
    bench.settle();
    let share = |alias, value| {
        let payload = Payload::Inline(cash(value).into());
        Share { alias: Alias(alias), version: Version(2), payload }
    };
    let origin = Origin { node: NodeId(1), sequence };
    assert_eq!(bench.frames[frames].entries, [Entry::Grouped { origin, shares: vec![share(0, 5), share(1, 6)] }]);
    assert_eq!(bench.receive(&mut one), [told(sequence, &[PartOutcome::AsSent, PartOutcome::AsSent])]);
    assert_eq!(bench.receive(&mut other), [delta_of(0, 1, &cash(5)), delta_of(1, 1, &cash(6))]);
}

#[test]
fn a_group_of_which_one_part_conflicts_leaves_nothing() {
    let (mut bench, mut one, mut other) = bench();
    bench.commit(&mut other, 1, &name("x"));
    bench.settle();
    bench.receive(&mut one);
    // The first part stands, the second does not; then the other way round.
    let late = group(&mut bench, &mut one, &[(0, 1, &name("y")), (1, 1, &cash(6))]);
    bench.settle();
    assert_eq!(bench.receive(&mut one), [conflict(late)]);
    let sequence = other.next_sequence();
    send(&mut bench, &other, sequence, vec![part(1, 1, &cash(7))]);
    bench.settle();
    let late = group(&mut bench, &mut one, &[(0, 2, &cash(5)), (1, 1, &cash(6))]);
    bench.settle();
    assert_eq!(bench.receive(&mut one), [delta_of(1, 1, &cash(7)), conflict(late)], "what was missed comes first");
    assert_eq!(versions(&bench), (2, 2), "I8");
    // On what is newest it passes.
    let again = group(&mut bench, &mut one, &[(0, 2, &cash(5)), (1, 2, &cash(6))]);
    bench.settle();
    assert_eq!(bench.receive(&mut one), [told(again, &[PartOutcome::AsSent, PartOutcome::AsSent])]);
}

#[test]
fn an_author_who_missed_something_gets_it_before_the_result() {
    let (mut bench, mut one, mut other) = bench();
    bench.commit(&mut other, 1, &name("x"));
    let sequence = group(&mut bench, &mut one, &[(0, 1, &cash(5)), (1, 1, &cash(6))]);
    bench.settle();
    let seen = bench.receive(&mut one);
    assert_eq!(seen[0], delta_of(0, 1, &name("x")));
    assert_eq!(seen[1], delta_of(0, 1, &cash(5)));
    let outcomes = [PartOutcome::Accepted(Version(3)), PartOutcome::AsSent];
    assert_eq!(seen[2..], [told(sequence, &outcomes)]);
}

#[test]
fn a_group_that_is_sent_again_took_effect_once_also_after_a_restart() {
    let (mut bench, mut one, _) = bench();
    let changes: &Changes<'_> = &[(0, 1, &add_hits(5)), (1, 1, &cash(6))];
    let sequence = group(&mut bench, &mut one, changes);
    bench.settle();
    let mut again = bench.connect_again(1, EPOCH);
    bench.open(&mut again, "a");
    bench.open(&mut again, "b");
    let resend = |bench: &mut Bench, peer: &Peer| {
        let (first, second) = (add_hits(5), cash(6));
        send(bench, peer, sequence, vec![part(0, 1, &first), part(1, 1, &second)]);
        bench.settle();
    };
    resend(&mut bench, &again);
    assert_eq!(bench.receive(&mut again), [told(sequence, &accepted(&[2, 2]))]);
    assert_eq!(versions(&bench), (2, 2), "W8");
    bench.core = restarted(&bench);
    let mut again = bench.connect_again(1, EPOCH);
    bench.open(&mut again, "a");
    bench.open(&mut again, "b");
    resend(&mut bench, &again);
    assert_eq!(bench.receive(&mut again), [told(sequence, &accepted(&[2, 2]))]);
    assert_eq!(versions(&bench), (2, 2), "W8");
}

#[test]
fn a_part_with_nothing_to_change_is_moot_and_comes_back_from_the_journal_as_such() {
    let (mut bench, mut one, _) = bench();
    let guards = [2, 8, 0];
    let requires = GroupPart { guards: &guards, ..part(1, 1, &[]) };
    let (sequence, change) = (one.next_sequence(), cash(5));
    send(&mut bench, &one, sequence, vec![part(0, 1, &change), requires]);
    bench.settle();
    let outcomes = [PartOutcome::AsSent, PartOutcome::Moot(Version(1))];
    assert_eq!(bench.receive(&mut one), [told(sequence, &outcomes)]);
    assert_eq!(versions(&bench), (2, 1));
    bench.core = restarted(&bench);
    assert_eq!(versions(&bench), (2, 1));
    let mut again = bench.connect_again(1, EPOCH);
    bench.open(&mut again, "a");
    bench.open(&mut again, "b");
    send(&mut bench, &again, sequence, vec![part(0, 1, &change), requires]);
    bench.settle();
    let outcomes = [PartOutcome::Accepted(Version(2)), PartOutcome::Moot(Version(1))];
    assert_eq!(bench.receive(&mut again), [told(sequence, &outcomes)]);
    // One that only requires makes no entry; one whose requirement fell leaves nothing.
    let frames = bench.frames.len();
    let sequence = Sequence(sequence.0 + 1);
    send(&mut bench, &again, sequence, vec![requires]);
    bench.settle();
    assert_eq!(bench.receive(&mut again), [told(sequence, &outcomes[1..])]);
    assert_eq!(bench.frames.len(), frames);
    let sequence = Sequence(sequence.0 + 1);
    let fallen = GroupPart { guards: &guards, ..part(0, 1, &[]) };
    send(&mut bench, &again, sequence, vec![fallen, part(1, 1, &change)]);
    bench.settle();
    assert_eq!(bench.receive(&mut again), [conflict(sequence)]);
    assert_eq!(versions(&bench), (2, 1), "W5");
}

#[test]
fn a_destroyed_object_takes_the_whole_group_with_it() {
    let (mut bench, mut one, mut other) = bench();
    let sequence = other.next_sequence();
    let birth = bench.core.inspect(crate::bench::CLASS, "b").unwrap().birth;
    bench.send(&other, &ToRepository::Destroy { sequence, unacked: sequence, alias: Alias(1), birth });
    let late = group(&mut bench, &mut one, &[(0, 1, &cash(5)), (1, 1, &cash(6))]);
    bench.settle();
    let seen = bench.receive(&mut one);
    let gone = printed(&ToNode::Gone { alias: Alias(1), birth, is_lost: false });
    assert_eq!(seen, [gone, refused(late, FailureCode::Gone)], "which object is gone is told first");
    assert_eq!(bench.version("a"), 1, "I8");
}

#[test]
fn a_lock_that_is_not_held_stops_the_whole_group() {
    let (mut bench, mut one, mut other) = bench();
    let birth = bench.core.inspect(crate::bench::CLASS, "b").unwrap().birth;
    let request = other.next_request();
    let wait = LockRequest::Wait { request, alias: Alias(1), birth, wait_ms: 1_000 };
    bench.send(&other, &ToRepository::Lock(wait));
    bench.settle();
    let fence = Fence(CommitNumber { epoch: EPOCH, n: 3 });
    assert!(bench.receive(&mut other).iter().any(|seen| seen.contains("Granted")));
    let (first, second) = (cash(5), cash(6));
    let under = |fence| vec![part(0, 1, &first), GroupPart { fence: Some(fence), ..part(1, 1, &second) }];
    let sequence = one.next_sequence();
    send(&mut bench, &one, sequence, under(Fence(CommitNumber { epoch: EPOCH, n: 2 })));
    bench.settle();
    assert_eq!(bench.receive(&mut one), [refused(sequence, FailureCode::Fenced)]);
    assert_eq!(versions(&bench), (1, 1), "I15");
    let sequence = one.next_sequence();
    send(&mut bench, &one, sequence, under(fence));
    bench.settle();
    assert_eq!(bench.receive(&mut one), [told(sequence, &[PartOutcome::AsSent, PartOutcome::AsSent])]);
}

/// A change of many cells, judged and applied in steps and written in slices.
fn large() -> Vec<u8> {
    let mut keys: Vec<u64> = (0..1_000).collect();
    keys.sort_by_key(|key| if *key < 128 { (*key, 0) } else { (key % 128 + 128, key / 128) });
    rates(keys.into_iter().map(|key| (key, 0.5)))
}

#[test]
fn groups_that_take_steps_wait_for_each_other_in_no_circle() {
    let caps = Caps { windows: Windows { inline_bytes: 4_000, ..Windows::default() }, ..Caps::default() };
    let (mut bench, mut one, mut other) = bench_with(caps);
    let large = large();
    let (first, second) = (one.next_sequence(), other.next_sequence());
    // Handed over without a step between them.
    let mut bytes = Vec::new();
    let parts = vec![part(0, 1, &large), part(1, 1, &large)];
    ToRepository::Group(GroupCommit { sequence: first, unacked: first, parts }).encode(&mut bytes);
    bench.core.handle_records(bench.now, one.connection, &bytes);
    bytes.clear();
    let (hits, more) = (add_hits(1), add_hits(2));
    let parts = vec![part(0, 1, &hits), part(1, 1, &more)];
    ToRepository::Group(GroupCommit { sequence: second, unacked: second, parts }).encode(&mut bytes);
    commit(Sequence(second.0 + 1), 1, &name("x")).encode(&mut bytes);
    bench.core.handle_records(bench.now, other.connection, &bytes);
    bench.settle();
    assert_eq!(versions(&bench), (4, 3), "the one commit came between or behind");
    let seen = [bench.receive(&mut one), bench.receive(&mut other)].concat();
    assert_eq!(seen.iter().filter(|seen| seen.starts_with("Group(Committed")).count(), 2, "{seen:?}");
    assert_eq!(restarted(&bench).inspect(crate::bench::CLASS, "b").unwrap().version, Version(3));
}

#[test]
fn a_node_that_leaves_takes_its_half_judged_group_along() {
    let (mut bench, mut one, mut other) = bench();
    let (large, sequence) = (large(), one.next_sequence());
    let mut bytes = Vec::new();
    let parts = vec![part(0, 1, &large), part(1, 1, &large)];
    ToRepository::Group(GroupCommit { sequence, unacked: sequence, parts }).encode(&mut bytes);
    bench.core.handle_records(bench.now, one.connection, &bytes);
    assert!(bench.core.has_work(), "it takes more steps");
    bench.core.handle_disconnected(bench.now, one.connection);
    bench.work();
    let sequence = group(&mut bench, &mut other, &[(0, 1, &cash(5)), (1, 1, &cash(6))]);
    bench.settle();
    assert_eq!(bench.receive(&mut other), [told(sequence, &[PartOutcome::AsSent, PartOutcome::AsSent])]);
    assert_eq!(versions(&bench), (2, 2));
}

#[test]
fn a_joint_read_is_answered_behind_what_leads_there_when_that_is_durable() {
    let (mut bench, mut one, mut other) = bench();
    let births: Vec<Birth> = ["a", "b"].map(|key| bench.core.inspect(crate::bench::CLASS, key).unwrap().birth).into();
    let read = |peer: &mut Peer, births: &[Birth]| {
        let objects = (0..).map(Alias).zip(births.iter().copied()).collect();
        GroupRead { request: peer.next_request(), objects }
    };
    group(&mut bench, &mut one, &[(0, 1, &cash(5)), (1, 1, &cash(6))]);
    let asked = read(&mut other, &births);
    bench.send(&other, &ToRepository::ReadGroup(asked.clone()));
    assert!(bench.receive(&mut other).is_empty(), "I6");
    bench.settle();
    let versions = vec![Version(2), Version(2)];
    let answer = printed(&ToNode::Group(GroupAnswer::Read { request: asked.request, versions }));
    assert_eq!(bench.receive(&mut other), [delta_of(0, 1, &cash(5)), delta_of(1, 1, &cash(6)), answer]);
    // Of another birth, or not held, there is nothing to say.
    let another = read(&mut other, &[births[0], births[0]]);
    bench.send(&other, &ToRepository::ReadGroup(another.clone()));
    bench.settle();
    let failed = printed(&ToNode::Failed { request: another.request, code: FailureCode::Gone, text: "" });
    assert_eq!(bench.receive(&mut other), [failed]);
}

#[test]
fn one_sequence_twice_on_a_link_ends_it() {
    let (mut bench, mut one, _) = bench();
    let (large, sequence) = (large(), one.next_sequence());
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let parts = vec![part(0, 1, &large), part(1, 1, &large)];
        ToRepository::Group(GroupCommit { sequence, unacked: sequence, parts }).encode(&mut bytes);
    }
    bench.core.handle_records(bench.now, one.connection, &bytes);
    bench.settle();
    assert_eq!(bench.closes.pop().map(|close| close.code), Some(CloseCode::OutOfOrder));
    assert_eq!(versions(&bench), (1, 1), "I8");
}

//! Locks by script: who gets them, when that may be shown, and which commits they let through (L1–L3, I15).

use nam::ids::{Alias, Birth, CommitNumber, Fence, NodeId, RequestId, Sequence, Version};
use nam::journal::Entry;
use nam::repository::Caps;
use nam::wire::{FailureCode, LockAnswer, LockRequest, ToNode, ToRepository};

use crate::bench::{Bench, EPOCH, Peer, cash, delta, name, notes, printed};

/// A bench with one object, held by the first two of `peers` and those behind them.
fn bench(peers: u64) -> (Bench, Vec<Peer>, Birth) {
    bench_with(peers, Caps::default())
}

fn bench_with(peers: u64, caps: Caps) -> (Bench, Vec<Peer>, Birth) {
    let mut bench = Bench::with(caps);
    let mut peers: Vec<Peer> = (1..=peers).map(|node| bench.connect(node)).collect();
    let birth = bench.create(&mut peers[0], "a");
    for peer in &mut peers[1..] {
        bench.open(peer, "a");
    }
    (bench, peers, birth)
}

fn wait(bench: &mut Bench, peer: &mut Peer, birth: Birth, wait_ms: u64) -> RequestId {
    let request = peer.next_request();
    bench.send(peer, &ToRepository::Lock(LockRequest::Wait { request, alias: Alias(0), birth, wait_ms }));
    request
}

fn release(bench: &mut Bench, peer: &mut Peer, birth: Birth, fence: Fence) -> RequestId {
    let request = peer.next_request();
    bench.send(peer, &ToRepository::Lock(LockRequest::Release { request, alias: Alias(0), birth, fence }));
    request
}

/// Commits `cash` under a lock.
fn fenced(bench: &mut Bench, peer: &mut Peer, base: u64, fence: Fence, value: u64) -> Sequence {
    let sequence = peer.next_sequence();
    let delta = cash(value);
    commit(bench, peer, sequence, base, fence, &delta);
    sequence
}

fn commit(bench: &mut Bench, peer: &Peer, sequence: Sequence, base: u64, fence: Fence, delta: &[u8]) {
    let (unacked, alias, base, fence) = (Sequence(1), Alias(0), Version(base), Some(fence));
    let commit = ToRepository::Commit { sequence, unacked, alias, base, is_isolated: false, fence, guards: &[], delta };
    bench.send(peer, &commit);
}

fn fence(n: u64) -> Fence {
    Fence(CommitNumber { epoch: EPOCH, n })
}

fn granted(request: RequestId, fence: Fence) -> String {
    printed(&ToNode::Lock(LockAnswer::Granted { request, fence }))
}

fn released(request: RequestId) -> String {
    printed(&ToNode::Lock(LockAnswer::Released { request }))
}

fn failed(request: RequestId, code: FailureCode) -> String {
    printed(&ToNode::Failed { request, code, text: "" })
}

fn refused(sequence: Sequence) -> String {
    printed(&ToNode::CommitRefused { sequence, code: FailureCode::Fenced, text: "" })
}

#[test]
fn a_grant_is_an_entry_and_leaves_when_that_is_durable() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    let frames = bench.frames.len();
    let request = wait(&mut bench, a, birth, 15_000);
    assert_eq!(bench.frames[frames].entries, [Entry::Granted { node: NodeId(1), alias: Alias(0) }]);
    assert_eq!(bench.frames[frames].first_commit, 2, "the birth was number 1");
    assert!(bench.receive(a).is_empty(), "I6: nobody sees the grant before it is durable");
    // Who is told that another has it, is told after that is durable, too.
    wait(&mut bench, b, birth, 0);
    assert!(bench.receive(b).is_empty());
    bench.settle();
    assert_eq!(bench.receive(a), [granted(request, fence(2))]);
    assert!(bench.receive(b)[0].contains("TimedOut"));
}

#[test]
fn the_line_is_served_in_order_and_a_hand_over_takes_one_frame() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    let first = wait(&mut bench, b, birth, 15_000);
    bench.settle();
    assert_eq!(bench.receive(b), [granted(first, fence(2))]);
    let second = wait(&mut bench, c, birth, 15_000);
    let third = wait(&mut bench, a, birth, 15_000);
    bench.settle();
    assert!(bench.receive(a).is_empty() && bench.receive(c).is_empty());

    // What was committed under the lock stands before the next grant.
    let sequence = fenced(&mut bench, b, 1, fence(2), 7);
    let leave = release(&mut bench, b, birth, fence(2));
    let frames = bench.frames.len();
    bench.settle();
    assert!(bench.frames.len() - frames <= 1, "the next grant waits for no frame of its own");
    assert_eq!(bench.receive(b), [printed(&ToNode::AsSent { sequence }), released(leave)]);
    assert_eq!(bench.receive(c), [delta(1, &cash(7)), granted(second, fence(4))]);
    assert!(bench.receive(a).iter().all(|record| !record.contains("Granted")));

    let leave = release(&mut bench, c, birth, fence(4));
    bench.settle();
    assert_eq!(bench.receive(c), [released(leave)]);
    assert_eq!(bench.receive(a), [granted(third, fence(5))]);
}

#[test]
fn who_gives_a_lock_back_is_woken_behind_who_gets_it() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    wait(&mut bench, b, birth, 15_000);
    bench.settle();
    while bench.core.poll_wake().is_some() {}
    release(&mut bench, a, birth, fence(2));
    bench.settle();
    let woken: Vec<_> = std::iter::from_fn(|| bench.core.poll_wake()).collect();
    assert_eq!(woken, [b.connection, a.connection], "one waits for the lock, the other for nothing");
}

#[test]
fn only_the_current_grant_lets_a_fenced_commit_through() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    let never = fenced(&mut bench, a, 1, fence(1), 1);
    bench.settle();
    assert_eq!(bench.receive(a), [refused(never)], "a token of nothing");
    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    bench.receive(a);

    // L1: no lock is needed to write.
    bench.commit(b, 1, &name("free"));
    // Whoever carries the token writes under the lock.
    fenced(&mut bench, c, 1, fence(2), 5);
    bench.settle();
    assert_eq!(bench.version("a"), 3);

    release(&mut bench, a, birth, fence(2));
    let late = fenced(&mut bench, a, 3, fence(2), 6);
    bench.settle();
    assert!(bench.receive(a).contains(&refused(late)), "released, though nobody has it yet");
    wait(&mut bench, b, birth, 15_000);
    let late = fenced(&mut bench, a, 3, fence(2), 6);
    bench.settle();
    assert!(bench.receive(a).contains(&refused(late)), "an old token");
    assert_eq!(bench.version("a"), 3, "nothing of it is left");
}

#[test]
fn a_lock_that_ends_while_a_commit_is_judged_in_steps_stops_it() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    wait(&mut bench, a, birth, 15_000);
    wait(&mut bench, b, birth, 15_000);
    bench.settle();
    bench.receive(a);
    // Many cells, and behind them the release, in one piece: the release is read before the last step of the commit.
    let (sequence, request) = (a.next_sequence(), a.next_request());
    let delta = notes((0..100).flat_map(|key| [(key, "x".repeat(500))]));
    let (unacked, alias, base, fence_of) = (Sequence(1), Alias(0), Version(1), Some(fence(2)));
    let commit = ToRepository::Commit {
        sequence,
        unacked,
        alias,
        base,
        is_isolated: false,
        fence: fence_of,
        guards: &[],
        delta: &delta,
    };
    let mut bytes = Vec::new();
    commit.encode(&mut bytes);
    ToRepository::Lock(LockRequest::Release { request, alias, birth, fence: fence(2) }).encode(&mut bytes);
    bench.core.handle_records(bench.now, a.connection, &bytes);
    bench.settle();
    let seen = bench.receive(a);
    let is_through = bench.version("a") == 2;
    assert_eq!(is_through, !seen.contains(&refused(sequence)), "{seen:?}");
    assert!(seen.contains(&released(request)));
    // In the order of entries it took effect before the next grant, or not at all.
    let entries: Vec<_> = bench.frames.iter().flat_map(|frame| &frame.entries).collect();
    let committed = entries.iter().position(|entry| matches!(entry, Entry::Committed { .. }));
    let next = entries.iter().rposition(|entry| matches!(entry, Entry::Granted { .. })).unwrap();
    assert!(committed.is_none_or(|committed| committed < next));
}

#[test]
fn a_lock_ends_with_its_connection_and_goes_to_the_next() {
    for is_clean in [true, false] {
        let (mut bench, mut peers, birth) = bench(3);
        let [a, b, c] = &mut peers[..] else { panic!("three") };
        wait(&mut bench, a, birth, 15_000);
        wait(&mut bench, b, birth, 15_000);
        let request = wait(&mut bench, c, birth, 15_000);
        bench.settle();
        bench.receive(a);
        // One that waits leaves as well.
        let mut goodbye = Vec::new();
        ToRepository::Goodbye.encode(&mut goodbye);
        for left in [b, a] {
            match is_clean {
                true => bench.core.handle_records(bench.now, left.connection, &goodbye),
                false => bench.core.handle_disconnected(bench.now, left.connection),
            }
        }
        // Under what is not handed over yet nothing is committed any more.
        let orphan = fenced(&mut bench, c, 1, fence(2), 3);
        bench.settle();
        assert_eq!(bench.receive(c), [refused(orphan), granted(request, fence(3))]);
        assert_eq!(bench.version("a"), 1);
    }
}

#[test]
fn a_node_that_comes_back_has_lost_its_lock() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    wait(&mut bench, a, birth, 15_000);
    let request = wait(&mut bench, b, birth, 15_000);
    bench.settle();
    // The repository hears of the loss by the greeting; a commit without an outcome is sent again right behind it.
    let again = bench.connect_bare(1);
    let mut bytes = Vec::new();
    ToRepository::Resume { alias: Alias(0), birth, version: Version(1) }.encode(&mut bytes);
    ToRepository::ResumeEnd.encode(&mut bytes);
    bench.core.handle_records(bench.now, again.connection, &bytes);
    commit(&mut bench, &again, Sequence(9), 1, fence(2), &cash(3));
    bench.settle();
    assert_eq!(bench.version("a"), 1);
    assert!(bench.receive(b).contains(&granted(request, fence(3))));
}

#[test]
fn a_wait_that_takes_too_long_names_the_holder_and_since_when() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    bench.pass(1_000);
    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    let late = |request, held_ms| printed(&ToNode::Lock(LockAnswer::TimedOut { request, holder: NodeId(1), held_ms }));
    bench.pass(500);
    let at_once = wait(&mut bench, b, birth, 0);
    assert_eq!(bench.receive(b).pop(), Some(late(at_once, 500)));
    let short = wait(&mut bench, b, birth, 2_000);
    let long = wait(&mut bench, c, birth, 9_000);
    bench.pass(1_999);
    assert!(bench.receive(b).iter().all(|record| !record.contains("Lock")));
    bench.pass(1);
    assert!(bench.receive(b).contains(&late(short, 2_500)));
    // It left the line.
    release(&mut bench, a, birth, fence(2));
    bench.settle();
    assert!(bench.receive(c).contains(&granted(long, fence(3))));
}

#[test]
fn a_wait_given_up_leaves_the_line_or_gives_back_what_it_got() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    let first = wait(&mut bench, a, birth, 15_000);
    let second = wait(&mut bench, b, birth, 15_000);
    let third = wait(&mut bench, c, birth, 15_000);
    bench.send(b, &ToRepository::Lock(LockRequest::GiveUp { request: second }));
    bench.send(a, &ToRepository::Lock(LockRequest::GiveUp { request: first }));
    bench.settle();
    assert!(bench.receive(b).is_empty());
    assert_eq!(bench.receive(c), [granted(third, fence(3))], "the grant to the first crossed its giving up");
    bench.send(c, &ToRepository::Lock(LockRequest::GiveUp { request: RequestId(77) }));
    assert!(bench.receive(c).is_empty(), "what never was is nothing");
}

#[test]
fn what_is_wrong_about_a_lock_has_its_answer() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    let other = bench.create(a, "b");
    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    bench.receive(a);
    let current = fence(3);
    let released_twice = {
        release(&mut bench, a, birth, current);
        release(&mut bench, a, birth, current)
    };
    bench.settle();
    assert_eq!(bench.receive(a)[1], failed(released_twice, FailureCode::Fenced));

    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    bench.receive(a);
    let current = fence(4);
    let not_its_own = release(&mut bench, b, birth, current);
    bench.settle();
    assert_eq!(bench.receive(b), [failed(not_its_own, FailureCode::Fenced)], "a joined guard releases nothing");

    let mut join = |alias, birth, fence| {
        let request = b.next_request();
        bench.send(b, &ToRepository::Lock(LockRequest::Join { request, alias: Alias(alias), birth, fence }));
        bench.settle();
        (request, bench.receive(b).remove(0))
    };
    let (request, answer) = join(0, birth, current);
    assert_eq!(answer, granted(request, current));
    let (request, answer) = join(0, birth, fence(3));
    assert_eq!(answer, failed(request, FailureCode::Fenced), "an old token");
    let (request, answer) = join(0, other, current);
    assert_eq!(answer, failed(request, FailureCode::Gone), "another birth");
    let (request, answer) = join(1, other, current);
    assert_eq!(answer, failed(request, FailureCode::Gone), "an object that it does not hold");
    bench.open(b, "b");
    let mut join = |alias, birth, fence| {
        let request = b.next_request();
        bench.send(b, &ToRepository::Lock(LockRequest::Join { request, alias: Alias(alias), birth, fence }));
        bench.settle();
        (request, bench.receive(b).remove(0))
    };
    let (request, answer) = join(1, other, current);
    assert_eq!(answer, failed(request, FailureCode::Fenced), "a token of another object");
}

#[test]
fn an_object_that_ends_takes_its_lock_along() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    wait(&mut bench, a, birth, 15_000);
    let waits = [wait(&mut bench, b, birth, 15_000), wait(&mut bench, b, birth, 15_000)];
    bench.settle();
    bench.receive(a);
    let (sequence, unacked, alias) = (c.next_sequence(), Sequence(1), Alias(0));
    bench.send(c, &ToRepository::Destroy { sequence, unacked, alias, birth });
    bench.settle();
    let seen = bench.receive(b);
    assert!(waits.iter().all(|wait| seen.contains(&failed(*wait, FailureCode::Gone))), "{seen:?}");
    let late = release(&mut bench, a, birth, fence(2));
    assert!(bench.receive(a).contains(&failed(late, FailureCode::Fenced)));
    let never = wait(&mut bench, c, birth, 15_000);
    assert!(bench.receive(c).contains(&failed(never, FailureCode::Gone)));
}

#[test]
fn a_long_line_ends_in_steps() {
    let (mut bench, mut peers, birth) = bench(2);
    let [a, b] = &mut peers[..] else { panic!("two") };
    wait(&mut bench, a, birth, 15_000);
    bench.settle();
    for _ in 0..3_000 {
        wait(&mut bench, b, birth, 20_000);
    }
    bench.pass(20_000);
    for _ in 0..10 {
        bench.pass(1);
    }
    let late = bench.receive(b).iter().filter(|record| record.contains("TimedOut")).count();
    assert_eq!(late, 3_000);
    for _ in 0..3_000 {
        wait(&mut bench, b, birth, 20_000);
    }
    let (sequence, unacked, alias) = (a.next_sequence(), Sequence(1), Alias(0));
    bench.send(a, &ToRepository::Destroy { sequence, unacked, alias, birth });
    bench.settle();
    let gone = bench.receive(b).iter().filter(|record| record.contains("code: Gone")).count();
    assert_eq!(gone, 3_000);
    assert!(bench.core.work_done().cells <= nam::limits::STEP_CELLS_MAX, "{:?}", bench.core.work_done());
}

#[test]
fn waits_have_caps() {
    let caps = Caps { lock_waits_max: 2, locks_max: 3, ..Caps::default() };
    let (mut bench, mut peers, birth) = bench_with(2, caps);
    let [a, b] = &mut peers[..] else { panic!("two") };
    for _ in 0..3 {
        wait(&mut bench, a, birth, 15_000);
    }
    bench.settle();
    bench.receive(a);
    let crowd = wait(&mut bench, b, birth, 15_000);
    assert_eq!(
        bench.receive(b),
        [printed(&ToNode::Failed {
            request: crowd,
            code: FailureCode::Limit,
            text: "2 wait for the lock, as many as may"
        })]
    );
    let other = bench.create(a, "b");
    let request = a.next_request();
    bench.send(a, &ToRepository::Lock(LockRequest::Wait { request, alias: Alias(1), birth: other, wait_ms: 0 }));
    bench.settle();
    assert!(bench.receive(a)[0].contains("the node has or waits for 3 locks"));
}

#[test]
fn a_full_disk_grants_nothing() {
    let (mut bench, mut peers, birth) = bench(3);
    let [a, b, c] = &mut peers[..] else { panic!("three") };
    wait(&mut bench, a, birth, 15_000);
    wait(&mut bench, b, birth, 15_000);
    bench.settle();
    bench.core.handle_room(bench.now, false);
    wait(&mut bench, c, birth, 15_000);
    release(&mut bench, a, birth, fence(2));
    bench.settle();
    assert!(bench.receive(b)[0].contains("the disk of the repository is full"));
    assert!(bench.receive(c)[0].contains("the disk of the repository is full"));
    bench.core.handle_room(bench.now, true);
    let request = wait(&mut bench, c, birth, 15_000);
    bench.settle();
    assert_eq!(bench.receive(c), [granted(request, fence(3))]);
}

//! Expiry: objects that end by themselves, and what keeps them.

use std::time::Duration;

use nam::expiry::Expiry;
use nam::ids::{Alias, Epoch, Sequence, ShardId, Version};
use nam::journal::Entry;
use nam::limits::{STEP_CELLS_MAX, TOUCH_WAIT_MS, UNCONFIRMED_BYTES_MAX};
use nam::repository::{Caps, Core, Identity};
use nam::time::Instant;
use nam::wire::{FailureCode, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, Peer, cash, printed};

const MINUTE_MS: u64 = 60_000;
/// By so much an object may outlive its deadline.
const LATE_MS: u64 = 256;

fn minutes(count: u64) -> Duration {
    Duration::from_millis(count * MINUTE_MS)
}

fn gone(birth: nam::ids::Birth) -> String {
    printed(&ToNode::Gone { alias: Alias(0), birth, is_lost: false })
}

fn idle(limit_ms: u64) -> String {
    printed(&ToNode::Idle { alias: Alias(0), limit_ms })
}

impl Bench {
    fn has(&self, key: &str) -> bool {
        self.core.inspect(CLASS, key).is_some()
    }

    fn close(&mut self, peer: &Peer, birth: nam::ids::Birth) {
        self.send(peer, &ToRepository::Close { alias: Alias(0), birth });
    }

    fn touch(&mut self, peer: &Peer) {
        self.send(peer, &ToRepository::Touch { aliases: vec![Alias(0)] });
    }

    fn limit(&mut self, peer: &mut Peer, birth: nam::ids::Birth, expiry: Expiry) -> Sequence {
        let sequence = peer.next_sequence();
        let (unacked, alias) = (Sequence(sequence.0.saturating_sub(9).max(1)), Alias(0));
        self.send(peer, &ToRepository::Limit { sequence, unacked, alias, birth, expiry });
        sequence
    }

    /// What a node is told of objects: no signs of life.
    fn hear(&mut self, peer: &mut Peer) -> Vec<String> {
        let mut told = self.receive(peer);
        told.retain(|record| !record.starts_with("Progress"));
        told
    }

    /// Another term, after a pause by the shard's time.
    fn restart(&mut self, pause_ms: u64) {
        let (shard, epoch) = (ShardId(0), self.core.identity().epoch);
        let (epoch, lossy_epoch) = (Epoch(epoch.0 + 1), self.core.identity().lossy_epoch);
        let identity = Identity { shard, epoch, lossy_epoch, last_crc: 7, shards: Vec::new() };
        self.core = Core::new(identity, Caps::default());
        for frame in &self.frames {
            self.core.replay(frame).unwrap();
        }
        self.now = Instant(self.now.0 + pause_ms);
        self.core.handle_replayed(self.now).unwrap();
        self.appended.clear();
    }
}

#[test]
fn an_object_that_nobody_holds_ends_at_its_idle_limit_and_not_before() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create_expiring(&mut a, "k", Expiry::idle(minutes(30)));
    bench.close(&a, birth);
    bench.pass(30 * MINUTE_MS - 1);
    assert!(bench.has("k"));
    bench.pass(1 + LATE_MS);
    assert!(!bench.has("k"));
    assert!(matches!(bench.frames.last().unwrap().entries[..], [Entry::Expired { alias: Alias(0) }]));
    bench.settle();
    assert_eq!(bench.core.objects(), 0);
    assert_eq!(bench.core.poll_timeout().is_some(), bench.core.nodes() > 0, "nothing more is to expire");
}

#[test]
fn holders_are_asked_and_their_use_keeps_the_object() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create_expiring(&mut a, "k", Expiry::idle(minutes(1)));
    let told = bench.open(&mut b, "k");
    assert_eq!(told[1], idle(MINUTE_MS), "a holder learns the limit: {told:?}");
    bench.pass(MINUTE_MS + LATE_MS);
    assert_eq!([bench.hear(&mut a), bench.hear(&mut b)], [[idle(MINUTE_MS)], [idle(MINUTE_MS)]]);
    bench.touch(&b);
    bench.pass(MINUTE_MS - 1);
    assert!(bench.has("k") && bench.hear(&mut a).is_empty());
    bench.pass(1 + LATE_MS);
    assert_eq!(bench.hear(&mut a), [idle(MINUTE_MS)]);
    bench.pass(TOUCH_WAIT_MS - LATE_MS - 1);
    assert!(bench.has("k"));
    bench.pass(2 * LATE_MS + 1);
    assert!(!bench.has("k"));
    bench.settle();
    assert_eq!([bench.hear(&mut a), bench.hear(&mut b)], [vec![gone(birth)], vec![idle(MINUTE_MS), gone(birth)]]);
}

#[test]
fn a_touch_makes_no_version_no_frame_and_wakes_nobody() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create_expiring(&mut a, "k", Expiry::idle(minutes(1)));
    bench.open(&mut b, "k");
    let frames = bench.frames.len();
    bench.touch(&a);
    bench.settle();
    assert_eq!((bench.version("k"), bench.frames.len()), (1, frames));
    assert!(bench.receive(&mut a).is_empty() && bench.receive(&mut b).is_empty());
}

#[test]
fn commits_pulls_and_opens_are_use() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create_expiring(&mut a, "k", Expiry::idle(minutes(1)));
    let uses: [fn(&mut Bench, &mut Peer, &mut Peer, nam::ids::Birth); 3] = [
        |bench, a, _, _| {
            bench.commit(a, 1, &cash(5));
        },
        |bench, a, _, birth| {
            let request = a.next_request();
            bench.send(a, &ToRepository::Pull { request, alias: Alias(0), birth, rewind: None });
        },
        |bench, _, b, _| {
            bench.open(b, "k");
        },
    ];
    for used in uses {
        bench.pass(50_000);
        used(&mut bench, &mut a, &mut b, birth);
        bench.settle();
        bench.hear(&mut a);
    }
    bench.pass(MINUTE_MS - 1);
    assert!(bench.has("k") && bench.hear(&mut a).is_empty(), "nobody had to be asked");
}

#[test]
fn nobody_learns_of_an_end_before_it_is_durable() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create_expiring(&mut a, "k", Expiry::after(minutes(1)));
    bench.pass(MINUTE_MS + LATE_MS);
    assert!(!bench.has("k"));
    assert!(bench.hear(&mut a).is_empty(), "I6");
    let sequence = bench.commit(&mut a, 1, &cash(5));
    let request = b.next_request();
    bench.send(&b, &ToRepository::Open { request, class: CLASS, key: "k", held: None });
    assert!(bench.hear(&mut a).is_empty() && bench.hear(&mut b).is_empty(), "I6");
    bench.settle();
    let (code, text) = (FailureCode::Gone, "");
    assert_eq!(bench.hear(&mut a), [gone(birth), printed(&ToNode::CommitRefused { sequence, code, text })]);
    assert_eq!(bench.hear(&mut b), [printed(&ToNode::Missing { request })]);
}

#[test]
fn what_expired_stays_dead_and_its_key_is_free() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let first = bench.create_expiring(&mut a, "k", Expiry::after(minutes(1)));
    bench.pass(MINUTE_MS + LATE_MS);
    bench.settle();
    let second = bench.create(&mut b, "k");
    assert_ne!(first, second);
    bench.touch(&a);
    let sequence = bench.commit(&mut a, 1, &cash(5));
    bench.settle();
    let (code, text) = (FailureCode::Gone, "");
    assert_eq!(bench.hear(&mut a), [gone(first), printed(&ToNode::CommitRefused { sequence, code, text })], "I11");
    bench.pass(100 * MINUTE_MS);
    assert!(bench.has("k"), "the second object has no limit");
}

#[test]
fn limits_change_for_every_holder_and_take_effect_once() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    let expiry = Expiry::idle(minutes(2)).or_after(minutes(10));
    let sequence = bench.limit(&mut a, birth, expiry);
    bench.work();
    assert!(bench.hear(&mut a).is_empty(), "I6");
    bench.settle();
    let accepted = printed(&ToNode::Accepted { sequence, version: Version(1) });
    assert_eq!(bench.hear(&mut a), [idle(2 * MINUTE_MS), accepted.clone()]);
    assert_eq!(bench.hear(&mut b), [idle(2 * MINUTE_MS)]);

    let frames = bench.frames.len();
    bench.pass(MINUTE_MS);
    bench.send(&a, &ToRepository::Limit { sequence, unacked: Sequence(1), alias: Alias(0), birth, expiry });
    bench.settle();
    assert_eq!((bench.hear(&mut a), bench.frames.len()), (vec![accepted], frames), "I7: its lifetime began once");

    bench.limit(&mut b, birth, Expiry::NEVER);
    bench.settle();
    assert_eq!(bench.hear(&mut a), [idle(0)]);
    bench.pass(100 * MINUTE_MS);
    assert!(bench.has("k"));
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    for wrong in [Duration::from_millis(999), minutes(60 * 24 * 365 * 11)] {
        bench.limit(&mut a, birth, Expiry::idle(wrong));
        bench.limit(&mut a, birth, Expiry::after(wrong));
    }
    bench.limit(&mut a, crate::bench::birth(Epoch(1), 1), Expiry::idle(minutes(1)));
    bench.settle();
    let told = bench.hear(&mut a);
    assert!(told[..4].iter().all(|record| record.contains("code: Invalid")), "{told:?}");
    assert!(told[4].contains("code: Gone") && told.len() == 5, "{told:?}");
}

#[test]
fn a_restart_gives_an_idle_limit_again_and_counts_lifetimes_on() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let births = ["idle", "both", "dead", "never"].map(|key| {
        let expiry = match key {
            "idle" => Expiry::idle(minutes(10)),
            "both" => Expiry::idle(minutes(10)).or_after(minutes(60)),
            "dead" => Expiry::after(minutes(1)),
            _ => Expiry::NEVER,
        };
        bench.create_expiring(&mut a, key, expiry)
    });
    bench.send(&a, &ToRepository::Close { alias: Alias(2), birth: births[2] });
    bench.pass(2 * MINUTE_MS);
    bench.settle();
    bench.restart(50 * MINUTE_MS);
    assert!(!bench.has("dead"), "what expired stays dead");
    bench.pass(MINUTE_MS);
    assert!(["idle", "both", "never"].iter().all(|key| bench.has(key)), "E1: the pause is not idleness");
    let mut a = bench.connect_bare(1);
    bench.send(&a, &ToRepository::Resume { alias: Alias(1), birth: births[1], version: Version(1) });
    bench.send(&a, &ToRepository::ResumeEnd);
    bench.settle();
    let told = bench.hear(&mut a);
    assert!(told.contains(&printed(&ToNode::Idle { alias: Alias(1), limit_ms: 10 * MINUTE_MS })), "{told:?}");
    bench.pass(7 * MINUTE_MS + LATE_MS);
    assert_eq!(["idle", "both", "never"].map(|key| bench.has(key)), [true, false, true], "60 minutes with the pause");
    bench.pass(2 * MINUTE_MS);
    assert_eq!(["idle", "never"].map(|key| bench.has(key)), [false, true]);
}

#[test]
fn a_limit_that_was_changed_survives_a_restart() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    let sequence = bench.limit(&mut a, birth, Expiry::idle(minutes(1)));
    bench.settle();
    bench.restart(0);
    let mut a = bench.connect_bare(1);
    let (unacked, alias, expiry) = (Sequence(1), Alias(0), Expiry::NEVER);
    bench.send(&a, &ToRepository::Limit { sequence, unacked, alias, birth, expiry });
    bench.settle();
    assert!(bench.hear(&mut a).contains(&printed(&ToNode::Accepted { sequence, version: Version(1) })), "I7");
    bench.pass(MINUTE_MS + LATE_MS);
    assert!(!bench.has("k"));
}

#[test]
fn many_objects_end_in_steps_and_in_few_frames() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    for i in 0..3_000 {
        let birth = bench.create_expiring(&mut a, &format!("k{i}"), Expiry::idle(minutes(1)));
        bench.send(&a, &ToRepository::Close { alias: Alias(i), birth });
    }
    let frames = bench.frames.len();
    bench.pass(2 * MINUTE_MS);
    bench.settle();
    assert_eq!(bench.core.objects(), 0);
    assert!(bench.frames.len() - frames <= 4, "{} frames", bench.frames.len() - frames);
    assert!(bench.core.work_done().cells <= STEP_CELLS_MAX + 1, "{:?}", bench.core.work_done());
}

#[test]
fn an_object_with_many_holders_ends_in_steps() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create_expiring(&mut a, "k", Expiry::idle(minutes(1)));
    let mut others: Vec<Peer> = (2..2_500).map(|node| bench.connect(node)).collect();
    others.iter_mut().for_each(|peer| drop(bench.open(peer, "k")));
    bench.pass(MINUTE_MS + LATE_MS);
    bench.pass(TOUCH_WAIT_MS + LATE_MS);
    bench.settle();
    assert!(others.iter_mut().all(|peer| bench.hear(peer) == [idle(MINUTE_MS), gone(birth)]));
    assert!(bench.core.work_done().cells <= STEP_CELLS_MAX + 1, "{:?}", bench.core.work_done());
}

#[test]
fn a_node_without_room_is_asked_when_it_has_some() {
    let mut bench = Bench::with(Caps { unread_bytes_max: usize::MAX / 2, ..Caps::default() });
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create_expiring(&mut a, "k", Expiry::idle(minutes(1)));
    bench.open(&mut b, "k");
    bench.pass(MINUTE_MS - 1_000);
    b.is_slow = true;
    while bench.core.record_bytes(b.connection) < UNCONFIRMED_BYTES_MAX {
        bench.limit(&mut b, birth, Expiry::idle(Duration::from_millis(1)));
        bench.settle();
        bench.receive(&mut b);
    }
    bench.pass(1_000 + LATE_MS);
    assert_eq!([bench.hear(&mut a), bench.hear(&mut b)], [vec![idle(MINUTE_MS)], vec![]]);
    b.is_slow = false;
    bench.credit(&mut b);
    assert_eq!(bench.hear(&mut b), [idle(MINUTE_MS)]);
}

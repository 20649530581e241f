//! P1–P3: push or stale notice, decided for each holder by what it reads; what the author hears, and what a slow holder costs.

use nam::limits::{PACKET_BYTES, UNCONFIRMED_BYTES_MAX, UNREAD_BYTES_MAX};
use nam::node::Replica;
use nam::wire::{CloseCode, Delivery};

use crate::cart::{rig, several, version_of};
use crate::rig::Rig;
use crate::schedules::{Quote, Turn, drawn, play, runs};

/// What the better of the two pure policies takes, and what the adaptive one does.
fn compare(schedule: &[Turn], text_bytes: usize) -> (usize, usize) {
    let [push, notice, adaptive] =
        [Delivery::Push, Delivery::Notice, Delivery::Adaptive].map(|delivery| play(schedule, delivery, text_bytes));
    assert!(push.notices == 0 && notice.pushes == 0, "{push:?} {notice:?}");
    (push.bytes.min(notice.bytes), adaptive.bytes)
}

#[test]
fn p1_adaptive_takes_at_most_twice_the_better_pure_policy() {
    let ratios = [(1, 100), (1, 10), (1, 3), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (10, 1), (100, 1)];
    for (writes, reads) in ratios {
        for text_bytes in [0, 40, 1_000] {
            for schedule in [runs(writes, reads, 404), drawn(writes, reads, 404)] {
                let (better, adaptive) = compare(&schedule, text_bytes);
                // A schedule that ends between reads leaves what was pushed for the next one.
                let open_end = UNREAD_BYTES_MAX + 2 * PACKET_BYTES + text_bytes;
                let text = format!("{writes} writes to {reads} reads of {text_bytes} B: {adaptive} B for {better} B");
                assert!(adaptive <= 2 * better + open_end, "{text}");
            }
        }
    }
}

#[test]
fn p1_a_holder_that_never_reads_is_told_once() {
    let adaptive = play(&runs(1, 0, 500), Delivery::Adaptive, 0);
    assert_eq!((adaptive.notices, adaptive.pulls, adaptive.reads), (1, 0, 0));
    assert!(adaptive.pushes <= 3 && adaptive.bytes <= UNREAD_BYTES_MAX + 4 * PACKET_BYTES, "{adaptive:?}");
}

#[test]
fn p1_a_holder_that_reads_between_writes_is_pushed_to() {
    let adaptive = play(&runs(1, 1, 600), Delivery::Adaptive, 0);
    assert_eq!((adaptive.pushes, adaptive.notices, adaptive.pulls), (300, 0, 0));
    assert!(adaptive.reads <= 151, "at most each second push is answered by a word: {adaptive:?}");
    let seldom = play(&runs(1, 100, 2_020), Delivery::Adaptive, 0);
    assert_eq!((seldom.pushes, seldom.reads), (20, adaptive.reads * 20 / 300), "a hundred reads cost what one does");
}

#[test]
fn p1_a_pull_brings_pushes_back_at_once() {
    let schedule = [runs(1, 0, 50), runs(0, 1, 1), runs(1, 1, 100)].concat();
    let adaptive = play(&schedule, Delivery::Adaptive, 0);
    assert_eq!((adaptive.notices, adaptive.pulls), (1, 1));
    assert!(adaptive.pushes >= 50, "{adaptive:?}");
}

#[test]
fn p1_what_a_subscription_asks_for_overrides() {
    let schedule = runs(40, 1, 82);
    let push = play(&schedule, Delivery::Push, 0);
    assert_eq!((push.pushes, push.notices, push.pulls, push.reads), (80, 0, 0, 0));
    let notice = play(&schedule, Delivery::Notice, 0);
    assert_eq!((notice.pushes, notice.notices, notice.pulls, notice.reads), (0, 2, 2, 0));
}

#[test]
fn p2_the_author_is_told_as_sent_and_gets_only_what_came_in_between() {
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_a, |cart| cart.owner_mut().push_str(&"a".repeat(5_000)));
    let author = rig.parties[0].traffic;
    assert_eq!((author.as_sent, author.pushes, author.bytes), (1, 0, 0), "its own change does not come back");
    let a = Rig::join(&at_a, |cart| *cart.total_mut() = 1);
    let b = Rig::join(&at_b, |cart| *cart.page_mut() = 2);
    rig.settle();
    assert_eq!((version_of(&a), version_of(&b)), (3, 4));
    let [first, second] = [0, 1].map(|at| rig.parties[at].traffic);
    assert_eq!(first.pushes, 1, "what the other wrote: {first:?}");
    assert_eq!((second.as_sent, second.pushes), (0, 2), "what it missed came first: {second:?}");
}

/// The most bytes that a call of a repository with so many holders encoded or passed, when it told them of two large
/// commits of one frame.
fn bytes_passed(holders: u64) -> usize {
    let (mut rig, slots) = several(holders);
    (0..slots.len()).for_each(|at| rig.parties[at].core.set_delivery(slots[at].id(), Delivery::Push));
    rig.settle();
    rig.is_durable = false;
    let mut tickets = vec![Rig::join(&slots[0], |cart| *cart.total_mut() = 1)];
    rig.settle();
    // The first is not durable yet, so these two gather in one frame.
    tickets.push(Rig::join(&slots[1], |cart| cart.owner_mut().push_str(&"o".repeat(2_000))));
    tickets.push(Rig::join(&slots[2], |cart| cart.notes_mut().push("n".repeat(2_000))));
    rig.settle();
    rig.is_durable = true;
    rig.settle();
    assert_eq!(tickets.iter().map(version_of).collect::<Vec<_>>(), [2, 3, 4]);
    for (at, slot) in slots.iter().enumerate() {
        assert_eq!(rig.read(slot).version().0, 4);
        assert_eq!(rig.parties[at].traffic.pulls, 0, "all were pushed to");
    }
    rig.repository.work_done().bytes
}

#[test]
fn p3_holders_at_one_base_share_one_encoding() {
    let (few, many) = (bytes_passed(4), bytes_passed(44));
    assert!(many <= few + few / 4, "{many} B for 44 holders, {few} B for 4");
}

/// How much a node that takes nothing may be owed: its window, and a few small records that need no room.
const OWED_BYTES_MAX: usize = UNCONFIRMED_BYTES_MAX + 4 * 1024;

#[test]
fn p3_a_slow_holder_costs_a_window_then_a_notice_an_object_and_then_its_link() {
    let (mut rig, at_a, at_b) = rig();
    rig.parties[1].core.set_delivery(at_b.id(), Delivery::Push);
    rig.settle();
    rig.parties[1].is_deaf = true;
    let mut version = rig.read(&at_a).version();
    for n in 0..600 {
        version = rig.update(&at_a, |cart| cart.owner_mut().set(n.to_string().repeat(1_000)));
        let owed = rig.record_bytes(1);
        assert!(owed <= OWED_BYTES_MAX, "I12: {owed} B are kept for it");
    }
    rig.listen(1);
    assert_eq!(rig.read(&at_b).version(), version, "what changed is merged, or told of, when there is room");

    rig.parties[1].is_deaf = true;
    for n in 0..600 {
        version = rig.update(&at_a, |cart| cart.owner_mut().set(n.to_string().repeat(1_001)));
    }
    rig.pass(60_000);
    assert!(rig.closes.iter().any(|close| close.code == CloseCode::Slow), "{:?}", rig.closes);
    rig.parties[1].is_deaf = false;
    rig.connect(1);
    rig.settle();
    assert_eq!(rig.read(&at_b).version(), version, "it resumes");
}

/// A minute of 50,000 commits a second: what is kept for the node is bounded by its window from the first moments on.
#[test]
fn p3_a_node_that_stops_reading_for_a_minute_stays_within_its_window() {
    const OBJECTS: usize = 50;
    let mut rig = Rig::new(2);
    let keys: Vec<String> = (0..OBJECTS).map(|n| format!("k{n}")).collect();
    let written: Vec<_> = keys.iter().map(|key| rig.create(0, key, Quote::default())).collect();
    let held: Vec<_> = keys.iter().map(|key| rig.open::<Quote>(1, key)).collect();
    held.iter().for_each(|slot| rig.parties[1].core.set_delivery(slot.id(), Delivery::Push));
    rig.settle();
    rig.parties[1].is_deaf = true;
    let mut price = 0.0;
    for second in 0..60 {
        for _ in 0..50_000 / OBJECTS {
            price += 1.0;
            for slot in &written {
                drop(Rig::join(slot, |quote| *quote.price_mut() = price));
            }
            rig.settle();
            let owed = rig.record_bytes(1);
            assert!(owed <= OWED_BYTES_MAX, "I12: {owed} B are kept for it after {second} s");
        }
        rig.pass(1_000);
    }
    assert!(rig.closes.iter().any(|close| close.code == CloseCode::Slow), "{:?}", rig.closes);
    rig.parties[1].is_deaf = false;
    rig.connect(1);
    rig.settle();
    for slot in &held {
        assert_eq!(rig.read(slot).price, price);
    }
}

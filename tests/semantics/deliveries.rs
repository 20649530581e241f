//! P1: push or stale notice, decided for each holder by what it reads.

use nam::limits::{PACKET_BYTES, UNREAD_BYTES_MAX};
use nam::wire::Delivery;

use crate::schedules::{Turn, drawn, play, runs};

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

//! Many changes that reach a holder as one: what it costs is what changed.

use nam::document::Document;
use nam::ids::{Alias, Version};
use nam::limits::{SEGMENT_BYTES_MAX, STEP_CELLS_MAX};
use nam::wire::{Delivery, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, cash, delta, longer_curve, point, printed, rates, schema};

const LEN: u64 = 100_000;
const CHANGES: u64 = 200;

fn key_bytes(key: u64) -> Vec<u8> {
    let mut w = nam::coding::Writer::new();
    w.varint(key);
    w.into_bytes()
}

/// Fills an object by `fill`, then commits `changes` while a frame is on its way; answers what the other node hears of
/// them.
fn hears_of(fill: &[Vec<u8>], changes: &[Vec<u8>]) -> Vec<String> {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    for delta in fill {
        let base = bench.version("k");
        bench.commit(&mut a, base, delta);
        bench.settle();
        bench.receive(&mut a);
    }
    bench.open(&mut b, "k");
    for segment in std::mem::take(&mut b.segments) {
        let (transfer, index) = (segment.transfer, segment.index);
        bench.send(&b, &ToRepository::SegmentTaken { transfer, index });
        bench.receive(&mut b);
    }
    let before = bench.version("k");
    // The first is alone in its frame, the others are merged in the next.
    for (n, delta) in (0..).zip(changes) {
        bench.commit(&mut a, before + n, delta);
    }
    bench.settle();
    assert_eq!(bench.version("k"), before + changes.len() as u64);
    let most = bench.core.work_done();
    assert!(most.cells <= STEP_CELLS_MAX && most.bytes <= SEGMENT_BYTES_MAX, "{most:?}");
    bench.receive(&mut b)
}

fn assert_one_push(heard: &[String]) {
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[1].starts_with("Delta") && heard[1].contains("span: 199,"), "{}", heard[1]);
}

#[test]
fn two_hundred_changes_of_a_map_of_numbers_are_one_push() {
    let mut keys: Vec<u64> = (0..LEN).collect();
    keys.sort_by_key(|key| key_bytes(*key));
    let fill: Vec<_> = keys.chunks(5_000).map(|keys| rates(keys.iter().map(|key| (*key, 1.0)))).collect();
    let changes: Vec<_> = (0..CHANGES).map(|n| rates(std::iter::once((n * 499, 2.0)))).collect();
    assert_one_push(&hears_of(&fill, &changes));
}

#[test]
fn two_hundred_changes_of_a_list_of_numbers_are_one_push() {
    let fill: Vec<_> = (0..LEN / 5_000).map(|n| longer_curve(n * 5_000, &[1.0; 5_000])).collect();
    // Every element of the pages that change was changed before, so each has a stamp to be passed.
    let before = (0..10).map(|n| {
        let edits = (0..500).flat_map(|at| point(n * 500 + at, 2.0)[2..].to_vec());
        [&[6 << 3 | 7, 0][..], &edits.collect::<Vec<u8>>()].concat()
    });
    let fill: Vec<_> = fill.into_iter().chain(before).collect();
    let changes: Vec<_> = (0..CHANGES).map(|n| point(n * 25, 3.0)).collect();
    assert_one_push(&hears_of(&fill, &changes));
}

#[test]
fn more_than_a_step_changed_is_a_notice() {
    let fill = [longer_curve(0, &[1.0; 5_000])];
    let changes: Vec<_> = (0..STEP_CELLS_MAX as u64 + 20).map(|n| point(n, 3.0)).collect();
    let heard = hears_of(&fill, &changes);
    let version = Version(2 + changes.len() as u64);
    assert_eq!(heard[1..], [printed(&ToNode::Stale { alias: Alias(0), version })]);
}

#[test]
fn a_pull_of_much_takes_steps_and_commits_go_on() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    bench.send(&b, &ToRepository::Deliver { alias: Alias(0), birth, delivery: Delivery::Notice });
    let mut keys: Vec<u64> = (0..LEN).collect();
    keys.sort_by_key(|key| key_bytes(*key));
    let entries = keys.chunks(5_000).map(|keys| rates(keys.iter().map(|key| (*key, 1.5))));
    let elements = (0..LEN / 5_000).map(|n| longer_curve(n * 5_000, &[2.5; 5_000]));
    for delta in entries.chain(elements) {
        let base = bench.version("k");
        bench.commit(&mut a, base, &delta);
        bench.settle();
        bench.receive(&mut a);
    }
    assert!(bench.receive(&mut b).last().unwrap().starts_with("Stale"));
    let mut copy = Document::new(std::sync::Arc::new(schema()));
    copy.replay(&cash(1), Version(1)).unwrap();

    bench.send(&b, &ToRepository::Deliver { alias: Alias(0), birth, delivery: Delivery::Adaptive });
    let (request, alias) = (b.next_request(), Alias(0));
    let mut pull = Vec::new();
    ToRepository::Pull { request, alias, birth, rewind: None }.encode(&mut pull);
    bench.core.handle_records(bench.now, b.connection, &pull);
    let asked_at = bench.version("k");
    for _ in 0..5 {
        assert!(bench.core.poll_work(), "the answer takes more than five steps");
    }
    bench.commit(&mut a, asked_at, &cash(77));
    bench.settle();
    let told = bench.receive(&mut b);
    assert!(told[0].starts_with("Pulled") && told[0].contains(&format!("version: Version({asked_at})")), "{told:?}");
    assert_eq!(told[1..], [delta(1, &cash(77))], "what came while the answer was made follows it");
    let mut pulled = Vec::new();
    while !b.segments.is_empty() {
        for segment in std::mem::take(&mut b.segments) {
            pulled.extend_from_slice(&segment.bytes);
            let (transfer, index) = (segment.transfer, segment.index);
            bench.send(&b, &ToRepository::SegmentTaken { transfer, index });
        }
        bench.receive(&mut b);
    }
    assert!(told[0].contains(&format!("bytes: {}", pulled.len())), "{} {told:?}", pulled.len());
    copy.replay(&pulled, Version(asked_at)).unwrap();
    copy.replay(&cash(77), Version(asked_at + 1)).unwrap();
    let mut w = nam::coding::Writer::new();
    copy.freeze().encode(&mut w);
    assert!(Some(w.into_bytes()) == bench.core.inspect(CLASS, "k").unwrap().value);
    let most = bench.core.work_done();
    assert!(most.cells <= STEP_CELLS_MAX && most.bytes <= SEGMENT_BYTES_MAX, "{most:?}");
}

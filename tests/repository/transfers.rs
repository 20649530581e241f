//! Transfers: large objects down, large creations and commits up, while small commits go on.

use nam::expiry::Expiry;
use nam::ids::{Alias, FieldId, Sequence, TransferId, Version};
use nam::limits::{SEGMENT_BYTES_MAX, SEGMENTS_UNCONFIRMED_MAX, STEP_CELLS_MAX};
use nam::schema::{FieldDef, Kind, TypeDef};
use nam::wire::{CreationValue, Form, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, Peer, cash, delta, notes, printed, schema, segment};

const NOTE_BYTES: usize = 1_000;

fn pieces(entries: u64, each: u64) -> Vec<Vec<u8>> {
    let entry = |key: u64| (key, format!("{key:08}").repeat(NOTE_BYTES / 8));
    // Keys ascend by their bytes, so pieces take residues of 128 and go up by high groups; puts may come in any order.
    let keys: Vec<u64> = (0..entries).collect();
    keys.chunks(usize::try_from(each).unwrap())
        .map(|keys| {
            let mut sorted = keys.to_vec();
            sorted.sort_by_key(|key| encoded(*key));
            notes(sorted.into_iter().map(entry))
        })
        .collect()
}

fn encoded(key: u64) -> Vec<u8> {
    let mut w = nam::coding::Writer::new();
    w.varint(key);
    w.into_bytes()
}

/// Creates `big` in segments, each taken before the next is sent.
fn create_big(bench: &mut Bench, a: &mut Peer, entries: u64) -> usize {
    let sequence = a.next_sequence();
    let value = CreationValue::Transfer(TransferId(9));
    let pieces = pieces(entries, 200);
    let last = pieces.len() - 1;
    let mut bytes = 0;
    for (index, piece) in pieces.into_iter().enumerate() {
        bytes += piece.len();
        bench.send_segment(a, &segment(9, u32::try_from(index).unwrap(), index == last, piece));
        if index == 0 {
            bench.send(
                a,
                &ToRepository::Create {
                    sequence,
                    unacked: sequence,
                    class: CLASS,
                    key: "big",
                    expiry: Expiry::NEVER,
                    value,
                },
            );
        }
        if index == last / 2 {
            assert!(bench.core.inspect(CLASS, "big").is_none(), "an object is there wholly or not at all");
        }
        bench.settle();
        let told = bench.receive(a);
        assert!(told[0].starts_with("SegmentTaken"), "{told:?}");
        assert_eq!(told.len() == 2, index == last, "{told:?}");
    }
    bytes
}

#[test]
fn a_large_object_arrives_in_segments_while_commits_go_on() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let bytes = create_big(&mut bench, &mut a, 15_000);
    assert!(bytes > 15_000_000);
    let told = bench.open(&mut b, "big");
    let head = bench.core.inspect(CLASS, "big").unwrap();
    assert!(told[0].starts_with("Opened") && told[0].contains("form: Loading"), "{}", told[0]);
    assert_eq!(b.segments.len(), SEGMENTS_UNCONFIRMED_MAX as usize, "I12: the sender waits");

    bench.commit(&mut a, 1, &cash(77));
    bench.settle();
    assert_eq!(bench.receive(&mut b), [delta(1, &cash(77))], "a delta overtakes the snapshot");

    let mut received = 0;
    let mut copy = nam::document::Document::new(std::sync::Arc::new(schema()));
    let mut is_whole = false;
    while !b.segments.is_empty() {
        for segment in std::mem::take(&mut b.segments) {
            assert!(segment.bytes.len() <= SEGMENT_BYTES_MAX + NOTE_BYTES, "{}", segment.bytes.len());
            received += segment.bytes.len();
            copy.replay(&segment.bytes, Version(1)).unwrap();
            is_whole = segment.is_last;
            let (transfer, index) = (segment.transfer, segment.index);
            bench.send(&b, &ToRepository::SegmentTaken { transfer, index });
        }
        bench.receive(&mut b);
    }
    assert!(is_whole && received >= 15_000_000, "{received}");
    let mut w = nam::coding::Writer::new();
    copy.freeze().encode(&mut w);
    assert_eq!(w.into_bytes(), head.value.unwrap(), "the snapshot is the version it says");
}

#[test]
fn a_large_commit_is_sliced_and_takes_effect_with_its_last_slice() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    let mut keys: Vec<u64> = (0..3_000).collect();
    keys.sort_by_key(|key| encoded(*key));
    let change = notes(keys.into_iter().map(|key| (key, format!("{key:08}").repeat(NOTE_BYTES / 8))));
    let sequence = a.next_sequence();
    let (transfer, base) = (TransferId(4), Version(1));
    let bytes = change.len() as u64;
    let (unacked, alias, is_isolated, fence) = (Sequence(1), Alias(0), false, None);
    bench.send(
        &a,
        &ToRepository::BulkCommit { sequence, unacked, alias, base, is_isolated, fence, guards: &[], transfer, bytes },
    );
    let slices: Vec<_> = change.chunks(SEGMENT_BYTES_MAX).collect();
    for (index, slice) in slices.iter().enumerate() {
        let is_last = index + 1 == slices.len();
        bench.send_segment(&a, &segment(4, u32::try_from(index).unwrap(), is_last, slice.to_vec()));
    }
    bench.settle();
    let told = bench.receive(&mut a);
    assert_eq!(told.last(), Some(&printed(&ToNode::AsSent { sequence })), "{}", told.len());
    let largest = bench.frames.iter().map(|frame| frame.encode().bytes.len()).max().unwrap();
    assert!(largest < 2 * SEGMENT_BYTES_MAX, "frames stay small: {largest}");

    assert_eq!(bench.receive(&mut b), [printed(&ToNode::Stale { alias, version: Version(2) })]);
    let request = b.next_request();
    bench.send(&b, &ToRepository::Pull { request, alias, birth, rewind: None });
    bench.settle();
    let told = bench.receive(&mut b);
    let transfer = TransferId(1);
    let form = Form::Loading { transfer, base: Some(base), bytes };
    assert_eq!(told, [printed(&ToNode::Pulled { request, alias, version: Version(2), form })]);
}

#[test]
fn segments_may_come_out_of_order_but_not_twice() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let sequence = a.next_sequence();
    let value = CreationValue::Transfer(TransferId(3));
    bench.send(
        &a,
        &ToRepository::Create { sequence, unacked: sequence, class: CLASS, key: "k", expiry: Expiry::NEVER, value },
    );
    let mut parts = pieces(30, 10);
    bench.send_segment(&a, &segment(3, 2, true, parts.pop().unwrap()));
    bench.send_segment(&a, &segment(3, 1, false, parts.pop().unwrap()));
    bench.settle();
    assert_eq!(bench.receive(&mut a), Vec::<String>::new());
    bench.send_segment(&a, &segment(3, 0, false, parts.pop().unwrap()));
    bench.settle();
    assert_eq!(bench.receive(&mut a).len(), 4);
    assert_eq!(bench.version("k"), 1);
    bench.send_segment(&a, &segment(4, 1, false, Vec::new()));
    bench.send_segment(&a, &segment(4, 1, false, Vec::new()));
    assert_eq!(bench.closes.pop().unwrap().code, nam::wire::CloseCode::OutOfOrder);
}

#[test]
fn no_call_does_more_than_a_step() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    create_big(&mut bench, &mut a, 3_000);
    bench.open(&mut b, "big");
    let mut stream = Vec::new();
    for sequence in 0..900 {
        let change = cash(sequence);
        ToRepository::Commit {
            sequence: Sequence(sequence + 10),
            unacked: Sequence(sequence + 1),
            alias: Alias(0),
            base: Version(sequence + 1),
            is_isolated: false,
            fence: None,
            guards: &[],
            delta: &change,
        }
        .encode(&mut stream);
    }
    bench.core.handle_records(bench.now, a.connection, &stream);
    bench.settle();
    assert_eq!(bench.version("big"), 901);
    let most = bench.core.work_done();
    assert!(most.cells <= STEP_CELLS_MAX && most.bytes <= SEGMENT_BYTES_MAX, "{most:?}");
}

#[test]
fn a_large_object_meets_a_newer_schema_in_steps() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    create_big(&mut bench, &mut a, 3_000);
    bench.create(&mut a, "small");
    let mut b = bench.connect_bare(2);
    let mut newer = schema();
    let TypeDef::Struct(root) = &mut newer.types[0] else { panic!("a struct") };
    let more = FieldDef { id: FieldId(7), name: "more".to_owned(), kind: Kind::String, ..root.fields[0].clone() };
    root.fields.push(more);
    bench.send(&b, &ToRepository::Register { schema: &newer.to_bytes() });
    bench.settle();
    bench.receive(&mut b);
    bench.open(&mut b, "big");

    let offer = |sequence, alias: u32, delta: &[u8]| {
        let (sequence, unacked, base) = (Sequence(sequence), Sequence(1), Version(1));
        let mut record = Vec::new();
        let alias = Alias(alias);
        ToRepository::Commit { sequence, unacked, alias, base, is_isolated: false, fence: None, guards: &[], delta }
            .encode(&mut record);
        record
    };
    let more = [&[7 << 3 | 4, 3][..], b"abc"].concat();
    bench.core.handle_records(bench.now, b.connection, &offer(1, 0, &more));
    assert_eq!((bench.version("big"), bench.core.has_work()), (1, true), "all of it must be looked at");
    bench.core.handle_records(bench.now, a.connection, &offer(9, 1, &cash(7)));
    assert_eq!((bench.version("big"), bench.version("small")), (1, 2), "another object's commit overtakes it");
    bench.settle();
    assert_eq!((bench.version("big"), bench.version("small")), (2, 2));
    let most = bench.core.work_done();
    assert!(most.cells <= STEP_CELLS_MAX && most.bytes <= SEGMENT_BYTES_MAX, "{most:?}");
}

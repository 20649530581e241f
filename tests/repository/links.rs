//! Links: greeting, resume, replay after a restart, slow nodes, notices and pulls.

use nam::expiry::Expiry;
use nam::ids::{Alias, Epoch, RequestId, ShardId, Version};
use nam::limits::{STEP_CELLS_MAX, UNCONFIRMED_BYTES_MAX};
use nam::repository::{Caps, Core, Identity};
use nam::schema::{Kind, TypeDef};
use nam::wire::{CloseCode, CreationValue, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, EPOCH, birth, cash, commit, delta, name, printed, schema};

#[test]
fn a_link_starts_with_one_greeting() {
    let mut bench = Bench::new();
    let a = bench.connect(1);
    bench.send(
        &a,
        &ToRepository::Hello { protocol: nam::wire::PROTOCOL, node: nam::ids::NodeId(1), known: Epoch(0), again: None },
    );
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::OutOfOrder);
    let b = bench.connect_bare(2);
    bench.core.handle_records(bench.now, b.connection, &[0xff; 40]);
    bench.work();
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::Malformed);
    assert_eq!(bench.core.nodes(), 0);
}

#[test]
fn only_differences_come_back_then_resumed() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let first = bench.create(&mut a, "k");
    let second = bench.create(&mut a, "l");
    bench.open(&mut b, "k");
    bench.core.handle_disconnected(bench.now, b.connection);
    bench.commit(&mut a, 1, &cash(5));
    bench.settle();
    let mut b = bench.connect(2);
    bench.send(&b, &ToRepository::Resume { alias: Alias(0), birth: first, version: Version(1) });
    bench.send(&b, &ToRepository::Resume { alias: Alias(1), birth: second, version: Version(1) });
    bench.send(&b, &ToRepository::ResumeEnd);
    bench.settle();
    assert_eq!(bench.receive(&mut b), [delta(1, &cash(5)), printed(&ToNode::Resumed)]);
    bench.commit(&mut a, 2, &cash(6));
    bench.settle();
    assert_eq!(bench.receive(&mut b), [delta(1, &cash(6))], "a resumed replica is pushed to");
}

#[test]
fn what_a_restart_lost_is_told_as_lost() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let known = bench.create(&mut a, "k");
    let old = birth(Epoch(EPOCH.0 - 1), 4);
    for (birth, version, is_lost) in [(old, 1, true), (known, 7, true), (birth(EPOCH, 99), 1, false)] {
        bench.send(&a, &ToRepository::Resume { alias: Alias(0), birth, version: Version(version) });
        bench.settle();
        assert_eq!(bench.receive(&mut a), [printed(&ToNode::Gone { alias: Alias(0), birth, is_lost })]);
    }
    let mut b = bench.connect_again(2, EPOCH);
    bench.send(&b, &ToRepository::Resume { alias: Alias(0), birth: old, version: Version(1) });
    bench.settle();
    let gone = printed(&ToNode::Gone { alias: Alias(0), birth: old, is_lost: false });
    assert!(bench.receive(&mut b).contains(&gone), "it was there after the loss: it was destroyed since");
}

#[test]
fn a_core_that_replays_its_frames_goes_on_where_it_was() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    bench.create(&mut a, "l");
    let sequence = bench.commit(&mut a, 1, &cash(5));
    bench.settle();
    let before = bench.core.inspect(CLASS, "k").unwrap();

    let identity =
        Identity { shard: ShardId(0), epoch: Epoch(2_000), lossy_epoch: EPOCH, last_crc: 7, shards: Vec::new() };
    let mut core = Core::new(identity, Caps::default());
    for frame in &bench.frames {
        core.replay(frame).unwrap();
    }
    let after = core.inspect(CLASS, "k").unwrap();
    assert_eq!((after.version, after.birth, &after.value), (before.version, before.birth, &before.value));
    bench.core = core;
    bench.appended.clear();
    let frames = bench.frames.len();

    let mut again = bench.connect_bare(1);
    bench.send(&again, &ToRepository::Resume { alias: Alias(0), birth, version: Version(1) });
    bench.send(&again, &ToRepository::ResumeEnd);
    bench.send(&again, &commit(sequence, 1, &cash(5)));
    bench.settle();
    let told = bench.receive(&mut again);
    assert_eq!(told[1..3], [delta(1, &cash(5)), printed(&ToNode::Resumed)]);
    assert_eq!(told[3], printed(&ToNode::Accepted { sequence, version: Version(2) }), "I7: once, also after a restart");
    assert_eq!(bench.frames.len(), frames, "nothing was committed anew");
}

#[test]
fn a_slow_node_stays_within_its_window_and_gets_changes_merged() {
    let mut bench = Bench::with(Caps { unread_bytes_max: usize::MAX / 2, ..Caps::default() });
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    b.is_slow = true;
    for i in 0..400 {
        let text = format!("{i:05}").repeat(300);
        bench.commit(&mut a, i + 1, &name(&text));
        bench.settle();
        bench.receive(&mut a);
        bench.receive(&mut b);
        assert!(bench.core.record_bytes(b.connection) <= UNCONFIRMED_BYTES_MAX, "I12 after {i} commits");
    }
    b.is_slow = false;
    bench.credit(&mut b);
    bench.settle();
    let told = bench.receive(&mut b);
    assert_eq!(told.len(), 1, "what waited is one delta");
    assert!(told[0].starts_with("Delta") && told[0].contains("span: 2"), "{}", &told[0][..60]);
}

#[test]
fn unread_pushes_end_in_one_notice_until_a_pull() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    let mut told = Vec::new();
    for i in 0..60 {
        bench.commit(&mut a, i + 1, &name(&"x".repeat(1_000 + usize::try_from(i).unwrap())));
        bench.settle();
        bench.receive(&mut a);
        told.extend(bench.receive(&mut b));
    }
    assert_eq!(told.iter().filter(|record| record.starts_with("Stale")).count(), 1);
    assert!(told.last().unwrap().starts_with("Stale") && told.len() < 20, "{}", told.len());

    let request = b.next_request();
    bench.send(&b, &ToRepository::Pull { request, alias: Alias(0), birth, rewind: None });
    bench.settle();
    let pulled = bench.receive(&mut b);
    assert!(pulled[0].contains("version: Version(61)") && pulled[0].contains("form: Delta"), "{pulled:?}");
    bench.commit(&mut a, 61, &cash(9));
    bench.settle();
    assert_eq!(bench.receive(&mut b), [delta(1, &cash(9))], "a pull brings pushes back");

    // A node that reads is pushed to without end.
    for i in 0..60 {
        bench.send(&b, &ToRepository::Read { alias: Alias(0) });
        bench.commit(&mut a, i + 62, &name(&"y".repeat(1_000 + usize::try_from(i).unwrap())));
        bench.settle();
        bench.receive(&mut a);
        assert!(bench.receive(&mut b)[0].starts_with("Delta"));
    }
}

#[test]
fn a_rewind_is_answered_from_what_the_node_kept() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    for i in 0..3 {
        bench.commit(&mut a, i + 1, &cash(i + 10));
        bench.settle();
    }
    bench.receive(&mut b);
    let request = b.next_request();
    bench.send(&b, &ToRepository::Pull { request, alias: Alias(0), birth, rewind: Some(Version(2)) });
    bench.settle();
    let form = nam::wire::Form::Delta { base: Version(2), delta: &cash(12) };
    let version = Version(4);
    assert_eq!(bench.receive(&mut b), [printed(&ToNode::Pulled { request, alias: Alias(0), version, form })]);
}

#[test]
fn a_node_that_confirms_nothing_is_closed_in_the_end() {
    let mut bench = Bench::with(Caps { unread_bytes_max: usize::MAX / 2, ..Caps::default() });
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    b.is_slow = true;
    for i in 0..200 {
        bench.commit(&mut a, i + 1, &name(&format!("{i:05}").repeat(400)));
        bench.settle();
        bench.receive(&mut a);
        bench.receive(&mut b);
    }
    for _ in 0..12 {
        bench.now = bench.core.poll_timeout().unwrap();
        bench.core.handle_timeout(bench.now);
        bench.work();
        bench.receive(&mut a);
    }
    assert_eq!(bench.closes.pop().unwrap().code, CloseCode::Slow);
    assert_eq!(bench.core.nodes(), 1, "the others stay");
}

#[test]
fn keys_come_in_order_and_in_pages() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    for key in ["b2", "a1", "b1", "c"] {
        bench.create(&mut a, key);
    }
    let request = a.next_request();
    bench.send(&a, &ToRepository::Keys { request, class: CLASS, prefix: "b", after: "" });
    bench.send(&a, &ToRepository::Keys { request, class: CLASS, prefix: "b", after: "b1" });
    bench.settle();
    let page = |keys| printed(&ToNode::KeysPage { request, keys, is_last: true });
    assert_eq!(bench.receive(&mut a), [page(vec!["b1", "b2"]), page(vec!["b2"])]);
}

#[test]
fn pages_of_keys_asked_for_at_once_cost_a_call_no_more_than_one_may() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    for key in 0..600 {
        bench.create(&mut a, &format!("k{key:03}"));
    }
    let mut bytes = Vec::new();
    let requests = [(); 4].map(|()| a.next_request());
    for request in requests {
        ToRepository::Keys { request, class: CLASS, prefix: "k", after: "" }.encode(&mut bytes);
    }
    bench.core.handle_records(bench.now, a.connection, &bytes);
    bench.work();
    bench.settle();
    let told = bench.receive(&mut a);
    assert_eq!(told.len(), requests.len());
    for (request, page) in requests.iter().zip(told) {
        let is_this = page.starts_with(&format!("KeysPage {{ request: {request:?}, keys: [\"k000\", \"k001\""));
        assert!(is_this && page.ends_with("is_last: false }"), "{page}");
    }
    assert!(bench.core.work_done().cells <= STEP_CELLS_MAX, "{:?}", bench.core.work_done());
}

#[test]
fn a_class_that_does_not_fit_is_refused_in_everything_that_names_it() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    let mut b = bench.connect_bare(2);
    let mut offered = schema();
    let TypeDef::Struct(account) = &mut offered.types[0] else { unreachable!() };
    account.fields[0].kind = Kind::String;
    // All in one flight, as a node sends them: the answers to what follows must not depend on what it knows by then.
    let value = CreationValue::Inline(&[]);
    let sequence = b.next_sequence();
    bench.send(&b, &ToRepository::Register { schema: &offered.to_bytes() });
    bench.send(&b, &ToRepository::Open { request: RequestId(1), class: CLASS, key: "k", held: None });
    bench.send(
        &b,
        &ToRepository::Create { sequence, unacked: sequence, class: CLASS, key: "l", expiry: Expiry::NEVER, value },
    );
    bench.settle();
    let told = bench.receive(&mut b);
    assert!(told[1].starts_with("SchemaRefused"), "{told:?}");
    assert!(told[2..].iter().all(|answer| answer.contains("code: Incompatible")) && told.len() == 4, "{told:?}");
    assert!(bench.core.inspect(CLASS, "l").is_none());
}

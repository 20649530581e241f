//! Images: cuts, cold objects, starts from images and what the journal has behind them.

use nam::expiry::Expiry;
use nam::ids::{Alias, Sequence, Version};
use nam::journal::{Entry, Images};
use nam::limits::LOADS_FOR_IMAGES_MAX;
use nam::repository::{Caps, ImageCaps, ImageDeed};
use nam::wire::{CreationValue, FailureCode, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, Peer, cash, commit, name, notes, printed, schema, segment};

/// Caps of a shard whose journal is short.
pub(crate) fn caps(journal_bytes: u64, memory_max: usize) -> Caps {
    Caps { images: Some(ImageCaps { journal_bytes, memory_max }), ..Caps::default() }
}

/// Commits so many changes of object 0, the last at `cash`.
pub(crate) fn spend(bench: &mut Bench, peer: &mut Peer, commits: u64) -> Sequence {
    let from = bench.version("k");
    let mut last = Sequence(0);
    for base in from..from + commits {
        last = bench.commit(peer, base, &cash(base + 10));
        bench.image_all();
        bench.receive(peer);
    }
    last
}

fn open(bench: &mut Bench, peer: &mut Peer, key: &str) -> Vec<String> {
    let request = peer.next_request();
    bench.send(peer, &ToRepository::Open { request, class: CLASS, key, held: None });
    bench.receive(peer)
}

fn value(bench: &mut Bench, key: &str) -> Vec<u8> {
    while !bench.core.fetch(CLASS, key) {
        assert!(bench.load_one(), "a load was asked for");
    }
    bench.core.inspect(CLASS, key).unwrap().value.unwrap()
}

#[test]
fn a_long_journal_is_cut_behind_images_and_a_start_goes_on_there() {
    let caps = caps(2_000, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    bench.create(&mut a, "still");
    let last = spend(&mut bench, &mut a, 200);
    assert!(bench.frames[0].number.0 > 100, "frames were forgotten: the first is {}", bench.frames[0].number);
    assert!(bench.core.journal_bytes() < 4_000, "{} bytes", bench.core.journal_bytes());
    let (before, still) = (value(&mut bench, "k"), value(&mut bench, "still"));

    bench.start_again(caps);
    assert_eq!(bench.core.objects(), 2);
    let known = bench.core.inspect(CLASS, "k").unwrap();
    assert_eq!((known.version, known.birth, known.value), (Version(201), birth, None), "nothing was read yet");
    assert_eq!((value(&mut bench, "k"), value(&mut bench, "still")), (before, still));
    let mut again = bench.connect_bare(1);
    bench.send(&again, &ToRepository::Resume { alias: Alias(0), birth, version: Version(201) });
    bench.send(&again, &ToRepository::ResumeEnd);
    bench.send(&again, &commit(last, 200, &cash(210)));
    bench.settle();
    let told = bench.receive(&mut again);
    assert_eq!(
        told.last(),
        Some(&printed(&ToNode::Accepted { sequence: last, version: Version(201) })),
        "I7: {told:?}"
    );
}

#[test]
fn the_state_remembers_outcomes_whose_frames_are_gone() {
    let caps = caps(400, usize::MAX);
    let mut bench = Bench::with(caps);
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.open(&mut b, "k");
    let sequence = bench.commit(&mut b, 1, &name("x"));
    bench.image_all();
    spend(&mut bench, &mut a, 60);
    let is_of_b = |entry: &Entry| matches!(entry, Entry::Committed { origin, .. } if origin.node.0 == 2);
    assert!(!bench.frames.iter().flat_map(|frame| &frame.entries).any(is_of_b), "the commit's frame is gone");
    bench.start_again(caps);
    let mut again = bench.connect_bare(2);
    bench.send(&again, &ToRepository::Resume { alias: Alias(0), birth, version: Version(1) });
    bench.send(&again, &ToRepository::ResumeEnd);
    bench.send(&again, &commit(sequence, 1, &name("x")));
    bench.settle();
    let accepted = printed(&ToNode::Accepted { sequence, version: Version(2) });
    assert!(bench.receive(&mut again).contains(&accepted), "I7: once, also when its frame is cut");
}

#[test]
fn an_image_waits_for_its_newest_frame() {
    let mut bench = Bench::with(caps(100, usize::MAX));
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    bench.image_all();
    let is_put = |bench: &Bench| bench.kept.tasks.iter().any(|task| matches!(task.deed, ImageDeed::Put(..)));
    for base in 1..4 {
        bench.commit(&mut a, base, &name(&"x".repeat(90)));
        assert!(!is_put(&bench), "I6: nothing that shows a frame on its way");
    }
    while !bench.appended.is_empty() {
        bench.settle_one();
    }
    assert!(is_put(&bench));
}

#[test]
fn what_comes_in_slices_holds_the_journal() {
    let mut bench = Bench::with(caps(1_000, usize::MAX));
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    let sequence = a.next_sequence();
    let value = CreationValue::Transfer(nam::ids::TransferId(1));
    let record =
        ToRepository::Create { sequence, unacked: Sequence(1), class: CLASS, key: "big", expiry: Expiry::NEVER, value };
    bench.send(&a, &record);
    bench.send_segment(&a, &segment(1, 0, false, cash(3)));
    bench.image_all();
    spend(&mut bench, &mut a, 60);
    let slices = |bench: &Bench| {
        let entries = bench.frames.iter().flat_map(|frame| &frame.entries);
        entries.filter(|entry| matches!(entry, Entry::Slice { .. })).count()
    };
    assert_eq!(slices(&bench), 1, "the slice is kept until its object is whole");
    bench.send_segment(&a, &segment(1, 1, true, name("big")));
    bench.image_all();
    spend(&mut bench, &mut a, 60);
    assert_eq!(slices(&bench), 0);
    bench.start_again(caps(1_000, usize::MAX));
    assert_eq!(self::value(&mut bench, "big"), [cash(3), name("big")].concat());
}

#[test]
fn only_what_needs_a_cold_object_waits_for_it() {
    let mut bench = Bench::with(caps(u64::MAX / 4, 1));
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let birth = bench.create(&mut a, "k");
    bench.create(&mut a, "l");
    bench.image_all();
    assert_eq!(bench.core.heap_bytes(), 0, "both went to the disk");

    let request = b.next_request();
    let held = Some((birth, Version(1)));
    bench.send(&b, &ToRepository::Open { request, class: CLASS, key: "k", held });
    assert!(bench.receive(&mut b)[0].contains("form: Same"), "a version answers that");
    assert_eq!(open(&mut bench, &mut b, "l"), Vec::<String>::new(), "this waits");
    let sequence = bench.commit(&mut a, 1, &cash(5));
    bench.settle();
    assert_eq!(bench.receive(&mut a), Vec::<String>::new(), "and so does this");
    assert_eq!(bench.kept.loads.len(), 2);
    bench.kept.loads.swap(0, 1);
    bench.load_one();
    bench.settle();
    assert_eq!(
        bench.receive(&mut a),
        [printed(&ToNode::AsSent { sequence })],
        "one object does not wait for the other"
    );
    bench.load_one();
    assert!(bench.receive(&mut b).iter().any(|told| told.starts_with("Opened")));
}

#[test]
fn who_waits_for_an_object_waits_for_few_that_are_loaded_for_their_images() {
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    let mut bench = Bench::with(caps(u64::MAX / 4, 1));
    let mut a = bench.connect(1);
    for key in &keys {
        bench.create(&mut a, key);
    }
    bench.image_all();
    assert_eq!(bench.core.heap_bytes(), 0, "all went to the disk");
    bench.start_again(caps(u64::MAX / 4, usize::MAX));
    let mut a = bench.connect(2);
    for key in &keys {
        open(&mut bench, &mut a, key);
        bench.image_all();
    }
    for base in 1..4 {
        for alias in (0..40).map(Alias) {
            let (sequence, delta) = (a.next_sequence(), cash(base + 10));
            let ToRepository::Commit { unacked, base, is_isolated, fence, guards, .. } = commit(sequence, base, &[])
            else {
                panic!("a commit");
            };
            let delta = &delta[..];
            bench.send(&a, &ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta });
            bench.settle();
        }
    }
    let journal_bytes = bench.core.journal_bytes();
    bench.start_again(caps(journal_bytes / 2, usize::MAX));
    let mut b = bench.connect(3);
    assert!(!bench.kept.loads.is_empty(), "the journal is too long: images are wanted of all");
    assert_eq!(open(&mut bench, &mut b, &keys[39]), Vec::<String>::new());
    let mut loads = 0;
    while !bench.receive(&mut b).iter().any(|told| told.starts_with("Opened")) {
        assert!(bench.load_one());
        loads += 1;
    }
    assert!(loads <= LOADS_FOR_IMAGES_MAX + 1, "{loads} objects came first");
    bench.image_all();
    assert_eq!(keys.iter().filter(|key| bench.version(key) == 4).count(), 40);
    assert!(bench.core.journal_bytes() < journal_bytes, "and the journal was cut");
}

#[test]
fn a_damaged_object_is_refused_by_name_and_the_others_go_on() {
    let caps = caps(300, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(1);
    let birth = bench.create(&mut a, "k");
    bench.create(&mut a, "l");
    spend(&mut bench, &mut a, 30);
    bench.start_again(caps);
    let mut a = bench.connect_bare(1);
    bench.send(&a, &ToRepository::Register { schema: &schema().to_bytes() });
    bench.send(&a, &ToRepository::Resume { alias: Alias(0), birth, version: Version(31) });
    bench.settle();
    bench.receive(&mut a);
    let sequence = Sequence(100);
    let delta = cash(9);
    let late = ToRepository::Commit {
        sequence,
        unacked: Sequence(99),
        alias: Alias(0),
        base: Version(31),
        is_isolated: false,
        fence: None,
        guards: &[],
        delta: &delta,
    };
    bench.send(&a, &late);
    let load = bench.kept.loads.pop_front().unwrap();
    bench.core.handle_loaded(bench.now, (load.alias, load.image.birth), Err("k cannot be read".to_owned()));
    bench.settle();
    let refused = ToNode::CommitRefused { sequence, code: FailureCode::Damaged, text: "k cannot be read" };
    assert_eq!(bench.receive(&mut a), [printed(&refused)]);
    let request = a.next_request();
    bench.send(&a, &ToRepository::Pull { request, alias: Alias(0), birth, rewind: Some(Version(1)) });
    bench.work();
    let told = bench.receive(&mut a);
    assert!(told.iter().any(|told| told.contains("Damaged") && told.contains("k cannot be read")), "{told:?}");
    open(&mut bench, &mut a, "l");
    assert!(bench.load_one());
    assert!(bench.receive(&mut a).iter().any(|told| told.starts_with("Opened")), "the other one is served");

    let sequence = Sequence(101);
    bench.send(&a, &ToRepository::Destroy { sequence, unacked: Sequence(100), alias: Alias(0), birth });
    bench.settle();
    assert!(bench.core.inspect(CLASS, "k").is_none_or(|known| known.birth != birth), "it can be destroyed");
}

#[test]
fn what_ended_stays_ended_whatever_is_cut() {
    let caps = caps(500, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(1);
    for round in 0..40 {
        let key = format!("k{}", round % 3);
        let birth = bench.create(&mut a, &key);
        let alias = bench.core.inspect(CLASS, &key).unwrap().alias;
        bench.image_all();
        if round % 2 == 0 {
            let big = notes((1..9).map(|note| (note, "x".repeat(40))));
            let sequence = a.next_sequence();
            let (unacked, base) = (sequence, Version(1));
            bench.send(
                &a,
                &ToRepository::Commit {
                    sequence,
                    unacked,
                    alias,
                    base,
                    is_isolated: false,
                    fence: None,
                    guards: &[],
                    delta: &big,
                },
            );
            bench.image_all();
        }
        let core = bench.restarted(caps).unwrap();
        assert_eq!(core.objects(), bench.core.objects());
        let sequence = a.next_sequence();
        bench.send(&a, &ToRepository::Destroy { sequence, unacked: sequence, alias, birth });
        bench.settle();
        bench.receive(&mut a);
        bench.send(&a, &ToRepository::Close { alias, birth });
        for _ in 0..round % 4 {
            bench.image_one();
        }
        let core = bench.restarted(caps).unwrap();
        assert!(core.inspect(CLASS, &key).is_none(), "I11: {key} of round {round} is back");
    }
    bench.image_all();
    assert!(bench.frames.len() < 60);
}

#[test]
fn what_nothing_proves_is_damage() {
    let caps = caps(2_000, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(1);
    bench.create(&mut a, "k");
    spend(&mut bench, &mut a, 100);
    assert!(bench.restarted(caps).is_ok());
    let frames = bench.frames.clone();
    let kept = frames.len();
    let fits = (1..kept).filter(|at| {
        bench.frames = frames.clone();
        bench.frames.remove(*at);
        bench.restarted(caps).is_ok()
    });
    // Those that the image contains may be missing here: the chain of the journal tells that.
    assert!(fits.count() < kept - 1, "a version that is missing behind the image is told");
    bench.frames = frames;
    bench.kept.images = nam::store::MemoryImages::new();
    assert!(bench.restarted(caps).unwrap_err().contains("that is not there"), "without images the rest fits nothing");
}

#[test]
fn a_state_is_what_it_was_and_hostile_bytes_are_refused() {
    let caps = caps(300, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(7);
    let birth = bench.create(&mut a, "k");
    spend(&mut bench, &mut a, 20);
    let state = bench.kept.state.clone();
    // docs/journal.md §4: format, epoch 1,000, then the class and the node.
    assert_eq!(state[..3], [1, 0xe8, 0x07], "{state:?}");
    let schema = schema().to_bytes();
    let at = state.windows(schema.len()).position(|bytes| bytes == schema).unwrap();
    assert_eq!(state[at - 2..at], [1, u8::try_from(schema.len()).unwrap()]);
    let node = &state[at + schema.len()..];
    assert_eq!(node[..10], [2, 7, 0, 0, 0, 0, 0, 0, 0, 1], "node 7, which has acknowledged nothing: {node:?}");
    let first = [1, 0, 0xe8, 0x07, u8::try_from(birth.0.n).unwrap(), 1, 2, 0, 0xe8, 0x07];
    assert_eq!(node[11..21], first, "commit 1 created the object, commit 2 changed it: {node:?}");

    let decode = |bytes: &[u8]| Bench::with(caps).core.restore_state(bytes);
    assert_eq!(decode(&state), Ok(()));
    for at in 0..state.len() {
        let _ = decode(&state[..at]);
        for bit in 0..8 {
            let mut bytes = state.clone();
            bytes[at] ^= 1 << bit;
            let _ = decode(&bytes);
        }
    }
    assert!(decode(&[]).is_err() && decode(&[2]).is_err() && decode(&[1, 0, 0, 9]).is_err());
    let many = [&[1, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0xff; 4], &[0x0f]].concat();
    assert!(decode(&many).is_err(), "a count that the bytes cannot hold");
}

#[test]
fn a_state_may_know_that_a_node_has_seen_what_is_replayed_behind_it() {
    let caps = caps(300, usize::MAX);
    let mut bench = Bench::with(caps);
    let mut a = bench.connect(7);
    bench.create(&mut a, "k");
    spend(&mut bench, &mut a, 20);
    // It is written in steps: what node 7 said meanwhile is in it, and the frames before that are behind it.
    let (state, schema) = (bench.kept.state.clone(), schema().to_bytes());
    let at = state.windows(schema.len()).position(|bytes| bytes == schema).unwrap();
    let node = [2, 7, 0, 0, 0, 0, 0, 0, 0, 100, 0];
    let ahead = [&state[..at + schema.len()], &node].concat();
    bench.kept.images.put_state(nam::ids::ShardId(0), &ahead.into()).unwrap();
    bench.start_again(caps);
    let written = bench.kept.state.clone();
    let mut b = bench.connect(8);
    open(&mut bench, &mut b, "k");
    bench.image_all();
    bench.receive(&mut b);
    spend(&mut bench, &mut b, 20);
    assert!(bench.kept.state != written, "there is a state of this term");
    bench.restarted(caps).unwrap();
}

//! The keeper against a place of images that says what it was asked, and waits where it is told.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;

use super::*;
use crate::ids::{Alias, Birth, CommitNumber, Epoch, FrameNumber, PartId, ShardId, Version};
use crate::journal::{FrameName, Head, HeadBody, ImageName, JournalError, LiveHead};
use crate::store::{ImageCall, MemoryImages, MemoryJournal, TappedImages};

/// Parts that were encoded before.
struct Parts {
    parts: VecDeque<(PartId, Bytes)>,
    dropped: Vec<PartId>,
}

impl ImageParts for Parts {
    fn next_part(&mut self) -> Option<(PartId, Bytes)> {
        self.parts.pop_front()
    }

    fn trunk(&self) -> Bytes {
        Bytes::from_static(b"trunk")
    }

    fn dropped(&self) -> &[PartId] {
        &self.dropped
    }
}

/// What a call asks for, in words.
fn words(call: ImageCall<'_>) -> String {
    match call {
        ImageCall::Parts(image, parts) => {
            let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
            format!("{} parts of {image}, {bytes} B", parts.len())
        }
        ImageCall::Heads(heads) => {
            let names: Vec<String> = heads.iter().map(|put| put.head.name(put.shard).to_string()).collect();
            format!("heads {}", names.join(" "))
        }
        ImageCall::Remove(image) => format!("remove {image}"),
        ImageCall::State(shard, _) => format!("state of {shard}"),
        ImageCall::Room => "room".to_owned(),
    }
}

/// A keeper of two shards; what it is asked to load it answers in words.
struct Bench {
    images: MemoryImages,
    lanes: Vec<ImageLane<String>>,
    said: Receiver<String>,
    word: Sender<bool>,
    _keeper: Keeper,
}

/// The place says what it is asked, before it does it, and each write waits for a word that says whether it fails.
fn bench(mut room: Vec<bool>) -> Bench {
    let images = MemoryImages::new();
    let ((saying, said), (word, waited)) = (channel(), channel());
    let fails = || Err(JournalError::InDoubt("the disk".into()));
    let place = TappedImages::new(images.clone(), move |images: &mut MemoryImages, call: ImageCall<'_>| {
        if matches!(call, ImageCall::Room) {
            return if room.pop().unwrap_or(true) { Ok(()) } else { fails() };
        }
        let _ = saying.send(words(call));
        if waited.recv().unwrap_or(true) { call.make(images) } else { fails() }
    });
    let (_keeper, lanes) = Keeper::start(place, MemoryJournal::kept(), 2).unwrap();
    Bench { images, lanes, said, word, _keeper }
}

fn image(shard: u16, n: u64) -> ImageName {
    ImageName { shard: ShardId(shard), birth: Birth(CommitNumber { epoch: Epoch(1), n }) }
}

fn head(n: u64, version: u64) -> Box<Head> {
    let live = LiveHead { class: "c".into(), key: "k".into(), version: Version(version), ..LiveHead::default() };
    Box::new(Head { alias: Alias(0), birth: image(0, n).birth, body: HeadBody::Live(Box::new(live)) })
}

fn put(n: u64, version: u64, parts: &[(u32, usize)], dropped: &[u32]) -> ImageWrite {
    let parts = parts.iter().map(|(id, bytes)| (PartId(*id), vec![*id as u8; *bytes].into())).collect();
    let dropped = dropped.iter().map(|id| PartId(*id)).collect();
    ImageWrite::Put(head(n, version), Box::new(Parts { parts, dropped }))
}

impl Bench {
    /// What the place was asked next; it is done at once.
    fn next(&self) -> String {
        let said = self.said.recv().unwrap();
        self.word.send(true).unwrap();
        said
    }

    fn outcome(&mut self, lane: usize) -> Written<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.lanes[lane].outcome())
    }

    fn done(&mut self, lane: usize) -> u64 {
        match self.outcome(lane) {
            Written::Done(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn parts(&mut self, name: ImageName) -> Vec<u32> {
        let head = self.images.head(name).unwrap().unwrap();
        let live = head.live().unwrap();
        assert_eq!(live.trunk, "trunk");
        for part in &live.parts {
            self.images.checked_part(name, live, *part).unwrap();
        }
        live.parts.iter().map(|part| part.id.0).collect()
    }
}

#[test]
fn an_image_is_written_in_small_batches_and_loads_go_between_them() {
    let mut bench = bench(Vec::new());
    let kib = 1024;
    bench.lanes[0].write(1, put(7, 1, &[(3, 156 * kib), (1, 100 * kib), (2, 300 * kib), (4, 1)], &[])).unwrap();
    assert_eq!(bench.said.recv().unwrap(), "2 parts of 0:1.7, 262144 B");
    // The thread waits within the first batch: what comes now is loaded before the second.
    let images = bench.images.clone();
    bench.lanes[1].load(ImageLoad::new(move |_| format!("{} parts", images.parts()))).unwrap();
    bench.word.send(true).unwrap();
    assert!(matches!(bench.outcome(1), Written::Loaded(text) if text == "2 parts"));
    let asked: Vec<String> = (0..3).map(|_| bench.next()).collect();
    assert_eq!(asked, ["1 parts of 0:1.7, 307200 B", "1 parts of 0:1.7, 1 B", "heads 0:1.7"], "one is larger alone");
    assert_eq!(bench.done(0), 1);
    assert_eq!(bench.parts(image(0, 7)), [1, 2, 3, 4]);
    bench.lanes[0].load(ImageLoad::new(|images| images.head(image(0, 7)).unwrap().unwrap().alias.to_string())).unwrap();
    assert!(matches!(bench.outcome(0), Written::Loaded(text) if text == "0"));
}

#[test]
fn the_next_image_keeps_what_it_does_not_write_and_nothing_overtakes() {
    let mut bench = bench(Vec::new());
    bench.lanes[0].write(1, put(7, 1, &[(1, 10), (2, 10)], &[])).unwrap();
    assert_eq!(bench.said.recv().unwrap(), "2 parts of 0:1.7, 20 B");
    let end = HeadBody::Ended { at: CommitNumber { epoch: Epoch(1), n: 9 } };
    let writes = [
        put(8, 1, &[(1, 10)], &[]),
        put(7, 2, &[(4, 10)], &[1]),
        ImageWrite::State("state".into()),
        ImageWrite::End(Box::new(Head { body: end, ..*head(8, 0) })),
        ImageWrite::Remove(image(0, 8)),
    ];
    for (id, write) in (2..).zip(writes) {
        bench.lanes[0].write(id, write).unwrap();
    }
    bench.word.send(true).unwrap();
    let asked: Vec<String> = (0..7).map(|_| bench.next()).collect();
    let expected = [
        "1 parts of 0:1.8, 10 B",
        "heads 0:1.7 0:1.8",
        "1 parts of 0:1.7, 10 B",
        "heads 0:1.7",
        "state of 0",
        "heads 0:1.8",
        "remove 0:1.8",
    ];
    assert_eq!(asked, expected);
    let done: Vec<u64> = (0..6).map(|_| bench.done(0)).collect();
    assert_eq!(done, [1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.parts(image(0, 7)), [2, 4]);
    assert_eq!(bench.images.head(image(0, 8)), Ok(None));
}

#[test]
fn a_failure_is_told_once_and_nothing_of_the_shard_is_written_after_it() {
    let mut bench = bench(Vec::new());
    for id in 1..=3 {
        bench.lanes[0].write(id, put(id, 1, &[(1, 10)], &[])).unwrap();
    }
    bench.said.recv().unwrap();
    bench.lanes[1].write(1, ImageWrite::State("state".into())).unwrap();
    bench.word.send(false).unwrap();
    assert!(matches!(bench.outcome(0), Written::Failed(JournalError::InDoubt(text)) if text == "the disk"));
    assert_eq!(bench.next(), "state of 1");
    assert_eq!(bench.done(1), 1);
    bench.lanes[0].write(4, ImageWrite::State("state".into())).unwrap();
    bench.lanes[0].load(ImageLoad::new(|_| "read".into())).unwrap();
    assert!(matches!(bench.outcome(0), Written::Loaded(text) if text == "read"), "what is there can be read");
    assert!(bench.said.try_recv().is_err() && bench.lanes[0].poll_outcome().is_none());
}

#[test]
fn images_wait_for_room_and_cuts_do_not() {
    let mut bench = bench(vec![true, false, false]);
    bench.lanes[0].write(1, put(7, 1, &[(1, 10)], &[])).unwrap();
    assert_eq!([bench.next(), bench.next()], ["1 parts of 0:1.7, 10 B", "heads 0:1.7"]);
    assert_eq!(bench.done(0), 1);
    let frame = FrameName { shard: ShardId(0), epoch: Epoch(1), number: FrameNumber(1) };
    bench.lanes[0].write(2, ImageWrite::Cut(frame)).unwrap();
    assert_eq!(bench.done(0), 2);
}

#[test]
fn a_lane_takes_no_more_than_it_has_room_for_and_the_end_of_the_keeper_is_an_answer() {
    let mut bench = bench(Vec::new());
    for id in 1..=IMAGE_LANE_MAX as u64 {
        bench.lanes[0].write(id, put(id, 1, &[(1, 1)], &[])).unwrap();
    }
    assert!(!bench.lanes[0].has_room());
    assert!(bench.lanes[0].write(0, ImageWrite::State(Bytes::new())).is_err());
    bench.lanes[1].load(ImageLoad::new(|_| panic!("a fault in what runs on the thread"))).unwrap();
    drop(bench.word);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(bench.lanes[1].outcome()), Written::Failed(_)));
}

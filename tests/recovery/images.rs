//! Images when the end comes at a bad moment: a crash at each write, before and after each sync; parts that are wrong.
//!
//! The store has one log, in the order of the writes. So what a crash leaves is a prefix of it that contains what was
//! synced; behind that, a power loss leaves anything at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use nam::Expiry;
use nam::coding::Writer;
use nam::ids::{Alias, Birth, CommitNumber, Epoch, PartId, ShardId, Version};
use nam::journal::{Append, Entry, Frame, FrameName, Head, HeadBody, ImageName, Images, Journal, LiveHead, Part};
use nam::schema::{Schema, StructDef, TypeDef, TypeIndex};
use nam::store::{DiskImages, DiskJournal, DiskSettings};

use crate::damage::{tear, verify};
use crate::dice::Dice;
use crate::scratch::{Scratch, content, copy};

pub(crate) const SHARD: ShardId = ShardId(0);

/// The class of all images.
const CLASS: &str = "recovery.Ledger";

/// What is in force: heads, the state, and the oldest frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InForce {
    pub(crate) heads: BTreeMap<ImageName, Head>,
    state: Option<Bytes>,
    frames: Vec<FrameName>,
}

/// A state of a shard that knows the class of the images.
pub(crate) fn state(number: u64) -> Bytes {
    let def = StructDef { name: "Ledger".to_owned(), fields: Vec::new(), reserved: Vec::new() };
    let schema = Schema { class: CLASS.to_owned(), types: vec![TypeDef::Struct(def)], root: TypeIndex(0) };
    let mut w = Writer::new();
    w.raw(&[1, 9]);
    w.varint(number);
    w.byte(1);
    w.sized(&schema.to_bytes());
    w.into_bytes().into()
}

pub(crate) fn part_bytes(image: ImageName, part: u32, version: u64) -> Bytes {
    let size = 40 + (part as usize * 97 + version as usize * 31) % 900;
    let text = format!("{image} {part} {version} ").into_bytes();
    text.iter().copied().cycle().take(size).collect()
}

/// Images of a few objects, each as large as it is old, changed again and again.
pub(crate) struct Painter {
    next: BTreeMap<ImageName, u32>,
    pub(crate) in_force: InForce,
}

/// One call of the seam.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Parts(ImageName, Vec<(PartId, Bytes)>),
    Head(Head, Vec<PartId>),
    Remove(ImageName),
    State(Bytes),
}

impl Call {
    pub(crate) fn make(&self, images: &mut DiskImages) {
        match self {
            Self::Parts(image, parts) => images.put_parts(*image, parts).unwrap(),
            Self::Head(head, dropped) => images.put_head(SHARD, head, dropped).unwrap(),
            Self::Remove(image) => images.remove(*image).unwrap(),
            Self::State(state) => images.put_state(SHARD, state).unwrap(),
        }
    }
}

impl Painter {
    pub(crate) fn new(in_force: InForce) -> Self {
        Self { next: BTreeMap::new(), in_force }
    }

    /// The calls of one deed, and what is in force when they are made.
    pub(crate) fn deed(&mut self, dice: &mut Dice) -> Vec<Call> {
        let n = 1 + dice.below(4);
        let image = ImageName { shard: SHARD, birth: Birth(CommitNumber { epoch: Epoch(9), n }) };
        let before = self.in_force.heads.get(&image).cloned();
        match (dice.below(12), before) {
            (0, _) => {
                let state = state(dice.below(1_000));
                self.in_force.state = Some(state.clone());
                vec![Call::State(state)]
            }
            (1, Some(head)) => {
                let at = CommitNumber { epoch: Epoch(9), n: 50 + n };
                let ended = Head { body: HeadBody::Ended { at }, ..head };
                self.in_force.heads.insert(image, ended.clone());
                vec![Call::Head(ended, Vec::new())]
            }
            (_, Some(Head { body: HeadBody::Ended { .. }, .. })) => {
                self.in_force.heads.remove(&image);
                vec![Call::Remove(image)]
            }
            (_, before) => self.image(image, before.as_ref().and_then(Head::live), dice),
        }
    }

    fn image(&mut self, image: ImageName, before: Option<&LiveHead>, dice: &mut Dice) -> Vec<Call> {
        let mut table = before.map(|live| live.parts.clone()).unwrap_or_default();
        let version = before.map_or(1, |live| live.version.0 + 1 + dice.below(3));
        let counter = self.next.entry(image).or_insert_with(|| table.last().map_or(1, |part| part.id.0 + 1));
        let mut dropped = Vec::new();
        table.retain(|part| {
            let is_kept = dice.below(3) > 0;
            if !is_kept {
                dropped.push(part.id);
            }
            is_kept
        });
        let (mut calls, mut batch) = (Vec::new(), Vec::new());
        for _ in 0..1 + dice.below(6) {
            let bytes = part_bytes(image, *counter, version);
            table.push(Part { id: PartId(*counter), crc: crc32fast::hash(&bytes) });
            batch.push((PartId(*counter), bytes));
            *counter += 1;
            if dice.below(2) == 0 {
                calls.push(Call::Parts(image, std::mem::take(&mut batch)));
            }
        }
        if !batch.is_empty() {
            calls.push(Call::Parts(image, batch));
        }
        let live = LiveHead {
            class: CLASS.into(),
            key: format!("ledger {}", image.birth.0.n),
            version: Version(version),
            expiry: Expiry::NEVER,
            limited_at_ms: 0,
            indexed: Vec::new(),
            trunk: part_bytes(image, 0, version),
            parts: table,
        };
        let alias = Alias(u32::try_from(image.birth.0.n).unwrap());
        let head = Head { alias, birth: image.birth, body: HeadBody::Live(Box::new(live)) };
        self.in_force.heads.insert(image, head.clone());
        calls.push(Call::Head(head, dropped));
        calls
    }
}

/// What is in force, every part of it read and held against its checksum.
pub(crate) fn in_force(images: &mut DiskImages, journal: &mut DiskJournal) -> Result<InForce, String> {
    let mut found = InForce { state: images.state(SHARD).map_err(|error| error.to_string())?, ..InForce::default() };
    let visit = &mut |head: Head| found.heads.insert(head.name(SHARD), head).is_none();
    images.heads(SHARD, visit).map_err(|error| error.to_string())?;
    for (image, head) in &found.heads {
        for (live, part) in head.live().into_iter().flat_map(|live| live.parts.iter().map(move |part| (live, part))) {
            images.checked_part(*image, live, *part).map_err(|error| error.to_string())?;
        }
    }
    let visit = &mut |frame: Frame| {
        found.frames.push(frame.name());
        true
    };
    journal.replay(SHARD, visit).map_err(|error| error.to_string())?;
    Ok(found)
}

fn settings() -> DiskSettings {
    DiskSettings { shards: Some(1), free_bytes_min: 0, gathered_bytes: 1 << 24, ..DiskSettings::default() }
}

fn open(path: &Path) -> (DiskJournal, DiskImages) {
    let journal = DiskJournal::open(path, settings()).unwrap();
    let images = journal.images().unwrap();
    (journal, images)
}

/// What was in force after a call, how long the log was, and what was noted as acknowledged.
struct Point {
    in_force: InForce,
    log: usize,
    noted: Vec<u8>,
}

/// Makes images between frames, cuts the journal behind them, and remembers each point at which a crash may come.
fn paint(path: &Path, dice: &mut Dice) -> Vec<Point> {
    let (mut journal, mut images) = open(path);
    let claim = journal.claim(SHARD, 1_000).unwrap();
    let (mut painter, mut expected) = (Painter::new(InForce::default()), claim.last_crc);
    let mut points = Vec::new();
    let point = |in_force: &InForce| Point {
        in_force: in_force.clone(),
        log: content(&path.join("store/0.jnl")).len(),
        noted: fs::read(path.join("acknowledged")).unwrap(),
    };
    points.push(point(&painter.in_force));
    for number in 1..=6 {
        let entries = vec![Entry::Slice { staging: 1, bytes: part_bytes(ImageName::default(), 0, number) }];
        let frame = Frame {
            shard: SHARD,
            epoch: claim.epoch,
            number: nam::ids::FrameNumber(number),
            time_ms: number,
            first_commit: 1,
            previous_crc: expected,
            entries,
        };
        let append = Append { frame: frame.encode(), expected };
        expected = append.frame.crc;
        journal.append(&append).unwrap();
        painter.in_force.frames.push(append.frame.name);
        points.push(point(&painter.in_force));
        for _ in 0..2 {
            let before = painter.in_force.clone();
            let calls = painter.deed(dice);
            for (at, call) in calls.iter().enumerate() {
                call.make(&mut images);
                points.push(point(if at + 1 == calls.len() { &painter.in_force } else { &before }));
            }
        }
        if number % 3 == 0 {
            journal.truncate(SHARD, claim.epoch, nam::ids::FrameNumber(number - 1)).unwrap();
            painter.in_force.frames.retain(|name| name.number.0 + 1 >= number);
            points.push(point(&painter.in_force));
        }
    }
    points
}

/// What a start finds is what was in force before or behind the write that was cut short, whole; and new images, under
/// the numbers that the crash left without a head, are as good as any.
fn check(path: &Path, between: [&Point; 2], what: &str, dice: &mut Dice) {
    let (mut journal, mut images) = open(path);
    let found = in_force(&mut images, &mut journal).unwrap_or_else(|told| panic!("{what}: {told}"));
    let is_one = between.iter().any(|point| point.in_force == found);
    assert!(is_one, "{what}: neither the one nor the other");
    let mut painter = Painter::new(found);
    for _ in 0..3 {
        painter.deed(dice).iter().for_each(|call| call.make(&mut images));
    }
    drop((journal, images));
    let (mut journal, mut images) = open(path);
    assert_eq!(in_force(&mut images, &mut journal).as_ref(), Ok(&painter.in_force), "{what}: and on");
}

#[test]
fn a_crash_at_any_write_leaves_the_image_before_or_the_new_one() {
    let (scratch, mut dice) = (Scratch::new("images"), Dice::new(23));
    let (whole, trial) = (scratch.0.join("whole"), scratch.0.join("trial"));
    let points = paint(&whole, &mut dice);
    let log = content(&whole.join("store/0.jnl"));
    let mut crashes = 0;
    for pair in points.windows(2) {
        let [before, behind] = pair else { unreachable!() };
        if before.log == behind.log {
            continue;
        }
        // At the end of the write before, and somewhere within this one: torn off, or torn up.
        let within = before.log + dice.below((behind.log - before.log) as u64) as usize;
        for end in [before.log, within] {
            copy(&whole, &trial);
            fs::write(trial.join("acknowledged"), &before.noted).unwrap();
            fs::write(trial.join("store/0.jnl"), &log[..end]).unwrap();
            check(&trial, [before, behind], &format!("log cut at {end}"), &mut dice);
            crashes += 1;
        }
        let mut torn = log[before.log..behind.log].to_vec();
        tear(&mut torn, &mut dice);
        copy(&whole, &trial);
        fs::write(trial.join("acknowledged"), &before.noted).unwrap();
        fs::write(trial.join("store/0.jnl"), [&log[..before.log], &torn].concat()).unwrap();
        check(&trial, [before, behind], &format!("log torn behind {}", before.log), &mut dice);
        crashes += 1;
    }
    println!("{crashes} crashes between {} points", points.len());
    assert!(crashes > 60, "{crashes}");
}

#[test]
fn verify_names_the_object_of_each_part_that_is_wrong() {
    let (scratch, mut dice) = (Scratch::new("images-verify"), Dice::new(29));
    let (mut journal, mut images) = open(&scratch.0);
    let mut painter = Painter::new(InForce::default());
    while painter.in_force.heads.len() < 4 {
        painter.deed(&mut dice).iter().for_each(|call| call.make(&mut images));
    }
    images.put_state(SHARD, &state(1)).unwrap();
    let found = in_force(&mut images, &mut journal).unwrap();
    let live = found.heads.values().filter_map(Head::live);
    let (count, parts) = live.clone().fold((0, 0), |(count, parts), live| (count + 1, parts + live.parts.len()));
    drop(journal);
    drop(images);
    let said = verify(&scratch.0).unwrap();
    assert!(said.contains(&format!("{count} images of {parts} parts")), "{said}");

    let (journal, mut images) = open(&scratch.0);
    let named = found.heads.iter().find_map(|(image, head)| Some((*image, head.alias, head.live()?)));
    let (image, alias, live) = named.unwrap();
    let part = live.parts[0];
    images.put_parts(image, &[(part.id, Bytes::from_static(b"another"))]).unwrap();
    let mut lacking = live.clone();
    lacking.parts.push(Part { id: PartId(70_000), crc: 1 });
    let head = Head { alias, birth: image.birth, body: HeadBody::Live(Box::new(lacking)) };
    images.put_head(SHARD, &head, &[]).unwrap();
    drop((journal, images));
    let told = verify(&scratch.0).unwrap_err();
    let begin = format!("the image {image} of {} is damaged: ", live.object());
    let (id, crc) = (part.id, crc32fast::hash(b"another"));
    let other = format!("{begin}part {id} has checksum {crc:#010x} where {:#010x} was expected", part.crc);
    assert!(told.contains(&other), "{told}\n{other}");
    assert!(told.contains(&format!("{begin}part 70000 is not there")), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

//! Real documents through the keeper to a place that crashes at its n-th call: what was synced is there, of the rest
//! anything may be; then on, from what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nam::Tracked;
use nam::coding::Writer;
use nam::document::{Budget, Document, Tuning};
use nam::engine::{ImageLane, ImageWrite, Keeper, Written};
use nam::ids::{Alias, Birth, CommitNumber, Epoch, PartId, ShardId, Version};
use nam::journal::{Head, HeadBody, ImageName, Images, JournalError, LiveHead, PartName, PutHead};
use nam::store::{MemoryImages, MemoryJournal};
use nam::testing::{apply, delta_of};
use nam::tracked::Class;
use parking_lot::Mutex;

use crate::dice::Dice;
use crate::images::SHARD;

const OBJECTS: u64 = 3;

/// An object of many pages.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "recovery.Book")]
struct Book {
    pages: BTreeMap<u64, BTreeMap<u64, String>>,
    lines: Vec<String>,
}

/// Pages so small that a book has dozens.
fn tuning() -> Tuning {
    Tuning { map_page_bytes: 64, list_page_bytes: 48, inline_bytes: 24, tail_bytes: 400, ..Tuning::default() }
}

/// What a place that crashes has.
#[derive(Debug)]
struct Disk {
    synced: MemoryImages,
    /// Parts that were put since the last sync.
    loose: Vec<(ImageName, PartId, Bytes)>,
    calls_left: u64,
    dice: Dice,
}

/// The place.
#[derive(Clone)]
struct Crashing(Arc<Mutex<Disk>>);

impl Crashing {
    fn new(synced: MemoryImages, calls: u64, seed: u64) -> Self {
        let disk = Disk { synced, loose: Vec::new(), calls_left: calls, dice: Dice::new(seed) };
        Self(Arc::new(Mutex::new(disk)))
    }

    /// What a start finds after the crash: of the loose parts some, each whole or not at all.
    fn found(&self) -> MemoryImages {
        let mut disk = self.0.lock();
        let mut found = disk.synced.copy();
        for (image, part, bytes) in std::mem::take(&mut disk.loose) {
            if disk.dice.below(2) == 0 {
                found.put_parts(image, &[(part, bytes)]).unwrap();
            }
        }
        found
    }
}

impl Disk {
    /// Syncs what is loose and does this; when it crashes, all of that or nothing.
    fn sync(&mut self, write: impl FnOnce(&mut MemoryImages) -> Result<(), JournalError>) -> Result<(), JournalError> {
        let is_crash = self.calls_left == 0;
        if is_crash && self.dice.below(2) == 0 {
            return Err(JournalError::InDoubt("crashed before the sync".to_owned()));
        }
        for (image, part, bytes) in std::mem::take(&mut self.loose) {
            self.synced.put_parts(image, &[(part, bytes)])?;
        }
        write(&mut self.synced)?;
        if is_crash {
            return Err(JournalError::InDoubt("crashed behind the sync".to_owned()));
        }
        self.calls_left -= 1;
        Ok(())
    }
}

impl Images for Crashing {
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError> {
        let mut disk = self.0.lock();
        disk.loose.extend(parts.iter().map(|(part, bytes)| (image, *part, bytes.clone())));
        if disk.calls_left == 0 {
            return Err(JournalError::InDoubt("crashed".to_owned()));
        }
        disk.calls_left -= 1;
        Ok(())
    }

    fn put_heads(&mut self, heads: &[PutHead]) -> Result<(), JournalError> {
        self.0.lock().sync(|images| images.put_heads(heads))
    }

    fn remove(&mut self, image: ImageName) -> Result<(), JournalError> {
        self.0.lock().sync(|images| images.remove(image))
    }

    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError> {
        self.0.lock().synced.heads(shard, visit)
    }

    fn head(&mut self, image: ImageName) -> Result<Option<Head>, JournalError> {
        self.0.lock().synced.head(image)
    }

    fn part(&mut self, name: PartName) -> Result<Option<Bytes>, JournalError> {
        self.0.lock().synced.part(name)
    }

    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError> {
        self.0.lock().sync(|images| images.put_state(shard, state))
    }

    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError> {
        self.0.lock().synced.state(shard)
    }
}

/// An object as a shard has it, and what it was at each version: nothing, created, changed.
struct Object {
    name: ImageName,
    document: Document,
    books: Vec<Book>,
    deltas: Vec<Vec<u8>>,
}

impl Object {
    fn new(n: u64) -> Self {
        let name = ImageName { shard: SHARD, birth: Birth(CommitNumber { epoch: Epoch(1), n }) };
        let mut document = Document::with_tuning(Book::schema(), tuning());
        let created = encoded_book(&Book::default());
        document.replay(&created, Version(1)).unwrap();
        Self { name, document, books: vec![Book::default(); 2], deltas: vec![created] }
    }

    fn change(&mut self, dice: &mut Dice) {
        let book = self.books.last().unwrap();
        let delta = delta_of(book, |mut book| {
            for _ in 0..1 + dice.below(4) {
                let (page, line, text) = (dice.below(12), dice.below(12), "x".repeat(dice.below(30) as usize));
                match dice.below(6) {
                    0 => _ = book.pages_mut().remove(&page),
                    1 => book.lines_mut().push(format!("{line} {text}")),
                    _ => {
                        let _is_new = book.pages_mut().get_or_insert_with(page, BTreeMap::new).insert(line, text);
                    }
                }
            }
        });
        if delta.is_empty() {
            return;
        }
        self.books.push(apply(book, &delta).unwrap());
        self.document.replay(&delta, Version(self.books.len() as u64 - 1)).unwrap();
        self.deltas.push(delta);
    }

    fn image(&mut self, tails: &mut u64) -> ImageWrite {
        let image = self.document.image_within(&mut Budget::unlimited(), 32);
        *tails += u64::from(image.fresh().len() == 1 && image.dropped().is_empty());
        let live = LiveHead {
            class: "recovery.Book".into(),
            key: self.name.to_string(),
            version: image.version(),
            ..LiveHead::default()
        };
        let head = Head { alias: Alias(1), birth: self.name.birth, body: HeadBody::Live(Box::new(live)) };
        ImageWrite::Put(Box::new(head), Box::new(image))
    }

    /// Makes the document anew, of its image and the deltas behind it, as a start and a load do; answers the version of
    /// the image.
    fn restart(&mut self, images: &mut MemoryImages, what: &str) -> u64 {
        let head = images.head(self.name).unwrap();
        let live = head.as_ref().map(|head| head.live().unwrap());
        self.document = match live {
            None => Document::with_tuning(Book::schema(), tuning()),
            Some(live) => Document::restore(Book::schema(), tuning(), &live.trunk, &mut |id| {
                let part = live.parts.iter().find(|part| part.id == id).unwrap();
                images.checked_part(self.name, live, *part)
            })
            .unwrap_or_else(|error| panic!("{what}: {error}")),
        };
        let version = live.map_or(0, |live| live.version.0);
        if version > 0 {
            assert!(
                encoded(&self.document) == encoded_book(&self.books[version as usize]),
                "{what}: version {version}"
            );
        }
        for (delta, version) in self.deltas.iter().zip(1..).skip(version as usize) {
            self.document.replay(delta, Version(version)).unwrap();
        }
        version
    }
}

fn encoded(document: &Document) -> Vec<u8> {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.into_bytes()
}

fn encoded_book(book: &Book) -> Vec<u8> {
    let mut w = Writer::new();
    book.encode_root(&mut w);
    w.into_bytes()
}

fn outcome(lane: &mut ImageLane<()>) -> Result<u64, JournalError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(lane.outcome()) {
        Written::Done(id) => Ok(id),
        Written::Failed(error) => Err(error),
        Written::Loaded(()) => unreachable!("nothing is loaded"),
    }
}

/// Changes objects and writes their images, two at a time, until the place crashes or `rounds` are over; answers the
/// versions of the images that were done, and those that may be; counts images that write no page.
fn work(
    objects: &mut [Object],
    images: &Crashing,
    rounds: u64,
    dice: &mut Dice,
    tails: &mut u64,
) -> (Vec<u64>, Vec<u64>) {
    let (keeper, mut lanes) = Keeper::start(images.clone(), MemoryJournal::kept(), 1).unwrap();
    let mut done = vec![0; objects.len()];
    let mut begun = done.clone();
    'rounds: for round in 0..rounds {
        let first = dice.below(OBJECTS) as usize;
        let chosen = [first, (first + 1) % objects.len()];
        for at in chosen {
            objects[at].change(dice);
            begun[at] = objects[at].document.version().0;
            let write = objects[at].image(tails);
            lanes[0].write(at as u64, write).unwrap();
        }
        lanes[0].write(99, ImageWrite::State(round.to_string().into())).unwrap();
        for _ in 0..3 {
            match outcome(&mut lanes[0]) {
                Ok(99) => {}
                Ok(at) => done[at as usize] = begun[at as usize],
                Err(_) => break 'rounds,
            }
        }
    }
    drop(lanes);
    drop(keeper);
    (done, begun)
}

#[test]
fn whatever_call_crashes_each_object_is_at_its_last_image_or_the_next() {
    let (mut crashes, mut tails, mut is_done) = (0, 0, false);
    for calls in 0.. {
        let mut dice = Dice::new(calls + 1_000);
        let mut objects: Vec<Object> = (1..=OBJECTS).map(Object::new).collect();
        let mut found = MemoryImages::new();
        let mut known = vec![0; objects.len()];
        // The first crash comes at this call, the next ones anywhere; at the end there is none.
        for (term, calls) in [calls, dice.below(30), dice.below(30), u64::MAX].into_iter().enumerate() {
            let images = Crashing::new(found, calls, dice.below(1 << 40));
            let (done, begun) = work(&mut objects, &images, 8, &mut dice, &mut tails);
            is_done |= term == 0 && images.0.lock().calls_left > 0;
            found = images.found();
            for (at, object) in objects.iter_mut().enumerate() {
                let what = format!("{calls} calls, term {term}, object {at}");
                let version = object.restart(&mut found, &what);
                let (done, begun) = (done[at].max(known[at]), begun[at].max(known[at]));
                assert!((done..=begun).contains(&version), "{what}: {version} is not in {done}..={begun}");
                known[at] = version;
            }
            crashes += 1;
        }
        if is_done {
            break;
        }
    }
    assert!(crashes > 100 && tails > 100, "{crashes} crashes, {tails} images wrote no page");
}

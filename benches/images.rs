//! How long does the first use of an object take that is on disk only, and what does an image of it cost there?
//!
//! The catalogue of 39,544 entries (15 MB) as an image in the store of a data directory, its tables opened anew: reading the
//! parts and holding them against their sums, and the same with the object made of them. The files are in the system's
//! cache. Beside the cold use stands the restore from parts in memory, so the row says what the store adds; beside an image
//! after one change a bare file with as many bytes and one sync.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod scratch;
mod table;

#[path = "../tests/memory/shapes.rs"]
#[allow(dead_code, reason = "the memory test uses more of it")]
mod shapes;

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use nam::Expiry;
use nam::coding::Writer;
use nam::document::{Budget as Step, Document, Image, RestoreError, Scope, Tuning};
use nam::ids::{Alias, Birth, CommitNumber, Epoch, PartId, ShardId};
use nam::journal::{Head, HeadBody, ImageName, Images, JournalError, LiveHead, Part};
use nam::limits::{IMAGE_BATCH_BYTES_MAX, SEGMENT_BYTES_MAX, STEP_CELLS_MAX};
use nam::store::{DiskImages, DiskJournal, DiskSettings};
use scratch::Scratch;
use table::{Budget, Samples};

use shapes::{Shape, load};

const SHARD: ShardId = ShardId(0);
const BIRTH: Birth = Birth(CommitNumber { epoch: Epoch(1), n: 1 });
const NAME: ImageName = ImageName { shard: SHARD, birth: BIRTH };
const CHANGES: usize = 200;

/// Opens the images of a directory whose store sorts its parts into tables.
fn open(directory: &Path) -> DiskImages {
    let settings = DiskSettings { free_bytes_min: 0, gathered_bytes: 2 * 1024 * 1024, ..DiskSettings::default() };
    DiskJournal::open(directory, settings).unwrap().images().unwrap()
}

/// Stores an image as the keeper does: parts in batches, then the head and one sync. Answers the bytes written.
fn store(images: &mut DiskImages, image: &mut Image, table: &mut BTreeMap<PartId, u32>) -> usize {
    let (mut batch, mut bytes, mut all) = (Vec::new(), 0, image.trunk().len());
    while let Some((part, piece)) = image.next_part() {
        table.insert(part, crc32fast::hash(&piece));
        (bytes, all) = (bytes + piece.len(), all + piece.len());
        batch.push((part, piece));
        if bytes > IMAGE_BATCH_BYTES_MAX {
            images.put_parts(NAME, &batch).unwrap();
            batch.clear();
            bytes = 0;
        }
    }
    images.put_parts(NAME, &batch).unwrap();
    table.retain(|part, _| image.dropped().binary_search(part).is_err());
    let live = LiveHead {
        class: "shape".to_owned(),
        key: "catalogue".to_owned(),
        version: image.version(),
        expiry: Expiry::default(),
        limited_at_ms: 0,
        indexed: Vec::new(),
        trunk: image.trunk(),
        parts: table.iter().map(|(id, crc)| Part { id: *id, crc: *crc }).collect(),
    };
    let head = Head { alias: Alias(1), birth: BIRTH, body: HeadBody::Live(Box::new(live)) };
    images.put_head(SHARD, &head, image.dropped()).unwrap();
    all + 8 * table.len()
}

/// Reads every part and holds it against its sum.
fn read(images: &mut DiskImages) -> BTreeMap<PartId, Bytes> {
    let head = images.head(NAME).unwrap().unwrap();
    let live = head.live().unwrap();
    let mut checked = |part: &Part| (part.id, images.checked_part(NAME, live, *part).unwrap());
    live.parts.iter().map(&mut checked).collect()
}

/// Makes the object of its parts as they are read.
fn restore(images: &mut DiskImages) -> Result<Document, RestoreError<JournalError>> {
    let head = images.head(NAME).unwrap().unwrap();
    let live = head.live().unwrap();
    Document::restore(Shape::Catalogue.schema(), Tuning::default(), &live.trunk, &mut |id| {
        let at = live.parts.binary_search_by_key(&id, |part| part.id).unwrap();
        images.checked_part(NAME, live, live.parts[at])
    })
}

fn change(document: &mut Document, state: &mut u64) {
    let mut w = Writer::new();
    Shape::Catalogue.commit(state, &mut w);
    let judged = document.judge(&w.into_bytes().into(), document.version(), Scope::Cells).unwrap();
    document.apply(&judged, document.version().next());
}

fn cold(_: &mut Criterion) {
    let scratch = Scratch::new("images");
    let mut document = load(Shape::Catalogue);
    let mut table = BTreeMap::new();
    let mut images = open(&scratch.0.join("data"));
    let begun = Instant::now();
    let whole = store(&mut images, &mut document.image(), &mut table);
    let first = begun.elapsed();

    let [mut stored, mut bare] = Samples::several();
    let mut file = File::create(scratch.0.join("bare")).unwrap();
    let (mut state, mut bytes) = (7, 0);
    for _ in 0..CHANGES {
        change(&mut document, &mut state);
        let begun = Instant::now();
        let mut image = document.image_within(&mut Step::new(STEP_CELLS_MAX, SEGMENT_BYTES_MAX), 32);
        let written = store(&mut images, &mut image, &mut table);
        stored.add(begun.elapsed());
        bytes += written;
        let begun = Instant::now();
        file.write_all(&vec![7; written]).unwrap();
        file.sync_data().unwrap();
        bare.add(begun.elapsed());
    }
    drop(images);

    let mut images = open(&scratch.0.join("data"));
    let parts = read(&mut images);
    let trunk = images.head(NAME).unwrap().unwrap().live().unwrap().trunk.clone();
    assert_eq!(restore(&mut images).unwrap().encoded_bytes(), document.encoded_bytes());
    let mut other = images.clone();
    let [reading, cold, warm] = table::in_turn(
        21,
        1,
        [
            &mut || drop(black_box(read(&mut other))),
            &mut || drop(black_box(restore(&mut images).unwrap())),
            &mut || {
                let mut part = |id: PartId| parts.get(&id).cloned().ok_or(());
                let made = Document::restore(Shape::Catalogue.schema(), Tuning::default(), &trunk, &mut part);
                drop(black_box(made.unwrap()));
            },
        ],
    );
    table::title(&format!("an object of {} B in {} parts", document.encoded_bytes(), parts.len()));
    table::time("reading and summing its parts", reading.p50(), None, Budget::None);
    table::time("restored from disk", cold.p50(), Some(("from memory", warm.p50())), Budget::None);
    table::time("its first image, once", first.as_secs_f64() * 1e9, None, Budget::None);
    table::row("bytes of it, the head's too", &whole.to_string(), "", "", true);
    table::time("an image after one change", stored.p50(), Some(("a file and a sync", bare.p50())), Budget::None);
    table::row("bytes of it, the head's too, on average", &(bytes / CHANGES).to_string(), "", "", true);
}

criterion_group!(benches, cold);
criterion_main!(benches);

//! What the keeper writes, one batch at a time.
//!
//! ```text
//!  waiting ──▶ current image ──parts, a batch each──▶ finished heads ──one sync──▶ told
//!     └──── states, ends, removals, cuts: behind the heads before them ───────────▶ told
//! ```
//! Invariant: nothing overtakes; a head is put in force when all its parts were put. Source: own reasoning.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::ImageWrite;
use crate::document::Image;
use crate::ids::{PartId, ShardId};
use crate::journal::{Head, HeadBody, ImageName, Images, Journal, JournalError, LiveHead, Part, PutHead};
use crate::limits::{IMAGE_BATCH_BYTES_MAX, IMAGES_IN_FLIGHT_MAX};

/// The parts of an object at one version, encoded on the keeper's thread.
pub trait ImageParts: Send {
    /// Makes the next part that no earlier image of the object has; `None` after the last.
    fn next_part(&mut self) -> Option<(PartId, Bytes)>;

    /// What the document needs to find its parts.
    fn trunk(&self) -> Bytes;

    /// Parts of the image before that are no parts of this one.
    fn dropped(&self) -> &[PartId];
}

impl ImageParts for Image {
    fn next_part(&mut self) -> Option<(PartId, Bytes)> {
        Image::next_part(self)
    }

    fn trunk(&self) -> Bytes {
        Image::trunk(self)
    }

    fn dropped(&self) -> &[PartId] {
        Image::dropped(self)
    }
}

/// The number of a write that is done, or why it failed.
pub(super) type Outcome = Result<u64, JournalError>;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    None,
    /// It takes room on the device that it may not have.
    NeedsRoom,
    Any,
}

/// An image of which some parts were put.
struct Current {
    lane: usize,
    id: u64,
    head: Box<Head>,
    parts: Box<dyn ImageParts>,
    /// The part that did not fit the last batch.
    held: Option<(PartId, Bytes)>,
    put: Vec<Part>,
}

/// All writes that are not done.
pub(super) struct Writes {
    journal: Box<dyn Journal>,
    waiting: VecDeque<(usize, u64, ImageWrite)>,
    current: Option<Current>,
    /// Heads whose parts were put, each with who is told.
    finished: Vec<(usize, u64, PutHead)>,
    finished_bytes: usize,
    has_failed: Vec<bool>,
}

impl Writes {
    pub(super) fn new(journal: Box<dyn Journal>, lanes: usize) -> Self {
        let (waiting, has_failed) = (VecDeque::new(), vec![false; lanes]);
        Self { journal, waiting, current: None, finished: Vec::new(), finished_bytes: 0, has_failed }
    }

    pub(super) fn push(&mut self, lane: usize, id: u64, write: ImageWrite) {
        if self.has_failed.get(lane) == Some(&false) {
            self.waiting.push_back((lane, id, write));
        }
    }

    /// What the next step is about.
    pub(super) fn next(&self) -> Step {
        match self.waiting.front() {
            _ if self.current.is_some() => Step::Any,
            None if self.finished.is_empty() => Step::None,
            Some((_, _, ImageWrite::Put(..) | ImageWrite::State(_))) => Step::NeedsRoom,
            _ => Step::Any,
        }
    }

    /// Whether there are heads whose parts were put.
    pub(super) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Writes one batch; answers what is done by it.
    pub(super) fn step(&mut self, images: &mut dyn Images, has_room: bool) -> Vec<(usize, Outcome)> {
        if let Some(current) = self.current.take() {
            return self.go_on(images, current);
        }
        if self.must_settle() || (self.has_finished() && !has_room) {
            return self.settle(images);
        }
        let Some((lane, id, write)) = self.waiting.pop_front() else { return Vec::new() };
        let shard = ShardId(u16::try_from(lane).unwrap_or(u16::MAX));
        let done = match write {
            ImageWrite::Put(head, parts) => {
                return self.go_on(images, Current { lane, id, head, parts, held: None, put: Vec::new() });
            }
            ImageWrite::End(head) => {
                self.finish(lane, id, PutHead { shard, head: *head, dropped: Vec::new() });
                return Vec::new();
            }
            ImageWrite::Remove(image) => images.remove(image),
            ImageWrite::State(state) => images.put_state(shard, &state),
            ImageWrite::Cut(frame) => self.journal.truncate(frame.shard, frame.epoch, frame.number),
        };
        vec![(lane, self.outcome(lane, id, done))]
    }

    /// Whether finished heads are put in force now: they are many, nothing can join them, or something must not overtake.
    fn must_settle(&self) -> bool {
        let is_full = self.finished.len() >= IMAGES_IN_FLIGHT_MAX || self.finished_bytes >= IMAGE_BATCH_BYTES_MAX;
        let can_join = match self.waiting.front() {
            Some((lane, _, ImageWrite::Put(head, _) | ImageWrite::End(head))) => {
                self.finished.iter().all(|(other, _, put)| (other, put.head.birth) != (lane, head.birth))
            }
            Some((_, _, ImageWrite::Remove(_) | ImageWrite::State(_) | ImageWrite::Cut(_))) | None => false,
        };
        !self.finished.is_empty() && (is_full || !can_join)
    }

    /// Puts the next parts of an image, or finishes its head.
    fn go_on(&mut self, images: &mut dyn Images, mut current: Current) -> Vec<(usize, Outcome)> {
        let shard = ShardId(u16::try_from(current.lane).unwrap_or(u16::MAX));
        let image = current.head.name(shard);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let is_whole = loop {
            let Some((id, part)) = current.held.take().or_else(|| current.parts.next_part()) else { break true };
            bytes += part.len();
            if bytes > IMAGE_BATCH_BYTES_MAX && !batch.is_empty() {
                current.held = Some((id, part));
                break false;
            }
            current.put.push(Part { id, crc: crc32fast::hash(&part) });
            batch.push((id, part));
        };
        let put = if batch.is_empty() { Ok(()) } else { images.put_parts(image, &batch) };
        let (lane, id) = (current.lane, current.id);
        let put = match put {
            Ok(()) if !is_whole => {
                self.current = Some(current);
                return Vec::new();
            }
            Ok(()) => head(images, image, current),
            Err(error) => Err(error),
        };
        match put {
            Ok(put) => {
                self.finish(lane, id, put);
                Vec::new()
            }
            Err(error) => vec![(lane, self.outcome(lane, id, Err(error)))],
        }
    }

    fn finish(&mut self, lane: usize, id: u64, put: PutHead) {
        const PART_BYTES: usize = 8;
        let parts = put.head.live().map_or(0, |live| live.parts.len());
        self.finished_bytes += (parts + put.dropped.len()) * PART_BYTES;
        self.finished.push((lane, id, put));
    }

    /// Puts the finished heads in force.
    fn settle(&mut self, images: &mut dyn Images) -> Vec<(usize, Outcome)> {
        self.finished_bytes = 0;
        let (told, heads): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.finished).into_iter().map(|(lane, id, put)| ((lane, id), put)).unzip();
        let put = images.put_heads(&heads);
        let mut done = Vec::new();
        for (lane, id) in told {
            // A shard is told of one failure.
            if self.has_failed.get(lane) == Some(&false) {
                done.push((lane, self.outcome(lane, id, put.clone())));
            }
        }
        done
    }

    /// What a shard is told; after a failure nothing of it is written any more.
    fn outcome(&mut self, lane: usize, id: u64, done: Result<(), JournalError>) -> Outcome {
        if let (Err(error), Some(has_failed)) = (&done, self.has_failed.get_mut(lane)) {
            tracing::error!(%error, lane, "an image could not be written");
            *has_failed = true;
            self.waiting.retain(|(other, _, _)| *other != lane);
            self.finished.retain(|(other, _, _)| *other != lane);
        }
        done.map(|()| id)
    }
}

/// The head of an image whose parts were put: its table is that of the head before, less what was dropped.
fn head(images: &mut dyn Images, image: ImageName, current: Current) -> Result<PutHead, JournalError> {
    let Current { mut head, parts, put, .. } = current;
    let dropped = parts.dropped().to_vec();
    if let HeadBody::Live(live) = &mut head.body {
        let gone: BTreeSet<PartId> = dropped.iter().chain(put.iter().map(|part| &part.id)).copied().collect();
        let before = images.head(image)?;
        let kept = before.as_ref().and_then(Head::live).into_iter().flat_map(|live| &live.parts);
        let mut table: Vec<Part> = kept.filter(|part| !gone.contains(&part.id)).chain(&put).copied().collect();
        table.sort_unstable_by_key(|part| part.id);
        **live = LiveHead { trunk: parts.trunk(), parts: table, ..std::mem::take(&mut **live) };
    }
    Ok(PutHead { shard: image.shard, head: *head, dropped })
}

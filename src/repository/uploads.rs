//! Transfers from a node: creations and commits too large for a record.
//!
//! Segments may arrive in any order and before the record that says what they are for. A creation grows a document that
//! nobody sees and goes to the journal segment by segment; a commit is gathered, then judged like any other. While the
//! open frame is full, a segment is confirmed only when that frame is durable: a slow journal slows its sender.
//! Invariants: at most [`TRANSFERS_MAX`] transfers of a node have begun; at most [`SEGMENTS_UNCONFIRMED_MAX`] segments
//! of each wait (I12, I14). Source: own reasoning.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;

use super::Core;
use super::creations::Building;
use super::holders::Place;
use super::imaging::Owner;
use super::links::Violation;
use super::objects::Terms;
use super::work::Work;
use crate::document::{Document, Loaded, Loading};
use crate::ids::{Alias, FrameNumber, Sequence, TransferId, Version};
use crate::journal::{Entry, Payload};
use crate::limits::{COMMITS_UNACKNOWLEDGED_MAX, DELTA_BYTES_MAX, SEGMENTS_UNCONFIRMED_MAX, TRANSFERS_MAX};
use crate::wire::{CloseCode, FailureCode, Segment, ToNode};

/// A transfer from a node.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// Whether any segment arrived.
    has_begun: bool,
    next: u32,
    /// Segments that wait for an earlier one, or for the record that says what they are for.
    early: BTreeMap<u32, Segment>,
    target: Target,
}

#[derive(Debug, Default)]
enum Target {
    /// Not said yet.
    #[default]
    Unknown,
    /// An object that is about to exist.
    Creation(Box<Rising>),
    /// A commit.
    Commit(Gathering),
    /// Nothing: its record was answered already.
    Nobody,
}

/// An object that grows segment by segment, and the number of its slices.
#[derive(Debug)]
struct Rising {
    building: Building,
    staging: u64,
    growth: Growth,
}

/// How far a growing object is.
#[derive(Debug)]
enum Growth {
    /// All segments that were taken are in it.
    Resting(Box<Document>),
    /// This segment is being loaded.
    Loading(Loading, Segment),
}

/// A commit whose delta is being gathered.
#[derive(Debug)]
struct Gathering {
    sequence: Sequence,
    alias: Alias,
    terms: Terms,
    delta: Vec<u8>,
    bytes: usize,
}

impl Upload {
    /// Whether an object grows here whose slices have this number.
    pub(super) fn is_staging(&self, staging: u64) -> bool {
        matches!(&self.target, Target::Creation(rising) if rising.staging == staging)
    }

    /// Whether there is something to do for it.
    fn has_next(&self) -> bool {
        match &self.target {
            Target::Unknown => false,
            Target::Creation(rising) if matches!(rising.growth, Growth::Loading(..)) => true,
            _ => self.early.contains_key(&self.next),
        }
    }
}

impl Core {
    /// Takes a segment that arrived.
    pub(super) fn take_segment(&mut self, place: Place, bytes: &Bytes) -> Result<(), Violation> {
        let segment = Segment::decode(bytes)?;
        let transfer = segment.transfer;
        let begun = self.nodes.at(place).map_or(0, |node| node.uploads.values().filter(|it| it.has_begun).count());
        let upload = self.upload(place, transfer)?;
        if !mem::replace(&mut upload.has_begun, true) && begun >= TRANSFERS_MAX {
            return Err(Violation::new(CloseCode::TooManyRequests, "too many transfers at a time"));
        }
        let is_new = segment.index >= upload.next && !upload.early.contains_key(&segment.index);
        if !is_new || upload.early.len() >= SEGMENTS_UNCONFIRMED_MAX as usize {
            return Err(Violation::new(CloseCode::OutOfOrder, "a segment was sent twice or against the window"));
        }
        upload.early.insert(segment.index, segment);
        self.upload_on(place, transfer);
        Ok(())
    }

    fn upload(&mut self, place: Place, transfer: TransferId) -> Result<&mut Upload, Violation> {
        let gone = || Violation::new(CloseCode::Internal, "the node left");
        let node = self.nodes.at_mut(place).ok_or_else(gone)?;
        if node.uploads.len() >= COMMITS_UNACKNOWLEDGED_MAX && !node.uploads.contains_key(&transfer) {
            return Err(Violation::new(CloseCode::TooManyRequests, "too many transfers are announced"));
        }
        Ok(node.uploads.entry(transfer).or_default())
    }

    /// A creation's value comes as this transfer; `None` if the creation was answered already.
    pub(super) fn announce_creation(
        &mut self,
        place: Place,
        transfer: TransferId,
        begun: Option<(Building, Box<Document>)>,
    ) -> Result<(), Violation> {
        let staging = self.take_staging();
        let target = begun.map_or(Target::Nobody, |(building, document)| {
            Target::Creation(Box::new(Rising { building, staging, growth: Growth::Resting(document) }))
        });
        self.announce(place, transfer, target)
    }

    /// A commit's delta comes as this transfer.
    pub(super) fn announce_commit(
        &mut self,
        place: Place,
        transfer: TransferId,
        bytes: u64,
        (sequence, alias, terms): (Sequence, Alias, Terms),
        is_admitted: bool,
    ) -> Result<(), Violation> {
        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= DELTA_BYTES_MAX);
        let target = match bytes {
            Some(bytes) if is_admitted => {
                Target::Commit(Gathering { sequence, alias, terms, delta: Vec::new(), bytes })
            }
            Some(_) => Target::Nobody,
            None => {
                let text = format!("a delta has at most {DELTA_BYTES_MAX} bytes");
                self.refuse(place, sequence, FailureCode::Limit, &text);
                Target::Nobody
            }
        };
        self.announce(place, transfer, target)
    }

    fn announce(&mut self, place: Place, transfer: TransferId, target: Target) -> Result<(), Violation> {
        let upload = self.upload(place, transfer)?;
        if !matches!(upload.target, Target::Unknown) {
            return Err(Violation::new(CloseCode::OutOfOrder, "a transfer was announced twice"));
        }
        upload.target = target;
        self.upload_on(place, transfer);
        Ok(())
    }

    /// Takes the segments that are next, in steps.
    pub(super) fn upload_on(&mut self, place: Place, transfer: TransferId) {
        loop {
            let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
            let Some(upload) = node.uploads.get_mut(&transfer) else { return };
            if !upload.has_next() {
                return;
            }
            if self.cost.is_spent() {
                self.work.push_back(Work::Upload(place, transfer));
                return;
            }
            let (target, taken) = match mem::take(&mut upload.target) {
                Target::Creation(rising) if matches!(rising.growth, Growth::Loading(..)) => {
                    self.load_on(place, *rising)
                }
                target => {
                    let Some(segment) = upload.early.remove(&upload.next) else { return };
                    upload.next += 1;
                    self.cost.add(1, 0);
                    self.absorb(place, target, segment)
                }
            };
            if let Some((index, is_last)) = taken {
                let after = if self.frames.room() > 0 { FrameNumber(0) } else { self.frames.newest() };
                self.push(place, after, &ToNode::SegmentTaken { transfer, index });
                if is_last {
                    if let Some(node) = self.nodes.at_mut(place) {
                        node.uploads.remove(&transfer);
                    }
                    self.finish_upload(place, target);
                    return;
                }
            }
            if let Some(upload) = self.nodes.at_mut(place).and_then(|node| node.uploads.get_mut(&transfer)) {
                upload.target = target;
            }
        }
    }

    /// Takes one segment into what the transfer is for; answers what the rest of it is for, and which segment was taken
    /// wholly and whether it is the last.
    fn absorb(&mut self, place: Place, target: Target, segment: Segment) -> (Target, Option<(u32, bool)>) {
        let taken = Some((segment.index, segment.is_last));
        match target {
            Target::Creation(rising) => {
                let Rising { building, staging, growth } = *rising;
                let growth = match growth {
                    Growth::Resting(document) => {
                        Growth::Loading(Loading::new(document, segment.bytes.clone(), Version(1)), segment)
                    }
                    growth @ Growth::Loading(..) => growth,
                };
                (Target::Creation(Box::new(Rising { building, staging, growth })), None)
            }
            Target::Commit(mut gathering) => {
                self.cost.add(0, segment.bytes.len());
                gathering.delta.extend_from_slice(&segment.bytes);
                if gathering.delta.len() > gathering.bytes {
                    self.refuse(place, gathering.sequence, FailureCode::Malformed, "the delta is longer than it said");
                    return (Target::Nobody, taken);
                }
                (Target::Commit(gathering), taken)
            }
            Target::Unknown | Target::Nobody => (Target::Nobody, taken),
        }
    }

    /// Loads more of a segment into an object that is about to exist; answers as [`absorb`](Self::absorb).
    fn load_on(&mut self, place: Place, rising: Rising) -> (Target, Option<(u32, bool)>) {
        let Rising { building, staging, growth } = rising;
        let Growth::Loading(loading, segment) = growth else { return (Target::Nobody, None) };
        let mut budget = self.cost.budget();
        let loaded = loading.step(&mut budget);
        self.cost.charge(&budget);
        let taken = Some((segment.index, segment.is_last));
        match loaded {
            Loaded::Partly(loading) => {
                let growth = Growth::Loading(loading, segment);
                (Target::Creation(Box::new(Rising { building, staging, growth })), None)
            }
            Loaded::Wholly(document) if document.encoded_bytes() > self.caps.object_bytes_max => {
                self.refuse_bytes(place, building.sequence, document.encoded_bytes());
                (Target::Nobody, taken)
            }
            Loaded::Wholly(document) => {
                self.note_slice(staging, Owner::Creation(place));
                self.frames.push(Entry::Slice { staging, bytes: segment.bytes });
                let growth = Growth::Resting(document);
                (Target::Creation(Box::new(Rising { building, staging, growth })), taken)
            }
            Loaded::Refused(error) => {
                self.refuse(place, building.sequence, FailureCode::of(&error), &error.to_string());
                (Target::Nobody, taken)
            }
        }
    }

    fn finish_upload(&mut self, place: Place, target: Target) {
        match target {
            Target::Creation(rising) => {
                let Rising { building, staging, growth } = *rising;
                if let Growth::Resting(document) = growth {
                    self.finish_creation(place, building, document, Payload::Staged(staging));
                }
            }
            Target::Commit(Gathering { sequence, alias, terms, delta, bytes }) => {
                if delta.len() == bytes {
                    self.offer(place, sequence, alias, terms, delta.into());
                } else {
                    self.refuse(place, sequence, FailureCode::Malformed, "the delta is shorter than it said");
                }
            }
            Target::Unknown | Target::Nobody => {}
        }
    }
}

//! How a node gets from the version it has to the head: by a delta, by a transfer, or whole.
//!
//! ```text
//!  base ─▶ what changed since (in steps, of a version that is kept) ─▶ in the answer, or as a transfer if it is long
//!   none, or below the horizon ─▶ the object: in the answer, or as a transfer
//! ```
//! An answer in the making waits in its node, before that node's next request; commits of the object go on, and what
//! came meanwhile follows like any change. Invariants: an answer is to the base that its holder has when it is sent; it
//! waits for the frame of what it shows (I6). Source: own reasoning.

use std::collections::VecDeque;

use bytes::Bytes;

use super::holders::Place;
use super::{Core, Rule};
use crate::coding::Writer;
use crate::document::Answering;
use crate::ids::{Alias, Birth, FrameNumber, TransferId, Version};
use crate::wire::Form;

/// An answer that takes more than one step: to the node's first request.
#[derive(Debug)]
pub(super) struct Answer {
    alias: Alias,
    birth: Birth,
    base: Version,
    /// The last frame that touched what it shows.
    after: FrameNumber,
    answering: Answering,
    /// All of it, once it is written; then it waits for a transfer.
    pieces: Option<VecDeque<Bytes>>,
}

/// How a node gets to a version of an object: [`Form`] with bytes of its own.
pub(super) enum Leap {
    Same,
    Delta(Version, Bytes),
    Loading(TransferId, Option<Version>, usize),
}

/// A leap, where it leads, and the frame that it shows.
pub(super) struct Landing {
    pub(super) leap: Leap,
    pub(super) version: Version,
    pub(super) after: FrameNumber,
}

/// Why a request is not answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For a transfer to end.
    Transfer,
    /// For the next step.
    Step,
    /// For the document of this object.
    Load(Alias),
}

impl Leap {
    pub(super) fn form(&self) -> Form<'_> {
        match self {
            Self::Same => Form::Same,
            Self::Delta(base, delta) => Form::Delta { base: *base, delta },
            Self::Loading(transfer, base, bytes) => {
                Form::Loading { transfer: *transfer, base: *base, bytes: *bytes as u64 }
            }
        }
    }
}

impl Core {
    /// A holder was brought to `version`; what came after that follows like any change.
    pub(super) fn follow_up(&mut self, place: Place, alias: Alias, version: Version) {
        let object = self.objects.at_mut(alias).filter(|object| object.head() != version);
        let holder = object.and_then(|object| object.holders.find_mut(place));
        if let (Some(holder), Some(node)) = (holder, self.nodes.at_mut(place)) {
            node.note_dirty(alias, holder);
        }
        self.use_object(place, alias);
    }

    /// How to get from `base` (0: nothing) to the head, or to what was the head when the answer was begun.
    pub(super) fn leap(&mut self, place: Place, alias: Alias, base: Version) -> Result<Landing, Wait> {
        // Whoever asks has looked: it is there.
        let Some(object) = self.objects.at(alias) else { return Err(Wait::Transfer) };
        let (birth, version, after) = (object.birth, object.head(), object.frame);
        let document = object.document().cloned();
        let under_way = self.nodes.at_mut(place).and_then(|node| node.answer.take());
        let under_way = under_way.filter(|answer| (answer.alias, answer.birth, answer.base) == (alias, birth, base));
        if under_way.is_none() && base == version {
            return Ok(Landing { leap: Leap::Same, version, after });
        }
        if base > Version(0) {
            let has_horizon = self.rules.has(Rule::Horizon);
            let answer = match (under_way, document) {
                (Some(answer), _) => answer,
                (None, None) => return Err(Wait::Load(alias)),
                (None, Some(document)) => {
                    let from = if has_horizon { base } else { base.max(document.horizon()) };
                    let answering = Answering::new(document, from);
                    Box::new(Answer { alias, birth, base, after, answering, pieces: None })
                }
            };
            if let Some(landing) = self.answer_on(place, answer)? {
                return Ok(landing);
            }
        }
        self.leap_whole(place, alias)
    }

    /// Goes on with an answer; nothing if it is below the horizon.
    fn answer_on(&mut self, place: Place, mut answer: Box<Answer>) -> Result<Option<Landing>, Wait> {
        let (base, version, after) = (answer.base, answer.answering.version(), answer.after);
        if answer.pieces.is_none() {
            let mut budget = self.cost.budget();
            let written = answer.answering.step(&mut budget);
            self.cost.charge(&budget);
            match written {
                Some(Ok(pieces)) => answer.pieces = Some(pieces),
                Some(Err(_forgotten)) => return Ok(None),
                None => return Err(self.answer_later(place, answer, Wait::Step)),
            }
        }
        let pieces = answer.pieces.take().unwrap_or_default();
        let bytes = pieces.iter().map(Bytes::len).sum();
        if bytes <= self.caps.windows.inline_bytes {
            let leap = Leap::Delta(base, pieces.into_iter().flatten().collect::<Vec<u8>>().into());
            return Ok(Some(Landing { leap, version, after }));
        }
        // Its pieces are pointers.
        if let Some(transfer) = self.send_slices(place, after, pieces.clone()) {
            return Ok(Some(Landing { leap: Leap::Loading(transfer, Some(base), bytes), version, after }));
        }
        answer.pieces = Some(pieces);
        Err(self.answer_later(place, answer, Wait::Transfer))
    }

    /// Keeps an answer for when its request comes up again.
    fn answer_later(&mut self, place: Place, answer: Box<Answer>, wait: Wait) -> Wait {
        if let Some(node) = self.nodes.at_mut(place) {
            node.answer = Some(answer);
        }
        wait
    }

    /// How to get the whole object.
    fn leap_whole(&mut self, place: Place, alias: Alias) -> Result<Landing, Wait> {
        let inline_bytes = self.caps.windows.inline_bytes;
        let object = self.objects.at(alias).and_then(|object| Some((object, object.document()?)));
        let Some((object, document)) = object else { return Err(Wait::Load(alias)) };
        let (version, after, bytes) = (document.version(), object.frame, document.encoded_bytes());
        if bytes <= inline_bytes / 2 {
            let mut w = Writer::new();
            document.freeze().encode(&mut w);
            self.cost.add(1, w.len());
            if w.len() <= inline_bytes {
                return Ok(Landing { leap: Leap::Delta(Version(0), w.into_bytes().into()), version, after });
            }
        }
        let frozen = document.freeze();
        let transfer = self.send_snapshot(place, after, frozen).ok_or(Wait::Transfer)?;
        Ok(Landing { leap: Leap::Loading(transfer, None, bytes), version, after })
    }
}

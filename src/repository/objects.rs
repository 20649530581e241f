//! The objects of a shard: slots, births, and what is under way for each.
//!
//! An object lives in a slot whose number, its alias, is the same for every node:
//!
//! ```text
//!           create              destroy             every node that held it closed it
//!   free ──────────▶ live ─────────────▶ ended ──────────────────────────────────────▶ free
//!            evicted │ ▲ loaded            ▲
//!                    ▼ │      destroy      │
//!          start ──▶ cold ─────────────────┘
//! ```
//! Invariants: an ended object never lives again (W10); a slot is free only when no connected node can still mean the
//! old object by its alias (I11). Source: own reasoning.

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use bytes::Bytes;

use super::ConnectionId;
use super::classes::ClassIndex;
use super::expiry::Expires;
use super::groups::Effects;
use super::holders::{Holders, Place};
use super::requests::Request;
use crate::document::{Document, Fitting, Judged, Judging, Making};
use crate::ids::{Alias, Birth, Fence, FrameNumber, Sequence, Version};
use crate::journal::{FrameName, IndexedValue, Payload};
use crate::time::Instant;

/// An object, or what is left of one.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) birth: Birth,
    pub(super) class: ClassIndex,
    pub(super) key: Box<str>,
    pub(super) body: Body,
    /// The last frame that touched it: whatever shows it waits for this one (I6).
    pub(super) frame: FrameNumber,
    pub(super) holders: Holders,
    /// When it ends by itself; `None` if it does not.
    pub(super) expires: Option<Box<Expires>>,
    /// Commits on their way; `None` when it is quiet.
    pub(super) turn: Option<Box<Turn>>,
    /// The first frame that the newest of its images, in force or on its way, does not contain.
    pub(super) dirty: Option<FrameName>,
    /// Bytes of the heap that are counted for it.
    pub(super) heap_bytes: usize,
    /// When it was last used.
    pub(super) used_at: Instant,
    /// What it is found by; a field that is indexed and not in here was not looked at yet.
    pub(super) indexed: Box<[IndexedValue]>,
}

/// Whether an object lives.
#[derive(Debug)]
pub(super) enum Body {
    /// It does, as this document.
    Live(Box<Document>),
    /// It does, in its image.
    Cold(Box<Cold>),
    /// It was destroyed by the commit that made this version.
    Ended(Version),
}

/// An object whose document is not in memory.
#[derive(Debug)]
pub(super) struct Cold {
    /// The version that its image is of.
    pub(super) image: Version,
    /// The commits since, which the journal has: one version each.
    pub(super) tail: Vec<Bytes>,
    pub(super) load: LoadState,
}

/// How far a cold object is on its way to memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoadState {
    /// Nobody asked for it.
    Idle,
    /// It is being loaded, or will be.
    Asked,
    /// It cannot be loaded, for this reason.
    Damaged(String),
}

impl Cold {
    pub(super) fn new(image: Version) -> Self {
        Self { image, tail: Vec::new(), load: LoadState::Idle }
    }

    /// Its newest version.
    pub(super) fn head(&self) -> Version {
        Version(self.image.0 + self.tail.len() as u64)
    }
}

/// What is under way for one object.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Whether it was touched in the open frame.
    pub(super) is_touched: bool,
    /// Commits that took effect and whose authors were not told.
    pub(super) results: VecDeque<Accepted>,
    /// The delta of the newest commit, if it alone leads from the version before.
    pub(super) newest: Option<(Version, Bytes)>,
    /// The commit that takes more than one step.
    pub(super) underway: Option<Underway>,
    /// Commits that wait for it, or for the object to be loaded.
    pub(super) waiting: VecDeque<Offer>,
    /// Requests that wait for the object to be loaded.
    pub(super) requests: Vec<(ConnectionId, Place, Request)>,
    /// Ends that wait for it, because its last state will be told.
    pub(super) ends: Vec<End>,
}

/// Why an object is to end.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// A node asked for it.
    Destroyed(ConnectionId, Place, Sequence),
    /// It reached a limit, as far as is known.
    Expired,
}

impl Turn {
    /// Whether nothing is under way.
    pub(super) fn is_over(&self) -> bool {
        !self.is_touched
            && self.results.is_empty()
            && self.underway.is_none()
            && self.waiting.is_empty()
            && self.requests.is_empty()
            && self.ends.is_empty()
    }
}

/// What a commit is judged by, besides its delta.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) base: Version,
    pub(super) is_isolated: bool,
    /// The lock that it is made under.
    pub(super) fence: Option<Fence>,
    /// What must not have changed after the base, besides.
    pub(super) guards: Bytes,
}

/// A commit that a node offers.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) connection: ConnectionId,
    pub(super) place: Place,
    pub(super) sequence: Sequence,
    pub(super) terms: Terms,
    pub(super) delta: Bytes,
    /// Whether the node gave the replica up that it was made on; one that it opened since does not know of it.
    pub(super) is_orphan: bool,
    /// Whether it is part of a group, which takes effect as a whole.
    pub(super) is_part: bool,
}

/// A commit that took effect.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) connection: ConnectionId,
    pub(super) sequence: Sequence,
    pub(super) version: Version,
    /// Whether its delta is, byte for byte, what the object changed by.
    pub(super) is_as_sent: bool,
    /// If it was a group, all that it did: told when the first of its objects is.
    pub(super) group: Option<Box<Effects>>,
}

/// A commit that was judged well.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) offer: Offer,
    pub(super) judged: Judged,
    /// The document with the commit applied, if that was done aside.
    pub(super) made: Option<Box<Document>>,
}

/// A commit that takes more than one step.
#[derive(Debug)]
pub(super) enum Underway {
    /// The object is held against a newer schema, before the commit is judged.
    Fitting(Box<Fitting>, Offer),
    /// It is being judged.
    Judging(Box<Judging>, Offer),
    /// It was judged and is being applied to a copy.
    Making(Box<Making>, Verdict),
    /// It was judged; its delta goes to the journal in slices.
    Slicing { verdict: Verdict, staging: u64, written: usize },
    /// It was judged and waits for the rest of its group; nothing else changes the object meanwhile. Without a payload it
    /// changes nothing.
    Held { verdict: Verdict, payload: Option<Payload> },
}

impl Underway {
    pub(super) fn offer(&self) -> &Offer {
        match self {
            Self::Fitting(_, offer) | Self::Judging(_, offer) => offer,
            Self::Making(_, verdict) | Self::Slicing { verdict, .. } | Self::Held { verdict, .. } => &verdict.offer,
        }
    }

    pub(super) fn offer_mut(&mut self) -> &mut Offer {
        match self {
            Self::Fitting(_, offer) | Self::Judging(_, offer) => offer,
            Self::Making(_, verdict) | Self::Slicing { verdict, .. } | Self::Held { verdict, .. } => &mut verdict.offer,
        }
    }
}

impl Object {
    pub(super) fn document(&self) -> Option<&Document> {
        match &self.body {
            Body::Live(document) => Some(document),
            Body::Cold(_) | Body::Ended(_) => None,
        }
    }

    pub(super) fn cold(&self) -> Option<&Cold> {
        match &self.body {
            Body::Cold(cold) => Some(cold),
            Body::Live(_) | Body::Ended(_) => None,
        }
    }

    pub(super) fn cold_mut(&mut self) -> Option<&mut Cold> {
        match &mut self.body {
            Body::Cold(cold) => Some(cold),
            Body::Live(_) | Body::Ended(_) => None,
        }
    }

    /// Whether it lives, in memory or not.
    pub(super) fn is_living(&self) -> bool {
        !matches!(self.body, Body::Ended(_))
    }

    /// Whether a copy of its document is being changed.
    pub(super) fn is_making(&self) -> bool {
        let underway = self.turn.as_ref().and_then(|turn| turn.underway.as_ref());
        matches!(underway, Some(Underway::Making(..) | Underway::Slicing { .. } | Underway::Held { .. }))
    }

    /// The newest version, of which a destruction is one.
    pub(super) fn head(&self) -> Version {
        match &self.body {
            Body::Live(document) => document.version(),
            Body::Cold(cold) => cold.head(),
            Body::Ended(version) => *version,
        }
    }

    pub(super) fn turn(&mut self) -> &mut Turn {
        self.turn.get_or_insert_default()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.underway.is_some() || !turn.waiting.is_empty())
    }

    /// A node gives its replica up: answers its commits that were not begun, marks the one that was.
    pub(super) fn orphan(&mut self, place: Place) -> Vec<Offer> {
        let Some(turn) = self.turn.as_mut() else { return Vec::new() };
        if let Some(offer) = turn.underway.as_mut().map(Underway::offer_mut).filter(|offer| offer.place == place) {
            offer.is_orphan = true;
        }
        let waiting = mem::take(&mut turn.waiting);
        let (orphans, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|offer| offer.place == place);
        turn.waiting = waiting.into();
        orphans
    }

    /// Lets go of the turn if it is over.
    pub(super) fn rest(&mut self) {
        if self.turn.as_ref().is_some_and(|turn| turn.is_over()) {
            self.turn = None;
        }
    }
}

/// The slots of a shard.
#[derive(Debug, Default)]
pub(super) struct Objects {
    slots: Vec<Option<Box<Object>>>,
    free: BTreeSet<u32>,
}

impl Objects {
    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn at(&self, alias: Alias) -> Option<&Object> {
        self.slots.get(alias.0 as usize)?.as_deref()
    }

    pub(super) fn at_mut(&mut self, alias: Alias) -> Option<&mut Object> {
        self.slots.get_mut(alias.0 as usize)?.as_deref_mut()
    }

    /// Every object, by its slot.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Alias, &mut Object)> {
        let numbered = (0..).map(Alias).zip(&mut self.slots);
        numbered.filter_map(|(alias, slot)| Some((alias, slot.as_deref_mut()?)))
    }

    /// The slot that the next object gets: the lowest free one.
    pub(super) fn next_alias(&self) -> Alias {
        let next = self.free.first().copied();
        Alias(next.unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX)))
    }

    /// Puts an object into the slot `alias`, which is free.
    pub(super) fn put(&mut self, alias: Alias, object: Object) {
        let at = alias.0 as usize;
        while self.slots.len() <= at {
            self.free.insert(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
            self.slots.push(None);
        }
        self.free.remove(&alias.0);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some(Box::new(object));
        }
    }

    pub(super) fn free(&mut self, alias: Alias) {
        if let Some(slot) = self.slots.get_mut(alias.0 as usize) {
            *slot = None;
            self.free.insert(alias.0);
        }
    }
}

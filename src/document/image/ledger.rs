//! Which parts an object's last image has, and the numbers of the next.
//!
//! All copies of a document share one ledger, so an image may be taken of any of them, also while a version is in the
//! making on another: no number is given twice, and a copy that has not seen the last image trusts only those of its
//! parts that are in it, and has no tail stand behind it. Invariant: a number is given again only after the 32 bits went
//! round, and only if the last image has no part of it. Source: own reasoning.

use std::sync::Arc;

use parking_lot::Mutex;

use super::kept::{Kept, KeptIn};
use crate::document::apart::{Branch, Children};
use crate::document::list::ListPage;
use crate::document::map::{MapBranch, MapPage};
use crate::ids::{PartId, Version};
use crate::limits::IMAGE_TAILS_MAX;

/// What one copy of a document knows of the images of its object.
#[derive(Clone, Debug, Default)]
pub(in crate::document) struct Imaging {
    ledger: Arc<Mutex<Ledger>>,
    /// Images that were taken when this copy's pages were marked last.
    taken: u64,
    /// The part that holds the schema.
    schema: Option<PartId>,
}

#[derive(Debug, Default)]
struct Ledger {
    taken: u64,
    /// The parts of the last image, ascending.
    parts: Arc<[PartId]>,
    /// What its trunk says.
    trunk: Trunk,
    /// Bytes of the deltas in its tails.
    tail_bytes: usize,
}

/// What marking found.
#[derive(Debug)]
pub(super) struct Marked {
    /// What the trunk says.
    pub(super) trunk: Trunk,
    /// All parts, ascending.
    pub(super) parts: Arc<[PartId]>,
    /// The parts of the image before.
    pub(super) former: Arc<[PartId]>,
    /// Those that are to be written, ascending.
    pub(super) fresh: Vec<PartId>,
}

/// What the trunk of an image says.
#[derive(Clone, Debug, Default)]
pub(super) struct Trunk {
    pub(super) version: Version,
    /// The number that was given last.
    pub(super) given: u32,
    /// The part that holds the schema.
    pub(super) schema: PartId,
    /// The part that is the root's page.
    pub(super) root: Option<PartId>,
    /// The parts that stand behind the pages, in order.
    pub(super) tails: Vec<PartId>,
}

/// Gives parts to pages that have none.
#[derive(Debug)]
struct Marking<'l> {
    former: &'l [PartId],
    /// Whether the copy has not seen the last image.
    is_stranger: bool,
    given: u32,
    parts: Vec<PartId>,
    fresh: Vec<PartId>,
}

impl Imaging {
    /// What is known of an object that was restored from `parts`, with so many bytes in tails.
    pub(super) fn restored(trunk: Trunk, parts: impl IntoIterator<Item = PartId>, tail_bytes: usize) -> Self {
        let schema = Some(trunk.schema);
        let ledger = Ledger { taken: 0, parts: parts.into_iter().collect(), trunk, tail_bytes };
        Self { ledger: Arc::new(Mutex::new(ledger)), taken: 0, schema }
    }

    /// Bytes it has on the heap.
    pub(in crate::document) fn heap_bytes(&self) -> usize {
        let ledger = self.ledger.lock();
        let parts = ledger.parts.len() + ledger.trunk.tails.capacity();
        parts * size_of::<PartId>() + size_of::<Mutex<Ledger>>() + 2 * crate::document::apart::ARC_BYTES
    }

    /// The next image needs another schema.
    pub(in crate::document) fn forget_schema(&mut self) {
        self.schema = None;
    }

    /// Gives a part to every page that has changed, for an image of `version`.
    pub(super) fn mark(&mut self, root: &mut MapBranch, version: Version) -> Marked {
        let mut ledger = self.ledger.lock();
        let former = Arc::clone(&ledger.parts);
        let mut marking = Marking {
            former: &former,
            is_stranger: self.taken != ledger.taken,
            given: ledger.trunk.given,
            parts: Vec::with_capacity(former.len() + 8),
            fresh: Vec::new(),
        };
        let known = self.schema.filter(|part| marking.is_former(*part));
        let schema = known.inspect(|part| marking.parts.push(*part)).unwrap_or_else(|| marking.next());
        root.mark(&mut marking);
        let Marking { given, mut parts, mut fresh, .. } = marking;
        parts.sort_unstable();
        fresh.sort_unstable();
        let root = root.heads().iter().find_map(|head| Some(head.page.part()?.part));
        let (parts, taken) = (Arc::from(parts), ledger.taken + 1);
        let trunk = Trunk { version, given, schema, root, tails: Vec::new() };
        *ledger = Ledger { taken, parts: Arc::clone(&parts), trunk: trunk.clone(), tail_bytes: 0 };
        (self.taken, self.schema) = (taken, Some(schema));
        Marked { trunk, parts, former, fresh }
    }

    /// Whether no page of the object was written anew since its first image: every number that was given is in use.
    pub(super) fn has_first_pages(&self) -> bool {
        let ledger = self.ledger.lock();
        u32::try_from(ledger.parts.len()) == Ok(ledger.trunk.given)
    }

    /// The version of the last image, and how many bytes of what changed since may stand behind its pages, if those may
    /// have `tails_max` tails and that share of `tail_bytes_max`. `None` if they are as many, or if this copy does not
    /// know that image.
    pub(super) fn room_behind(&self, tail_bytes_max: usize, tails_max: usize) -> Option<(Version, usize)> {
        let ledger = self.ledger.lock();
        let knows_it = self.taken == ledger.taken && self.schema == Some(ledger.trunk.schema);
        let may_grow = knows_it && ledger.trunk.tails.len() < tails_max;
        let share = tail_bytes_max.saturating_mul(tails_max) / IMAGE_TAILS_MAX;
        let room = share.checked_sub(ledger.tail_bytes).filter(|_| may_grow)?;
        Some((ledger.trunk.version, room))
    }

    /// Gives a part to a tail of so many bytes, for an image of `version` whose pages are those of the last one; without
    /// bytes that has nothing new.
    pub(super) fn stand_behind(&mut self, version: Version, bytes: usize) -> Marked {
        let mut ledger = self.ledger.lock();
        let (former, given) = (Arc::clone(&ledger.parts), ledger.trunk.given);
        let mut marking =
            Marking { former: &former, is_stranger: false, given, parts: former.to_vec(), fresh: Vec::new() };
        if bytes > 0 {
            let tail = marking.next();
            ledger.trunk.tails.push(tail);
        }
        let Marking { given, mut parts, fresh, .. } = marking;
        parts.sort_unstable();
        ledger.parts = parts.into();
        (ledger.trunk.given, ledger.trunk.version) = (given, version);
        ledger.tail_bytes += bytes;
        ledger.taken += 1;
        self.taken = ledger.taken;
        Marked { trunk: ledger.trunk.clone(), parts: Arc::clone(&ledger.parts), former, fresh }
    }
}

impl Marking<'_> {
    fn is_former(&self, part: PartId) -> bool {
        self.former.binary_search(&part).is_ok()
    }

    /// The part of a page that did not change.
    fn known<P>(&self, page: &Kept<P>) -> Option<KeptIn> {
        page.part().filter(|kept| !self.is_stranger || self.is_former(kept.part))
    }

    fn next(&mut self) -> PartId {
        loop {
            self.given = self.given.wrapping_add(1);
            let part = PartId(self.given);
            if part != PartId(0) && !self.is_former(part) {
                self.parts.push(part);
                self.fresh.push(part);
                return part;
            }
        }
    }
}

/// What a page of a map and one of a list have in common.
pub(in crate::document) trait Page: Clone {
    fn children(&self) -> &Children;
    fn children_mut(&mut self) -> &mut Children;
    /// Whether nothing lives in it: no image knows such a page.
    fn is_empty(&self) -> bool;
}

impl Page for MapPage {
    fn children(&self) -> &Children {
        &self.children
    }

    fn children_mut(&mut self) -> &mut Children {
        &mut self.children
    }

    fn is_empty(&self) -> bool {
        self.live() == 0
    }
}

impl Page for ListPage {
    fn children(&self) -> &Children {
        &self.children
    }

    fn children_mut(&mut self) -> &mut Children {
        &mut self.children
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<P: Page> Kept<P> {
    fn mark(&mut self, marking: &mut Marking<'_>) {
        if marking.known(self).is_some() {
            return self.collect(marking);
        }
        self.keep(None);
        if self.is_empty() {
            return;
        }
        let is_parent = !self.children().is_empty();
        if is_parent {
            for child in self.make_mut().children_mut().shares_mut() {
                if child.is_known(marking) {
                    child.collect(marking);
                } else {
                    Arc::make_mut(child).mark(marking);
                }
            }
        }
        let part = marking.next();
        self.keep(Some(KeptIn { part, is_parent }));
    }

    /// Notes the parts here and below, which are all of the last image.
    fn collect(&self, marking: &mut Marking<'_>) {
        let Some(kept) = self.part() else { return };
        marking.parts.push(kept.part);
        if kept.is_parent {
            self.children().iter().for_each(|child| child.collect(marking));
        }
    }
}

impl MapBranch {
    fn mark(&mut self, marking: &mut Marking<'_>) {
        self.pages_mut().for_each(|page| page.mark(marking));
    }
}

impl Branch {
    fn mark(&mut self, marking: &mut Marking<'_>) {
        match self {
            Self::Map(map) => map.mark(marking),
            Self::List(list) => list.pages_mut().for_each(|page| page.mark(marking)),
        }
    }

    fn is_known(&self, marking: &Marking<'_>) -> bool {
        match self {
            Self::Map(map) => map.heads().iter().all(|head| marking.known(&head.page).is_some()),
            Self::List(list) => list.heads().iter().all(|head| marking.known(&head.page).is_some()),
        }
    }

    fn collect(&self, marking: &mut Marking<'_>) {
        match self {
            Self::Map(map) => map.heads().iter().for_each(|head| head.page.collect(marking)),
            Self::List(list) => list.heads().iter().for_each(|head| head.page.collect(marking)),
        }
    }
}

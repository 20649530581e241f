//! What an object is at one version, in parts, so that a change of a few bytes does not write the object anew.
//!
//! ```text
//! trunk ── version, numbers, table of the root's pages, tails
//!             │                                           └ part │ part ── what changed since the pages were written
//!             └ part ── table of each container that stands apart │ entries of one page, without stamps
//!                          └ part │ part │ part ...                 schema: a part of its own
//! ```
//! A part is one page. An image writes the pages that changed since the image before, and those around them, which name
//! them; all others are parts already. What is little compared to its pages is written as a tail behind them. Taking an
//! image marks pages and shares the rest; the bytes are made later, on another thread if one likes, while commits go
//! on. Invariants: a part is written once and never changes; what an image names is written by it or by an earlier one
//! that names it too; a restored object remembers no past, its horizon is its version. Source: shadow paging as in
//! System R (Gray et al. 1981); `docs/journal.md` §9; own reasoning.

mod encode;
mod kept;
mod ledger;
mod restore;
mod tail;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use kept::{Kept, KeptIn};
pub(super) use ledger::Imaging;
use ledger::Marked;
pub use restore::RestoreError;
pub use tail::first_tails;

use super::Document;
use super::apart::Branch;
use super::list::ListPage;
use super::map::{MapBranch, MapPage};
use crate::ids::{PartId, Version};
use crate::schema::{Kind, Schema};
use encode::PartWriter;

/// The first byte of every part, and of a trunk that says nothing of tails.
const FORMAT: u8 = 1;

/// The first byte of a trunk.
const TRUNK_FORMAT: u8 = 2;

/// One version of an object, to be written in parts.
#[derive(Clone, Debug)]
pub struct Image {
    schema: Arc<Schema>,
    version: Version,
    trunk: Bytes,
    parts: Arc<[PartId]>,
    dropped: Vec<PartId>,
    fresh: Vec<PartId>,
    /// The part of the schema, if it is to be written.
    schema_due: Option<PartId>,
    /// What stands behind the pages, if it is to be written.
    tail: Option<(PartId, Bytes)>,
    levels: Vec<Level>,
}

/// A container whose pages are being written.
#[derive(Clone, Debug)]
struct Level {
    /// What its entries or elements are values of: the container's kind, or the root's.
    kind: Kind,
    branch: Held,
    next: usize,
}

#[derive(Clone, Debug)]
enum Held {
    Root(Arc<MapBranch>),
    Child(Arc<Branch>),
}

/// A page that is to be written.
#[derive(Debug)]
enum FreshPage {
    Map(Arc<MapPage>),
    List(Arc<ListPage>),
}

impl Document {
    /// Takes an image of what it is now. Costs a look at each page's head, and a copy of pages that changed, hold others
    /// apart and are shared. Images of an object are written in the order in which they are taken, each wholly before
    /// the next begins; of copies of a document, one may be imaged after the other.
    pub fn image(&mut self) -> Image {
        let marked = self.imaging.mark(Arc::make_mut(&mut self.root), self.version);
        let level = Level { kind: Kind::Type(self.schema.root), branch: Held::Root(Arc::clone(&self.root)), next: 0 };
        Image { levels: vec![level], ..Image::new(&self.schema, marked) }
    }
}

impl Image {
    /// An image whose pages stand.
    fn new(schema: &Arc<Schema>, marked: Marked) -> Self {
        let Marked { trunk, parts, former, fresh } = marked;
        let is_dropped = |part: &&PartId| parts.binary_search(part).is_err();
        Self {
            schema: Arc::clone(schema),
            version: trunk.version,
            trunk: encode::trunk(&trunk),
            dropped: former.iter().filter(is_dropped).copied().collect(),
            parts,
            schema_due: fresh.binary_search(&trunk.schema).is_ok().then_some(trunk.schema),
            fresh,
            tail: None,
            levels: Vec::new(),
        }
    }

    /// The version that it is of.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// All its parts, ascending: those that [`next_part`](Self::next_part) writes and those that stand already.
    #[must_use]
    pub fn parts(&self) -> &[PartId] {
        &self.parts
    }

    /// The parts that it writes, ascending.
    #[must_use]
    pub fn fresh(&self) -> &[PartId] {
        &self.fresh
    }

    /// The parts of the image before that are not parts of this one, ascending.
    #[must_use]
    pub fn dropped(&self) -> &[PartId] {
        &self.dropped
    }

    /// The bytes by which the parts are found: about 10 B, and up to 5 B a tail.
    #[must_use]
    pub fn trunk(&self) -> Bytes {
        self.trunk.clone()
    }

    /// Makes the next part that is to be written; `None` after the last. A part is about as long as a page,
    /// or as what changed.
    pub fn next_part(&mut self) -> Option<(PartId, Bytes)> {
        if let Some(part) = self.schema_due.take() {
            return Some((part, encode::schema_part(part, &self.schema)));
        }
        if let Some(tail) = self.tail.take() {
            return Some(tail);
        }
        while let Some(level) = self.levels.last_mut() {
            let Some((part, page)) = level.next_fresh(&self.fresh) else {
                self.levels.pop();
                continue;
            };
            let mut writer = PartWriter::new(part, &self.schema);
            let written = match &page {
                FreshPage::Map(page) => writer.map(level.entry_kinds(), page),
                FreshPage::List(page) => writer.list(&level.kind, page),
            };
            debug_assert!(written.is_ok(), "stored bytes read: {written:?}");
            let (bytes, below) = writer.finish();
            self.levels.extend(below);
            return Some((part, bytes));
        }
        None
    }
}

impl Level {
    /// Finds the next page that is to be written.
    fn next_fresh(&mut self, fresh: &[PartId]) -> Option<(PartId, FreshPage)> {
        loop {
            let (kept, page) = match &self.branch {
                Held::Root(map) => Self::map_page(map, self.next)?,
                Held::Child(branch) => match branch.as_ref() {
                    Branch::Map(map) => Self::map_page(map, self.next)?,
                    Branch::List(list) => {
                        let head = list.heads().get(self.next)?;
                        (head.page.part(), FreshPage::List(head.page.share()))
                    }
                },
            };
            self.next += 1;
            if let Some(kept) = kept.filter(|kept| fresh.binary_search(&kept.part).is_ok()) {
                return Some((kept.part, page));
            }
        }
    }

    fn map_page(map: &MapBranch, at: usize) -> Option<(Option<KeptIn>, FreshPage)> {
        let head = map.heads().get(at)?;
        Some((head.page.part(), FreshPage::Map(head.page.share())))
    }
}

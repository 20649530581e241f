//! What an object is at one version, in parts, so that a change of a few bytes does not write the object anew.
//!
//! ```text
//! trunk ── version, numbers, table of the root's pages
//!             └ part ── table of each container that stands apart │ entries of one page, without stamps
//!                          └ part │ part │ part ...                 schema: a part of its own
//! ```
//! A part is one page. An image writes the pages that changed since the image before, and those around them, which name
//! them; all others are parts already. Taking an image marks pages and shares the rest; the bytes are made later, on
//! another thread if one likes, while commits go on. Invariants: a part is written once and never changes; what an image
//! names is written by it or by an earlier one that names it too; a restored object remembers no past, its horizon is
//! its version. Source: shadow paging as in System R (Gray et al. 1981); `docs/journal.md` §9; own reasoning.

mod encode;
mod kept;
mod ledger;
mod restore;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use kept::{Kept, KeptIn};
pub(super) use ledger::Imaging;
pub use restore::RestoreError;

use super::Document;
use super::apart::Branch;
use super::list::ListPage;
use super::map::{MapBranch, MapPage};
use crate::ids::{PartId, Version};
use crate::schema::{Kind, Schema};
use encode::PartWriter;

/// The first byte of every trunk and part.
const FORMAT: u8 = 1;

/// One version of an object, to be written in parts.
#[derive(Clone, Debug)]
pub struct Image {
    schema: Arc<Schema>,
    root: Arc<MapBranch>,
    version: Version,
    schema_part: PartId,
    given: u32,
    parts: Arc<[PartId]>,
    dropped: Vec<PartId>,
    fresh: Vec<PartId>,
    is_schema_due: bool,
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
        let marked = self.imaging.mark(Arc::make_mut(&mut self.root));
        let is_schema_due = marked.fresh.binary_search(&marked.schema).is_ok();
        let is_dropped = |part: &&PartId| marked.parts.binary_search(part).is_err();
        let level = Level { kind: Kind::Type(self.schema.root), branch: Held::Root(Arc::clone(&self.root)), next: 0 };
        Image {
            schema: Arc::clone(&self.schema),
            root: Arc::clone(&self.root),
            version: self.version,
            schema_part: marked.schema,
            given: marked.given,
            dropped: marked.former.iter().filter(is_dropped).copied().collect(),
            parts: marked.parts,
            fresh: marked.fresh,
            is_schema_due,
            levels: vec![level],
        }
    }
}

impl Image {
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

    /// The bytes by which the parts are found: 2 B to 8 B a page of the root's own, which is few bytes in any case.
    #[must_use]
    pub fn trunk(&self) -> Bytes {
        encode::trunk(self)
    }

    /// Makes the next part that is to be written; `None` after the last. A part is about as long as a page.
    pub fn next_part(&mut self) -> Option<(PartId, Bytes)> {
        if std::mem::take(&mut self.is_schema_due) {
            return Some((self.schema_part, encode::schema_part(self.schema_part, &self.schema)));
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

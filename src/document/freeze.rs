//! A version kept as it is: the source of snapshots, images and full values.
//!
//! A snapshot is a sequence of deltas from nothing. The first puts every field of the root, with containers that stand
//! apart empty unless they are small; the next ones fill those containers, page after page. Invariants: a frozen version
//! shares the document's pages and never changes; each delta applies to what the ones before it made; a delta is at most
//! as long as asked, unless one entry alone is longer. Source: `docs/wire.md` §5; own reasoning.

mod segments;

use std::sync::Arc;

pub use segments::Segments;

use super::apart::{Children, expand_fields};
use super::map::MapBranch;
use super::{ROOT_KEY, root_kinds};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::Version;
use crate::schema::{Kind, Schema};

/// An object's value at one version.
#[derive(Clone, Debug)]
pub struct Frozen {
    schema: Arc<Schema>,
    root: Arc<MapBranch>,
    version: Version,
}

impl Frozen {
    pub(super) fn new(schema: Arc<Schema>, root: Arc<MapBranch>, version: Version) -> Self {
        Self { schema, root, version }
    }

    /// The version it is of.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Begins to write the value as a sequence of deltas from nothing.
    #[must_use]
    pub fn segments(&self) -> Segments {
        Segments::new()
    }

    /// Writes the whole value as one delta from nothing, whatever its size.
    pub fn encode(&self, w: &mut Writer) {
        let at = w.len();
        let written = self
            .root_body()
            .and_then(|(body, children)| expand_fields(&self.schema, self.schema.root, body, children, w));
        if written.is_err() {
            w.truncate(at);
        }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The stored body of the root struct, and the children of its stubs.
    pub(super) fn root_body(&self) -> Result<(Reader<'_>, &Children), DecodeError> {
        let (value, children) = self.root_value()?;
        Ok((Reader::new(value).frame()?, children))
    }

    /// The stored root struct, and the children of its stubs.
    pub(super) fn root_value(&self) -> Result<(&[u8], &Children), DecodeError> {
        let kind = Kind::Type(self.schema.root);
        let found = self.root.find(root_kinds(&kind), ROOT_KEY)?;
        Ok(found.map_or((&[0], Children::none()), |(entry, children)| (entry.value, children)))
    }
}

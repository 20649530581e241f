//! Makes the bytes of trunks and parts.
//!
//! A page without stamps is copied as it stands; from one with stamps they are left out. Source: `docs/journal.md` §9.

use std::sync::Arc;

use bytes::Bytes;

use super::ledger::Trunk;
use super::{FORMAT, Held, Level, TRUNK_FORMAT};
use crate::coding::{DecodeError, Writer};
use crate::document::apart::{Branch, Children, EntryKinds, each_stub, entry_kinds};
use crate::document::list::ListPage;
use crate::document::map::{MapBranch, MapPage};
use crate::document::root_kinds;
use crate::document::stored::stored_value;
use crate::ids::PartId;
use crate::schema::{Kind, Schema};

/// Writes one part, and notes the containers that stand apart from it.
pub(super) struct PartWriter<'s> {
    schema: &'s Schema,
    w: Writer,
    below: Vec<Level>,
}

impl Level {
    /// What the entries of a map's pages are.
    pub(super) fn entry_kinds(&self) -> Option<EntryKinds<'_>> {
        match self.branch {
            Held::Root(_) => Some(root_kinds(&self.kind)),
            Held::Child(_) => entry_kinds(&self.kind),
        }
    }
}

impl<'s> PartWriter<'s> {
    pub(super) fn new(part: PartId, schema: &'s Schema) -> Self {
        Self { schema, w: begin(part), below: Vec::new() }
    }

    /// The part, and what is to be looked through next.
    pub(super) fn finish(self) -> (Bytes, Vec<Level>) {
        (self.w.into_bytes().into(), self.below)
    }

    /// Writes a page of a map.
    pub(super) fn map(&mut self, kinds: Option<EntryKinds<'_>>, page: &MapPage) -> Result<(), DecodeError> {
        let kinds = kinds.ok_or(DecodeError::Unknown { what: "map", found: 0 })?;
        self.tables(&page.children);
        if page.is_plain() {
            self.w.raw(page.entries.as_slice());
        }
        for entry in page.entries.entries(kinds) {
            if page.is_plain() && page.children.is_empty() {
                break;
            }
            let entry = entry?;
            if !entry.is_live() {
                continue;
            }
            if let Some(kind) = kinds.values {
                self.note(kind, entry.value, &page.children)?;
            }
            if !page.is_plain() {
                self.w.raw(entry.key);
                self.w.byte(1);
                self.w.raw(entry.value);
            }
        }
        Ok(())
    }

    /// Writes a page of a list of `kind`.
    pub(super) fn list(&mut self, kind: &Kind, page: &ListPage) -> Result<(), DecodeError> {
        let (Kind::List(element) | Kind::Array(element, _)) = kind else {
            return Err(DecodeError::Unknown { what: "list", found: 0 });
        };
        self.tables(&page.children);
        self.w.raw(&page.bytes);
        if page.children.is_empty() {
            return Ok(());
        }
        let mut r = crate::coding::Reader::new(&page.bytes);
        while !r.is_done() {
            self.note(element, stored_value(Some(element), &mut r)?, &page.children)?;
        }
        Ok(())
    }

    fn tables(&mut self, children: &Children) {
        self.w.length(children.len());
        for (id, branch) in children.shares() {
            self.w.varint(u64::from(id));
            self.w.framed(|w| branch_table(branch, w));
        }
    }

    /// Notes the containers that stand apart from a value.
    fn note(&mut self, kind: &Kind, value: &[u8], children: &Children) -> Result<(), DecodeError> {
        if children.is_empty() {
            return Ok(());
        }
        let mut noted = Ok(());
        each_stub(self.schema, kind, value, &mut |id, kind| match children.share(id) {
            Ok(branch) => self.below.push(Level { kind: kind.clone(), branch: Held::Child(branch), next: 0 }),
            Err(missing) => noted = Err(missing),
        })?;
        noted
    }
}

/// Writes the trunk of an image.
pub(super) fn trunk(trunk: &Trunk) -> Bytes {
    let mut w = Writer::new();
    w.byte(TRUNK_FORMAT);
    w.varint(trunk.version.0);
    w.varint(u64::from(trunk.given));
    w.varint(u64::from(trunk.schema.0));
    table(trunk.root.into_iter().map(|root| (root, 1)), &mut w);
    w.length(trunk.tails.len());
    for tail in &trunk.tails {
        w.varint(u64::from(tail.0));
    }
    w.into_bytes().into()
}

/// Writes a part that holds what changed.
pub(super) fn tail_part(part: PartId, delta: &[u8]) -> Bytes {
    let mut w = begin(part);
    w.sized(delta);
    w.into_bytes().into()
}

/// Writes the part that holds the schema.
pub(super) fn schema_part(part: PartId, schema: &Arc<Schema>) -> Bytes {
    let mut w = begin(part);
    schema.encode(&mut w);
    w.into_bytes().into()
}

fn begin(part: PartId) -> Writer {
    let mut w = Writer::new();
    w.byte(FORMAT);
    w.varint(u64::from(part.0));
    w
}

fn branch_table(branch: &Branch, w: &mut Writer) {
    match branch {
        Branch::Map(map) => map_table(map, w),
        Branch::List(list) => {
            let pages = list.heads().iter().filter_map(|head| Some((head.page.part()?.part, head.count)));
            table(pages, w);
        }
    }
}

fn map_table(map: &MapBranch, w: &mut Writer) {
    table(map.heads().iter().filter_map(|head| Some((head.page.part()?.part, head.page.live()))), w);
}

/// Writes which parts a container's pages are, and how many entries or elements each has.
fn table(pages: impl Iterator<Item = (PartId, u32)> + Clone, w: &mut Writer) {
    w.length(pages.clone().count());
    let mut before = 0;
    for (part, count) in pages {
        w.zigzag(i64::from(part.0) - before);
        w.varint(u64::from(count));
        before = i64::from(part.0);
    }
}

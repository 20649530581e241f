//! Makes a document of a trunk and its parts.
//!
//! Every byte is held against the schema before it is stored, by the rules that hold for what travels; what stands apart
//! is followed by the depth that it had inside its parents. Invariants: a part is read once, so damage cannot make more
//! of it than it is; nothing is allocated by a number that bytes do not back. Source: `docs/journal.md` §9; own reasoning.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::ledger::Trunk;
use super::{FORMAT, Imaging, TRUNK_FORMAT};
use crate::coding::{DecodeError, Reader};
use crate::delta::{check_stored, check_stored_root, read_key};
#[cfg(any(test, feature = "mutants"))]
use crate::document::TailFault;
use crate::document::apart::{Branch, Children, EntryKinds, entry_kinds, stub_child};
use crate::document::list::{ListBranch, ListPage};
use crate::document::map::{MapBranch, MapPage};
use crate::document::{Document, Tuning, root_kinds};
use crate::ids::{PartId, Version};
use crate::schema::{Kind, Schema, SchemaError};

/// Says why an object could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E> {
    /// A part could not be read.
    #[error("part {part} cannot be read: {error}")]
    Part {
        /// The part.
        part: PartId,
        /// Why.
        error: E,
    },
    /// The trunk is not what an image's trunk is.
    #[error("the trunk is damaged: {0}")]
    Trunk(DecodeError),
    /// A part is not what its image says.
    #[error("part {part} is damaged: {error}")]
    Damaged {
        /// The part.
        part: PartId,
        /// In which way.
        error: DecodeError,
    },
    /// The part that holds the schema holds none.
    #[error("part {part} holds no schema: {error}")]
    Schema {
        /// The part.
        part: PartId,
        /// In which way.
        error: SchemaError,
    },
}

/// What an object is made with.
struct Restoring<'r, E> {
    schema: &'r Schema,
    read: &'r mut dyn FnMut(PartId) -> Result<Bytes, E>,
    parts: BTreeSet<PartId>,
    children: BTreeSet<u32>,
}

/// Where a container stands apart.
struct Found {
    child: u32,
    kind: Kind,
    depth: u16,
}

/// The pages of a container, as its table names them.
struct Table<'t> {
    left: usize,
    r: Reader<'t>,
    before: i64,
}

impl Document {
    /// Makes the object that an image was taken of. `schema` is the newest of its class; what the image was written with
    /// stands in it. The object remembers no past: its horizon is its version.
    ///
    /// # Errors
    /// What could not be read, or is not what an image has there.
    pub fn restore<E>(
        schema: Arc<Schema>,
        tuning: Tuning,
        trunk: &[u8],
        part: &mut dyn FnMut(PartId) -> Result<Bytes, E>,
    ) -> Result<Self, RestoreError<E>> {
        let mut r = Reader::new(trunk);
        let (format, mut trunk) = read_trunk(&mut r).map_err(RestoreError::Trunk)?;
        let stored = read_schema(&schema, trunk.schema, part)?;
        let parts = BTreeSet::from([trunk.schema]);
        let mut restoring = Restoring { schema: &stored, read: part, parts, children: BTreeSet::new() };
        let root = restoring.root(&mut r)?;
        trunk.root = root.heads().iter().find_map(|head| Some(head.page.part()?.part));
        if format == TRUNK_FORMAT {
            trunk.tails = read_tails(&mut r).map_err(RestoreError::Trunk)?;
        }
        r.finish().map_err(RestoreError::Trunk)?;
        let tails = trunk.tails.iter().map(|part| Ok((*part, restoring.tail(*part)?)));
        let tails: Vec<(PartId, Bytes)> = tails.collect::<Result<_, _>>()?;
        let tail_bytes = tails.iter().map(|(_, delta)| delta.len()).sum();
        let (version, parts) = (trunk.version, restoring.parts);
        let next_child = restoring.children.last().copied().unwrap_or_default();
        let mut document = Self {
            root: Arc::new(root),
            base: version,
            version,
            horizon: version,
            next_child,
            imaging: Imaging::restored(trunk, parts, tail_bytes),
            ..Self::with_tuning(stored, tuning)
        };
        #[cfg(any(test, feature = "mutants"))]
        let tails = with_fault(tails, tuning.tail_fault);
        document.follow(&tails)?;
        document.set_schema(&schema);
        Ok(document)
    }

    /// Applies what stands behind the pages that it was made of.
    fn follow<E>(&mut self, tails: &[(PartId, Bytes)]) -> Result<(), RestoreError<E>> {
        let version = self.version;
        if tails.is_empty() {
            return Ok(());
        }
        // Stamped with the version of the image, and then forgotten.
        (self.base, self.version) = (Version(version.0.saturating_sub(1)), Version(version.0.saturating_sub(1)));
        self.horizon = self.base;
        for (part, delta) in tails {
            self.replay(delta, version).map_err(|error| RestoreError::Damaged { part: *part, error })?;
        }
        self.trim(version, usize::MAX);
        Ok(())
    }
}

/// The tails as a restore takes them that does something wrong with the last one.
#[cfg(any(test, feature = "mutants"))]
fn with_fault(mut tails: Vec<(PartId, Bytes)>, fault: Option<TailFault>) -> Vec<(PartId, Bytes)> {
    let last = fault.and_then(|_| tails.pop());
    let times = if fault == Some(TailFault::Doubled) { 2 } else { 0 };
    tails.extend(last.into_iter().flat_map(|last| std::iter::repeat_n(last, times)));
    tails
}

/// Reads a trunk as far as the root's table, and its format.
fn read_trunk(r: &mut Reader<'_>) -> Result<(u8, Trunk), DecodeError> {
    let format = r.byte()?;
    if ![FORMAT, TRUNK_FORMAT].contains(&format) {
        return Err(DecodeError::Unknown { what: "format of an image", found: format.into() });
    }
    let (version, given, schema) = (Version::read(r)?, r.varint32()?, PartId(r.varint32()?));
    if schema == PartId(0) {
        return Err(DecodeError::Unknown { what: "part", found: 0 });
    }
    Ok((format, Trunk { version, given, schema, root: None, tails: Vec::new() }))
}

/// Reads which parts stand behind the pages.
fn read_tails(r: &mut Reader<'_>) -> Result<Vec<PartId>, DecodeError> {
    let count = r.count(1)?;
    let part = |_| match r.varint32()? {
        0 => Err(DecodeError::Unknown { what: "part", found: 0 }),
        part => Ok(PartId(part)),
    };
    (0..count).map(part).collect()
}

fn read_format(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match r.byte()? {
        FORMAT => Ok(()),
        found => Err(DecodeError::Unknown { what: "format of an image", found: u64::from(found) }),
    }
}

/// Reads what every part begins with.
fn read_head(part: PartId, r: &mut Reader<'_>) -> Result<(), DecodeError> {
    read_format(r)?;
    match r.varint()? {
        found if found == u64::from(part.0) => Ok(()),
        found => Err(DecodeError::Unknown { what: "number of this part", found }),
    }
}

/// The schema that the image was written with: `newest` if that is the same.
fn read_schema<E>(
    newest: &Arc<Schema>,
    part: PartId,
    read: &mut dyn FnMut(PartId) -> Result<Bytes, E>,
) -> Result<Arc<Schema>, RestoreError<E>> {
    let bytes = read(part).map_err(|error| RestoreError::Part { part, error })?;
    let mut r = Reader::new(&bytes);
    read_head(part, &mut r).map_err(|error| RestoreError::Damaged { part, error })?;
    let schema = Schema::decode(r.rest()).map_err(|error| RestoreError::Schema { part, error })?;
    Ok(if schema == **newest { Arc::clone(newest) } else { Arc::new(schema) })
}

impl<E> Restoring<'_, E> {
    fn root(&mut self, r: &mut Reader<'_>) -> Result<MapBranch, RestoreError<E>> {
        let kind = Kind::Type(self.schema.root);
        let mut table = Table::read(r).map_err(RestoreError::Trunk)?;
        let mut map = MapBranch::default();
        while let Some((part, count)) = table.next().map_err(RestoreError::Trunk)? {
            if map.live() > 0 || count != 1 {
                return Err(RestoreError::Trunk(DecodeError::Unknown { what: "count of roots", found: count.into() }));
            }
            let schema = self.schema;
            let page = self.page(part, &mut |r, is_apart| {
                let (entries, mut value) = (r.rest(), r);
                match value.byte()? {
                    1 => {}
                    found => return Err(DecodeError::Unknown { what: "head of an entry", found: found.into() }),
                }
                let body = value.sized()?;
                value.finish()?;
                check_stored_root(schema, Reader::new(body), is_apart)?;
                Ok(entries)
            })?;
            let page = MapPage::new(page.bytes, page.children, root_kinds(&kind));
            let kept = page.and_then(|page| map.push_kept(page, part, root_kinds(&kind)));
            kept.map_err(|error| RestoreError::Damaged { part, error })?;
        }
        *r = table.r;
        Ok(map)
    }

    /// Makes the container of `kind` whose table stands in `within`.
    fn branch(&mut self, within: PartId, kind: &Kind, table: &[u8], depth: u16) -> Result<Branch, RestoreError<E>> {
        let damaged = |error| RestoreError::Damaged { part: within, error };
        let mut r = Reader::new(table);
        let mut table = Table::read(&mut r).map_err(damaged)?;
        let branch = match (kind, entry_kinds(kind)) {
            (Kind::List(element), _) => self.list(within, element, None, &mut table, depth).map(Branch::List)?,
            (Kind::Array(element, count), _) => {
                self.list(within, element, Some(*count), &mut table, depth).map(Branch::List)?
            }
            (_, Some(kinds)) => self.map(within, kinds, &mut table, depth).map(Branch::Map)?,
            _ => return Err(damaged(DecodeError::Unknown { what: "container", found: 0 })),
        };
        table.r.finish().map_err(damaged)?;
        Ok(branch)
    }

    fn map(
        &mut self,
        within: PartId,
        kinds: EntryKinds<'_>,
        table: &mut Table<'_>,
        depth: u16,
    ) -> Result<MapBranch, RestoreError<E>> {
        let mut map = MapBranch::with_capacity(table.left);
        let mut last: Option<Vec<u8>> = None;
        while let Some((part, count)) = table.next().map_err(|error| RestoreError::Damaged { part: within, error })? {
            let schema = self.schema;
            let page = self.page(part, &mut |r, is_apart| {
                let entries = r.rest();
                let mut r = Reader::at_depth(entries, depth);
                let mut found = 0_u32;
                let mut key_before = last.as_deref();
                while !r.is_done() {
                    let key = read_key(kinds.keys, &mut r)?;
                    if key_before.is_some_and(|before| before >= key) {
                        return Err(DecodeError::Order { what: "keys" });
                    }
                    key_before = Some(key);
                    match r.byte()? {
                        1 => {}
                        head => return Err(DecodeError::Unknown { what: "head of an entry", found: head.into() }),
                    }
                    if let Some(kind) = kinds.values {
                        check_stored(schema, kind, &mut r, is_apart)?;
                    }
                    found = found.saturating_add(1);
                }
                let key = key_before.map(<[u8]>::to_vec);
                last = key;
                expect(found, count)?;
                Ok(entries)
            })?;
            let page = MapPage::new(page.bytes, page.children, kinds);
            let kept = page.and_then(|page| map.push_kept(page, part, kinds));
            kept.map_err(|error| RestoreError::Damaged { part, error })?;
        }
        Ok(map)
    }

    fn list(
        &mut self,
        within: PartId,
        element: &Kind,
        expected: Option<u32>,
        table: &mut Table<'_>,
        depth: u16,
    ) -> Result<ListBranch, RestoreError<E>> {
        let mut list = ListBranch::with_capacity(table.left);
        while let Some((part, count)) = table.next().map_err(|error| RestoreError::Damaged { part: within, error })? {
            let schema = self.schema;
            let page = self.page(part, &mut |r, is_apart| {
                let elements = r.rest();
                let mut r = Reader::at_depth(elements, depth);
                let mut found = 0_u32;
                while !r.is_done() {
                    check_stored(schema, element, &mut r, is_apart)?;
                    found = found.saturating_add(1);
                }
                expect(found, count)?;
                Ok(elements)
            })?;
            list.push_kept(ListPage { bytes: page.bytes, count, children: page.children, ..ListPage::default() }, part);
        }
        match expected {
            Some(expected) if list.len() != u64::from(expected) => {
                let error = DecodeError::Unknown { what: "length of an array", found: list.len() };
                Err(RestoreError::Damaged { part: within, error })
            }
            _ => Ok(list),
        }
    }

    /// Reads a part that stands behind the pages; answers what changed.
    fn tail(&mut self, part: PartId) -> Result<Bytes, RestoreError<E>> {
        let bytes = self.bytes(part)?;
        let mut r = Reader::new(&bytes);
        let delta = read_head(part, &mut r).and_then(|()| r.sized());
        let delta = delta.and_then(|delta| r.finish().map(|()| bytes.slice_ref(delta)));
        delta.map_err(|error| RestoreError::Damaged { part, error })
    }

    /// Reads a part that was not read before.
    fn bytes(&mut self, part: PartId) -> Result<Bytes, RestoreError<E>> {
        if !self.parts.insert(part) {
            return Err(RestoreError::Damaged { part, error: DecodeError::Order { what: "parts" } });
        }
        (self.read)(part).map_err(|error| RestoreError::Part { part, error })
    }

    /// Reads a part; `check` goes through what it holds and answers the bytes of the page.
    fn page(&mut self, part: PartId, check: &mut Check<'_>) -> Result<RawPage, RestoreError<E>> {
        let damaged = |error| RestoreError::Damaged { part, error };
        let bytes = self.bytes(part)?;
        let mut r = Reader::new(&bytes);
        let tables = read_head(part, &mut r).and_then(|()| read_tables(&mut r)).map_err(damaged)?;
        let found = RefCell::new(Vec::new());
        let note = |kind: &Kind, value: &[u8], depth| {
            let child = stub_child(value);
            found.borrow_mut().extend(child.map(|child| Found { child, kind: kind.clone(), depth }));
            child.is_some()
        };
        let page = check(r, &note).map_err(damaged)?.to_vec();
        let mut found = found.into_inner();
        found.sort_by_key(|found| found.child);
        if !found.iter().map(|found| found.child).eq(tables.iter().map(|(child, _)| *child)) {
            let error = DecodeError::Absent { what: "container" };
            return Err(damaged(error));
        }
        let mut children = Children::default();
        for (Found { child, kind, depth }, (_, table)) in found.iter().zip(tables) {
            if !self.children.insert(*child) {
                return Err(damaged(DecodeError::Order { what: "containers" }));
            }
            let branch = self.branch(part, kind, table, *depth)?;
            children.insert(*child, Arc::new(branch));
        }
        Ok(RawPage { bytes: page, children })
    }
}

/// Goes through the entries of a part, shows what stands apart, and answers the bytes of the page.
type Check<'c> =
    dyn for<'a> FnMut(Reader<'a>, &dyn Fn(&Kind, &[u8], u16) -> bool) -> Result<&'a [u8], DecodeError> + 'c;

/// What a part holds.
struct RawPage {
    bytes: Vec<u8>,
    children: Children,
}

/// Reads the tables of the containers that stand apart, ids ascending.
fn read_tables<'a>(r: &mut Reader<'a>) -> Result<Vec<(u32, &'a [u8])>, DecodeError> {
    let mut tables: Vec<(u32, &[u8])> = Vec::new();
    for _ in 0..r.count(2)? {
        let child = r.varint32()?;
        if tables.last().is_some_and(|(before, _)| *before >= child) {
            return Err(DecodeError::Order { what: "containers" });
        }
        tables.push((child, r.sized()?));
    }
    Ok(tables)
}

fn expect(found: u32, count: u32) -> Result<(), DecodeError> {
    match found == count {
        true => Ok(()),
        false => Err(DecodeError::Unknown { what: "count of this page", found: found.into() }),
    }
}

impl<'t> Table<'t> {
    fn read(r: &mut Reader<'t>) -> Result<Self, DecodeError> {
        let left = r.count(2)?;
        Ok(Self { left, r: *r, before: 0 })
    }

    /// The next page's part, and its count.
    fn next(&mut self) -> Result<Option<(PartId, u32)>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let step = self.r.zigzag()?;
        self.before = self.before.checked_add(step).ok_or(DecodeError::Varint)?;
        let part = u32::try_from(self.before).map_err(|_| DecodeError::Varint)?;
        match (part, self.r.varint32()?) {
            (0, _) | (_, 0) => Err(DecodeError::Unknown { what: "page", found: part.into() }),
            (part, count) => Ok(Some((PartId(part), count))),
        }
    }
}

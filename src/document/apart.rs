//! Containers that stand apart: what grew too large for its parent's bytes, behind a stub.
//!
//! ```text
//! inline   len │ count │ entries            (the wire form of the value)
//! stub     06  │ 80 00 │ child, 4 B LE      (80 00 is no varint, so no value looks like it)
//! ```
//! A page owns the children of the stubs in its bytes. Invariants: a child is named by exactly one stub; ids are unique
//! within a document, so that a page can be cut without renaming. Source: own reasoning.

use std::sync::Arc;

use super::list::ListBranch;
use super::map::MapBranch;
use super::stamps::Mark;
use super::stored::{fields_of, stored_key, stored_value};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::schema::{KeyKind, Kind, Schema, TypeIndex, field_by_id};

/// What the entries of a map or a set are: their keys, and their values unless it is a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryKinds<'s> {
    pub(super) keys: &'s KeyKind,
    pub(super) values: Option<&'s Kind>,
}

/// A container's own tree of pages.
#[derive(Clone, Debug)]
pub(super) enum Branch {
    /// A map or a set.
    Map(MapBranch),
    /// A list or an array.
    List(ListBranch),
}

/// Sizes of a page or of everything below it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Keys and values as encoded; a stub counts as itself.
    pub(super) encoded: usize,
    /// Stamps and removed keys.
    pub(super) stamps: usize,
    /// Everything on the heap.
    pub(super) heap: usize,
}

impl Totals {
    /// Exchanges one part of a sum.
    pub(super) fn exchange(&mut self, before: Self, after: Self) {
        self.encoded = (self.encoded + after.encoded).saturating_sub(before.encoded);
        self.stamps = (self.stamps + after.stamps).saturating_sub(before.stamps);
        self.heap = (self.heap + after.heap).saturating_sub(before.heap);
    }
}

/// The children of one page, ids ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Children(Vec<(u32, Arc<Branch>)>);

static NO_CHILDREN: Children = Children(Vec::new());

impl Children {
    pub(super) fn none() -> &'static Self {
        &NO_CHILDREN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, id: u32) -> Result<&Branch, DecodeError> {
        let at = self.0.binary_search_by_key(&id, |(known, _)| *known).map_err(|_| missing(id))?;
        self.0.get(at).map(|(_, branch)| branch.as_ref()).ok_or(missing(id))
    }

    /// The child `id`, to be kept.
    pub(super) fn share(&self, id: u32) -> Result<Arc<Branch>, DecodeError> {
        let at = self.0.binary_search_by_key(&id, |(known, _)| *known).map_err(|_| missing(id))?;
        self.0.get(at).map(|(_, branch)| Arc::clone(branch)).ok_or(missing(id))
    }

    pub(super) fn find_mut(&mut self, id: u32) -> Result<&mut Branch, DecodeError> {
        let at = self.0.binary_search_by_key(&id, |(known, _)| *known).map_err(|_| missing(id))?;
        self.0.get_mut(at).map(|(_, branch)| Arc::make_mut(branch)).ok_or(missing(id))
    }

    /// Whether the child `id` is shared, and the bytes that its table of pages has.
    pub(super) fn share_of(&self, id: u32) -> Result<(bool, usize), DecodeError> {
        let at = self.0.binary_search_by_key(&id, |(known, _)| *known).map_err(|_| missing(id))?;
        let (_, branch) = self.0.get(at).ok_or(missing(id))?;
        Ok((Arc::strong_count(branch) > 1, branch.head_bytes()))
    }

    /// The child behind a container's bytes, `None` if it stands inline.
    pub(super) fn behind(&self, value: &[u8]) -> Result<Option<&Branch>, DecodeError> {
        stub_child(value).map(|id| self.find(id)).transpose()
    }

    pub(super) fn insert(&mut self, id: u32, branch: Arc<Branch>) {
        let at = self.0.partition_point(|(known, _)| *known < id);
        self.0.insert(at, (id, branch));
    }

    /// Takes the child `id` out.
    pub(super) fn remove(&mut self, id: u32) -> Option<Arc<Branch>> {
        let at = self.0.binary_search_by_key(&id, |(known, _)| *known).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Drops the children whose stubs stand in `value`.
    pub(super) fn drop_of(&mut self, schema: &Schema, kind: Option<&Kind>, value: &[u8]) -> Result<(), DecodeError> {
        if self.is_empty() {
            return Ok(());
        }
        if let Some(kind) = kind {
            each_stub(schema, kind, value, &mut |id, _| drop(self.remove(id)))?;
        }
        Ok(())
    }

    /// Moves the children whose stubs stand in `value` to `other`.
    pub(super) fn move_of(
        &mut self,
        other: &mut Self,
        schema: &Schema,
        kind: Option<&Kind>,
        value: &[u8],
    ) -> Result<(), DecodeError> {
        if self.is_empty() {
            return Ok(());
        }
        if let Some(kind) = kind {
            each_stub(schema, kind, value, &mut |id, _| {
                if let Some(branch) = self.remove(id) {
                    other.insert(id, branch);
                }
            })?;
        }
        Ok(())
    }

    /// Takes all children of `other` over.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        for (id, branch) in other.0.drain(..) {
            self.insert(id, branch);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn shares(&self) -> impl Iterator<Item = (u32, &Arc<Branch>)> {
        self.0.iter().map(|(id, branch)| (*id, branch))
    }

    pub(super) fn shares_mut(&mut self) -> impl Iterator<Item = &mut Arc<Branch>> {
        self.0.iter_mut().map(|(_, branch)| branch)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Branch> {
        self.0.iter().map(|(_, branch)| branch.as_ref())
    }

    pub(super) fn totals(&self) -> Totals {
        let mut sum = Totals { heap: self.0.capacity() * size_of::<(u32, Arc<Branch>)>(), ..Totals::default() };
        for branch in self.iter() {
            let child = branch.totals();
            sum.encoded += child.encoded;
            sum.stamps += child.stamps;
            sum.heap += child.heap + ARC_BYTES + size_of::<Branch>();
        }
        sum
    }
}

/// Bytes of an `Arc`'s counters.
pub(super) const ARC_BYTES: usize = 2 * size_of::<usize>();

fn missing(id: u32) -> DecodeError {
    DecodeError::Unknown { what: "container", found: u64::from(id) }
}

/// The stub that stands for child `id`.
pub(super) fn stub(id: u32) -> [u8; 7] {
    let [a, b, c, d] = id.to_le_bytes();
    [6, 0x80, 0, a, b, c, d]
}

/// The child that a container's bytes stand for, `None` if they are the container itself.
pub(super) fn stub_child(value: &[u8]) -> Option<u32> {
    match value {
        [6, 0x80, 0, a, b, c, d] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Names the children of every stub in a stored value, and their kinds.
pub(super) fn each_stub(
    schema: &Schema,
    kind: &Kind,
    value: &[u8],
    found: &mut dyn FnMut(u32, &Kind),
) -> Result<(), DecodeError> {
    match kind {
        Kind::List(element) | Kind::Array(element, _) => {
            if let Some(id) = stub_child(value) {
                found(id, kind);
                return Ok(());
            }
            let mut body = Reader::new(value).frame()?;
            for _ in 0..body.varint()? {
                each_stub(schema, element, stored_value(Some(element), &mut body)?, found)?;
            }
        }
        Kind::Map(..) | Kind::Set(_) => {
            if let Some(id) = stub_child(value) {
                found(id, kind);
            } else if let Kind::Map(keys, values) = kind {
                let mut body = Reader::new(value).frame()?;
                for _ in 0..body.varint()? {
                    stored_key(keys, &mut body)?;
                    each_stub(schema, values, stored_value(Some(values), &mut body)?, found)?;
                }
            }
        }
        Kind::Option(inner) => {
            let body = Reader::new(value).frame()?;
            if !body.is_done() {
                each_stub(schema, inner, body.rest(), found)?;
            }
        }
        Kind::Type(index) => {
            let mut body = Reader::new(value).frame()?;
            let fields = fields_of(schema, *index, &mut body)?;
            let mut reader = FieldsReader::new(body);
            while let Some(field) = reader.next()? {
                if let Some(def) = field_by_id(fields, field.id) {
                    each_stub(schema, &def.kind, field.value.rest(), found)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Writes a stored value as it travels: every stub replaced by its container.
pub(super) fn expand(
    schema: &Schema,
    kind: &Kind,
    value: &[u8],
    children: &Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    if children.is_empty()
        || !matches!(
            kind,
            Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) | Kind::Option(_) | Kind::Type(_)
        )
    {
        w.raw(value);
        return Ok(());
    }
    if let Some(id) = stub_child(value)
        && !matches!(kind, Kind::Option(_) | Kind::Type(_))
    {
        let branch = children.find(id)?;
        return w.framed(|w| branch.write_whole(schema, kind, w));
    }
    let mut body = Reader::new(value).frame()?;
    w.framed(|w| match kind {
        Kind::List(element) | Kind::Array(element, _) => {
            let count = body.varint()?;
            w.varint(count);
            (0..count).try_for_each(|_| expand(schema, element, stored_value(Some(element), &mut body)?, children, w))
        }
        Kind::Map(keys, values) => {
            let count = body.varint()?;
            w.varint(count);
            (0..count).try_for_each(|_| {
                w.raw(stored_key(keys, &mut body)?);
                expand(schema, values, stored_value(Some(values), &mut body)?, children, w)
            })
        }
        Kind::Option(inner) if !body.is_done() => expand(schema, inner, body.rest(), children, w),
        Kind::Type(index) => expand_fields(schema, *index, body, children, w),
        _ => {
            w.raw(body.rest());
            Ok(())
        }
    })
}

/// Writes the stored fields of the type at `index` (an enum's variant id first) as they travel.
pub(super) fn expand_fields(
    schema: &Schema,
    index: TypeIndex,
    mut body: Reader<'_>,
    children: &Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    let whole = body;
    let fields = fields_of(schema, index, &mut body)?;
    w.raw(whole.rest().get(..whole.left() - body.left()).unwrap_or_default());
    let mut reader = FieldsReader::new(body);
    while let Some(field) = reader.next()? {
        match field_by_id(fields, field.id) {
            Some(def) => {
                w.varint(u64::from(field.id.0) << 3 | field.wire as u64);
                expand(schema, &def.kind, field.value.rest(), children, w)?;
            }
            None => w.raw(field.encoded),
        }
    }
    Ok(())
}

impl Branch {
    /// One of this kind that holds nothing.
    pub(super) fn empty(kind: &Kind) -> Self {
        match kind {
            Kind::Map(..) | Kind::Set(_) => Self::Map(MapBranch::default()),
            _ => Self::List(ListBranch::default()),
        }
    }

    /// Bytes of its table of pages.
    fn head_bytes(&self) -> usize {
        match self {
            Self::Map(map) => size_of_val(map.heads()),
            Self::List(list) => size_of_val(list.heads()),
        }
    }

    /// Sizes of all its pages.
    pub(super) fn totals(&self) -> Totals {
        match self {
            Self::Map(map) => map.totals(),
            Self::List(list) => list.totals(),
        }
    }

    /// The newest mark anywhere below; a bound from above.
    pub(super) fn newest(&self) -> Mark {
        match self {
            Self::Map(map) => map.newest(),
            Self::List(list) => list.newest(),
        }
    }

    /// The oldest mark anywhere below; a bound from below.
    pub(super) fn oldest(&self) -> Option<Mark> {
        match self {
            Self::Map(map) => map.oldest(),
            Self::List(list) => list.oldest(),
        }
    }

    /// The map, if it is one.
    pub(super) fn as_map(&self) -> Result<&MapBranch, DecodeError> {
        match self {
            Self::Map(map) => Ok(map),
            Self::List(_) => Err(DecodeError::Unknown { what: "map", found: 0 }),
        }
    }

    /// The map, if it is one.
    pub(super) fn as_map_mut(&mut self) -> Result<&mut MapBranch, DecodeError> {
        match self {
            Self::Map(map) => Ok(map),
            Self::List(_) => Err(DecodeError::Unknown { what: "map", found: 0 }),
        }
    }

    /// The list, if it is one.
    pub(super) fn as_list(&self) -> Result<&ListBranch, DecodeError> {
        match self {
            Self::List(list) => Ok(list),
            Self::Map(_) => Err(DecodeError::Unknown { what: "list", found: 0 }),
        }
    }

    /// The list, if it is one.
    pub(super) fn as_list_mut(&mut self) -> Result<&mut ListBranch, DecodeError> {
        match self {
            Self::List(list) => Ok(list),
            Self::Map(_) => Err(DecodeError::Unknown { what: "list", found: 0 }),
        }
    }

    /// Writes count and entries as they travel.
    fn write_whole(&self, schema: &Schema, kind: &Kind, w: &mut Writer) -> Result<(), DecodeError> {
        match (self, kind) {
            (Self::Map(map), Kind::Map(keys, values)) => {
                map.write_whole(schema, EntryKinds { keys, values: Some(values) }, w)
            }
            (Self::Map(map), Kind::Set(keys)) => map.write_whole(schema, EntryKinds { keys, values: None }, w),
            (Self::List(list), Kind::List(element) | Kind::Array(element, _)) => list.write_whole(schema, element, w),
            _ => Err(DecodeError::Unknown { what: "container", found: 0 }),
        }
    }
}

/// What the entries of `kind` are, if it is a map or a set.
pub(super) fn entry_kinds(kind: &Kind) -> Option<EntryKinds<'_>> {
    match kind {
        Kind::Map(keys, values) => Some(EntryKinds { keys, values: Some(values) }),
        Kind::Set(keys) => Some(EntryKinds { keys, values: None }),
        _ => None,
    }
}

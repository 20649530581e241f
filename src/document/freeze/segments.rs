//! Cuts a frozen version into deltas from nothing.
//!
//! ```text
//! 1   root put: fields, small containers whole, large ones empty     task: fill it
//! 2…  edit along the task's path: { key put value }* │ run of elements
//! ```
//! An entry that holds a large container is put with that one empty, and another task fills it later, so tasks form a
//! queue and a segment serves one. Between two segments only the queue is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::Frozen;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{FieldsReader, WireType};
use crate::document::apart::{Branch, Children, EntryKinds, entry_kinds, expand, stub_child};
use crate::document::list::ListBranch;
use crate::document::map::MapBranch;
use crate::document::stored::{fields_of, stored_key, stored_value};
use crate::ids::FieldId;
use crate::schema::{Kind, Schema, TypeDef, field_by_id};

/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

/// One step from a value to a part of it.
#[derive(Clone, Debug)]
enum Step {
    Field(FieldId),
    Variant(u64),
    Key(Vec<u8>),
    Index(u64),
}

/// A container that was put empty and is to be filled.
#[derive(Clone, Debug)]
struct Task {
    path: Vec<Step>,
    kind: Kind,
    branch: Arc<Branch>,
    /// The page that is next.
    page: usize,
    /// The byte of a map's page, or the index in a list's, that is next.
    at: usize,
    /// Elements of a list that were sent.
    sent: u64,
}

/// The deltas of one frozen version, made one at a time.
#[derive(Clone, Debug)]
pub struct Segments {
    has_begun: bool,
    tasks: VecDeque<Task>,
}

/// Writes values with large containers left empty, and notes those.
struct Cutter<'c> {
    schema: &'c Schema,
    bytes_max: usize,
    path: Vec<Step>,
    tasks: Vec<Task>,
}

impl Segments {
    pub(super) fn new() -> Self {
        Self { has_begun: false, tasks: VecDeque::new() }
    }

    /// Makes the next delta, of at most `bytes_max` unless one entry is longer; `None` when all was made.
    pub fn next(&mut self, frozen: &Frozen, bytes_max: usize) -> Option<Bytes> {
        let schema = frozen.schema();
        let mut cutter = Cutter { schema, bytes_max, path: Vec::new(), tasks: Vec::new() };
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut w = Writer::new();
            let written = cutter.root(frozen, &mut w);
            self.tasks.extend(cutter.tasks);
            return written.is_ok().then(|| w.into_bytes().into());
        }
        let task = self.tasks.front_mut()?;
        cutter.path.clone_from(&task.path);
        let room = room_before(&task.path);
        let mut bytes = Vec::with_capacity(room + bytes_max.min(task.branch.totals().encoded));
        bytes.resize(room, 0);
        let mut w = Writer::append_to(bytes);
        let filled = match (task.branch.as_ref(), entry_kinds(&task.kind), &task.kind) {
            (Branch::Map(map), Some(kinds), _) => cutter.entries(map, kinds, &mut task.page, &mut task.at, &mut w),
            (Branch::List(list), _, Kind::List(element)) => {
                cutter.elements(list, element, (&mut task.page, &mut task.at, &mut task.sent), &mut w)
            }
            _ => Ok(true),
        };
        let segment = wrap(&task.path, w.into_bytes(), room);
        // Damaged bytes end the task: the receiver gets what could be read.
        if filled.unwrap_or(true) {
            self.tasks.pop_front();
        }
        self.tasks.extend(cutter.tasks);
        Some(segment)
    }
}

impl Cutter<'_> {
    fn root(&mut self, frozen: &Frozen, w: &mut Writer) -> Result<(), DecodeError> {
        let (body, children) = frozen.root_body()?;
        self.fields(self.schema.fields_of(self.schema.root), FieldsReader::new(body), children, w)
    }

    fn fields(
        &mut self,
        defs: &[crate::schema::FieldDef],
        mut reader: FieldsReader<'_>,
        children: &Children,
        w: &mut Writer,
    ) -> Result<(), DecodeError> {
        while let Some(field) = reader.next()? {
            match field_by_id(defs, field.id) {
                Some(def) => {
                    w.varint(u64::from(field.id.0) << 3 | field.wire as u64);
                    self.path.push(Step::Field(field.id));
                    self.value(&def.kind, field.value.rest(), children, w)?;
                    self.path.pop();
                }
                None => w.raw(field.encoded),
            }
        }
        Ok(())
    }

    /// Writes a stored value, large containers empty.
    fn value(&mut self, kind: &Kind, value: &[u8], children: &Children, w: &mut Writer) -> Result<(), DecodeError> {
        if children.is_empty() {
            w.raw(value);
            return Ok(());
        }
        let is_container = matches!(kind, Kind::List(_) | Kind::Map(..) | Kind::Set(_));
        if let Some(id) = stub_child(value).filter(|_| is_container) {
            let branch = children.share(id)?;
            // Half of what is left: the fields behind it need room too.
            if branch.totals().encoded <= self.bytes_max.saturating_sub(w.len()) / 2 {
                return expand(self.schema, kind, value, children, w);
            }
            w.raw(&[1, 0]);
            let path = self.path.clone();
            self.tasks.push(Task { path, kind: kind.clone(), branch, page: 0, at: 0, sent: 0 });
            return Ok(());
        }
        match kind {
            Kind::List(_) | Kind::Map(..) | Kind::Option(_) | Kind::Type(_) => {
                let body = Reader::new(value).frame()?;
                w.framed(|w| self.inside(kind, body, children, w))
            }
            _ => expand(self.schema, kind, value, children, w),
        }
    }

    fn inside(
        &mut self,
        kind: &Kind,
        mut body: Reader<'_>,
        children: &Children,
        w: &mut Writer,
    ) -> Result<(), DecodeError> {
        match kind {
            Kind::Type(index) => {
                let whole = body;
                let defs = fields_of(self.schema, *index, &mut body)?;
                w.raw(whole.rest().get(..whole.left() - body.left()).unwrap_or_default());
                let is_enum = matches!(self.schema.type_at(*index), Some(TypeDef::Enum(_)));
                if is_enum {
                    let mut variant = whole;
                    self.path.push(Step::Variant(variant.varint()?));
                }
                self.fields(defs, FieldsReader::new(body), children, w)?;
                if is_enum {
                    self.path.pop();
                }
            }
            Kind::Option(inner) if !body.is_done() => self.value(inner, body.rest(), children, w)?,
            Kind::List(element) => {
                let count = body.varint()?;
                w.varint(count);
                for index in 0..count {
                    self.path.push(Step::Index(index));
                    self.value(element, stored_value(Some(element), &mut body)?, children, w)?;
                    self.path.pop();
                }
            }
            Kind::Map(keys, values) => {
                let count = body.varint()?;
                w.varint(count);
                for _ in 0..count {
                    let key = stored_key(keys, &mut body)?;
                    w.raw(key);
                    self.path.push(Step::Key(key.to_vec()));
                    self.value(values, stored_value(Some(values), &mut body)?, children, w)?;
                    self.path.pop();
                }
            }
            _ => w.raw(body.rest()),
        }
        Ok(())
    }

    /// Whether a segment that has grown from `before` to `now` must end at `before`.
    fn is_full(&self, before: usize, now: usize) -> bool {
        before > 0 && now > self.bytes_max.saturating_sub(64 + 8 * self.path.len())
    }

    /// Fills a map from where it stopped; answers whether that was all.
    fn entries(
        &mut self,
        map: &MapBranch,
        kinds: EntryKinds<'_>,
        page: &mut usize,
        at: &mut usize,
        w: &mut Writer,
    ) -> Result<bool, DecodeError> {
        let start = w.len();
        while let Some(head) = map.heads().get(*page) {
            if let Some(whole) = head.page.as_edit().filter(|_| *at == 0)
                && !self.is_full(1, w.len() - start + whole.len())
            {
                w.raw(whole);
                *page += 1;
                continue;
            }
            for entry in head.page.entries.entries_from(kinds, *at) {
                let entry = entry?;
                if entry.is_live() {
                    let (before, tasks) = (w.len(), self.tasks.len());
                    w.raw(entry.key);
                    w.byte(1);
                    if let Some(kind) = kinds.values {
                        self.path.push(Step::Key(entry.key.to_vec()));
                        self.value(kind, entry.value, &head.page.children, w)?;
                        self.path.pop();
                    }
                    if self.is_full(before - start, w.len() - start) {
                        w.truncate(before);
                        self.tasks.truncate(tasks);
                        *at = entry.range.start;
                        return Ok(false);
                    }
                }
            }
            (*page, *at) = (*page + 1, 0);
        }
        Ok(true)
    }

    /// Fills a list from where it stopped; answers whether that was all.
    fn elements(
        &mut self,
        list: &ListBranch,
        element: &Kind,
        (page, at, sent): (&mut usize, &mut usize, &mut u64),
        w: &mut Writer,
    ) -> Result<bool, DecodeError> {
        let (mut values, mut count) = (Writer::new(), 0_u64);
        let mut is_done = true;
        'pages: while let Some(head) = list.heads().get(*page) {
            let mut r = Reader::new(head.page.bytes.get(*at..).unwrap_or_default());
            while !r.is_done() {
                let (before, tasks) = (values.len(), self.tasks.len());
                let value = stored_value(Some(element), &mut r)?;
                self.path.push(Step::Index(*sent + count));
                self.value(element, value, &head.page.children, &mut values)?;
                self.path.pop();
                if self.is_full(before, values.len()) {
                    values.truncate(before);
                    self.tasks.truncate(tasks);
                    is_done = false;
                    break 'pages;
                }
                count += 1;
                *at = head.page.bytes.len() - r.left();
            }
            (*page, *at) = (*page + 1, 0);
        }
        if count == 0 {
            w.varint(0);
            return Ok(is_done);
        }
        if *sent > 0 {
            w.varint(3);
            w.varint(0);
            w.varint(*sent);
        } else {
            w.varint(2);
        }
        w.varint(count << 1 | 1);
        w.raw(values.as_slice());
        *sent += count;
        Ok(is_done)
    }
}

/// Bytes that what leads to `path` takes at most.
fn room_before(path: &[Step]) -> usize {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => key.len() + VARINT_BYTES_MAX,
        Step::Index(_) => 1 + 2 * VARINT_BYTES_MAX,
        Step::Field(_) | Step::Variant(_) => VARINT_BYTES_MAX,
    });
    steps.sum()
}

/// The edit of the root that edits what stands at `path` by what `bytes` hold behind `room`; what leads there is written
/// into the end of that room, so that a segment's entries are copied once.
fn wrap(path: &[Step], mut bytes: Vec<u8>, room: usize) -> Bytes {
    let (mut start, end) = (room, bytes.len());
    for step in path.iter().rev() {
        let mut w = Writer::new();
        match step {
            Step::Field(id) => w.varint(u64::from(id.0) << 3 | WireType::EditRest as u64),
            Step::Variant(id) => w.varint(*id),
            Step::Key(key) => {
                w.raw(key);
                w.varint((end - start) as u64 + 2);
            }
            Step::Index(index) => {
                w.varint(0);
                w.varint(*index);
                w.varint((end - start) as u64 + 2);
            }
        }
        let from = start.saturating_sub(w.len());
        if let Some(place) = bytes.get_mut(from..start) {
            place.copy_from_slice(w.as_slice());
        }
        start = from;
    }
    Bytes::from(bytes).slice(start..)
}

//! Answers "what changed since version v" from the document and its stamps, as one delta.
//!
//! The walk descends only where a stamp is newer than `v`: it scans the heads of pages for those that changed, and in
//! them the marks of blocks, so the cost follows what changed. What was put whole goes out whole; a removed key goes out as a removal; a list as runs. The
//! answer is the squash of all commits since: no history is kept. Source: own measurements, `ARCHITECTURE.md`.

use std::cell::Cell;

use super::apart::{Children, EntryKinds, each_stub, entry_kinds, expand};
use super::list::{ListView, Part};
use super::map::{Fate, MapBranch};
use super::pace::Budget;
use super::stamps::{EntryStamp, Mark, Stamp, entry_stamp};
use super::stored::{fields_of, stored_key, stored_value};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{FieldsReader, FieldsWriter};
use crate::schema::{FieldDef, Kind, Schema, TypeDef, TypeIndex, field_by_id};

/// What passing one entry or element costs at most, in bytes: about what it takes to read its key and its length.
const PASSED_BYTES: usize = 24;

/// What one answer is made with.
#[derive(Debug)]
pub(super) struct Since<'d> {
    pub(super) schema: &'d Schema,
    pub(super) base: Mark,
    /// A cell for each field and entry that changed, a byte for each that is written or passed on the way to it.
    pub(super) budget: Cell<Budget>,
}

/// Why an answer ends before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// It would cost more than it may.
    Spent,
    /// The stored bytes are damaged.
    Damaged,
}

impl From<DecodeError> for Halt {
    fn from(_: DecodeError) -> Self {
        Self::Damaged
    }
}

/// A stored value and its stamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'d> {
    pub(super) value: &'d [u8],
    pub(super) stamp: &'d Stamp,
    pub(super) children: &'d Children,
}

impl Since<'_> {
    fn is_newer(&self, mark: Mark) -> bool {
        mark > self.base
    }

    /// Comes to one field or entry that changed.
    fn visit(&self) -> Result<(), Halt> {
        self.spend(1, 0)
    }

    /// Passes `members` of `bytes` that did not change, or may not have: what is long is skipped by its length.
    fn pass(&self, members: usize, bytes: usize) -> Result<(), Halt> {
        self.spend(0, bytes.min(members.saturating_mul(PASSED_BYTES)))
    }

    fn spend(&self, cells: usize, bytes: usize) -> Result<(), Halt> {
        let mut budget = self.budget.get();
        let has_spent = budget.try_spend(cells, bytes);
        self.budget.set(budget);
        if has_spent { Ok(()) } else { Err(Halt::Spent) }
    }

    /// Writes a stored value as it travels.
    fn put(&self, kind: &Kind, stored: Stored<'_>, w: &mut Writer) -> Result<(), Halt> {
        let mut bytes = stored.value.len();
        if !stored.children.is_empty() {
            each_stub(self.schema, kind, stored.value, &mut |id, _| {
                bytes += stored.children.find(id).map_or(0, |branch| branch.totals().encoded);
            })?;
        }
        self.spend(0, bytes)?;
        Ok(expand(self.schema, kind, stored.value, stored.children, w)?)
    }

    /// Writes the body of an edit that brings a value from the base to now; the value itself was not put since. Answers
    /// whether anything was written.
    pub(super) fn edit(&self, kind: &Kind, stored: Stored<'_>, w: &mut Writer) -> Result<bool, Halt> {
        match kind {
            Kind::Type(index) => self.typed(*index, stored, w),
            Kind::Option(inner) => {
                let body = Reader::new(stored.value).frame()?;
                self.edit(inner, Stored { value: body.rest(), stamp: stored.stamp.option(), ..stored }, w)
            }
            Kind::Map(..) | Kind::Set(_) => match (entry_kinds(kind), stored.children.behind(stored.value)?) {
                (Some(kinds), Some(branch)) => self.map_apart(kinds, branch.as_map()?, w),
                (Some(kinds), None) => self.map_inline(kinds, stored, w),
                (None, _) => Ok(false),
            },
            Kind::List(element) | Kind::Array(element, _) => {
                self.list(element, ListView::of(stored.value, stored.stamp, stored.children)?, w)
            }
            _ => Ok(false),
        }
    }

    fn typed(&self, index: TypeIndex, stored: Stored<'_>, w: &mut Writer) -> Result<bool, Halt> {
        let mut body = Reader::new(stored.value).frame()?;
        let mut variant = body;
        let defs = fields_of(self.schema, index, &mut body)?;
        let at = w.len();
        if let Some(TypeDef::Enum(_)) = self.schema.type_at(index) {
            w.varint(variant.varint()?);
        }
        let written = self.fields(defs, FieldsReader::new(body), stored, w)?;
        if !written {
            w.truncate(at);
        }
        Ok(written)
    }

    fn fields(
        &self,
        defs: &[FieldDef],
        mut reader: FieldsReader<'_>,
        stored: Stored<'_>,
        w: &mut Writer,
    ) -> Result<bool, Halt> {
        let mut out = FieldsWriter::new(w);
        while let Some(field) = reader.next()? {
            let stamp = stored.stamp.field(field.id);
            if !self.is_newer(stamp.newest()) {
                continue;
            }
            self.visit()?;
            let def = field_by_id(defs, field.id);
            let value = Stored { value: field.value.rest(), stamp, ..stored };
            let mut answer = Ok(());
            match def {
                Some(def) if self.is_newer(stamp.own) => {
                    out.put(field.id, field.wire, |w| answer = self.put(&def.kind, value, w));
                }
                Some(def) => {
                    out.edit(field.id, |w| {
                        self.edit(&def.kind, value, w).unwrap_or_else(|error| fail(&mut answer, error))
                    });
                }
                None => out.put(field.id, field.wire, |w| w.raw(value.value)),
            }
            answer?;
        }
        Ok(out.finish())
    }

    /// Writes what changed in the entries of one page after another.
    pub(super) fn map_apart(&self, kinds: EntryKinds<'_>, map: &MapBranch, w: &mut Writer) -> Result<bool, Halt> {
        let at = w.len();
        for head in map.heads().iter().filter(|head| self.is_newer(head.newest)) {
            for entry in head.page.entries.entries_since(kinds, self.base) {
                let entry = entry?;
                self.pass(1, entry.range.len())?;
                match entry.fate {
                    Fate::Plain => {}
                    Fate::Gone(mark) => self.gone(entry.key, mark, w)?,
                    Fate::Stamped(_) => {
                        let stamp = entry.fate.stamp()?;
                        let stored = Stored { value: entry.value, stamp: &stamp, children: &head.page.children };
                        self.entry(kinds, entry.key, stored, w)?;
                    }
                }
            }
        }
        Ok(w.len() > at)
    }

    fn map_inline(&self, kinds: EntryKinds<'_>, stored: Stored<'_>, w: &mut Writer) -> Result<bool, Halt> {
        let at = w.len();
        let stamps = stored.stamp.entries();
        let mut gone = stamps.iter().filter(|(_, stamp)| matches!(stamp, EntryStamp::Gone(_))).peekable();
        let mut body = Reader::new(stored.value).frame()?;
        for _ in 0..body.varint()? {
            let key = stored_key(kinds.keys, &mut body)?;
            let value = stored_value(kinds.values, &mut body)?;
            self.pass(1, key.len() + value.len())?;
            while let Some((removed, stamp)) = gone.next_if(|(removed, _)| removed.as_ref() < key) {
                self.gone(removed, stamp.newest(), w)?;
            }
            if let Some(EntryStamp::Live(stamp)) = entry_stamp(stamps, key) {
                self.entry(kinds, key, Stored { value, stamp, ..stored }, w)?;
            }
        }
        for (removed, stamp) in gone {
            self.gone(removed, stamp.newest(), w)?;
        }
        Ok(w.len() > at)
    }

    fn gone(&self, key: &[u8], mark: Mark, w: &mut Writer) -> Result<(), Halt> {
        if self.is_newer(mark) {
            self.spend(1, key.len())?;
            w.raw(key);
            w.byte(0);
        }
        Ok(())
    }

    fn entry(&self, kinds: EntryKinds<'_>, key: &[u8], stored: Stored<'_>, w: &mut Writer) -> Result<(), Halt> {
        if !self.is_newer(stored.stamp.newest()) {
            return Ok(());
        }
        self.visit()?;
        let at = w.len();
        w.raw(key);
        if self.change(kinds.values, stored, w)? {
            return Ok(());
        }
        w.truncate(at);
        Ok(())
    }

    /// Writes the head and the change of one entry or element; answers whether there is one.
    fn change(&self, kind: Option<&Kind>, stored: Stored<'_>, w: &mut Writer) -> Result<bool, Halt> {
        if self.is_newer(stored.stamp.own) {
            w.byte(1);
            if let Some(kind) = kind {
                self.put(kind, stored, w)?;
            }
            return Ok(true);
        }
        let Some(kind) = kind else { return Ok(false) };
        let mut answer = Ok(());
        let written = w.framed_if(2, |w| self.edit(kind, stored, w).unwrap_or_else(|error| fail(&mut answer, error)));
        answer.map(|()| written)
    }

    fn list(&self, element: &Kind, view: ListView<'_>, w: &mut Writer) -> Result<bool, Halt> {
        let mut out = RunsWriter::default();
        let mut edits = Writer::new();
        for part in view.parts() {
            if !self.is_newer(part.newest) {
                out.keep(part.count);
                continue;
            }
            let first = out.new_len;
            self.spend(0, part.stamps.heap_bytes())?;
            self.pass(part.count as usize, part.bytes.len())?;
            self.part_runs(element, part, &mut out)?;
            let mut elements = part.elements(element);
            for (index, stamp) in part.stamps.edits() {
                // What is new goes out whole with its run.
                if self.is_newer(stamp.newest()) && out.was_kept(first + u64::from(index)) {
                    self.visit()?;
                    let at = edits.len();
                    edits.varint(first + u64::from(index));
                    let value = elements.go_to(index)?;
                    let stored = Stored { value, stamp: &stamp, children: part.children };
                    if !self.change(Some(element), stored, &mut edits)? {
                        edits.truncate(at);
                    }
                }
            }
        }
        if !out.is_changed && edits.is_empty() {
            return Ok(false);
        }
        out.write(w);
        w.raw(edits.as_slice());
        Ok(true)
    }

    /// Collects the runs of one part.
    fn part_runs(&self, element: &Kind, part: Part<'_>, out: &mut RunsWriter) -> Result<(), Halt> {
        let mut r = Reader::new(part.bytes);
        // Living elements before the run, and those the reader has passed.
        let (mut live, mut passed) = (0, 0);
        for run in part.stamps.runs(part.count) {
            match (run.was_live(self.base), run.is_live()) {
                (true, true) => out.keep(run.count),
                (true, false) => out.skip(run.count),
                (false, true) => {
                    self.visit()?;
                    for _ in passed..live {
                        stored_value(Some(element), &mut r)?;
                    }
                    let mut values = Writer::new();
                    for _ in 0..run.count {
                        let value = stored_value(Some(element), &mut r)?;
                        let stored = Stored { value, stamp: Stamp::none(), children: part.children };
                        self.put(element, stored, &mut values)?;
                    }
                    passed = live + run.count;
                    out.add(run.count, values.as_slice());
                }
                (false, false) => {}
            }
            if run.is_live() {
                live += run.count;
            }
        }
        Ok(())
    }
}

/// The runs of a list as they are found, next to each other joined.
#[derive(Default)]
struct RunsWriter {
    runs: Vec<NewRun>,
    /// Elements of the old list that were passed.
    old: u64,
    /// Elements of the new list so far.
    new_len: u64,
    is_changed: bool,
}

/// One run of the new list.
struct NewRun {
    /// Its first index in the new list.
    at: u64,
    count: u64,
    /// Where it starts in the old list; `None` if it is new.
    from: Option<u64>,
    values: Writer,
}

impl RunsWriter {
    fn keep(&mut self, count: u32) {
        let count = u64::from(count);
        if count == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if run.from.is_some_and(|from| from + run.count == self.old) => run.count += count,
            _ => self.runs.push(NewRun { at: self.new_len, count, from: Some(self.old), values: Writer::new() }),
        }
        self.old += count;
        self.new_len += count;
    }

    fn skip(&mut self, count: u32) {
        self.old += u64::from(count);
        self.is_changed = true;
    }

    fn add(&mut self, count: u32, values: &[u8]) {
        let count = u64::from(count);
        if let Some(run) = self.runs.last_mut().filter(|run| run.from.is_none()) {
            run.count += count;
            run.values.raw(values);
        } else {
            let values = Writer::append_to(values.to_vec());
            self.runs.push(NewRun { at: self.new_len, count, from: None, values });
        }
        self.new_len += count;
        self.is_changed = true;
    }

    /// Whether the element at `index` of the new list was in the old one.
    fn was_kept(&self, index: u64) -> bool {
        let after = self.runs.partition_point(|run| run.at <= index);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).is_some_and(|run| run.from.is_some())
    }

    fn write(&self, w: &mut Writer) {
        if !self.is_changed {
            w.varint(0);
            return;
        }
        w.varint(self.runs.len() as u64 + 1);
        for run in &self.runs {
            match run.from {
                Some(from) => {
                    w.varint(from << 1);
                    w.varint(run.count);
                }
                None => {
                    w.varint(run.count << 1 | 1);
                    w.raw(run.values.as_slice());
                }
            }
        }
    }
}

fn fail(answer: &mut Result<(), Halt>, error: Halt) -> bool {
    *answer = Err(error);
    false
}

/// The document's root as an edit since the base.
pub(super) fn root_edit(since: &Since<'_>, stored: Stored<'_>, w: &mut Writer) -> Result<bool, Halt> {
    since.edit(&Kind::Type(since.schema.root), stored, w)
}

//! Answers "what changed since version v" from the document and its stamps, as one delta.
//!
//! ```text
//! root ─▶ field ─▶ field ─▶ …        a step ends between two fields, entries or elements,
//!           └▶ entry ─▶ entry ─▶ …    at any depth
//!                └▶ field ─▶ …
//! ```
//! The walk descends only where a stamp is newer than `v`: it scans the heads of pages for those that changed, and in
//! them the marks of blocks, so the cost follows what changed. What was put whole goes out whole; a removed key goes
//! out as a removal; a list as runs. The answer is the squash of all commits since: no history is kept. A step that
//! ends unwinds to the root and keeps what was written of each value on the way; the next one walks down again.
//! Invariant: the bytes do not depend on where steps end. Source: own measurements, `benches/document.rs`.

mod lists;
mod maps;
mod whole;

use std::cell::Cell;
use std::collections::BTreeMap;

use super::apart::{Children, entry_kinds};
use super::pace::Budget;
use super::rope::Rope;
use super::stamps::{Mark, Stamp};
use super::stored::fields_of;
use crate::coding::{DecodeError, Reader};
use crate::delta::{Field, FieldsReader, WireType};
use crate::ids::FieldId;
use crate::schema::{FieldDef, Kind, Schema, TypeDef, TypeIndex, field_by_id};
use lists::ListWalk;

/// What passing one entry or element costs at most, in bytes: about what it takes to read its key and its length.
const PASSED_BYTES: usize = 24;

/// What one step of an answer is made with.
#[derive(Debug)]
pub(super) struct Since<'d> {
    schema: &'d Schema,
    base: Mark,
    /// A cell for each field and entry that changed, a byte for each that is written or passed on the way to it.
    budget: Cell<Budget>,
    /// Whether it may go on in another step; if not, it is given up before it costs more than the budget.
    is_stepped: bool,
    /// Whether this step has finished anything.
    has_begun: Cell<bool>,
}

/// Why a step ends before the answer's end.
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

/// How far the values are that one field, entry or page holds, by where their bytes stand: the pages of a version that is
/// kept do not move.
type Walks = BTreeMap<usize, Box<Walk>>;

/// How far a value is.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    /// The page that is next; of an inline map, the removed key.
    page: usize,
    /// What is next in it: the byte of an entry or element, or the number of a field or an entry of an inline map.
    at: usize,
    fields: FieldsOut,
    list: ListWalk,
    /// What was written of it, its fields or list apart.
    out: Rope,
    is_done: bool,
    /// The values inside what is next.
    inside: Walks,
}

impl Walk {
    /// The delta, once all of the root is written.
    pub(super) fn into_delta(self) -> Rope {
        self.out
    }

    fn turn_page(&mut self) {
        (self.page, self.at) = (self.page + 1, 0);
    }
}

/// The fields of one body, ids ascending. The last one is kept back: an edit that ends a body has no length.
#[derive(Clone, Debug, Default)]
struct FieldsOut {
    out: Rope,
    last_edit: Option<(FieldId, Rope)>,
}

impl FieldsOut {
    fn put(&mut self, id: FieldId, wire: WireType, value: Rope) {
        self.end_edit();
        self.tag(id, wire);
        self.out.append(value);
    }

    fn edit(&mut self, id: FieldId, body: Rope) {
        self.end_edit();
        self.last_edit = Some((id, body));
    }

    /// Ends the body.
    fn finish(mut self) -> Rope {
        if let Some((id, body)) = self.last_edit.take() {
            self.tag(id, WireType::EditRest);
            self.out.append(body);
        }
        self.out
    }

    fn end_edit(&mut self) {
        if let Some((id, body)) = self.last_edit.take() {
            self.tag(id, WireType::Edit);
            self.out.framed(0, body);
        }
    }

    fn tag(&mut self, id: FieldId, wire: WireType) {
        self.out.varint(u64::from(id.0) << 3 | u64::from(wire as u8));
    }
}

impl<'d> Since<'d> {
    /// An answer in one step, or none.
    pub(super) fn at_once(schema: &'d Schema, base: Mark, budget: Budget) -> Self {
        Self { schema, base, budget: Cell::new(budget), is_stepped: false, has_begun: Cell::new(false) }
    }

    /// One step of an answer: it does a field or an entry at least.
    pub(super) fn step(schema: &'d Schema, base: Mark, budget: Budget) -> Self {
        Self { is_stepped: true, ..Self::at_once(schema, base, budget) }
    }

    /// What was spent.
    pub(super) fn budget(&self) -> Budget {
        self.budget.get()
    }

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
        let may_go_on = self.is_stepped || budget.has(cells, bytes);
        if may_go_on {
            budget.spend(cells, bytes);
        }
        self.budget.set(budget);
        if may_go_on { Ok(()) } else { Err(Halt::Spent) }
    }

    /// Ends the step before something that could be the first of the next.
    fn pause(&self) -> Result<(), Halt> {
        let must_end = self.is_stepped && self.has_begun.get() && self.budget.get().is_spent();
        if must_end { Err(Halt::Spent) } else { Ok(()) }
    }

    /// Something was finished that the next step does not do again.
    fn advance(&self, inside: &mut Walks) {
        inside.clear();
        self.has_begun.set(true);
    }

    /// How far the value is, from the start if no step came to it before.
    fn walk<'w>(&self, walks: &'w mut Walks, spare: &'w mut Walk, value: &[u8]) -> &'w mut Walk {
        if self.is_stepped { walks.entry(value.as_ptr() as usize).or_default() } else { spare }
    }

    /// Hands over what was written of a value that is done; its parent asks again if the step ends before that is done.
    fn hand_over(&self, walk: &mut Walk, w: &mut Rope) -> bool {
        let out = if self.is_stepped { walk.out.share() } else { std::mem::take(&mut walk.out) };
        let has_any = !out.is_empty();
        w.append(out);
        has_any
    }

    /// Writes the document's root as an edit since the base, from where the last step ended.
    pub(super) fn root(&self, stored: Stored<'_>, walk: &mut Walk) -> Result<(), Halt> {
        self.typed(self.schema.root, stored, walk)
    }

    /// Writes the body of an edit that brings a value from the base to now; the value itself was not put since. Answers
    /// whether anything was written.
    fn edit(&self, kind: &Kind, stored: Stored<'_>, walks: &mut Walks, w: &mut Rope) -> Result<bool, Halt> {
        if let Kind::Option(inner) = kind {
            let value = Reader::new(stored.value).frame()?.rest();
            return self.edit(inner, Stored { value, stamp: stored.stamp.option(), ..stored }, walks, w);
        }
        let mut spare = Walk::default();
        let walk = self.walk(walks, &mut spare, stored.value);
        if !walk.is_done {
            match kind {
                Kind::Type(index) => self.typed(*index, stored, walk)?,
                Kind::List(element) | Kind::Array(element, _) => self.list(element, stored, walk)?,
                _ => match (entry_kinds(kind), stored.children.behind(stored.value)?) {
                    (Some(kinds), Some(branch)) => self.map_apart(kinds, branch.as_map()?, walk)?,
                    (Some(kinds), None) => self.map_inline(kinds, stored, walk)?,
                    (None, _) => {}
                },
            }
            walk.is_done = true;
        }
        Ok(self.hand_over(walk, w))
    }

    fn typed(&self, index: TypeIndex, stored: Stored<'_>, walk: &mut Walk) -> Result<(), Halt> {
        let mut body = Reader::new(stored.value).frame()?;
        let mut variant = body;
        let defs = fields_of(self.schema, index, &mut body)?;
        let mut reader = FieldsReader::new(body);
        let mut at = 0;
        while let Some(field) = reader.next()? {
            at += 1;
            if at > walk.at {
                self.pause()?;
                if self.field(defs, &field, stored, &mut walk.inside, &mut walk.fields)? {
                    self.advance(&mut walk.inside);
                }
                walk.at = at;
            }
        }
        let fields = std::mem::take(&mut walk.fields).finish();
        if !fields.is_empty() {
            if let Some(TypeDef::Enum(_)) = self.schema.type_at(index) {
                walk.out.varint(variant.varint()?);
            }
            walk.out.append(fields);
        }
        Ok(())
    }

    /// Writes a field of `stored` if it changed; answers whether it may have.
    fn field(
        &self,
        defs: &[FieldDef],
        field: &Field<'_>,
        stored: Stored<'_>,
        walks: &mut Walks,
        out: &mut FieldsOut,
    ) -> Result<bool, Halt> {
        let stamp = stored.stamp.field(field.id);
        if !self.is_newer(stamp.newest()) {
            return Ok(false);
        }
        self.visit()?;
        let value = Stored { value: field.value.rest(), stamp, ..stored };
        let mut body = Rope::new();
        match field_by_id(defs, field.id) {
            Some(def) if self.is_newer(stamp.own) => {
                self.put(&def.kind, value, walks, &mut body)?;
                out.put(field.id, field.wire, body);
            }
            Some(def) => {
                if self.edit(&def.kind, value, walks, &mut body)? {
                    out.edit(field.id, body);
                }
            }
            None => {
                self.spend(0, value.value.len())?;
                body.raw(value.value);
                out.put(field.id, field.wire, body);
            }
        }
        Ok(true)
    }

    /// Writes the head and the change of one entry or element; answers whether there is one.
    fn change(&self, kind: Option<&Kind>, stored: Stored<'_>, walks: &mut Walks, w: &mut Rope) -> Result<bool, Halt> {
        if self.is_newer(stored.stamp.own) {
            w.byte(1);
            if let Some(kind) = kind {
                self.put(kind, stored, walks, w)?;
            }
            return Ok(true);
        }
        let Some(kind) = kind else { return Ok(false) };
        let mut body = Rope::new();
        let is_changed = self.edit(kind, stored, walks, &mut body)?;
        if is_changed {
            w.framed(2, body);
        }
        Ok(is_changed)
    }
}

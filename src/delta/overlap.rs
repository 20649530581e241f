//! Whether two deltas of one object touch the same place, judged by the schema alone.
//!
//! A transaction of several steps asks this of every delta that came in between, to fail early rather than at its commit,
//! and the repository of commits that could be in the way of one that goes first; commits are judged again. Invariant:
//! never says no where a judge would say yes; it may say yes too often: a list whose elements moved counts as a whole.
//! Source: own reasoning (W2, W3, W12).

use std::cmp::Ordering;

use super::{EntryChange, Field, FieldsReader, WireType, check_value, read_key};
use crate::coding::{DecodeError, Reader};
use crate::ids::VariantId;
use crate::schema::{FieldDef, KeyKind, Kind, Policy, Schema, TypeDef, TypeIndex, field_by_id};

/// Whether `mine`, which may carry operations, overlaps `theirs`: the same field, element or entry, or one inside of the
/// other.
///
/// # Errors
/// Any [`DecodeError`].
pub fn overlaps(schema: &Schema, mine: &[u8], theirs: &[u8]) -> Result<bool, DecodeError> {
    Walk { schema, is_guard: false, is_lww: false }.fields(schema.root_fields(), Reader::new(mine), Reader::new(theirs))
}

/// Whether `delta` changes what `guard` requires, whatever the policy.
///
/// # Errors
/// Any [`DecodeError`].
pub fn touches(schema: &Schema, delta: &[u8], guard: &[u8]) -> Result<bool, DecodeError> {
    Walk { schema, is_guard: true, is_lww: false }.fields(schema.root_fields(), Reader::new(guard), Reader::new(delta))
}

#[derive(Clone, Copy)]
struct Walk<'s> {
    schema: &'s Schema,
    /// Whether `mine` says what is required.
    is_guard: bool,
    /// Whether what `mine` puts never conflicts here: the field or one around it is `lww`.
    is_lww: bool,
}

impl Walk<'_> {
    fn fields(self, defs: &[FieldDef], mine: Reader<'_>, theirs: Reader<'_>) -> Result<bool, DecodeError> {
        let (mut mine, mut theirs) = (FieldsReader::new(mine), FieldsReader::new(theirs));
        let (mut a, mut b) = (mine.next()?, theirs.next()?);
        while let (Some(x), Some(y)) = (&a, &b) {
            match x.id.cmp(&y.id) {
                Ordering::Less => a = mine.next()?,
                Ordering::Greater => b = theirs.next()?,
                Ordering::Equal => {
                    if self.field(defs, x, y)? {
                        return Ok(true);
                    }
                    (a, b) = (mine.next()?, theirs.next()?);
                }
            }
        }
        Ok(false)
    }

    fn field(self, defs: &[FieldDef], mine: &Field<'_>, theirs: &Field<'_>) -> Result<bool, DecodeError> {
        let Some(def) = field_by_id(defs, mine.id) else { return Ok(true) };
        let is_edit = |field: &Field<'_>| matches!(field.wire, WireType::Edit | WireType::EditRest);
        let inside = Self { is_lww: self.is_lww || (!self.is_guard && def.policy == Policy::Lww), ..self };
        if !self.is_guard && (mine.wire == WireType::Operation || (inside.is_lww && !is_edit(mine))) {
            return Ok(false);
        }
        if is_edit(mine) && is_edit(theirs) { inside.edits(&def.kind, mine.body, theirs.body) } else { Ok(true) }
    }

    fn edits(self, kind: &Kind, mine: Reader<'_>, theirs: Reader<'_>) -> Result<bool, DecodeError> {
        match kind {
            Kind::Type(index) => self.edits_of_type(*index, mine, theirs),
            Kind::Option(inner) => self.edits(inner, mine, theirs),
            Kind::Map(key, value) => self.entries(key, Some(value), mine, theirs),
            Kind::Set(key) => self.entries(key, None, mine, theirs),
            Kind::List(inner) | Kind::Array(inner, _) => self.elements(inner, mine, theirs),
            _ => Ok(true),
        }
    }

    fn edits_of_type(
        self,
        index: TypeIndex,
        mut mine: Reader<'_>,
        mut theirs: Reader<'_>,
    ) -> Result<bool, DecodeError> {
        match self.schema.type_at(index) {
            Some(TypeDef::Struct(def)) => self.fields(&def.fields, mine, theirs),
            Some(TypeDef::Enum(_)) => {
                let (variant, other) = (VariantId(mine.varint32()?), VariantId(theirs.varint32()?));
                match self.schema.variant_of(index, variant) {
                    Some(def) if variant == other => self.fields(&def.fields, mine, theirs),
                    _ => Ok(true),
                }
            }
            None => Ok(true),
        }
    }

    fn entries(
        self,
        key: &KeyKind,
        value: Option<&Kind>,
        mut mine: Reader<'_>,
        mut theirs: Reader<'_>,
    ) -> Result<bool, DecodeError> {
        let next =
            |r: &mut Reader<'_>| if r.is_done() { Ok(None) } else { read_key(key, r).map(<[u8]>::to_vec).map(Some) };
        let (mut a, mut b) = (next(&mut mine)?, next(&mut theirs)?);
        while let (Some(x), Some(y)) = (&a, &b) {
            match x.cmp(y) {
                Ordering::Less => {
                    self.change(value, &mut mine)?;
                    a = next(&mut mine)?;
                }
                Ordering::Greater => {
                    self.change(value, &mut theirs)?;
                    b = next(&mut theirs)?;
                }
                Ordering::Equal => {
                    let changes = (self.change(value, &mut mine)?, self.change(value, &mut theirs)?);
                    if self.both(value, changes)? {
                        return Ok(true);
                    }
                    (a, b) = (next(&mut mine)?, next(&mut theirs)?);
                }
            }
        }
        Ok(false)
    }

    fn elements(self, kind: &Kind, mut mine: Reader<'_>, mut theirs: Reader<'_>) -> Result<bool, DecodeError> {
        if mine.varint()? != 0 || theirs.varint()? != 0 {
            return Ok(true);
        }
        let next = |r: &mut Reader<'_>| if r.is_done() { Ok(None) } else { r.varint().map(Some) };
        let (mut a, mut b) = (next(&mut mine)?, next(&mut theirs)?);
        while let (Some(x), Some(y)) = (a, b) {
            match x.cmp(&y) {
                Ordering::Less => {
                    self.change(Some(kind), &mut mine)?;
                    a = next(&mut mine)?;
                }
                Ordering::Greater => {
                    self.change(Some(kind), &mut theirs)?;
                    b = next(&mut theirs)?;
                }
                Ordering::Equal => {
                    let changes = (self.change(Some(kind), &mut mine)?, self.change(Some(kind), &mut theirs)?);
                    if self.both(Some(kind), changes)? {
                        return Ok(true);
                    }
                    (a, b) = (next(&mut mine)?, next(&mut theirs)?);
                }
            }
        }
        Ok(false)
    }

    /// Reads one change, the value of a put included.
    fn change<'a>(self, value: Option<&Kind>, r: &mut Reader<'a>) -> Result<EntryChange<'a>, DecodeError> {
        let change = EntryChange::read(r)?;
        if let (EntryChange::Put, Some(kind)) = (&change, value) {
            check_value(self.schema, kind, r)?;
        }
        Ok(change)
    }

    fn both(self, value: Option<&Kind>, changes: (EntryChange<'_>, EntryChange<'_>)) -> Result<bool, DecodeError> {
        match (value, changes) {
            (Some(kind), (EntryChange::Edit(mine), EntryChange::Edit(theirs))) => self.edits(kind, mine, theirs),
            (_, (EntryChange::Edit(_), _)) => Ok(true),
            _ => Ok(!self.is_lww),
        }
    }
}

//! What a commit requires beside what it changes: cells that must not have changed after its base.
//!
//! Guards have the form of edits, so that they name what a write would name; they are judged as such writes, whatever the
//! policy, and forgotten. Invariants: nothing of a guard reaches the delta, the document or the journal; guards are few
//! ([`GUARD_BYTES_MAX`](crate::limits::GUARD_BYTES_MAX)), so they are judged in one step. Source: `docs/wire.md` §5.8.

use super::Refusal;
use super::entries::Lookup;
use super::walk::{CONFLICT, Stop, Target};
use crate::coding::{DecodeError, Reader};
use crate::delta::{EntryChange, FieldsReader, WireType, read_key};
use crate::document::apart::{Children, EntryKinds, entry_kinds};
use crate::document::apply::empty_of;
use crate::document::stamps::{Mark, Stamp};
use crate::document::stored::fields_of;
use crate::document::{Document, ROOT_KEY, root_kinds};
use crate::schema::{FieldDef, Kind, Schema, TypeDef, TypeIndex, field_by_id};

/// Judges guards, each sized, that were read at the version of `base`.
pub(super) fn judge(document: &Document, guards: &[u8], base: Mark) -> Result<(), Refusal> {
    let walk = Walk { schema: document.schema(), base };
    let mut guards = Reader::new(guards);
    while !guards.is_done() {
        let guard = guards.sized().map_err(Refusal::Malformed)?;
        match walk.root(document, Reader::new(guard)) {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Paused) => return Err(Refusal::Conflict),
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Walk<'w> {
    schema: &'w Schema,
    base: Mark,
}

impl Walk<'_> {
    fn root(self, document: &Document, guard: Reader<'_>) -> Result<(), Stop> {
        let kind = Kind::Type(self.schema.root);
        let found = document.root().find(root_kinds(&kind), ROOT_KEY)?;
        let (value, stamp, children) = match &found {
            Some((entry, children)) => (entry.value, entry.fate.stamp()?, *children),
            None => (&[0][..], Stamp::default(), Children::none()),
        };
        self.value(&kind, Target { value, stamp: &stamp, children, is_lww: false }, guard)
    }

    /// Whether `mark` is not newer than the commit's base.
    fn stands(self, mark: Mark) -> Result<(), Stop> {
        if mark > self.base { Err(CONFLICT) } else { Ok(()) }
    }

    /// Judges guards inside of a value that was there, as one value, at the base.
    fn value(self, kind: &Kind, target: Target<'_>, mut guard: Reader<'_>) -> Result<(), Stop> {
        match kind {
            Kind::Type(index) => self.typed(*index, target, guard),
            Kind::Option(inner) => {
                let stamp = target.stamp.option();
                self.stands(stamp.own)?;
                let body = Reader::new(target.value).frame()?;
                if body.is_done() {
                    return Err(DecodeError::Absent { what: "option's value" }.into());
                }
                self.value(inner, Target { value: body.rest(), stamp, ..target }, guard.frame_of_rest()?)
            }
            _ => match entry_kinds(kind) {
                Some(kinds) => self.entries(kinds, target, guard),
                None => Err(DecodeError::Unknown { what: "kind with parts that can be required", found: 0 }.into()),
            },
        }
    }

    fn typed(self, index: TypeIndex, target: Target<'_>, mut guard: Reader<'_>) -> Result<(), Stop> {
        let mut body = Reader::new(target.value).frame()?;
        let mut whole = body;
        let defs = fields_of(self.schema, index, &mut body)?;
        if let Some(TypeDef::Enum(_)) = self.schema.type_at(index)
            && guard.varint()? != whole.varint()?
        {
            return Err(DecodeError::Absent { what: "variant" }.into());
        }
        self.fields(defs, FieldsReader::new(body), target, FieldsReader::new(guard))
    }

    fn fields(
        self,
        defs: &[FieldDef],
        mut old: FieldsReader<'_>,
        target: Target<'_>,
        mut guards: FieldsReader<'_>,
    ) -> Result<(), Stop> {
        let mut current = old.next()?;
        while let Some(guard) = guards.next()? {
            let stamp = target.stamp.field(guard.id);
            match (guard.wire, field_by_id(defs, guard.id)) {
                (WireType::Varint, _) => self.stands(stamp.newest())?,
                (WireType::Edit | WireType::EditRest, Some(def)) => {
                    self.stands(stamp.own)?;
                    while current.is_some_and(|field| field.id < guard.id) {
                        current = old.next()?;
                    }
                    let stored = current.filter(|field| field.id == guard.id).map(|field| field.value.rest());
                    let value = stored.or_else(|| empty_of(&def.kind)).ok_or(DecodeError::Absent { what: "field" })?;
                    self.value(&def.kind, Target { value, stamp, ..target }, guard.body)?;
                }
                (wire, _) => {
                    return Err(DecodeError::Unknown { what: "form of a guard", found: wire as u64 }.into());
                }
            }
        }
        Ok(())
    }

    fn entries(self, kinds: EntryKinds<'_>, target: Target<'_>, mut guards: Reader<'_>) -> Result<(), Stop> {
        let mut lookup = Lookup::new(target)?;
        let mut last = None;
        while !guards.is_done() {
            let key = read_key(kinds.keys, &mut guards)?;
            if last.replace(key).is_some_and(|last| last >= key) {
                return Err(DecodeError::Order { what: "keys" }.into());
            }
            let found = lookup.find(kinds, key)?;
            self.stands(found.gone)?;
            match (EntryChange::read(&mut guards)?, kinds.values) {
                (EntryChange::Remove, _) => self.stands(found.stamp.newest())?,
                (EntryChange::Edit(guard), Some(kind)) => {
                    self.stands(found.stamp.own)?;
                    let value = found.value.ok_or(DecodeError::Absent { what: "key" })?;
                    let (stamp, children) = (&*found.stamp, found.children);
                    self.value(kind, Target { value, stamp, children, ..target }, guard)?;
                }
                _ => return Err(DecodeError::Unknown { what: "form of a guard", found: 1 }.into()),
            }
        }
        Ok(())
    }
}

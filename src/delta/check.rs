//! Whether bytes are a value or an edit of a kind, judged by the schema alone.
//!
//! The document judges a commit before it applies it, and a fuzzer judges everything: both start here, without any
//! object at hand. Invariants: bytes that pass can be walked by kind without a surprise; depth is counted in frames,
//! counts are bounded by the bytes that hold them, nothing is allocated but the kept ranges of one list. What only an
//! object knows (whether a key is there, where a character ends) is not judged here. Source: `docs/wire.md` §3–§5.

use std::cell::RefCell;
use std::fmt;

use super::{EntryChange, Field, FieldsReader, WireType};
use crate::coding::{DecodeError, Reader};
use crate::ids::VariantId;
use crate::limits::LEAF_BYTES_MAX;
use crate::schema::{FieldDef, KeyKind, Kind, Policy, Schema, TypeDef, TypeIndex, field_by_id};

/// Whether operations of policy fields may stand in a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operations {
    /// They may: the delta comes from a node.
    Allowed,
    /// They may not: the delta comes from the repository, which turns operations into values.
    Refused,
}

/// Names of fields that a [`Fault`] shows; in between it says that there are more.
const FIELDS_SHOWN_MAX: usize = 6;

/// What is wrong with a delta, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The fields around the place, innermost first.
    fields: Vec<String>,
    /// What is wrong there.
    pub error: DecodeError,
}

impl Fault {
    /// Whether the delta means something, and is more than a limit allows.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.error.is_limit()
    }
}

impl From<DecodeError> for Fault {
    /// Somewhere in the object.
    fn from(error: DecodeError) -> Self {
        Self { fields: Vec::new(), error }
    }
}

impl fmt::Display for Fault {
    /// `steps.memo`: 40000 leaf bytes, 32768 are allowed
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields.iter().rev().map(String::as_str);
        let more = if self.fields.len() > FIELDS_SHOWN_MAX { ".…" } else { "" };
        let path = names.take(FIELDS_SHOWN_MAX).collect::<Vec<_>>().join(".");
        match &self.error {
            error if path.is_empty() => write!(f, "{error}"),
            DecodeError::Limit { what, found, max } => write!(f, "`{path}{more}`: {found} {what}, {max} are allowed"),
            error => write!(f, "`{path}{more}`: {error}"),
        }
    }
}

/// Checks a delta of the root struct of `schema`.
///
/// # Errors
/// The first place that is no delta of this schema.
pub fn check_delta(schema: &Schema, delta: &[u8], operations: Operations) -> Result<(), DecodeError> {
    check_own_delta(schema, delta, operations).map_err(|fault| fault.error)
}

/// As [`check_delta`], for a delta of this very program: says in which field the place is.
///
/// # Errors
/// The first place that is no delta of this schema.
pub fn check_own_delta(schema: &Schema, delta: &[u8], operations: Operations) -> Result<(), Fault> {
    let trail = RefCell::default();
    let checker = Checker { schema, operations, trail: Some(&trail), is_apart: nothing };
    let checked = checker.edit_fields(schema.root_fields(), Reader::new(delta));
    checked.map_err(|error| Fault { fields: trail.take(), error })
}

/// Checks the edit body that fills `body` of a value of `kind`.
///
/// # Errors
/// The first place that is no edit of this kind.
pub fn check_edit(schema: &Schema, kind: &Kind, body: Reader<'_>, operations: Operations) -> Result<(), DecodeError> {
    Checker { schema, operations, trail: None, is_apart: nothing }.edit(kind, body)
}

/// Reads one full value of `kind`, checks it, and answers its bytes, its own length included.
///
/// # Errors
/// The first place that is no value of this kind.
pub fn check_value<'a>(schema: &Schema, kind: &Kind, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let before = r.rest();
    Checker { schema, operations: Operations::Refused, trail: None, is_apart: nothing }.value(kind, r)?;
    Ok(before.get(..before.len() - r.left()).unwrap_or_default())
}

/// Reads one full value of `kind` and checks it, except for the containers in it of which `is_apart` says that they
/// stand elsewhere: it is shown their kind, their bytes with the length, and the depth of what is inside.
///
/// # Errors
/// The first place that is no value of this kind.
pub(crate) fn check_stored(
    schema: &Schema,
    kind: &Kind,
    r: &mut Reader<'_>,
    is_apart: &dyn Fn(&Kind, &[u8], u16) -> bool,
) -> Result<(), DecodeError> {
    Checker { schema, operations: Operations::Refused, trail: None, is_apart }.value(kind, r)
}

/// Checks the fields of the root struct in the same way.
///
/// # Errors
/// The first place that is no value of the root struct.
pub(crate) fn check_stored_root(
    schema: &Schema,
    body: Reader<'_>,
    is_apart: &dyn Fn(&Kind, &[u8], u16) -> bool,
) -> Result<(), DecodeError> {
    Checker { schema, operations: Operations::Refused, trail: None, is_apart }.full_type(schema.root, body)
}

/// What travels stands where it is.
fn nothing(_: &Kind, _: &[u8], _: u16) -> bool {
    false
}

/// Reads one key and answers its bytes.
///
/// # Errors
/// `Truncated`, `Varint`, `Utf8`, `Unknown` or `Limit`.
pub fn read_key<'a>(kind: &KeyKind, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let before = r.rest();
    skip_key(kind, r)?;
    let key = before.get(..before.len() - r.left()).unwrap_or_default();
    check_size("key bytes", key.len())?;
    Ok(key)
}

fn skip_key(kind: &KeyKind, r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match kind {
        KeyKind::Bool => canonical_bool(r)?,
        KeyKind::Byte => drop(r.byte()?),
        KeyKind::Uint | KeyKind::Int => drop(r.varint()?),
        KeyKind::Wide => drop(r.take(16)?),
        KeyKind::Char => {
            let scalar = r.varint32()?;
            char::from_u32(scalar).ok_or(DecodeError::Unknown { what: "character", found: scalar.into() })?;
        }
        KeyKind::String => drop(r.text()?),
        KeyKind::Bytes => drop(r.sized()?),
        KeyKind::Tuple(parts) => parts.iter().try_for_each(|part| skip_key(part, r))?,
    }
    Ok(())
}

fn canonical_bool(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match r.byte()? {
        0 | 1 => Ok(()),
        found => Err(DecodeError::Unknown { what: "bool", found: found.into() }),
    }
}

fn check_size(what: &'static str, size: usize) -> Result<(), DecodeError> {
    if size > LEAF_BYTES_MAX {
        return Err(DecodeError::Limit { what, found: size as u64, max: LEAF_BYTES_MAX as u64 });
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Checker<'s, A> {
    schema: &'s Schema,
    operations: Operations,
    /// Collects the fields around the place that is wrong, innermost first.
    trail: Option<&'s RefCell<Vec<String>>>,
    is_apart: A,
}

impl<'s, A: Fn(&Kind, &[u8], u16) -> bool + Copy> Checker<'s, A> {
    fn value(self, kind: &Kind, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        match kind {
            Kind::Bool => canonical_bool(r),
            Kind::U8 | Kind::I8 => r.byte().map(drop),
            Kind::Uint(bits) => fits(r.varint()?, *bits),
            Kind::Int(bits) => fits(r.varint()?, *bits),
            Kind::F32 => r.take(4).map(drop),
            Kind::F64 => r.take(8).map(drop),
            Kind::U128 | Kind::I128 => match r.sized()?.len() {
                16 => Ok(()),
                found => Err(DecodeError::Unknown { what: "length of 128 bits", found: found as u64 }),
            },
            Kind::Char => match r.text()?.chars().count() {
                1 => Ok(()),
                found => Err(DecodeError::Unknown { what: "length of a character", found: found as u64 }),
            },
            Kind::String => r.text().map(drop),
            Kind::Bytes => r.sized().map(drop),
            Kind::Leaf(_) => check_size("leaf bytes", r.sized()?.len()),
            Kind::Type(index) => self.full_type(*index, r.frame()?),
            Kind::Option(inner) => {
                let mut body = r.frame()?;
                if body.is_done() {
                    return Ok(());
                }
                self.value(inner, &mut body)?;
                body.finish()
            }
            Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) => self.container(kind, r),
        }
    }

    fn container(self, kind: &Kind, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let before = r.rest();
        let body = r.frame()?;
        let whole = before.get(..before.len() - r.left()).unwrap_or_default();
        match kind {
            _ if (self.is_apart)(kind, whole, body.depth()) => Ok(()),
            Kind::List(inner) => self.values(inner, None, body),
            Kind::Array(inner, count) => self.values(inner, Some(*count), body),
            Kind::Map(key, value) => self.entries(key, Some(value), body),
            Kind::Set(key) => self.entries(key, None, body),
            _ => Err(DecodeError::Unknown { what: "container", found: 0 }),
        }
    }

    fn full_type(self, index: TypeIndex, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let fields = self.fields_of(index, &mut body)?;
        let mut reader = FieldsReader::new(body);
        while let Some(field) = reader.next()? {
            if matches!(field.wire, WireType::Operation | WireType::Edit | WireType::EditRest) {
                return Err(DecodeError::Unknown { what: "wire type of a value", found: field.wire as u64 });
            }
            if let Some(def) = field_by_id(fields, field.id) {
                self.within(def, self.put(def, field))?;
            }
        }
        Ok(())
    }

    /// The fields of a struct, or of the variant whose id `body` starts with.
    fn fields_of(self, index: TypeIndex, body: &mut Reader<'_>) -> Result<&'s [FieldDef], DecodeError> {
        match self.schema.type_at(index) {
            Some(TypeDef::Struct(def)) => Ok(&def.fields),
            Some(TypeDef::Enum(_)) => {
                let id = body.varint32()?;
                let variant = self.schema.variant_of(index, VariantId(id));
                variant
                    .map(|variant| variant.fields.as_slice())
                    .ok_or(DecodeError::Unknown { what: "variant", found: id.into() })
            }
            None => Err(DecodeError::Unknown { what: "type of the schema", found: index.0.into() }),
        }
    }

    /// Notes the field if what is in it is wrong.
    fn within(self, def: &FieldDef, checked: Result<(), DecodeError>) -> Result<(), DecodeError> {
        if let (Err(_), Some(trail)) = (&checked, self.trail) {
            trail.borrow_mut().push(def.name.clone());
        }
        checked
    }

    fn put(self, def: &FieldDef, field: Field<'_>) -> Result<(), DecodeError> {
        let expected = WireType::of(&def.kind);
        if field.wire != expected {
            return Err(DecodeError::WireType { field: field.id.0, expected: expected as u8, found: field.wire as u8 });
        }
        let mut value = field.value;
        self.value(&def.kind, &mut value)?;
        value.finish()
    }

    fn values(self, kind: &Kind, expected: Option<u32>, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let count = body.count(1)?;
        if expected.is_some_and(|expected| count as u64 != u64::from(expected)) {
            return Err(DecodeError::Unknown { what: "length of an array", found: count as u64 });
        }
        for _ in 0..count {
            self.value(kind, &mut body)?;
        }
        body.finish()
    }

    fn entries(self, key: &KeyKind, value: Option<&Kind>, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let count = body.count(1)?;
        let mut keys = Ascending::new();
        for _ in 0..count {
            keys.check(read_key(key, &mut body)?)?;
            if let Some(kind) = value {
                self.value(kind, &mut body)?;
            }
        }
        body.finish()
    }

    fn edit(self, kind: &Kind, mut body: Reader<'_>) -> Result<(), DecodeError> {
        match kind {
            Kind::Type(index) => {
                let fields = self.fields_of(*index, &mut body)?;
                self.edit_fields(fields, body)
            }
            Kind::Option(inner) => self.edit(inner, body),
            Kind::Map(key, value) => self.edit_entries(key, Some(value), body),
            Kind::Set(key) => self.edit_entries(key, None, body),
            Kind::List(inner) => {
                let length = self.runs(inner, &mut body)?;
                self.edit_elements(inner, length, body)
            }
            Kind::Array(inner, count) => match body.varint()? {
                0 => self.edit_elements(inner, Some(u64::from(*count)), body),
                found => Err(DecodeError::Unknown { what: "change of an array's length", found }),
            },
            Kind::String => splices(body, |insert| std::str::from_utf8(insert).is_ok()),
            Kind::Bytes => splices(body, |_| true),
            _ => Err(DecodeError::Absent { what: "the inside of a kind that is only put whole" }),
        }
    }

    fn edit_fields(self, fields: &[FieldDef], body: Reader<'_>) -> Result<(), DecodeError> {
        let mut reader = FieldsReader::new(body);
        while let Some(field) = reader.next()? {
            let Some(def) = field_by_id(fields, field.id) else { continue };
            let checked = match field.wire {
                WireType::Operation => self.operation(def, field.body),
                WireType::Edit | WireType::EditRest => self.edit(&def.kind, field.body),
                _ => self.put(def, field),
            };
            self.within(def, checked)?;
        }
        Ok(())
    }

    fn operation(self, def: &FieldDef, mut operand: Reader<'_>) -> Result<(), DecodeError> {
        if self.operations == Operations::Refused {
            return Err(DecodeError::Absent { what: "an operation where only values travel" });
        }
        match (def.policy, &def.kind) {
            (Policy::Add | Policy::Max | Policy::Min, kind) => {
                self.value(kind, &mut operand)?;
                operand.finish()
            }
            (Policy::Union, Kind::Set(key)) => {
                let mut keys = Ascending::new();
                while !operand.is_done() {
                    keys.check(read_key(key, &mut operand)?)?;
                }
                Ok(())
            }
            (Policy::Append, Kind::List(kind)) => {
                while !operand.is_done() {
                    self.value(kind, &mut operand)?;
                }
                Ok(())
            }
            (Policy::Append, Kind::String) => {
                std::str::from_utf8(operand.rest()).map(drop).map_err(|_| DecodeError::Utf8)
            }
            _ => Err(DecodeError::Absent { what: "an operation that the field's policy does not have" }),
        }
    }

    fn edit_entries(self, key: &KeyKind, value: Option<&Kind>, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let mut keys = Ascending::new();
        while !body.is_done() {
            keys.check(read_key(key, &mut body)?)?;
            match (EntryChange::read(&mut body)?, value) {
                (EntryChange::Remove, _) | (EntryChange::Put, None) => {}
                (EntryChange::Put, Some(kind)) => self.value(kind, &mut body)?,
                (EntryChange::Edit(inner), Some(kind)) => self.edit(kind, inner)?,
                (EntryChange::Edit(_), None) => return Err(DecodeError::Absent { what: "the inside of a set's key" }),
            }
        }
        Ok(())
    }

    /// Reads the runs of a list's edit; answers the list's new length where they name it.
    fn runs(self, kind: &Kind, body: &mut Reader<'_>) -> Result<Option<u64>, DecodeError> {
        let Some(count) = body.varint()?.checked_sub(1) else { return Ok(None) };
        let overflow = DecodeError::Order { what: "kept ranges" };
        let mut kept = Vec::new();
        let mut length = 0_u64;
        for _ in 0..count {
            let head = body.varint()?;
            let elements = if head & 1 == 0 {
                let elements = body.varint()?;
                let end = (head >> 1).checked_add(elements).ok_or(overflow.clone())?;
                kept.push(head >> 1..end);
                elements
            } else {
                for _ in 0..head >> 1 {
                    self.value(kind, body)?;
                }
                head >> 1
            };
            length = length.checked_add(elements).filter(|_| elements > 0).ok_or(overflow.clone())?;
        }
        kept.sort_by_key(|range| range.start);
        let is_disjoint = kept.iter().zip(kept.iter().skip(1)).all(|(range, next)| range.end <= next.start);
        if is_disjoint { Ok(Some(length)) } else { Err(overflow) }
    }

    fn edit_elements(self, kind: &Kind, length: Option<u64>, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let mut next = 0;
        while !body.is_done() {
            let index = body.varint()?;
            if index < next {
                return Err(DecodeError::Order { what: "indices" });
            }
            if index == u64::MAX || length.is_some_and(|length| index >= length) {
                return Err(DecodeError::Absent { what: "an element" });
            }
            next = index + 1;
            match EntryChange::read(&mut body)? {
                EntryChange::Remove => return Err(DecodeError::Unknown { what: "change of an element", found: 0 }),
                EntryChange::Put => self.value(kind, &mut body)?,
                EntryChange::Edit(inner) => self.edit(kind, inner)?,
            }
        }
        Ok(())
    }
}

/// Whether a varint, zigzagged or not, fits a width: zigzag maps the numbers of a width onto each other.
fn fits(value: u64, bits: u8) -> Result<(), DecodeError> {
    if bits >= 64 || value >> bits == 0 { Ok(()) } else { Err(DecodeError::Varint) }
}

fn splices(mut body: Reader<'_>, is_fit: impl Fn(&[u8]) -> bool) -> Result<(), DecodeError> {
    while !body.is_done() {
        body.varint()?;
        body.varint()?;
        if !is_fit(body.sized()?) {
            return Err(DecodeError::Utf8);
        }
    }
    Ok(())
}

/// Keys as they pass: each above the last, as bytes.
struct Ascending<'a> {
    last: Option<&'a [u8]>,
}

impl<'a> Ascending<'a> {
    fn new() -> Self {
        Self { last: None }
    }

    fn check(&mut self, key: &'a [u8]) -> Result<(), DecodeError> {
        if self.last.is_some_and(|last| last >= key) {
            return Err(DecodeError::Order { what: "keys" });
        }
        self.last = Some(key);
        Ok(())
    }
}

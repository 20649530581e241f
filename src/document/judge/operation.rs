//! Turns operations of policy fields into values: what a node sent as "add 3" goes on as the sum.
//!
//! Operations never conflict with other changes of their field, only with what was put over an ancestor; everything
//! behind the judge carries values. Invariant: a result fits its field, or the commit is refused. Source:
//! `docs/wire.md` §5.

use super::Refusal;
use super::entries::Lookup;
use super::walk::{Stop, Target, Walk};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{Field, WireType, check_value, read_key};
use crate::document::apart::{EntryKinds, entry_kinds};
use crate::document::apply::empty_of;
use crate::document::list::ListView;
use crate::schema::{FieldDef, Kind, Policy};

/// A number of a policy field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    /// An integer of up to 64 bits, or an `i128`.
    Signed(i128),
    Unsigned(u128),
    Single(f32),
    Double(f64),
}

impl<'w> Walk<'w> {
    /// Judges an operation on a stored field; answers by how much the delta grows.
    pub(super) fn operation(
        &mut self,
        def: &FieldDef,
        stored: Option<&[u8]>,
        target: Target<'_>,
        edit: &Field<'w>,
    ) -> Result<i64, Stop> {
        let unknown = DecodeError::Unknown { what: "operation of the field", found: u64::from(edit.id.0) };
        let empty = empty_of(&def.kind);
        let (wire, result) = match (def.policy, &def.kind, stored.or(empty)) {
            (Policy::Add | Policy::Max | Policy::Min, kind, _) => {
                let result = combine(def, kind, stored, edit.body)?;
                (WireType::of(kind), result)
            }
            (Policy::Union, kind @ Kind::Set(_), Some(value)) => {
                let Some(kinds) = entry_kinds(kind) else { return Err(unknown.into()) };
                let body = union(kinds, Target { value, ..target }, edit.body)?;
                (WireType::Edit, body.map(sized))
            }
            (Policy::Append, Kind::List(element), Some(value)) => {
                let len = ListView::of(value, target.stamp, target.children)?.len();
                let body = self.append_elements(element, len, edit.body)?;
                (WireType::Edit, body.map(sized))
            }
            (Policy::Append, kind @ (Kind::String | Kind::Bytes), Some(value)) => {
                let body = append_text(kind, value, edit.body.rest())?;
                (WireType::Edit, body.map(sized))
            }
            _ => return Err(unknown.into()),
        };
        let mut w = Writer::new();
        if let Some(result) = result {
            self.count_cell(edit.encoded.len());
            w.varint(u64::from(edit.id.0) << 3 | wire as u64);
            w.raw(&result);
        }
        let place = self.place(edit.encoded);
        Ok(self.patches.replace(place, w.into_bytes()))
    }

    /// The body of an edit that puts elements behind the last one.
    fn append_elements(
        &self,
        element: &Kind,
        len: u64,
        mut operand: Reader<'_>,
    ) -> Result<Option<Vec<u8>>, DecodeError> {
        let values = operand.rest();
        let mut count = 0_u64;
        while !operand.is_done() {
            check_value(self.schema, element, &mut operand)?;
            count += 1;
        }
        if count == 0 {
            return Ok(None);
        }
        let max = u64::from(u32::MAX);
        if len + count > max {
            return Err(DecodeError::Limit { what: "elements", found: len + count, max });
        }
        let mut w = Writer::new();
        if len > 0 {
            w.varint(3);
            w.varint(0);
            w.varint(len);
        } else {
            w.varint(2);
        }
        w.varint(count << 1 | 1);
        w.raw(values);
        Ok(Some(w.into_bytes()))
    }
}

fn sized(body: Vec<u8>) -> Vec<u8> {
    let mut w = Writer::new();
    w.sized(&body);
    w.into_bytes()
}

/// The body of an edit that adds the keys that are not there yet.
fn union(kinds: EntryKinds<'_>, target: Target<'_>, mut operand: Reader<'_>) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut lookup = Lookup::new(target)?;
    let (mut w, mut last) = (Writer::new(), None);
    while !operand.is_done() {
        let key = read_key(kinds.keys, &mut operand)?;
        if last.is_some_and(|last| last >= key) {
            return Err(DecodeError::Order { what: "keys" });
        }
        last = Some(key);
        if !lookup.has(kinds, key)? {
            w.raw(key);
            w.byte(1);
        }
    }
    Ok((!w.is_empty()).then(|| w.into_bytes()))
}

/// The body of a splice at the end.
fn append_text(kind: &Kind, stored: &[u8], added: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    if matches!(kind, Kind::String) && std::str::from_utf8(added).is_err() {
        return Err(DecodeError::Utf8);
    }
    if added.is_empty() {
        return Ok(None);
    }
    let mut w = Writer::new();
    w.length(Reader::new(stored).sized()?.len());
    w.varint(0);
    w.sized(added);
    Ok(Some(w.into_bytes()))
}

/// The encoded result of a number's operation; `None` if it changes nothing.
fn combine(
    def: &FieldDef,
    kind: &Kind,
    stored: Option<&[u8]>,
    mut operand: Reader<'_>,
) -> Result<Option<Vec<u8>>, Stop> {
    let by = Number::read(kind, &mut operand)?;
    operand.finish()?;
    let current = stored.map(|stored| Number::read(kind, &mut Reader::new(stored))).transpose()?;
    let overflow = || Stop::Refused(Refusal::Overflow { field: def.name.clone() });
    let result = match (current, def.policy) {
        (None, _) => by,
        (Some(current), Policy::Add) => current.plus(by).ok_or_else(overflow)?,
        (Some(current), Policy::Max) if by.is_above(current) => by,
        (Some(current), Policy::Min) if current.is_above(by) => by,
        (Some(_), _) => return Ok(None),
    };
    let mut w = Writer::new();
    if !result.write(kind, &mut w) {
        return Err(overflow());
    }
    let is_same = stored.is_some_and(|stored| stored == w.as_slice());
    Ok((!is_same).then(|| w.into_bytes()))
}

impl Number {
    fn read(kind: &Kind, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wide = |r: &mut Reader<'_>| -> Result<[u8; 16], DecodeError> {
            let mut body = Reader::new(r.sized()?);
            let bytes = body.array::<16>()?;
            body.finish()?;
            Ok(bytes)
        };
        let number = match kind {
            Kind::U8 => Self::Signed(i128::from(r.byte()?)),
            Kind::I8 => Self::Signed(i128::from(r.byte()?.cast_signed())),
            Kind::Uint(_) => Self::Signed(i128::from(r.varint()?)),
            Kind::Int(_) => Self::Signed(i128::from(r.zigzag()?)),
            Kind::U128 => Self::Unsigned(u128::from_le_bytes(wide(r)?)),
            Kind::I128 => Self::Signed(i128::from_le_bytes(wide(r)?)),
            Kind::F32 => Self::Single(f32::from_le_bytes(r.array()?)),
            Kind::F64 => Self::Double(f64::from_le_bytes(r.array()?)),
            _ => return Err(DecodeError::Unknown { what: "number", found: 0 }),
        };
        match (kind, number) {
            (Kind::Uint(_) | Kind::Int(_), number) if !number.write(kind, &mut Writer::new()) => {
                Err(DecodeError::Varint)
            }
            _ => Ok(number),
        }
    }

    /// Writes it; answers whether it fits.
    fn write(self, kind: &Kind, w: &mut Writer) -> bool {
        match (self, kind) {
            (Self::Signed(n), Kind::U8) => u8::try_from(n).map(|n| w.byte(n)).is_ok(),
            (Self::Signed(n), Kind::I8) => i8::try_from(n).map(|n| w.byte(n.cast_unsigned())).is_ok(),
            (Self::Signed(n), Kind::Uint(bits)) => {
                let fits = |n: &u64| *bits >= 64 || *n >> bits == 0;
                u64::try_from(n).ok().filter(fits).map(|n| w.varint(n)).is_some()
            }
            (Self::Signed(n), Kind::Int(bits)) => {
                let low = 64_u32.saturating_sub(u32::from(*bits));
                let fits = |n: &i64| (*n << low) >> low == *n;
                i64::try_from(n).ok().filter(fits).map(|n| w.zigzag(n)).is_some()
            }
            (Self::Signed(n), _) => {
                w.sized(&n.to_le_bytes());
                true
            }
            (Self::Unsigned(n), _) => {
                w.sized(&n.to_le_bytes());
                true
            }
            (Self::Single(n), _) => {
                w.raw(&n.to_le_bytes());
                true
            }
            (Self::Double(n), _) => {
                w.raw(&n.to_le_bytes());
                true
            }
        }
    }

    fn plus(self, by: Self) -> Option<Self> {
        match (self, by) {
            (Self::Signed(a), Self::Signed(b)) => a.checked_add(b).map(Self::Signed),
            (Self::Unsigned(a), Self::Unsigned(b)) => a.checked_add(b).map(Self::Unsigned),
            (Self::Single(a), Self::Single(b)) => Some(Self::Single(a + b)),
            (Self::Double(a), Self::Double(b)) => Some(Self::Double(a + b)),
            _ => None,
        }
    }

    /// Whether it is larger; a NaN is neither above nor below anything.
    fn is_above(self, other: Self) -> bool {
        match (self, other) {
            (Self::Signed(a), Self::Signed(b)) => a > b,
            (Self::Unsigned(a), Self::Unsigned(b)) => a > b,
            (Self::Single(a), Self::Single(b)) => a > b,
            (Self::Double(a), Self::Double(b)) => a > b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_in_their_width() {
        let mut w = Writer::new();
        assert!(Number::Signed(65_535).write(&Kind::Uint(16), &mut w));
        assert!(!Number::Signed(65_536).write(&Kind::Uint(16), &mut w));
        assert!(!Number::Signed(-1).write(&Kind::Uint(64), &mut w));
        assert!(Number::Signed(-32_768).write(&Kind::Int(16), &mut w));
        assert!(!Number::Signed(32_768).write(&Kind::Int(16), &mut w));
        assert!(!Number::Signed(i128::from(i64::MAX) + 1).write(&Kind::Int(64), &mut w));
        assert!(Number::Unsigned(u128::MAX).plus(Number::Unsigned(1)).is_none());
    }

    #[test]
    fn nothing_is_above_nan() {
        assert!(!Number::Double(f64::NAN).is_above(Number::Double(1.0)));
        assert!(Number::Double(2.0).is_above(Number::Double(1.0)));
    }
}

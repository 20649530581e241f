//! Fields with tags: the body of a struct, full or edited.
//!
//! ```text
//! body   { tag value }*            ids ascending
//! tag    varint(id << 3 | wire type)
//! wire   0 varint · 1 one byte · 2 four bytes · 3 eight bytes · 4 sized (length, bytes)
//!        5 operation (length, bytes) · 6 edit (length, body) · 7 edit that fills the rest of this body
//! ```
//! A full value has wire types 0–4 only. The writer turns the edit that ends a body into type 7 and so saves its
//! length. Invariant: wire types 0–4 are the same for one kind always. Source: `docs/wire.md` §2.

use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::FieldId;
use crate::schema::Kind;

/// How the bytes behind a tag end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WireType {
    /// A varint.
    Varint = 0,
    /// One byte.
    One = 1,
    /// Four bytes.
    Four = 2,
    /// Eight bytes.
    Eight = 3,
    /// A length and that many bytes.
    Sized = 4,
    /// A length and the operand of the field's policy.
    Operation = 5,
    /// A length and the body of an edit.
    Edit = 6,
    /// The body of an edit, to the end of the enclosing body.
    EditRest = 7,
}

impl WireType {
    /// The wire type of a full value of `kind`.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Bool | Kind::U8 | Kind::I8 => Self::One,
            Kind::Uint(_) | Kind::Int(_) => Self::Varint,
            Kind::F32 => Self::Four,
            Kind::F64 => Self::Eight,
            _ => Self::Sized,
        }
    }

    /// Whether values of this wire type have no length of their own.
    #[must_use]
    pub const fn is_scalar(self) -> bool {
        matches!(self, Self::Varint | Self::One | Self::Four | Self::Eight)
    }

    /// Reads the bytes of one value of this wire type, its own length included.
    ///
    /// # Errors
    /// `Truncated` or `Varint`.
    pub fn skip<'a>(self, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
        let before = r.rest();
        match self {
            Self::Varint => {
                r.varint()?;
            }
            Self::One => {
                r.take(1)?;
            }
            Self::Four => {
                r.take(4)?;
            }
            Self::Eight => {
                r.take(8)?;
            }
            Self::Sized | Self::Operation | Self::Edit => {
                r.sized()?;
            }
            Self::EditRest => {
                let left = r.left();
                r.take(left)?;
            }
        }
        Ok(before.get(..before.len() - r.left()).unwrap_or_default())
    }

    fn from_tag(tag: u64) -> Self {
        match tag & 7 {
            0 => Self::Varint,
            1 => Self::One,
            2 => Self::Four,
            3 => Self::Eight,
            4 => Self::Sized,
            5 => Self::Operation,
            6 => Self::Edit,
            _ => Self::EditRest,
        }
    }
}

/// Writes the fields of one struct body, ids ascending.
#[derive(Debug)]
pub struct FieldsWriter<'w> {
    writer: &'w mut Writer,
    start: usize,
    /// Where the length of the newest field stands, if that field is an edit: (tag at, length at, body at).
    last_edit: Option<(usize, usize, usize)>,
}

impl<'w> FieldsWriter<'w> {
    /// Starts a body at the writer's end.
    pub fn new(writer: &'w mut Writer) -> Self {
        let start = writer.len();
        Self { writer, start, last_edit: None }
    }

    /// Writes a field whole: `value` writes the value of wire type `wire` (a sized value with its own length).
    pub fn put(&mut self, id: FieldId, wire: WireType, value: impl FnOnce(&mut Writer)) {
        self.last_edit = None;
        self.tag(id, wire);
        value(self.writer);
    }

    /// Writes a field that is put whole if `value` answers true, and nothing otherwise.
    pub fn put_if(&mut self, id: FieldId, wire: WireType, value: impl FnOnce(&mut Writer) -> bool) -> bool {
        let at = self.writer.len();
        self.tag(id, wire);
        if value(self.writer) {
            self.last_edit = None;
            true
        } else {
            self.writer.truncate(at);
            false
        }
    }

    /// Writes an edit of a field; a body that answers false leaves nothing.
    pub fn edit(&mut self, id: FieldId, body: impl FnOnce(&mut Writer) -> bool) -> bool {
        let tag_at = self.writer.len();
        self.tag(id, WireType::Edit);
        let length_at = self.writer.len();
        let mut body_len = 0;
        let written = self.writer.framed_if(0, |w| {
            let from = w.len();
            let answer = body(w);
            body_len = w.len() - from;
            answer
        });
        if written {
            self.last_edit = Some((tag_at, length_at, self.writer.len() - body_len));
        } else {
            self.writer.truncate(tag_at);
        }
        written
    }

    /// Writes that a field is required as a whole: as a put of nothing, whatever its kind.
    pub fn guard(&mut self, id: FieldId) {
        self.put(id, WireType::Varint, |w| w.varint(0));
    }

    /// Writes an operation of the field's policy; `operand` writes it without a length.
    pub fn operation(&mut self, id: FieldId, operand: impl FnOnce(&mut Writer)) {
        self.last_edit = None;
        self.tag(id, WireType::Operation);
        self.writer.framed(operand);
    }

    /// Writes an operation whose operand is `operand`, if that answers true, and nothing otherwise.
    pub fn operation_if(&mut self, id: FieldId, operand: impl FnOnce(&mut Writer) -> bool) -> bool {
        let at = self.writer.len();
        self.tag(id, WireType::Operation);
        let written = self.writer.framed_if(0, operand);
        if written {
            self.last_edit = None;
        } else {
            self.writer.truncate(at);
        }
        written
    }

    /// Copies a field that stands encoded, tag included.
    pub fn copy(&mut self, field: &Field<'_>) {
        self.last_edit = None;
        if field.wire == WireType::EditRest {
            let body = field.body.rest();
            self.edit(field.id, |w| {
                w.raw(body);
                true
            });
        } else {
            self.writer.raw(field.encoded);
        }
    }

    /// Ends the body; answers whether it has any field.
    pub fn finish(self) -> bool {
        if let Some((tag_at, length_at, body_at)) = self.last_edit {
            self.writer.set_low_bits(tag_at, WireType::EditRest as u8);
            self.writer.remove(length_at..body_at);
        }
        self.writer.len() > self.start
    }

    fn tag(&mut self, id: FieldId, wire: WireType) {
        self.writer.varint(u64::from(id.0) << 3 | u64::from(wire as u8));
    }
}

/// One field of a body.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its id.
    pub id: FieldId,
    /// How its bytes end.
    pub wire: WireType,
    /// Its value as encoded (a sized one with its length), for wire types 0–4; for the others see `body`.
    pub value: Reader<'a>,
    /// The operand or edit body, one frame deeper; empty for wire types 0–4.
    pub body: Reader<'a>,
    /// Tag and value as they stand.
    pub encoded: &'a [u8],
}

impl<'a> Field<'a> {
    /// The bytes of a full value, a sized one without its length; `None` if the field is an edit or an operation.
    ///
    /// # Errors
    /// `Truncated` or `Varint`.
    pub fn content(&self) -> Result<Option<&'a [u8]>, DecodeError> {
        let mut value = self.value;
        match self.wire {
            WireType::Operation | WireType::Edit | WireType::EditRest => Ok(None),
            WireType::Sized => value.sized().map(Some),
            _ => Ok(Some(value.rest())),
        }
    }
}

/// Reads the fields of one struct body; refuses ids that do not ascend.
#[derive(Clone, Copy, Debug)]
pub struct FieldsReader<'a> {
    reader: Reader<'a>,
    last: u32,
}

impl<'a> FieldsReader<'a> {
    /// Reads the fields that fill `reader`.
    #[must_use]
    pub fn new(reader: Reader<'a>) -> Self {
        Self { reader, last: 0 }
    }

    /// Frames around the fields.
    #[must_use]
    pub fn depth(&self) -> u16 {
        self.reader.depth()
    }

    /// Reads the next field, `None` at the end.
    ///
    /// # Errors
    /// `Truncated`, `Varint`, `TooDeep`, or `Order` if its id is not above the last one.
    #[allow(clippy::should_implement_trait, reason = "a fallible reader is no iterator")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.reader.is_done() {
            return Ok(None);
        }
        let before = self.reader.rest();
        let tag = self.reader.varint()?;
        let id = u32::try_from(tag >> 3).map_err(|_| DecodeError::Varint)?;
        if id <= self.last {
            return Err(DecodeError::Order { what: "field ids" });
        }
        self.last = id;
        let wire = WireType::from_tag(tag);
        let depth = self.reader.depth();
        let at_value = self.reader;
        let body = match wire {
            WireType::Operation | WireType::Edit => self.reader.frame()?,
            WireType::EditRest => self.reader.frame_of_rest()?,
            _ => {
                wire.skip(&mut self.reader)?;
                Reader::at_depth(&[], depth)
            }
        };
        let value_len = at_value.left() - self.reader.left();
        let value = Reader::at_depth(at_value.rest().get(..value_len).unwrap_or_default(), depth);
        let encoded = before.get(..before.len() - self.reader.left()).unwrap_or_default();
        Ok(Some(Field { id: FieldId(id), wire, value, body, encoded }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_edit_has_no_length() {
        let mut w = Writer::new();
        let mut fields = FieldsWriter::new(&mut w);
        fields.put(FieldId(1), WireType::Eight, |w| w.raw(&1.5_f64.to_le_bytes()));
        assert!(!fields.edit(FieldId(2), |_| false));
        assert!(fields.edit(FieldId(3), |w| {
            w.raw(&[9, 9]);
            true
        }));
        assert!(fields.edit(FieldId(40), |w| {
            w.raw(&[8; 200]);
            true
        }));
        assert!(fields.finish());
        let bytes = w.into_bytes();
        assert_eq!(bytes.len(), 9 + 4 + 2 + 200);

        let mut reader = FieldsReader::new(Reader::new(&bytes));
        let mut seen = Vec::new();
        while let Some(field) = reader.next().unwrap() {
            seen.push((field.id.0, field.wire, field.body.left(), field.encoded.len()));
        }
        assert_eq!(seen, [(1, WireType::Eight, 0, 9), (3, WireType::Edit, 2, 4), (40, WireType::EditRest, 200, 202)]);
    }

    #[test]
    fn ids_ascend() {
        let bytes = [1 << 3 | 1, 7, 1 << 3 | 1, 7];
        let mut reader = FieldsReader::new(Reader::new(&bytes));
        assert!(reader.next().unwrap().is_some());
        assert_eq!(reader.next().unwrap_err(), DecodeError::Order { what: "field ids" });
    }
}

//! Applies a judged edit: old bytes and edit in, new bytes out, stamps set for what was touched.
//!
//! Stands behind the judge, which has already refused whatever could fail here; the errors that remain say that the
//! stored bytes are not what they were. Invariants: bytes that are not edited are copied as they stand; a container that
//! stands apart is changed in its pages and its stub stays; mark 0 (loading) leaves no stamp. Source: own reasoning.

mod entries;
mod fields;
mod list;
mod text;

use super::apart::{Children, entry_kinds, stub_child};
use super::stamps::{Inner, Mark, Stamp};
use super::tuning::Tuning;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::schema::{Kind, Schema, TypeDef};

pub(super) use fields::empty_of;
pub(super) use text::{Splice, splice};

/// What one commit's apply carries along.
#[derive(Debug)]
pub(super) struct Applying<'s> {
    pub(super) schema: &'s Schema,
    /// The version that is being made.
    pub(super) mark: Mark,
    pub(super) tuning: Tuning,
    next_child: &'s mut u32,
    buffers: Vec<Writer>,
}

/// What happens to one entry or element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    /// It is removed.
    Remove,
    /// It is put whole; the bytes of the value.
    Put(&'a [u8]),
    /// Its value is edited by this body.
    Edit(Reader<'a>),
}

impl<'s> Applying<'s> {
    pub(super) fn new(schema: &'s Schema, mark: Mark, tuning: Tuning, next_child: &'s mut u32) -> Self {
        Self { schema, mark, tuning, next_child, buffers: Vec::new() }
    }

    /// An id no child of this document has.
    pub(super) fn next_child(&mut self) -> u32 {
        *self.next_child = self.next_child.wrapping_add(1);
        *self.next_child
    }

    /// An empty buffer to write in; given back it is used again.
    pub(super) fn take_buffer(&mut self) -> Writer {
        self.buffers.pop().unwrap_or_default()
    }

    pub(super) fn give_buffer(&mut self, mut buffer: Writer) {
        buffer.truncate(0);
        self.buffers.push(buffer);
    }
}

/// Writes what becomes of the stored value `old` of `kind` under an edit.
pub(super) fn apply_value(
    applying: &mut Applying<'_>,
    kind: &Kind,
    old: &[u8],
    edit: Reader<'_>,
    stamp: &mut Stamp,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    match kind {
        Kind::Type(index) => apply_typed(applying, *index, old, edit, stamp, children, w),
        Kind::Option(inner) => {
            let body = Reader::new(old).frame()?;
            if body.is_done() {
                return Err(DecodeError::Absent { what: "option's value" });
            }
            let within = stamp.option_mut();
            w.framed(|w| apply_value(applying, inner, body.rest(), edit, within, children, w))?;
            // A spliced text inside is stamped as put, and an option is put with what is inside.
            if within.own == applying.mark {
                *stamp = Stamp::put(applying.mark);
            }
            Ok(())
        }
        Kind::String | Kind::Bytes => {
            let changed = text::apply_text(kind, old, edit)?;
            w.sized(&changed);
            *stamp = Stamp::put(applying.mark);
            Ok(())
        }
        Kind::Map(..) | Kind::Set(_) => {
            let Some(kinds) = entry_kinds(kind) else { return Ok(()) };
            let Some(id) = stub_child(old) else {
                return entries::apply_entries(applying, kinds, old, edit, stamp, children, w);
            };
            let map = children.find_mut(id)?.as_map_mut()?;
            entries::each_change(kinds, edit, |key, change| map.change(applying, kinds, key, change))?;
            keep_apart(applying, old, stamp, w);
            Ok(())
        }
        Kind::List(element) | Kind::Array(element, _) => {
            let Some(id) = stub_child(old) else {
                return list::apply_inline(applying, element, old, edit, stamp, children, w);
            };
            let page_bytes = applying.tuning.list_page_bytes;
            list::apply_list(applying, element, children.find_mut(id)?.as_list_mut()?, edit, page_bytes)?;
            keep_apart(applying, old, stamp, w);
            Ok(())
        }
        _ => Err(DecodeError::Unknown { what: "kind that can be edited", found: 0 }),
    }
}

/// Leaves the stub as it is and notes that something behind it changed.
fn keep_apart(applying: &Applying<'_>, old: &[u8], stamp: &mut Stamp, w: &mut Writer) {
    if applying.mark.is_set() {
        stamp.inner = Inner::Apart(applying.mark);
    }
    w.raw(old);
}

fn apply_typed(
    applying: &mut Applying<'_>,
    index: crate::schema::TypeIndex,
    old: &[u8],
    mut edit: Reader<'_>,
    stamp: &mut Stamp,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    let schema = applying.schema;
    let mut body = Reader::new(old).frame()?;
    let whole = body;
    let fields = super::stored::fields_of(schema, index, &mut body)?;
    if let Some(TypeDef::Enum(_)) = schema.type_at(index) {
        edit.varint()?;
    }
    w.framed(|w| {
        w.raw(whole.rest().get(..whole.left() - body.left()).unwrap_or_default());
        fields::apply_fields(
            applying,
            fields,
            FieldsReader::new(body),
            FieldsReader::new(edit),
            fields::Target { stamp, children },
            w,
        )
    })
}

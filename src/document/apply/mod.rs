//! Applies a judged edit: old bytes and edit in, new bytes out, stamps set for what was touched.
//!
//! Stands behind the judge, which has already refused whatever could fail here; the errors that remain say that the
//! stored bytes are not what they were. A large edit is applied in steps: it pauses between fields, entries and elements,
//! and each step leaves a whole value that lacks the rest of the edit. Invariants: bytes that are not edited are copied
//! as they stand; a container that stands apart is changed in its pages and its stub stays; what is edited by more than
//! may stand inline is moved out first, so whatever cannot pause is small; mark 0 (loading) leaves no stamp. Source: own
//! reasoning.

mod entries;
mod fields;
mod in_place;
mod list;
mod put;
mod text;

use super::apart::{Children, entry_kinds, stub, stub_child};
use super::image::Kept;
use super::pace::{Budget, Pace};
use super::promote::stand_apart;
use super::stamps::{Inner, Mark, Stamp};
use super::tuning::Tuning;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::schema::{Kind, Schema, TypeDef};

pub(super) use fields::empty_of;
pub(super) use in_place::splice_in_place;
pub(super) use put::put_value;
pub(super) use text::{Splice, check_splice, splice};

/// How far one level was when a step ended.
#[derive(Clone, Debug)]
pub(super) enum Saved {
    /// So many fields, or bytes of entries or elements, were applied.
    Done(usize),
    /// These cuts of a list are left, the last one first; so many bytes of its edit say what they are.
    Cuts { cuts: Vec<list::Cut>, structure: usize },
}

/// What one step of a commit's apply carries along.
#[derive(Debug)]
pub(super) struct Applying<'s> {
    pub(super) schema: &'s Schema,
    /// The version that is being made.
    pub(super) mark: Mark,
    pub(super) tuning: Tuning,
    pub(super) pace: Pace<'s, Saved>,
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
    /// Applies within `budget`, from where the step before left off.
    pub(super) fn new(
        schema: &'s Schema,
        mark: Mark,
        tuning: Tuning,
        next_child: &'s mut u32,
        budget: &'s mut Budget,
        resume: Vec<Saved>,
    ) -> Self {
        Self { schema, mark, tuning, pace: Pace::new(budget, resume), next_child, buffers: Vec::new() }
    }

    /// How many fields, or bytes of entries or elements, of this level an earlier step applied.
    pub(super) fn resume_done(&mut self) -> usize {
        match self.pace.resume() {
            Some(Saved::Done(done)) => done,
            Some(Saved::Cuts { .. }) | None => 0,
        }
    }

    /// Counts a page that is to be changed: it is copied if a frozen version shares it.
    pub(super) fn count_page<P>(&mut self, page: &Kept<P>, bytes: usize) {
        if page.is_shared() {
            self.pace.spend(0, bytes);
        }
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
            applying.pace.spend(1, changed.len());
            w.sized(&changed);
            *stamp = Stamp::put(applying.mark);
            Ok(())
        }
        Kind::Map(..) | Kind::Set(_) => {
            let Some(kinds) = entry_kinds(kind) else { return Ok(()) };
            let Some(id) = child_of(applying, kind, old, edit, stamp, children)? else {
                applying.pace.pin();
                let applied = entries::apply_entries(applying, kinds, old, edit, stamp, children, w);
                applying.pace.unpin();
                return applied;
            };
            entries::apply_apart(applying, kinds, children.find_mut(id)?.as_map_mut()?, edit)?;
            keep_apart(applying, id, stamp, w);
            Ok(())
        }
        Kind::List(element) | Kind::Array(element, _) => {
            let Some(id) = child_of(applying, kind, old, edit, stamp, children)? else {
                applying.pace.pin();
                let applied = list::apply_inline(applying, element, old, edit, stamp, children, w);
                applying.pace.unpin();
                return applied;
            };
            let page_bytes = applying.tuning.list_page_bytes;
            list::apply_list(applying, element, children.find_mut(id)?.as_list_mut()?, edit, page_bytes)?;
            keep_apart(applying, id, stamp, w);
            Ok(())
        }
        _ => Err(DecodeError::Unknown { what: "kind that can be edited", found: 0 }),
    }
}

/// The child behind a container's bytes; a container in its parent's bytes becomes one if the edit is too large for
/// that, and `None` says that it stays.
fn child_of(
    applying: &mut Applying<'_>,
    kind: &Kind,
    old: &[u8],
    edit: Reader<'_>,
    stamp: &mut Stamp,
    children: &mut Children,
) -> Result<Option<u32>, DecodeError> {
    if let Some(id) = stub_child(old) {
        let (is_shared, bytes) = children.share_of(id)?;
        applying.pace.spend(0, if is_shared { bytes } else { 0 });
        return Ok(Some(id));
    }
    if edit.left() <= applying.tuning.inline_bytes {
        return Ok(None);
    }
    stand_apart(applying, kind, old, stamp, children).map(Some)
}

/// Writes the stub and notes that something behind it changed.
fn keep_apart(applying: &Applying<'_>, id: u32, stamp: &mut Stamp, w: &mut Writer) {
    if applying.mark.is_set() {
        stamp.inner = Inner::Apart(applying.mark);
    }
    w.raw(&stub(id));
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

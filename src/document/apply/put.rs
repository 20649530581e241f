//! Puts a value whole. What is too large in it to stand inline stands apart from the start, empty, and is filled in steps.
//!
//! A value that an earlier step began to put stands with all before the place where that step paused; fields behind it
//! are not there yet. Invariant: what is filled leaves no stamps, because the stamp of what is put holds for all of it.
//! Source: own reasoning.

use std::mem;

use super::entries::put_entries;
use super::list::put_elements;
use super::{Applying, Saved};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::document::apart::{Branch, Children, entry_kinds, stub, stub_child};
use crate::document::stamps::Mark;
use crate::document::stored::fields_of;
use crate::schema::{Kind, TypeIndex, field_by_id};

/// Writes what stands for a value that is put; `standing` is what earlier steps put of it.
pub(in crate::document) fn put_value(
    applying: &mut Applying<'_>,
    kind: &Kind,
    value: &[u8],
    standing: Option<&[u8]>,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    if value.len() <= applying.tuning.inline_bytes {
        applying.pace.spend(1, value.len());
        w.raw(value);
        return Ok(());
    }
    let body = |value| Reader::new(value).frame();
    match kind {
        Kind::Option(inner) => {
            let standing = standing.map(body).transpose()?.map(|body| body.rest());
            let value = body(value)?.rest();
            w.framed(|w| put_value(applying, inner, value, standing, children, w))
        }
        Kind::Type(index) => {
            let standing = standing.map(body).transpose()?;
            let body = body(value)?;
            w.framed(|w| put_fields(applying, *index, body, standing, children, w))
        }
        Kind::Map(..) | Kind::Set(_) | Kind::List(_) | Kind::Array(..) => {
            let id = standing.and_then(stub_child).unwrap_or_else(|| {
                let id = applying.next_child();
                children.insert(id, Branch::empty(kind).into());
                id
            });
            w.raw(&stub(id));
            let mark = mem::replace(&mut applying.mark, Mark::NEVER);
            let filled = fill(applying, kind, children.find_mut(id)?, body(value)?);
            applying.mark = mark;
            filled
        }
        _ => {
            applying.pace.spend(1, value.len());
            w.raw(value);
            Ok(())
        }
    }
}

/// Puts the entries or elements of a value into the branch that stands for it.
fn fill(
    applying: &mut Applying<'_>,
    kind: &Kind,
    branch: &mut Branch,
    mut body: Reader<'_>,
) -> Result<(), DecodeError> {
    body.varint()?;
    match (kind, entry_kinds(kind)) {
        (_, Some(kinds)) => put_entries(applying, kinds, branch.as_map_mut()?, body),
        (Kind::List(element) | Kind::Array(element, _), None) => {
            put_elements(applying, element, branch.as_list_mut()?, body)
        }
        _ => Ok(()),
    }
}

/// Writes the fields of the type at `index` (an enum's variant id first) as far as the step's budget goes.
fn put_fields(
    applying: &mut Applying<'_>,
    index: TypeIndex,
    mut body: Reader<'_>,
    standing: Option<Reader<'_>>,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    let whole = body;
    let defs = fields_of(applying.schema, index, &mut body)?;
    w.raw(whole.rest().get(..whole.left() - body.left()).unwrap_or_default());
    let mut standing = standing.unwrap_or(Reader::new(&[]));
    if !standing.is_done() {
        fields_of(applying.schema, index, &mut standing)?;
    }
    let (mut fields, mut standing) = (FieldsReader::new(body), FieldsReader::new(standing));
    let done = applying.resume_done();
    for at in 0.. {
        let before = standing.next()?;
        let Some(field) = fields.next()? else { break };
        if let Some(before) = before.filter(|_| at < done) {
            w.raw(before.encoded);
            continue;
        }
        if applying.pace.is_out() {
            applying.pace.pause(Saved::Done(at));
            break;
        }
        let Some(def) = field_by_id(defs, field.id) else {
            applying.pace.spend(1, field.encoded.len());
            w.raw(field.encoded);
            continue;
        };
        w.varint(u64::from(field.id.0) << 3 | field.wire as u64);
        let before = before.map(|before| before.value.rest());
        put_value(applying, &def.kind, field.value.rest(), before, children, w)?;
        if applying.pace.is_paused() {
            applying.pace.pause(Saved::Done(at));
            break;
        }
    }
    Ok(())
}

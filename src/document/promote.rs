//! Moves containers that have grown too large out of their parent's bytes, at any depth.
//!
//! Called for every value that was written, before it goes into its page; small values return at once. Invariant: after
//! it no container inside the value is larger than the limit, unless it is one huge leaf. Source: own reasoning.

use std::sync::Arc;

use super::apart::{Branch, Children, entry_kinds, stub, stub_child};
use super::apply::Applying;
use super::list::ListBranch;
use super::map::MapBranch;
use super::stamps::{Inner, Stamp};
use super::stored::fields_of;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::schema::{Kind, field_by_id};

/// Rewrites a value whose containers are too large; `None` if it may stay as it is.
pub(super) fn settle(
    applying: &mut Applying<'_>,
    kind: Option<&Kind>,
    value: &[u8],
    stamp: &mut Stamp,
    children: &mut Children,
) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(kind) = kind.filter(|_| value.len() > applying.tuning.inline_bytes) else { return Ok(None) };
    if !has_large(applying, kind, value)? {
        return Ok(None);
    }
    let mut w = Writer::new();
    move_out(applying, kind, value, stamp, children, &mut w)?;
    Ok(Some(w.into_bytes()))
}

fn is_large(applying: &Applying<'_>, value: &[u8]) -> bool {
    value.len() > applying.tuning.inline_bytes
}

/// Whether a container somewhere in the value is too large.
fn has_large(applying: &Applying<'_>, kind: &Kind, value: &[u8]) -> Result<bool, DecodeError> {
    if !is_large(applying, value) {
        return Ok(false);
    }
    match kind {
        Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) => Ok(stub_child(value).is_none()),
        Kind::Option(inner) => has_large(applying, inner, Reader::new(value).frame()?.rest()),
        Kind::Type(index) => {
            let mut body = Reader::new(value).frame()?;
            let fields = fields_of(applying.schema, *index, &mut body)?;
            let mut reader = FieldsReader::new(body);
            while let Some(field) = reader.next()? {
                if let Some(def) = field_by_id(fields, field.id)
                    && has_large(applying, &def.kind, field.value.rest())?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Writes the value with a stub in the place of each container that is too large.
fn move_out(
    applying: &mut Applying<'_>,
    kind: &Kind,
    value: &[u8],
    stamp: &mut Stamp,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    if !is_large(applying, value) {
        w.raw(value);
        return Ok(());
    }
    let mut body = Reader::new(value).frame()?;
    match kind {
        Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) => {
            let id = stand_apart(applying, kind, value, stamp, children)?;
            w.raw(&stub(id));
            Ok(())
        }
        Kind::Option(inner) => w.framed(|w| {
            let mut below = std::mem::take(stamp.option_mut());
            let moved = move_out(applying, inner, body.rest(), &mut below, children, w);
            *stamp.option_mut() = below;
            moved
        }),
        Kind::Type(index) => w.framed(|w| {
            let whole = body;
            let fields = fields_of(applying.schema, *index, &mut body)?;
            w.raw(whole.rest().get(..whole.left() - body.left()).unwrap_or_default());
            let mut reader = FieldsReader::new(body);
            while let Some(field) = reader.next()? {
                match field_by_id(fields, field.id).filter(|_| is_large(applying, field.value.rest())) {
                    Some(def) => {
                        w.varint(u64::from(field.id.0) << 3 | field.wire as u64);
                        let below = stamp.field_mut(field.id);
                        move_out(applying, &def.kind, field.value.rest(), below, children, w)?;
                    }
                    None => w.raw(field.encoded),
                }
            }
            Ok(())
        }),
        _ => {
            w.raw(value);
            Ok(())
        }
    }
}

/// Makes a child of a container in its parent's bytes, whose stub is to stand there; its stamps move in.
pub(super) fn stand_apart(
    applying: &mut Applying<'_>,
    kind: &Kind,
    value: &[u8],
    stamp: &mut Stamp,
    children: &mut Children,
) -> Result<u32, DecodeError> {
    let body = Reader::new(value).frame()?;
    let branch = match (kind, entry_kinds(kind)) {
        (Kind::List(element) | Kind::Array(element, _), _) => {
            let stamps = stamp.take_list();
            Branch::List(ListBranch::load(applying, element, body, stamps, children)?)
        }
        (_, Some(kinds)) => {
            let stamps = std::mem::take(&mut stamp.inner);
            let entries = if let Inner::Entries(entries) = stamps { entries } else { Vec::new() };
            Branch::Map(MapBranch::load(applying, kinds, body, &entries, children)?)
        }
        _ => return Err(DecodeError::Unknown { what: "container", found: 0 }),
    };
    let newest = branch.newest();
    stamp.inner = if newest.is_set() { Inner::Apart(newest) } else { Inner::None };
    let id = applying.next_child();
    children.insert(id, Arc::new(branch));
    Ok(id)
}

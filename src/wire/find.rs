//! What is said about searches: for the objects of a class whose indexed field has a value.
//!
//! ```text
//! find    request · class · field · value: sized · from slot      found   request · next slot, 0 for none · count · { key · birth }*
//! ```
//! Pages go by slots: an object keeps its own for as long as it lives, so one that has the value all the while is in
//! exactly one page. Source: `docs/wire.md` §6.7.

use super::to_node::{read_birth, write_birth};
use super::to_repository::read_bounded;
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Alias, Birth, FieldId, RequestId};
use crate::limits::INDEXED_BYTES_MAX;

/// Bytes of an object in a page, at least.
const FOUND_BYTES_MIN: usize = 3;

/// Asks for the objects whose indexed field has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Find<'a> {
    /// Names the answer.
    pub request: RequestId,
    /// The class.
    pub class: &'a str,
    /// The field of its root.
    pub field: FieldId,
    /// The value as it is encoded, a sized one without its length; at most [`INDEXED_BYTES_MAX`].
    pub value: &'a [u8],
    /// The lowest slot that is asked about: 0 at the beginning.
    pub from: Alias,
}

/// A page of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The request.
    pub request: RequestId,
    /// Keys and births of the objects, by their slots.
    pub found: Vec<(&'a str, Birth)>,
    /// The slot to ask on from; `None` if no more follow.
    pub next: Option<Alias>,
}

impl<'a> Find<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.request.0));
        w.sized(self.class.as_bytes());
        w.varint(u64::from(self.field.0));
        w.sized(self.value);
        w.varint(u64::from(self.from.0));
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (request, class) = (RequestId(r.varint32()?), read_bounded(r)?);
        let (field, value) = (FieldId(r.varint32()?), r.sized()?);
        if value.len() > INDEXED_BYTES_MAX {
            let (found, max) = (value.len() as u64, INDEXED_BYTES_MAX as u64);
            return Err(DecodeError::Limit { what: "bytes of an indexed value", found, max });
        }
        Ok(Self { request, class, field, value, from: Alias(r.varint32()?) })
    }
}

impl<'a> Found<'a> {
    pub(super) fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.request.0));
        w.varint(self.next.map_or(0, |next| u64::from(next.0)));
        w.length(self.found.len());
        for (key, birth) in &self.found {
            w.sized(key.as_bytes());
            write_birth(*birth, w);
        }
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let request = RequestId(r.varint32()?);
        let next = Some(Alias(r.varint32()?)).filter(|next| *next != Alias(0));
        let count = r.count(FOUND_BYTES_MIN)?;
        let mut found = Vec::with_capacity(count);
        for _ in 0..count {
            found.push((read_bounded(r)?, read_birth(r)?));
        }
        Ok(Self { request, found, next })
    }
}

//! One container that is being filled: what is left of it, and what of it goes into the delta being made.
//!
//! Invariant: whatever is taken off the rest stands in the body, once. Source: own reasoning.

use super::shrink::shrink;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::check::read_key;
use crate::delta::{FieldsWriter, WireType};
use crate::ids::{FieldId, VariantId};
use crate::schema::{KeyKind, Kind, Schema};

/// Bytes that the headers of one level take at most, its key apart.
const HEADER_BYTES: usize = 24;

/// Bytes that the numbers of a splice take at most.
const SPLICE_BYTES: usize = 12;

/// Where a value stands in the value around it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Address<'a> {
    Root,
    Field(FieldId),
    Key(&'a [u8]),
    Index(u64),
}

/// What of a value is still to be put.
#[derive(Debug)]
pub(super) enum Rest<'a> {
    /// Fields or elements that stand and lack some of their inside.
    Members(Members, std::vec::IntoIter<(Address<'a>, Self)>),
    Map(&'a KeyKind, &'a Kind, Reader<'a>),
    Set(&'a KeyKind, Reader<'a>),
    List(&'a Kind, Reader<'a>),
    /// Bytes that only splice between the places that `is_boundary` allows.
    Splices(&'a [u8], fn(&[u8], usize) -> bool),
}

/// How an edit of members starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Members {
    Struct,
    Variant(VariantId),
    Array,
}

impl<'a> Rest<'a> {
    pub(super) fn of_struct(rests: Vec<(Address<'a>, Self)>) -> Self {
        Self::Members(Members::Struct, rests.into_iter())
    }

    pub(super) fn text(text: &'a str) -> Self {
        Self::Splices(text.as_bytes(), |bytes, at| bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80))
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        Self::Splices(bytes, |_, _| true)
    }
}

/// What the next thing of a level came to.
pub(super) enum Item<'a> {
    /// It does not fit the delta being made; nothing was taken.
    TooLarge,
    /// It was put.
    Put { bytes: usize },
    /// It stands already and lacks this inside.
    Open(Address<'a>, Rest<'a>),
    /// It was put without this inside.
    PutShrunk(Address<'a>, Rest<'a>),
}

/// A value that is being filled, and what of it goes into the delta being made.
#[derive(Debug)]
pub(super) struct Level<'a> {
    pub(super) address: Address<'a>,
    rest: Rest<'a>,
    /// Elements of the list, or bytes of the text, that stand.
    standing: usize,
    /// Elements among `items`.
    new: usize,
    /// Map entries, set keys, list elements or splices, as encoded.
    items: Writer,
    /// Edits of members or elements, in order.
    edits: Vec<(Address<'a>, Vec<u8>)>,
}

impl<'a> Level<'a> {
    pub(super) fn new(address: Address<'a>, rest: Rest<'a>) -> Self {
        Self { address, rest, standing: 0, new: 0, items: Writer::new(), edits: Vec::new() }
    }

    /// Bytes that the headers around this level take at most.
    pub(super) fn header_bytes(&self) -> usize {
        match self.address {
            Address::Key(key) => HEADER_BYTES + key.len(),
            _ => HEADER_BYTES,
        }
    }

    /// Whether nothing is left to put.
    pub(super) fn is_done(&self) -> bool {
        match &self.rest {
            Rest::Members(_, members) => members.len() == 0,
            Rest::Map(_, _, left) | Rest::Set(_, left) | Rest::List(_, left) => left.is_done(),
            Rest::Splices(bytes, _) => self.standing >= bytes.len(),
        }
    }

    /// Puts the next thing if it fits `room`, or if the delta is fresh: then it must.
    pub(super) fn put_next(&mut self, schema: &'a Schema, room: usize, fresh: bool) -> Result<Item<'a>, DecodeError> {
        match &mut self.rest {
            Rest::Members(_, members) => Ok(match members.next() {
                Some((address, rest)) => Item::Open(address, rest),
                None => Item::Put { bytes: 0 },
            }),
            Rest::Map(key_kind, kind, entries) => {
                let mut ahead = *entries;
                let key = read_key(key_kind, &mut ahead)?;
                let value = WireType::of(kind).skip(&mut ahead)?;
                let head = key.len() + 1;
                if !fresh && head + value.len() > room {
                    return Ok(Item::TooLarge);
                }
                self.items.raw(key);
                self.items.byte(1);
                let value = Reader::at_depth(value, entries.depth());
                let rest = shrink(schema, kind, value, room.saturating_sub(head), &mut self.items)?;
                let bytes = head + value.left();
                *entries = ahead;
                Ok(rest.map_or(Item::Put { bytes }, |rest| Item::PutShrunk(Address::Key(key), rest)))
            }
            Rest::Set(key_kind, keys) => {
                let mut ahead = *keys;
                let key = read_key(key_kind, &mut ahead)?;
                let bytes = key.len() + 1;
                if !fresh && bytes > room {
                    return Ok(Item::TooLarge);
                }
                self.items.raw(key);
                self.items.byte(1);
                *keys = ahead;
                Ok(Item::Put { bytes })
            }
            Rest::List(kind, values) => {
                let mut ahead = *values;
                let value = WireType::of(kind).skip(&mut ahead)?;
                let bytes = value.len();
                if !fresh && bytes > room {
                    return Ok(Item::TooLarge);
                }
                let rest = shrink(schema, kind, Reader::at_depth(value, values.depth()), room, &mut self.items)?;
                *values = ahead;
                self.standing += 1;
                self.new += 1;
                let index = self.standing as u64 - 1;
                Ok(rest.map_or(Item::Put { bytes }, |rest| Item::PutShrunk(Address::Index(index), rest)))
            }
            Rest::Splices(bytes, is_boundary) => {
                let (bytes, is_boundary) = (*bytes, *is_boundary);
                Ok(self.put_splice(bytes, is_boundary, room, fresh))
            }
        }
    }

    /// Puts the rest of a text, or in a fresh delta as much of it as fits.
    fn put_splice(
        &mut self,
        bytes: &[u8],
        is_boundary: fn(&[u8], usize) -> bool,
        room: usize,
        fresh: bool,
    ) -> Item<'a> {
        let left = bytes.len() - self.standing;
        if !fresh && left + SPLICE_BYTES > room {
            return Item::TooLarge;
        }
        let mut end = self.standing + left.min(room.saturating_sub(SPLICE_BYTES).max(4));
        while !is_boundary(bytes, end) {
            end -= 1;
        }
        let insert = bytes.get(self.standing..end).unwrap_or_default();
        self.items.length(self.standing);
        self.items.length(0);
        self.items.sized(insert);
        self.standing = end;
        Item::Put { bytes: insert.len() + SPLICE_BYTES }
    }

    /// Notes the edit of a value inside of this one.
    pub(super) fn attach(&mut self, address: Address<'a>, body: &[u8]) {
        if let Address::Key(key) = address {
            self.items.raw(key);
            self.items.varint(body.len() as u64 + 2);
            self.items.raw(body);
        } else {
            self.edits.push((address, body.to_vec()));
        }
    }

    /// The edit body of what was put since the last call; `None` if that is nothing.
    pub(super) fn take_body(&mut self) -> Option<Vec<u8>> {
        let items = std::mem::take(&mut self.items);
        let edits = std::mem::take(&mut self.edits);
        let new = std::mem::take(&mut self.new);
        if items.is_empty() && edits.is_empty() {
            return None;
        }
        let mut w = Writer::new();
        match &self.rest {
            Rest::Members(Members::Struct, _) => write_fields(&edits, &mut w),
            Rest::Members(Members::Variant(id), _) => {
                w.varint(u64::from(id.0));
                write_fields(&edits, &mut w);
            }
            Rest::Members(Members::Array, _) => {
                w.byte(0);
                write_elements(&edits, &mut w);
            }
            Rest::List(..) => {
                write_runs(self.standing - new, new, items.as_slice(), &mut w);
                write_elements(&edits, &mut w);
            }
            Rest::Map(..) | Rest::Set(..) | Rest::Splices(..) => return Some(items.into_bytes()),
        }
        Some(w.into_bytes())
    }
}

fn write_fields(edits: &[(Address<'_>, Vec<u8>)], w: &mut Writer) {
    let mut fields = FieldsWriter::new(w);
    for (address, body) in edits {
        if let Address::Field(id) = address {
            fields.edit(*id, |w| {
                w.raw(body);
                true
            });
        }
    }
    fields.finish();
}

fn write_elements(edits: &[(Address<'_>, Vec<u8>)], w: &mut Writer) {
    for (address, body) in edits {
        if let Address::Index(index) = address {
            w.varint(*index);
            w.varint(body.len() as u64 + 2);
            w.raw(body);
        }
    }
}

/// Runs that keep the first `kept` elements and add `new` ones behind them.
fn write_runs(kept: usize, new: usize, values: &[u8], w: &mut Writer) {
    if new == 0 {
        return w.byte(0);
    }
    w.byte(if kept == 0 { 2 } else { 3 });
    if kept > 0 {
        w.byte(0);
        w.length(kept);
    }
    w.varint((new as u64) << 1 | 1);
    w.raw(values);
}

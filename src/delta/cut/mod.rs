//! Cuts a full value into deltas from nothing, each of bounded size: a creation, or a snapshot.
//!
//! ```text
//! full root body ──▶ every field, what is too large emptied ──▶ entries, elements, text put in, depth first ──▶ …
//! ```
//! The first delta puts every field of the root, so that a typed reader has a whole struct at once; a container or
//! text that does not fit is put empty and filled by later edits, and the same holds inside of an entry that alone does
//! not fit. Invariants: applied in order to nothing, the deltas give the value; an entry that fits a delta with its path
//! is never split; a delta is larger than asked only where one leaf, key or array is. Works on bytes and schema alone.
//! Source: own reasoning; `docs/wire.md` §4.

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Schema;

mod level;
mod shrink;

use level::{Address, Item, Level, Rest};

/// Cuts the full root body `body` of `schema` into deltas of about `bytes_max` bytes at most.
#[must_use]
pub fn cut<'a>(schema: &'a Schema, body: &'a [u8], bytes_max: usize) -> Cut<'a> {
    Cut { schema, bytes_max, first: Some(body), levels: Vec::new(), used: 0, is_fresh: true }
}

/// Deltas from nothing, in order; an error where the body is no value of the schema, and nothing after it.
#[derive(Debug)]
pub struct Cut<'a> {
    schema: &'a Schema,
    bytes_max: usize,
    /// The whole body, until the first delta is made of it.
    first: Option<&'a [u8]>,
    /// What is open, from the root down to the container that is being filled.
    levels: Vec<Level<'a>>,
    /// Bytes of the delta being made, headers of open levels included.
    used: usize,
    /// Whether the delta being made is empty.
    is_fresh: bool,
}

impl Iterator for Cut<'_> {
    type Item = Result<Vec<u8>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let delta = match self.first.take() {
            Some(body) => self.first_delta(body).map(Some),
            None => self.next_delta(),
        };
        if delta.is_err() {
            self.levels.clear();
        }
        delta.transpose()
    }
}

impl<'a> Cut<'a> {
    fn first_delta(&mut self, body: &'a [u8]) -> Result<Vec<u8>, DecodeError> {
        let mut w = Writer::new();
        let fields = self.schema.root_fields();
        let rests = shrink::shrink_fields(self.schema, fields, Reader::new(body), self.bytes_max, &mut w)?;
        if !rests.is_empty() {
            self.open(Address::Root, Rest::of_struct(rests));
        }
        Ok(w.into_bytes())
    }

    fn next_delta(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        self.used = self.levels.iter().map(Level::header_bytes).sum();
        self.is_fresh = true;
        while !self.levels.is_empty() {
            if let Some(delta) = self.close_done() {
                return Ok(Some(delta));
            }
            let is_full = self.step()?;
            if is_full {
                return Ok(self.end_delta());
            }
        }
        Ok(None)
    }

    fn open(&mut self, address: Address<'a>, rest: Rest<'a>) {
        let level = Level::new(address, rest);
        self.used += level.header_bytes();
        self.levels.push(level);
    }

    /// Closes levels that have nothing left; answers the delta when the root is among them.
    fn close_done(&mut self) -> Option<Vec<u8>> {
        while let Some(mut level) = self.levels.pop_if(|level| level.is_done()) {
            let body = level.take_body();
            match (self.levels.last_mut(), body) {
                (Some(parent), Some(body)) => parent.attach(level.address, &body),
                (Some(_), None) => {}
                (None, body) => return body,
            }
        }
        None
    }

    /// Ends the delta here; every level stays open for the next one.
    fn end_delta(&mut self) -> Option<Vec<u8>> {
        let mut inner: Option<(Address<'a>, Vec<u8>)> = None;
        for level in self.levels.iter_mut().rev() {
            if let Some((address, body)) = inner.take() {
                level.attach(address, &body);
            }
            inner = level.take_body().map(|body| (level.address, body));
        }
        inner.map(|(_, body)| body)
    }

    /// Puts one thing into the innermost level, or opens a level inside of it; answers whether the delta must end.
    fn step(&mut self) -> Result<bool, DecodeError> {
        let Some(level) = self.levels.last_mut() else { return Ok(true) };
        let room = self.bytes_max.saturating_sub(self.used);
        match level.put_next(self.schema, room, self.is_fresh)? {
            Item::TooLarge => Ok(true),
            Item::Put { bytes } => {
                self.used += bytes;
                self.is_fresh = false;
                Ok(false)
            }
            Item::Open(address, rest) => {
                self.open(address, rest);
                Ok(false)
            }
            // Its inside goes into the next delta: no body names one key twice.
            Item::PutShrunk(address, rest) => {
                self.open(address, rest);
                Ok(true)
            }
        }
    }
}

//! Where one record ends and the next begins.
//!
//! ```text
//! record   head body           head   kind << 5 | length of the body, if that is below 31
//!                              head   kind << 5 | 31, then the length as a varint, if it is 31 or more
//! ```
//! Kind 7 is the extended one: its body starts with one byte that says which. Invariant: a record has one encoding, and
//! no more of it is buffered than [`RECORD_BYTES_MAX`]. Source: `docs/wire.md` §6.1.

use crate::coding::{DecodeError, Reader, Writer};
use crate::limits::RECORD_BYTES_MAX;

/// The kind whose body starts with a kind byte of its own.
pub(super) const EXTENDED: u8 = 7;

/// Lengths from here on stand in a varint behind the head.
const LONG: u8 = 31;

/// Appends a record of `kind` whose body is what `body` writes.
pub(super) fn append(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Writer)) {
    let at = out.len();
    out.push(0);
    let mut w = Writer::append_to(std::mem::take(out));
    body(&mut w);
    *out = w.into_bytes();
    let length = out.len() - at - 1;
    let short = u8::try_from(length).ok().filter(|length| *length < LONG);
    if let Some(head) = out.get_mut(at) {
        *head = kind << 5 | short.unwrap_or(LONG);
    }
    if short.is_none() {
        let mut long = Writer::new();
        long.length(length);
        out.splice(at + 1..=at, long.into_bytes());
    }
}

/// Appends an extended record: `which` says its kind.
pub(super) fn append_extended(out: &mut Vec<u8>, which: u8, body: impl FnOnce(&mut Writer)) {
    append(out, EXTENDED, |w| {
        w.byte(which);
        body(w);
    });
}

/// One record, not yet understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// 0 to 7.
    pub kind: u8,
    /// What stands behind the head.
    pub body: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// Bytes that the record takes on its stream.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let length = self.body.len();
        if length < usize::from(LONG) {
            return 1 + length;
        }
        let mut long = Writer::new();
        long.length(length);
        1 + long.len() + length
    }

    /// Reads the record at the front of `bytes`; answers it and its length, or `None` if `bytes` ends within it.
    ///
    /// # Errors
    /// `Varint` or `Limit` if the length is not in its one form or beyond [`RECORD_BYTES_MAX`].
    pub fn split(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut r = Reader::new(bytes);
        let Ok(head) = r.byte() else { return Ok(None) };
        let length = match head & LONG {
            LONG => match r.varint() {
                Ok(length) if length < u64::from(LONG) => return Err(DecodeError::Varint),
                Ok(length) => length,
                Err(DecodeError::Truncated { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
            length => u64::from(length),
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= RECORD_BYTES_MAX)
            .ok_or(DecodeError::Limit { what: "a record", found: length, max: RECORD_BYTES_MAX as u64 })?;
        match r.take(length) {
            Ok(body) => Ok(Some((Self { kind: head >> 5, body }, bytes.len() - r.left()))),
            Err(_) => Ok(None),
        }
    }
}

/// Finds the records in a byte stream that arrives in pieces.
///
/// Keeps what was pushed and not yet read: at most one piece and the part of a record before it.
#[derive(Clone, Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    read: usize,
}

impl Records {
    /// Starts at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the stream. Read what is whole before the next piece comes.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.read.min(self.bytes.len()));
        self.read = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole record, `None` until more of the stream arrives.
    ///
    /// # Errors
    /// As [`RawRecord::split`]; the stream is unusable from then on.
    #[allow(clippy::should_implement_trait, reason = "a fallible reader that lends its bytes is no iterator")]
    pub fn next(&mut self) -> Result<Option<RawRecord<'_>>, DecodeError> {
        let rest = self.bytes.get(self.read..).unwrap_or_default();
        match RawRecord::split(rest)? {
            Some((record, length)) => {
                self.read += length;
                Ok(Some(record))
            }
            None => Ok(None),
        }
    }

    /// Bytes that wait for the rest of their record.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_arrive_in_any_pieces() {
        let mut stream = Vec::new();
        for length in [0, 1, 30, 31, 127, 128, RECORD_BYTES_MAX] {
            append(&mut stream, 3, |w| w.raw(&vec![9; length]));
        }
        for piece_len in [1, 7, stream.len()] {
            let mut records = Records::new();
            let mut lengths = Vec::new();
            for piece in stream.chunks(piece_len) {
                records.push(piece);
                while let Some(record) = records.next().unwrap() {
                    assert_eq!(record.kind, 3);
                    lengths.push(record.body.len());
                }
            }
            assert_eq!(lengths, [0, 1, 30, 31, 127, 128, RECORD_BYTES_MAX]);
            assert_eq!(records.left(), 0);
        }
    }

    #[test]
    fn a_length_has_one_form_and_a_cap() {
        assert_eq!(RawRecord::split(&[31, 30]), Err(DecodeError::Varint));
        let mut long = vec![31];
        let mut w = Writer::new();
        w.length(RECORD_BYTES_MAX + 1);
        long.extend(w.into_bytes());
        assert!(matches!(RawRecord::split(&long), Err(DecodeError::Limit { .. })));
    }
}

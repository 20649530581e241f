//! Bytes in, bytes out: varints, frames, and the one way each can be wrong.
//!
//! Everything that travels or is stored goes through [`Writer`] and [`Reader`]. Invariants: a reader never looks past
//! its end, never allocates, and counts the frames it is inside of, so that no input recurses deeper than
//! [`DEPTH_MAX`]. A varint has exactly one encoding, so equal values have equal bytes. Source: `docs/wire.md` §1
//! (LEB128 as in protobuf, minimal form required).

use crate::limits::DEPTH_MAX;

mod number;
#[cfg(test)]
mod tests;
mod unknown;

pub use unknown::UnknownValue;

/// Says why bytes are not what they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{needed} bytes are needed where {left} are left")]
    Truncated {
        /// Bytes the next value needs.
        needed: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A varint is longer than its value needs, or larger than its type.
    #[error("a varint is too long")]
    Varint,
    /// Frames are nested deeper than [`DEPTH_MAX`].
    #[error("values are nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Bytes are left over behind a value.
    #[error("{left} bytes are left over behind a value")]
    Trailing {
        /// Bytes left over.
        left: usize,
    },
    /// A count or length exceeds its cap.
    #[error("{what} of {found} exceeds {max}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// The count that was claimed.
        found: u64,
        /// The cap.
        max: u64,
    },
    /// Text is not UTF-8, or a splice cuts a character.
    #[error("text is not valid UTF-8")]
    Utf8,
    /// A byte or number has no meaning where it stands.
    #[error("{found} is no {what}")]
    Unknown {
        /// What was expected there.
        what: &'static str,
        /// What was found.
        found: u64,
    },
    /// Ids, keys or indices do not ascend strictly.
    #[error("{what} do not ascend")]
    Order {
        /// What must ascend.
        what: &'static str,
    },
    /// A field's wire type is not the one its kind has.
    #[error("field {field} has wire type {found}, its kind has {expected}")]
    WireType {
        /// The field's id.
        field: u32,
        /// The wire type of its kind.
        expected: u8,
        /// The wire type found.
        found: u8,
    },
    /// A field that has no default is absent.
    #[error("field `{name}` is missing; `#[nam(default)]` lets older writers leave it out")]
    Missing {
        /// The field's name.
        name: &'static str,
    },
    /// A change names something that is not there: a key, an index, an inner value, another variant.
    #[error("a change of {what} that is not there")]
    Absent {
        /// What the change names.
        what: &'static str,
    },
    /// The bytes are whole and this program cannot represent what they hold: a newer program wrote it.
    #[error("{0}")]
    Unreadable(UnknownValue),
    /// A value was refused while it was encoded; what was written must not be sent.
    #[error("{what} cannot be encoded")]
    Refused {
        /// What cannot be encoded.
        what: &'static str,
    },
    /// Numbers that were added up leave the range of their type; what was written must not be sent.
    #[error("{what} leave the range of their number")]
    Overflow {
        /// What was added up.
        what: &'static str,
    },
}

/// Appends values to a byte vector.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    refusal: Option<DecodeError>,
}

impl Writer {
    /// Starts empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on behind `bytes`.
    #[must_use]
    pub fn append_to(bytes: Vec<u8>) -> Self {
        Self { bytes, refusal: None }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes back everything behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Writes one byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Notes that a value cannot be encoded: its own `Serialize` refused. What is written after that must not be sent.
    pub fn refuse(&mut self, what: &'static str) {
        self.refusal.get_or_insert(DecodeError::Refused { what });
    }

    /// Notes that a sum of operations left its range, likewise.
    pub fn overflow(&mut self, what: &'static str) {
        self.refusal.get_or_insert(DecodeError::Overflow { what });
    }

    /// The first thing that could not be encoded.
    #[must_use]
    pub fn refusal(&self) -> Option<&DecodeError> {
        self.refusal.as_ref()
    }

    /// Makes sure that everything could be encoded. Whoever sends what was written asks this first.
    ///
    /// # Errors
    /// `Refused` or `Overflow` if something could not.
    pub fn check(&self) -> Result<(), DecodeError> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    /// Writes a number in 7-bit groups, low first: 1 byte below 128, 10 at most.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }

    /// Writes a length or count as a varint.
    #[inline]
    pub fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    /// Writes a signed number zigzagged (0, -1, 1, -2 … become 0, 1, 2, 3 …), then as a varint.
    #[inline]
    pub fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Writes a length, then the bytes.
    pub fn sized(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    /// Writes what `body` writes behind its length.
    pub fn framed<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        let at = self.bytes.len();
        self.bytes.push(0);
        let answer = body(self);
        self.patch_length(at, 0);
        answer
    }

    /// Writes what `body` writes behind its length plus `bias`; a body that answers `false` leaves nothing.
    pub fn framed_if(&mut self, bias: u64, body: impl FnOnce(&mut Self) -> bool) -> bool {
        let at = self.bytes.len();
        self.bytes.push(0);
        if body(self) {
            self.patch_length(at, bias);
            true
        } else {
            self.bytes.truncate(at);
            false
        }
    }

    /// Removes the bytes of a range; later bytes move down.
    pub fn remove(&mut self, range: std::ops::Range<usize>) {
        self.bytes.drain(range);
    }

    /// Sets the low three bits of the byte at `at`.
    pub fn set_low_bits(&mut self, at: usize, bits: u8) {
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = *byte & !7 | bits & 7;
        }
    }

    /// Puts the length of what follows the placeholder byte at `at` in its place.
    fn patch_length(&mut self, at: usize, bias: u64) {
        let length = (self.bytes.len() - at - 1) as u64 + bias;
        if length < 0x80 {
            if let Some(byte) = self.bytes.get_mut(at) {
                *byte = length.to_le_bytes()[0];
            }
        } else {
            let mut head = Self::default();
            head.varint(length);
            self.bytes.splice(at..=at, head.bytes);
        }
    }
}

/// Bytes a varint of `value` takes.
#[must_use]
pub fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads values off the front of a byte slice; `Copy`, so that a look ahead is a copy.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    depth: u16,
    following: u32,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, outside of any frame.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0, following: 0 }
    }

    /// Says that about so many bytes follow in later pieces, at the place where this one ends. Only a hint for how much
    /// room to make: whoever sent it may lie.
    #[must_use]
    pub fn followed_by(mut self, bytes: usize) -> Self {
        self.following = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Bytes that may follow in later pieces of the value that ends where this reader ends.
    #[must_use]
    pub fn following(&self) -> usize {
        self.following as usize
    }

    /// Reads `bytes` as if inside of `depth` frames.
    #[must_use]
    pub fn at_depth(bytes: &'a [u8], depth: u16) -> Self {
        Self { bytes, depth, following: 0 }
    }

    /// Frames around the next byte.
    #[must_use]
    pub fn depth(&self) -> u16 {
        self.depth
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Trailing` if bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { left: self.bytes.len() }) }
    }

    /// Reads `count` bytes as they are.
    ///
    /// # Errors
    /// `Truncated`.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated { needed: count, left: self.bytes.len() })?;
        self.bytes = rest;
        Ok(head)
    }

    /// Reads `N` bytes as an array.
    ///
    /// # Errors
    /// `Truncated`.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) =
            self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated { needed: N, left: self.bytes.len() })?;
        self.bytes = rest;
        Ok(*head)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// `Truncated`.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// `Truncated`, or `Varint` if it is not the shortest form or exceeds 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for (i, &byte) in self.bytes.iter().enumerate() {
            if i == 9 && byte > 1 {
                return Err(DecodeError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if byte == 0 && i > 0 {
                    return Err(DecodeError::Varint);
                }
                self.bytes = self.bytes.get(i + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated { needed: self.bytes.len() + 1, left: self.bytes.len() })
    }

    /// Reads a varint that must fit 32 bits.
    ///
    /// # Errors
    /// `Truncated` or `Varint`.
    #[inline]
    pub fn varint32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.varint()?).map_err(|_| DecodeError::Varint)
    }

    /// Reads a zigzagged varint.
    ///
    /// # Errors
    /// `Truncated` or `Varint`.
    #[inline]
    pub fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Reads a count of things that take at least `bytes_each` bytes each, so that it may size an allocation.
    ///
    /// # Errors
    /// `Truncated` if the bytes left cannot hold that many; `Varint`.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::Varint)?;
        let needed = count.saturating_mul(bytes_each);
        if needed > self.bytes.len() {
            return Err(DecodeError::Truncated { needed, left: self.bytes.len() });
        }
        Ok(count)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// `Truncated` or `Varint`.
    #[inline]
    pub fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Varint)?;
        self.take(length)
    }

    /// Reads a length and that many bytes as text.
    ///
    /// # Errors
    /// `Truncated`, `Varint` or `Utf8`.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.sized()?).map_err(|_| DecodeError::Utf8)
    }

    /// Reads a length and answers a reader of that many bytes, one frame deeper.
    ///
    /// # Errors
    /// `Truncated`, `Varint` or `TooDeep`.
    #[inline]
    pub fn frame(&mut self) -> Result<Self, DecodeError> {
        let bytes = self.sized()?;
        self.deeper(bytes)
    }

    /// Answers a reader of the next `length` bytes, one frame deeper.
    ///
    /// # Errors
    /// `Truncated` or `TooDeep`.
    pub fn frame_of(&mut self, length: usize) -> Result<Self, DecodeError> {
        let bytes = self.take(length)?;
        self.deeper(bytes)
    }

    /// Answers a reader of everything left, one frame deeper, and leaves nothing here.
    ///
    /// # Errors
    /// `TooDeep`.
    pub fn frame_of_rest(&mut self) -> Result<Self, DecodeError> {
        let bytes = std::mem::take(&mut self.bytes);
        Ok(Self { following: self.following, ..self.deeper(bytes)? })
    }

    fn deeper(&self, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if self.depth >= DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        Ok(Self { bytes, depth: self.depth + 1, following: 0 })
    }
}

//! Bytes that grow at their end, and are joined without copying what is long.
//!
//! An answer is made from its inside out: what stands in a frame is written before the frame's length is known. Pieces
//! move by pointer, so a frame around megabytes costs its own bytes. Invariant: no piece is empty, and the tail is short.
//! Source: own reasoning; the name is that of Boehm, Atkinson and Plass 1995.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::coding::Writer;

/// Bytes from which the tail becomes a piece: copied once, then moved by pointer.
const PIECE_BYTES: usize = 16 * 1024;

/// Bytes from which it does so when it is to be cloned.
const SHARED_BYTES: usize = 256;

/// Pieces, and a tail that grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rope {
    pieces: Vec<Bytes>,
    pieces_len: usize,
    tail: Writer,
}

impl Rope {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn len(&self) -> usize {
        self.pieces_len + self.tail.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.tail.byte(byte);
    }

    pub(super) fn varint(&mut self, value: u64) {
        self.tail.varint(value);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.tail.raw(bytes);
        self.cut(PIECE_BYTES);
    }

    /// Puts another rope behind.
    pub(super) fn append(&mut self, other: Self) {
        if !other.pieces.is_empty() {
            self.cut(1);
            self.pieces_len += other.pieces_len;
            self.pieces.extend(other.pieces);
        }
        self.raw(other.tail.as_slice());
    }

    /// Puts another rope behind, after its length plus `bias`.
    pub(super) fn framed(&mut self, bias: u64, body: Self) {
        self.varint(body.len() as u64 + bias);
        self.append(body);
    }

    /// Another of the same bytes, which shares what is not very short.
    pub(super) fn share(&mut self) -> Self {
        self.cut(SHARED_BYTES);
        self.clone()
    }

    /// All bytes, in order.
    pub(super) fn into_pieces(mut self) -> VecDeque<Bytes> {
        self.cut(1);
        self.pieces.into()
    }

    /// Copies all bytes.
    pub(super) fn write_to(&self, w: &mut Writer) {
        self.pieces.iter().for_each(|piece| w.raw(piece));
        w.raw(self.tail.as_slice());
    }

    /// Makes a piece of the tail if it has `bytes`.
    fn cut(&mut self, bytes: usize) {
        if self.tail.len() >= bytes {
            self.pieces_len += self.tail.len();
            self.pieces.push(std::mem::take(&mut self.tail).into_bytes().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_reads_as_what_was_written() {
        let mut inner = Rope::new();
        for n in 0..10 {
            inner.raw(&vec![n; 5_000]);
        }
        let mut body = Rope::new();
        body.byte(77);
        body.append(inner.share());
        body.framed(2, inner);
        let mut outer = Rope::new();
        outer.framed(0, body.share());
        let (mut w, mut expected) = (Writer::new(), Writer::new());
        outer.write_to(&mut w);
        let bytes: Vec<u8> = (0..10).flat_map(|n| vec![n; 5_000]).collect();
        expected.framed(|w| {
            w.byte(77);
            w.raw(&bytes);
            w.varint(50_002);
            w.raw(&bytes);
        });
        assert_eq!(w.as_slice(), expected.as_slice());
        let pieces: Vec<u8> = outer.clone().into_pieces().into_iter().flatten().collect();
        assert_eq!((outer.len(), pieces), (w.len(), w.into_bytes()));
    }
}

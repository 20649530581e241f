//! What differs between the delta that was sent and the delta on today's version.
//!
//! Most commits are accepted as sent, so the walk writes nothing and only notes the places that change: a moved list
//! index, an operation that became a value, and the lengths of the frames around them. Invariant: patches do not
//! overlap. Source: own reasoning.

use std::ops::Range;

use crate::coding::{Writer, varint_len};

/// Replacements in a delta.
#[derive(Clone, Debug, Default)]
pub(super) struct Patches(Vec<(Range<usize>, Vec<u8>)>);

impl Patches {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the bytes at `range`; answers by how much the delta grows.
    pub(super) fn replace(&mut self, range: Range<usize>, bytes: Vec<u8>) -> i64 {
        let grown = signed(bytes.len()) - signed(range.len());
        self.0.push((range, bytes));
        grown
    }

    /// Corrects the length (plus `bias`) before the frame body at `body`, which grows by `grown`; answers the total growth.
    pub(super) fn reframe(&mut self, body: Range<usize>, bias: u64, grown: i64) -> i64 {
        if grown == 0 {
            return 0;
        }
        let old = body.len() as u64 + bias;
        let prefix = body.start.saturating_sub(varint_len(old))..body.start;
        let mut w = Writer::new();
        w.varint(old.saturating_add_signed(grown));
        grown + self.replace(prefix, w.into_bytes())
    }

    /// The delta with all replacements made.
    pub(super) fn rewrite(&mut self, delta: &[u8]) -> Vec<u8> {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(delta.len() + 16);
        let mut at = 0;
        for (range, bytes) in &self.0 {
            out.extend_from_slice(delta.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(bytes);
            at = range.end;
        }
        out.extend_from_slice(delta.get(at..).unwrap_or_default());
        out
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

//! Splices as bytes: `{ at, delete, length, bytes }*`, each offset into the text as the splice before left it.
//!
//! Invariants: what did not change at the ends of a window is not sent; no splice cuts a character; a put is chosen
//! when it is not longer. Source: `docs/wire.md` §5.

use super::{Buffer, Kept, SpliceChanges};
use crate::coding::{DecodeError, Reader, Writer, varint_len};
use crate::tracked::Edit;

impl<B: Buffer> SpliceChanges<B> {
    /// Writes the splices that lead from the former value to `value`.
    pub(super) fn encode(&self, value: &B, w: &mut Writer) -> Edit {
        match &self.0 {
            Kept::Nothing => Edit::Same,
            Kept::Whole(old) => encode_between(value, old, w),
            Kept::Windows(windows) => {
                let start = w.len();
                for window in windows {
                    encode_splice(value, window.at..window.end(), &window.old, w);
                }
                judge(value, start, w)
            }
        }
    }
}

/// Writes the one splice that leads from `old` to `value`.
pub(in crate::tracked) fn encode_between<B: Buffer>(value: &B, old: &B, w: &mut Writer) -> Edit {
    let start = w.len();
    encode_splice(value, 0..value.as_bytes().len(), old, w);
    judge(value, start, w)
}

fn judge<B: Buffer>(value: &B, start: usize, w: &Writer) -> Edit {
    let len = value.as_bytes().len();
    match w.len() - start {
        0 => Edit::Same,
        edit if edit >= varint_len(len as u64) + len => Edit::Put,
        _ => Edit::Edited,
    }
}

/// Writes the splice that puts `range` of `value` in the place of `old`, without what is the same at both ends.
fn encode_splice<B: Buffer>(value: &B, range: std::ops::Range<usize>, old: &B, w: &mut Writer) {
    let now = value.as_bytes().get(range.clone()).unwrap_or_default();
    let was = old.as_bytes();
    if now == was {
        return;
    }
    let mut head = now.iter().zip(was).take_while(|(a, b)| a == b).count();
    while !(value.is_boundary(range.start + head) && old.is_boundary(head)) {
        head -= 1;
    }
    let (now, was) = (now.get(head..).unwrap_or_default(), was.get(head..).unwrap_or_default());
    let mut tail = now.iter().rev().zip(was.iter().rev()).take_while(|(a, b)| a == b).count();
    while !(value.is_boundary(range.end - tail) && old.is_boundary(head + was.len() - tail)) {
        tail -= 1;
    }
    w.length(range.start + head);
    w.length(was.len() - tail);
    w.sized(now.get(..now.len() - tail).unwrap_or_default());
}

/// Applies splices, and adds to `changes` what they overwrite.
///
/// # Errors
/// `Absent` if a splice is outside of the value, `Utf8` if it cuts a character or inserts none; any other
/// [`DecodeError`].
pub(in crate::tracked) fn apply_splices<B: Buffer>(
    value: &mut B,
    mut edit: Reader<'_>,
    mut changes: Option<&mut SpliceChanges<B>>,
) -> Result<(), DecodeError> {
    while !edit.is_done() {
        let at = usize::try_from(edit.varint()?).unwrap_or(usize::MAX);
        let delete = usize::try_from(edit.varint()?).unwrap_or(usize::MAX);
        let insert = edit.sized()?;
        let range = at..at.saturating_add(delete);
        if range.end > value.as_bytes().len() {
            return Err(DecodeError::Absent { what: "text" });
        }
        if !(value.is_boundary(range.start) && value.is_boundary(range.end)) {
            return Err(DecodeError::Utf8);
        }
        let part = B::part_of(insert)?;
        match changes.as_deref_mut() {
            Some(changes) => changes.splice(value, range, part, insert.len()),
            None => value.splice(range, part),
        }
    }
    Ok(())
}

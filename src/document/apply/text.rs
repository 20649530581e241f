//! Splices of text and bytes: `{ at, delete, length, insert }*`, each on what the one before left.

use crate::coding::{DecodeError, Reader};
use crate::document::overwrite;
use crate::schema::Kind;

/// One splice.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) struct Splice<'a> {
    pub(in crate::document) at: usize,
    pub(in crate::document) delete: usize,
    pub(in crate::document) insert: &'a [u8],
}

impl<'a> Splice<'a> {
    /// Reads the next splice.
    pub(in crate::document) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let size = |found: u64| usize::try_from(found).map_err(|_| DecodeError::Varint);
        Ok(Self { at: size(r.varint()?)?, delete: size(r.varint()?)?, insert: r.sized()? })
    }
}

/// Checks a splice of a text; that of a `String` may be cut between characters only.
pub(in crate::document) fn check_splice(kind: &Kind, text: &[u8], splice: &Splice<'_>) -> Result<(), DecodeError> {
    let end = splice.at.checked_add(splice.delete).filter(|end| *end <= text.len());
    let end = end.ok_or(DecodeError::Absent { what: "part of a text" })?;
    if matches!(kind, Kind::String) {
        let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        if inside(splice.at) || inside(end) || std::str::from_utf8(splice.insert).is_err() {
            return Err(DecodeError::Utf8);
        }
    }
    Ok(())
}

/// Performs a splice.
pub(in crate::document) fn splice(kind: &Kind, text: &mut Vec<u8>, splice: &Splice<'_>) -> Result<(), DecodeError> {
    check_splice(kind, text, splice)?;
    overwrite(text, splice.at..splice.at + splice.delete, splice.insert);
    Ok(())
}

/// The text that results from an edit of the stored text `old`, without its length.
pub(super) fn apply_text(kind: &Kind, old: &[u8], mut edit: Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let mut text = Reader::new(old).sized()?.to_vec();
    while !edit.is_done() {
        splice(kind, &mut text, &Splice::read(&mut edit)?)?;
    }
    Ok(text)
}

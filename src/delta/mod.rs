//! The one format of change: fields with tags, values without, everything skippable.
//!
//! A delta is the body of an edit of the root struct; a snapshot is a delta from nothing. The typed side
//! (`tracked`) and the type-agnostic side (`document`) both read and write it with these tools. Invariants: ids, keys
//! and indices ascend strictly, so a duplicate shows at once; an unknown field is skipped by its wire type alone.
//! Source: `docs/wire.md` §2–§5, normative; golden bytes in `tests/codec/`.

mod check;
mod cut;
mod fields;
mod overlap;

pub use check::{Fault, Operations, check_delta, check_edit, check_own_delta, check_value, read_key};
pub(crate) use check::{check_stored, check_stored_root};
pub use cut::{Cut, cut};
pub use fields::{Field, FieldsReader, FieldsWriter, WireType};
pub use overlap::{overlaps, touches};

/// Heads of map, set and list entries in an edit: what happens to the entry (`docs/wire.md` §5).
#[derive(Clone, Copy, Debug)]
pub enum EntryChange<'a> {
    /// The entry is removed.
    Remove,
    /// The entry is put whole; its value follows in the reader it was read from.
    Put,
    /// The entry's value is edited by this body.
    Edit(crate::coding::Reader<'a>),
}

impl<'a> EntryChange<'a> {
    /// Reads the head of an entry: 0 remove, 1 put (value follows), n + 2 an edit of n bytes.
    ///
    /// # Errors
    /// Any [`DecodeError`](crate::coding::DecodeError) of truncated or too deeply nested bytes.
    pub fn read(r: &mut crate::coding::Reader<'a>) -> Result<Self, crate::coding::DecodeError> {
        Ok(match r.varint()? {
            0 => Self::Remove,
            1 => Self::Put,
            n => {
                let length = usize::try_from(n - 2).map_err(|_| crate::coding::DecodeError::Varint)?;
                Self::Edit(r.frame_of(length)?)
            }
        })
    }
}

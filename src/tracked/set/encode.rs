//! A set as bytes: whole, edited, and back.
//!
//! ```text
//! value   len count key*
//! edit    { key, 0 remove | 1 insert }*
//! ```
//! Invariants: keys ascend strictly as bytes; inserting what is there and removing what is not is nothing. Source:
//! `docs/wire.md` §4–§5.

use super::changes::{SetChanges, SetTouch};
use super::store::{OwnLookup, SetStore};
use crate::coding::{DecodeError, Reader, Writer};
use crate::tracked::Edit;
use crate::tracked::entries::{AscendingKeys, EntriesWriter, entries_to_come};

/// Writes all keys behind their length and count.
pub(super) fn encode<S: SetStore>(set: &S, w: &mut Writer) {
    w.framed(|w| {
        w.length(set.count());
        let mut entries = EntriesWriter::new(w);
        set.keys().for_each(|key| entries.entry(key, |_| true));
        entries.finish();
    });
}

/// Reads what `encode` wrote.
pub(super) fn decode<S: SetStore>(r: &mut Reader<'_>) -> Result<S, DecodeError> {
    let mut body = r.frame()?;
    let count = body.count(1)?;
    let mut set = S::with_room(count.min(body.left() / size_of::<S::Key>().max(1)));
    let mut keys = AscendingKeys::default();
    for _ in 0..count {
        set.put(keys.next(&mut body)?);
    }
    body.finish()?;
    Ok(set)
}

/// Writes what leads from what `changes` keeps to `set`.
pub(super) fn encode_edit<S: SetStore>(set: &S, changes: &SetChanges<S>, w: &mut Writer) -> Edit {
    if let Some(old) = &changes.whole {
        return encode_diff(set, &**old, w);
    }
    let mut entries = EntriesWriter::new(w);
    for (key, touch) in changes.touched.iter() {
        write(&mut entries, key, *touch);
    }
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes which keys are required.
pub(super) fn encode_guards<S: SetStore>(changes: &SetChanges<S>, w: &mut Writer) -> Edit {
    let mut entries = EntriesWriter::new(w);
    changes.required.keys().for_each(|key| write(&mut entries, key, SetTouch::Removed));
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes what leads from `old` to `set`. A set that kept nothing is put whole.
pub(super) fn encode_diff<S: SetStore>(set: &S, old: &S, w: &mut Writer) -> Edit {
    if old.count() > 0 && !old.keys().any(|key| set.has(key)) {
        return Edit::Put;
    }
    let mut entries = EntriesWriter::new(w);
    for key in set.keys().filter(|key| !old.has(key)) {
        write(&mut entries, key, SetTouch::Inserted);
    }
    for key in old.keys().filter(|key| !set.has(key)) {
        write(&mut entries, key, SetTouch::Removed);
    }
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

fn write<K: crate::tracked::Key>(entries: &mut EntriesWriter<'_>, key: &K, touch: SetTouch) {
    entries.entry(key, |w| {
        w.byte(u8::from(touch == SetTouch::Inserted));
        true
    });
}

/// Applies the body of an edit to `set`.
pub(super) fn apply<S: OwnLookup>(
    set: &mut S,
    mut edit: Reader<'_>,
    mut changes: Option<&mut SetChanges<S>>,
) -> Result<(), DecodeError> {
    let (whole, is_first) = (edit, set.count() == 0);
    let mut keys = AscendingKeys::default();
    while !edit.is_done() {
        let key: S::Key = keys.next(&mut edit)?;
        match (edit.varint()?, changes.as_deref_mut()) {
            (0, Some(changes)) => changes.remove(set, &key),
            (0, None) => set.take_key(&key).is_some(),
            (1, Some(changes)) => changes.insert(set, key),
            (1, None) => set.put(key),
            (found, _) => return Err(DecodeError::Unknown { what: "change of a set's key", found }),
        };
    }
    if is_first {
        set.make_room(entries_to_come(set.count(), &whole));
    }
    Ok(())
}

//! A map as bytes: whole, edited, and back.
//!
//! ```text
//! value   len count { key value }*
//! edit    { key, 0 remove | 1 value | n + 2 body of n bytes }*
//! ```
//! Invariants: keys ascend strictly as bytes; a value put over a former one is written as how it differs; removing what
//! is not there is nothing, editing what is not there is an error. Source: `docs/wire.md` §4–§5.

use super::changes::{MapChanges, Touch, ValueChanges};
use super::store::{MapStore, OwnLookup};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::EntryChange;
use crate::tracked::entries::{AscendingKeys, EntriesWriter, entries_to_come};
use crate::tracked::field::{edit_entry, guard_entry, put_entry};
use crate::tracked::{Changes, Edit, Tracked};

/// Writes all entries behind their length and count.
pub(super) fn encode<M: MapStore>(map: &M, w: &mut Writer) {
    w.framed(|w| {
        w.length(map.count());
        let mut entries = EntriesWriter::new(w);
        for (key, value) in map.entries() {
            entries.entry(key, |w| {
                value.encode(w);
                true
            });
        }
        entries.finish();
    });
}

/// Reads what `encode` wrote.
pub(super) fn decode<M: MapStore>(r: &mut Reader<'_>) -> Result<M, DecodeError> {
    let mut body = r.frame()?;
    let count = body.count(2)?;
    let mut map = M::with_room(count.min(body.left() / size_of::<(M::Key, M::Value)>().max(1)));
    let mut keys = AscendingKeys::default();
    for _ in 0..count {
        let key = keys.next(&mut body)?;
        map.put(key, M::Value::decode(&mut body)?);
    }
    body.finish()?;
    Ok(map)
}

/// Writes what leads from what `changes` keeps to `map`.
pub(super) fn encode_edit<M: OwnLookup>(map: &M, changes: &MapChanges<M>, w: &mut Writer) -> Edit {
    if let Some(old) = &changes.whole {
        return encode_diff(map, &**old, w);
    }
    let mut entries = EntriesWriter::new(w);
    for (key, touch) in changes.touched.iter() {
        let value = map.find(key).map(|(_, value)| value);
        entries.entry(key, |w| write_touch(value, touch, w));
    }
    for ((key, value), edits) in map.entries().zip(&changes.pass) {
        if edits.is_touched() && matches!(changes.touched.row(key), None | Some(Touch::Edited(_))) {
            entries.entry(key, |w| edit_entry(w, |_| (), value, |w| value.encode_edit(edits, w)));
        }
    }
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes which entries are required, and what inside of them is.
pub(super) fn encode_guards<M: OwnLookup>(map: &M, changes: &MapChanges<M>, w: &mut Writer) -> Edit {
    let mut entries = EntriesWriter::new(w);
    for key in changes.required.keys() {
        entries.entry(key, |w| {
            w.varint(0);
            true
        });
    }
    let mut inside = |key: &M::Key, value: &M::Value, edits: &ValueChanges<M>| {
        if edits.required() > 0 && !changes.required.has(key) {
            entries.entry(key, |w| guard_entry(w, |w| value.encode_guards(edits, w)));
        }
    };
    for (key, touch) in changes.touched.iter() {
        if let (Touch::Edited(edits), Some((_, value))) = (touch, map.find(key)) {
            inside(key, value, edits);
        }
    }
    for ((key, value), edits) in map.entries().zip(&changes.pass) {
        inside(key, value, edits);
    }
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

/// Writes the head of an entry and what follows it; nothing if nothing differs.
fn write_touch<V: Tracked>(value: Option<&V>, touch: &Touch<V>, w: &mut Writer) -> bool {
    match (value, touch) {
        (Some(value), Touch::Edited(changes)) => {
            changes.is_touched() && edit_entry(w, |_| (), value, |w| value.encode_edit(changes, w))
        }
        (Some(value), Touch::Put { old: Some(old) } | Touch::Removed { old }) => {
            edit_entry(w, |_| (), value, |w| value.encode_diff(old, w))
        }
        (Some(value), Touch::Put { old: None }) => {
            put_entry(w, |_| (), value);
            true
        }
        (None, Touch::Put { old: None }) => false,
        (None, Touch::Edited(_) | Touch::Put { old: Some(_) } | Touch::Removed { .. }) => {
            w.varint(0);
            true
        }
    }
}

/// Writes what leads from `old` to `map`. A map that kept nothing is put whole.
pub(super) fn encode_diff<M: OwnLookup>(map: &M, old: &M, w: &mut Writer) -> Edit {
    let is_other = old.count() > 0 && !old.entries().any(|(key, _)| map.find(key).is_some());
    if is_other {
        return Edit::Put;
    }
    let mut entries = EntriesWriter::new(w);
    for (key, value) in map.entries() {
        entries.entry(key, |w| match old.find(key) {
            Some((_, old)) => edit_entry(w, |_| (), value, |w| value.encode_diff(old, w)),
            None => {
                put_entry(w, |_| (), value);
                true
            }
        });
    }
    for (key, _) in old.entries().filter(|(key, _)| map.find(key).is_none()) {
        entries.entry(key, |w| {
            w.varint(0);
            true
        });
    }
    if entries.finish() { Edit::Edited } else { Edit::Same }
}

/// Applies the body of an edit to `map`.
pub(super) fn apply<M: OwnLookup>(
    map: &mut M,
    mut edit: Reader<'_>,
    mut changes: Option<&mut MapChanges<M>>,
) -> Result<(), DecodeError> {
    if let Some(changes) = changes.as_deref_mut() {
        changes.settle(map);
    }
    let (whole, is_first) = (edit, map.count() == 0);
    let mut keys = AscendingKeys::default();
    while !edit.is_done() {
        let key: M::Key = keys.next(&mut edit)?;
        match (EntryChange::read(&mut edit)?, changes.as_deref_mut()) {
            (EntryChange::Remove, Some(changes)) => {
                changes.remove(map, &key);
            }
            (EntryChange::Remove, None) => {
                map.take_entry(&key);
            }
            (EntryChange::Put, Some(changes)) => {
                changes.put(map, key, M::Value::decode(&mut edit)?);
            }
            (EntryChange::Put, None) => {
                map.put(key, M::Value::decode(&mut edit)?);
            }
            (EntryChange::Edit(body), changes) => {
                let value = map.find_mut(&key).ok_or(DecodeError::Absent { what: "a map entry" })?;
                let record = changes.and_then(|changes| changes.value(&key, || Some(key.clone())));
                value.apply(body, record)?;
            }
        }
    }
    if is_first {
        map.make_room(entries_to_come(map.count(), &whole));
    }
    Ok(())
}

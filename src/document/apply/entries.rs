//! Applies an edit of a map or a set: in its parent's bytes a merge of two sequences of ascending keys, apart entry by
//! entry.

use super::{Applying, Change, Saved, apply_value};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::EntryChange;
use crate::document::apart::{Children, EntryKinds};
use crate::document::map::MapBranch;
use crate::document::stamps::{EntryStamp, Stamp};
use crate::document::stored::{stored_key, stored_value};

/// Changes the entries of a map that stands apart.
pub(super) fn apply_apart(
    applying: &mut Applying<'_>,
    kinds: EntryKinds<'_>,
    map: &mut MapBranch,
    edit: Reader<'_>,
) -> Result<(), DecodeError> {
    change_entries(applying, kinds, map, edit, |edit| read_change(kinds, edit))
}

/// Puts the entries of a value into a map that stands apart.
pub(super) fn put_entries(
    applying: &mut Applying<'_>,
    kinds: EntryKinds<'_>,
    map: &mut MapBranch,
    body: Reader<'_>,
) -> Result<(), DecodeError> {
    change_entries(applying, kinds, map, body, |body| Ok(Change::Put(stored_value(kinds.values, body)?)))
}

/// Changes entries until the step's budget is spent.
fn change_entries<'e>(
    applying: &mut Applying<'_>,
    kinds: EntryKinds<'_>,
    map: &mut MapBranch,
    mut entries: Reader<'e>,
    read: impl Fn(&mut Reader<'e>) -> Result<Change<'e>, DecodeError>,
) -> Result<(), DecodeError> {
    let whole = entries.left();
    let mut done = applying.resume_done();
    entries.take(done)?;
    while !entries.is_done() {
        if applying.pace.is_out() {
            applying.pace.pause(Saved::Done(done));
            break;
        }
        let key = stored_key(kinds.keys, &mut entries)?;
        let change = read(&mut entries)?;
        map.change(applying, kinds, key, change)?;
        if applying.pace.is_paused() {
            applying.pace.pause(Saved::Done(done));
            break;
        }
        done = whole - entries.left();
    }
    Ok(())
}

/// Goes through the entries of a judged edit.
fn each_change<'e>(
    kinds: EntryKinds<'_>,
    mut edit: Reader<'e>,
    mut apply: impl FnMut(&'e [u8], Change<'e>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !edit.is_done() {
        let key = stored_key(kinds.keys, &mut edit)?;
        let change = read_change(kinds, &mut edit)?;
        apply(key, change)?;
    }
    Ok(())
}

fn read_change<'e>(kinds: EntryKinds<'_>, edit: &mut Reader<'e>) -> Result<Change<'e>, DecodeError> {
    Ok(match EntryChange::read(edit)? {
        EntryChange::Remove => Change::Remove,
        EntryChange::Put => Change::Put(stored_value(kinds.values, edit)?),
        EntryChange::Edit(body) => Change::Edit(body),
    })
}

/// Writes the map that results from an edit of the stored map `old`.
pub(super) fn apply_entries(
    applying: &mut Applying<'_>,
    kinds: EntryKinds<'_>,
    old: &[u8],
    edit: Reader<'_>,
    stamp: &mut Stamp,
    children: &mut Children,
    w: &mut Writer,
) -> Result<(), DecodeError> {
    let mut body = Reader::new(old).frame()?;
    let mut stored = StoredEntries { left: body.varint()?, body, kinds };
    let mut merged = Merge { applying, kinds, stamp, children, count: 0, w: Writer::new() };
    let mut current = stored.read()?;
    each_change(kinds, edit, |key, change| {
        while let Some(old) = current.filter(|old| old.key < key) {
            merged.keep(old.key, old.value);
            current = stored.read()?;
        }
        let before = current.filter(|old| old.key == key).map(|old| old.value);
        if before.is_some() {
            current = stored.read()?;
        }
        merged.change(key, before, change)
    })?;
    while let Some(old) = current {
        merged.keep(old.key, old.value);
        current = stored.read()?;
    }
    let (count, entries) = (merged.count, merged.w);
    w.framed(|w| {
        w.varint(count);
        w.raw(entries.as_slice());
    });
    Ok(())
}

/// One entry of an inline map.
#[derive(Clone, Copy)]
struct StoredEntry<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// The entries of an inline map in order.
struct StoredEntries<'a> {
    kinds: EntryKinds<'a>,
    body: Reader<'a>,
    left: u64,
}

impl<'a> StoredEntries<'a> {
    fn read(&mut self) -> Result<Option<StoredEntry<'a>>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let key = stored_key(self.kinds.keys, &mut self.body)?;
        Ok(Some(StoredEntry { key, value: stored_value(self.kinds.values, &mut self.body)? }))
    }
}

/// The map as it is being written.
struct Merge<'m, 's> {
    applying: &'m mut Applying<'s>,
    kinds: EntryKinds<'m>,
    stamp: &'m mut Stamp,
    children: &'m mut Children,
    count: u64,
    w: Writer,
}

impl Merge<'_, '_> {
    fn keep(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.w.raw(key);
        self.w.raw(value);
    }

    fn change(&mut self, key: &[u8], before: Option<&[u8]>, change: Change<'_>) -> Result<(), DecodeError> {
        match change {
            Change::Remove => {
                let Some(before) = before else { return Ok(()) };
                self.applying.pace.spend(1, before.len());
                self.children.drop_of(self.applying.schema, self.kinds.values, before)?;
                let mark = self.applying.mark;
                self.set_stamp(key, mark.is_set().then_some(EntryStamp::Gone(mark)));
            }
            Change::Put(value) => {
                if let Some(before) = before {
                    self.children.drop_of(self.applying.schema, self.kinds.values, before)?;
                }
                self.applying.pace.spend(1, value.len());
                self.keep(key, value);
                let mark = self.applying.mark;
                self.set_stamp(key, mark.is_set().then(|| EntryStamp::Live(Stamp::put(mark))));
            }
            Change::Edit(body) => {
                let (Some(before), Some(kind)) = (before, self.kinds.values) else {
                    return Err(DecodeError::Absent { what: "key" });
                };
                let mut stamp = self.take_stamp(key);
                self.count += 1;
                self.w.raw(key);
                apply_value(self.applying, kind, before, body, &mut stamp, self.children, &mut self.w)?;
                self.set_stamp(key, stamp.newest().is_set().then_some(EntryStamp::Live(stamp)));
            }
        }
        Ok(())
    }

    fn take_stamp(&mut self, key: &[u8]) -> Stamp {
        let entries = self.stamp.entries_mut();
        match entries.binary_search_by(|(known, _)| known.as_ref().cmp(key)) {
            Ok(at) => match entries.remove(at).1 {
                EntryStamp::Live(stamp) => stamp,
                EntryStamp::Gone(_) => Stamp::default(),
            },
            Err(_) => Stamp::default(),
        }
    }

    fn set_stamp(&mut self, key: &[u8], stamp: Option<EntryStamp>) {
        let entries = self.stamp.entries_mut();
        match (entries.binary_search_by(|(known, _)| known.as_ref().cmp(key)), stamp) {
            (Ok(at), Some(stamp)) => {
                if let Some(entry) = entries.get_mut(at) {
                    entry.1 = stamp;
                }
            }
            (Ok(at), None) => drop(entries.remove(at)),
            (Err(at), Some(stamp)) => entries.insert(at, (key.into(), stamp)),
            (Err(_), None) => {}
        }
    }
}

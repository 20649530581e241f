//! Judges an edit of a map or a set, inline or apart.

use std::borrow::Cow;

use super::walk::{CONFLICT, Saved, Stop, Target, Walk};
use crate::coding::{DecodeError, Reader};
use crate::delta::{EntryChange, read_key};
use crate::document::apart::{Children, EntryKinds};
use crate::document::map::{Fate, MapBranch};
use crate::document::stamps::{EntryStamp, Mark, Stamp, entry_stamp};
use crate::document::stored::{stored_key, stored_value};

/// What is stored under a key.
pub(super) struct Found<'f> {
    pub(super) value: Option<&'f [u8]>,
    pub(super) stamp: Cow<'f, Stamp>,
    /// When it was removed.
    pub(super) gone: Mark,
    pub(super) children: &'f Children,
}

/// Where keys are looked up, in ascending order.
pub(super) enum Lookup<'l> {
    /// A merge with the entries of an inline map.
    Inline { body: Reader<'l>, left: u64, current: Option<(&'l [u8], &'l [u8])>, target: Target<'l> },
    /// The pages of a map that stands apart.
    Apart(&'l MapBranch),
}

impl<'l> Lookup<'l> {
    pub(super) fn new(target: Target<'l>) -> Result<Self, DecodeError> {
        if let Some(branch) = target.children.behind(target.value)? {
            return Ok(Self::Apart(branch.as_map()?));
        }
        let mut body = Reader::new(target.value).frame()?;
        let left = body.varint()?;
        Ok(Self::Inline { body, left, current: None, target })
    }

    /// Whether `key` is there.
    pub(super) fn has(&mut self, kinds: EntryKinds<'_>, key: &[u8]) -> Result<bool, DecodeError> {
        self.find(kinds, key).map(|found| found.value.is_some())
    }

    pub(super) fn find(&mut self, kinds: EntryKinds<'_>, key: &[u8]) -> Result<Found<'l>, DecodeError> {
        match self {
            Self::Apart(map) => {
                let Some((entry, children)) = map.find(kinds, key)? else {
                    let stamp = Cow::Borrowed(Stamp::none());
                    return Ok(Found { value: None, stamp, gone: Mark::NEVER, children: Children::none() });
                };
                let gone = if let Fate::Gone(mark) = entry.fate { mark } else { Mark::NEVER };
                let value = entry.is_live().then_some(entry.value);
                Ok(Found { value, stamp: Cow::Owned(entry.fate.stamp()?), gone, children })
            }
            Self::Inline { body, left, current, target } => {
                while current.is_none_or(|(known, _)| known < key) && *left > 0 {
                    *left -= 1;
                    let known = stored_key(kinds.keys, body)?;
                    *current = Some((known, stored_value(kinds.values, body)?));
                }
                let value = current.filter(|(known, _)| *known == key).map(|(_, value)| value);
                let target: Target<'l> = *target;
                let (stamp, gone) = match entry_stamp(target.stamp.entries(), key) {
                    Some(EntryStamp::Live(stamp)) => (stamp, Mark::NEVER),
                    Some(EntryStamp::Gone(mark)) => (Stamp::none(), *mark),
                    None => (Stamp::none(), Mark::NEVER),
                };
                Ok(Found { value, stamp: Cow::Borrowed(stamp), gone, children: target.children })
            }
        }
    }
}

impl<'w> Walk<'w> {
    /// Judges the entries of one edit; answers by how much the delta grows.
    pub(super) fn container(
        &mut self,
        kinds: EntryKinds<'_>,
        target: Target<'_>,
        mut edit: Reader<'w>,
    ) -> Result<i64, Stop> {
        let mut lookup = Lookup::new(target)?;
        let (mut grown, mut last_key) = (0, None);
        let whole = edit.left();
        if let Some(saved) = self.pace.resume() {
            edit.take(saved.done)?;
            (grown, last_key) = (saved.grown, saved.last);
        }
        let delta = self.delta;
        while !edit.is_done() {
            let done = whole - edit.left();
            let last = last_key.clone().and_then(|range| delta.get(range));
            let answer = self.breathe().and_then(|()| self.entry(kinds, &mut lookup, last, target.is_lww, &mut edit));
            let (key, more) =
                self.leave(answer, || Saved { done, grown, last: last_key.clone(), ..Saved::default() })?;
            grown += more;
            last_key = Some(self.place(key));
        }
        Ok(grown)
    }

    /// Judges the entry at the reader; answers its key and by how much the delta grows.
    fn entry<'l>(
        &mut self,
        kinds: EntryKinds<'_>,
        lookup: &mut Lookup<'l>,
        last: Option<&[u8]>,
        is_lww: bool,
        edit: &mut Reader<'w>,
    ) -> Result<(&'w [u8], i64), Stop> {
        let before = edit.left();
        let key = read_key(kinds.keys, edit)?;
        if last.is_some_and(|last| last >= key) {
            return Err(DecodeError::Order { what: "keys" }.into());
        }
        let found = lookup.find(kinds, key)?;
        let is_overlap = self.is_newer(found.gone) || self.is_newer(found.stamp.newest());
        let mut bytes = before - edit.left();
        match EntryChange::read(edit)? {
            EntryChange::Remove if is_overlap && !is_lww => return Err(CONFLICT),
            EntryChange::Remove => {}
            EntryChange::Put => {
                bytes += kinds.values.map_or(Ok(0), |kind| self.put(kind, edit))?;
                if is_overlap && !is_lww {
                    return Err(CONFLICT);
                }
            }
            EntryChange::Edit(body) => {
                if self.is_newer(found.gone) || self.is_newer(found.stamp.own) {
                    return Err(CONFLICT);
                }
                let (Some(value), Some(kind)) = (found.value, kinds.values) else {
                    return Err(DecodeError::Absent { what: "key" }.into());
                };
                let target = Target { value, stamp: &found.stamp, children: found.children, is_lww };
                let grown = self.value(kind, target, body)?;
                let body = self.place(body.rest());
                return Ok((key, self.patches.reframe(body, 2, grown)));
            }
        }
        self.count_cell(bytes);
        Ok((key, 0))
    }
}

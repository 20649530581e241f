//! `[T; N]`: elements edited by index; `[u8; N]` travels as bytes.
//!
//! Invariant: the number of elements never changes, and bytes that say otherwise are refused. Source: `docs/wire.md` §3
//! and §5.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use super::field::edit_entry;
use super::splice::{apply_splices, encode_between};
use super::{AsList, Changes, Edit, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{EntryChange, WireType};
use crate::schema::{Kind, SchemaBuilder};

/// What was touched in an array.
pub struct ArrayChanges<T: Tracked, const N: usize> {
    old: Option<Box<[T; N]>>,
    elements: BTreeMap<usize, T::Changes>,
}

impl<T: Tracked, const N: usize> ArrayChanges<T, N> {
    /// Whether anything was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.old.is_some() || self.elements.values().any(T::Changes::is_touched)
    }

    /// The whole former array, if it was replaced; otherwise see [`elements`](Self::elements).
    #[must_use]
    pub fn previous(&self) -> Option<&[T; N]> {
        self.old.as_deref()
    }

    /// What was touched by index.
    pub fn elements(&self) -> impl Iterator<Item = (usize, &T::Changes)> {
        self.elements.iter().map(|(&at, changes)| (at, changes))
    }

    /// Keeps the whole former array, which `value` is after its own undo.
    fn set_aside(&mut self, mut value: [T; N]) {
        let elements = std::mem::take(&mut self.elements);
        if self.old.is_none() {
            undo_elements(&mut value, elements);
            self.old = Some(Box::new(value));
        }
    }
}

impl<T: Tracked, const N: usize> Default for ArrayChanges<T, N> {
    fn default() -> Self {
        Self { old: None, elements: BTreeMap::new() }
    }
}

impl<T: Tracked, const N: usize> fmt::Debug for ArrayChanges<T, N> {
    /// Says only what was touched: values are printed nowhere but in the document's JSON view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.old {
            Some(_) => f.write_str("Replaced"),
            None => self.elements.fmt(f),
        }
    }
}

impl<T: Tracked, const N: usize> Changes for ArrayChanges<T, N> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        let old = self.old.as_ref().map_or(0, |old| size_of::<[T; N]>() + old.heap_bytes());
        let entry = size_of::<(usize, T::Changes)>();
        old + self.elements.values().map(|changes| entry + changes.heap_bytes()).sum::<usize>()
    }

    fn required(&self) -> usize {
        self.elements.values().map(T::Changes::required).sum()
    }
}

/// Writes an array; reads are those of the array.
pub struct ArrayMut<'a, T: Tracked, const N: usize> {
    value: &'a mut [T; N],
    changes: &'a mut ArrayChanges<T, N>,
}

impl<'a, T: Tracked, const N: usize> ArrayMut<'a, T, N> {
    /// A shorter cursor.
    pub fn reborrow(&mut self) -> ArrayMut<'_, T, N> {
        ArrayMut { value: self.value, changes: self.changes }
    }

    /// Writes an element.
    pub fn get_mut(&mut self, at: usize) -> Option<T::Mut<'_>> {
        self.reborrow().into_get(at)
    }

    /// Writes an element, for as long as this cursor may.
    #[must_use]
    pub fn into_get(self, at: usize) -> Option<T::Mut<'a>> {
        let element = self.value.get_mut(at)?;
        Some(element.track(self.changes.elements.entry(at).or_default()))
    }

    /// Writes all elements in turn. Costs a change set an element.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = T::Mut<'_>> {
        let elements = &mut self.changes.elements;
        for at in 0..N {
            elements.entry(at).or_default();
        }
        self.value.iter_mut().zip(elements.values_mut()).map(|(element, changes)| element.track(changes))
    }

    /// Replaces the array; the former one moves into the change set.
    pub fn set(&mut self, value: [T; N]) {
        self.value.put_whole(value, Some(self.changes));
    }

    /// Runs code that knows no cursors. Costs a clone at the first call; the delta is the difference.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut [T; N]) -> R) -> R {
        if self.changes.old.is_none() {
            self.changes.set_aside(self.value.clone());
        }
        f(self.value)
    }
}

impl<T: Tracked, const N: usize> Deref for ArrayMut<'_, T, N> {
    type Target = [T; N];
    fn deref(&self) -> &[T; N] {
        self.value
    }
}

impl<T: Tracked, const N: usize> fmt::Debug for ArrayMut<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArrayMut").field(&self.changes).finish()
    }
}

impl<T: Tracked, const N: usize> Tracked for [T; N] {
    type Changes = ArrayChanges<T, N>;
    type Mut<'a> = ArrayMut<'a, T, N>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = false;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        if T::IS_BYTE { Kind::Bytes } else { Kind::Array(Box::new(T::kind(b)), u32::try_from(N).unwrap_or(u32::MAX)) }
    }

    #[inline]
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> ArrayMut<'a, T, N> {
        ArrayMut { value: self, changes }
    }

    fn encode(&self, w: &mut Writer) {
        w.framed(|w| {
            if !T::IS_BYTE {
                w.length(N);
            }
            self.iter().for_each(|element| element.encode(w));
        });
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut body = r.frame()?;
        let found = if T::IS_BYTE { body.left() } else { body.count(1)? };
        check_length::<N>(found)?;
        let elements = (0..N).map(|_| T::decode(&mut body)).collect::<Result<Vec<_>, _>>()?;
        body.finish()?;
        Self::try_from(elements).map_err(|elements| DecodeError::Truncated { needed: N, left: elements.len() })
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        if let Some(old) = &changes.old {
            return self.encode_diff(old, w);
        }
        if T::IS_BYTE {
            let differs = |(&at, changes): (&usize, &T::Changes)| {
                self.get(at).is_some_and(|byte| byte.encode_edit(changes, w) != Edit::Same)
            };
            return if changes.elements.iter().any(differs) { Edit::Put } else { Edit::Same };
        }
        let start = w.len();
        let edit = encode_elements(
            self.iter().enumerate().filter_map(|(at, element)| Some((at, element, changes.elements.get(&at)?))),
            |element, changes, w| element.encode_edit(changes, w),
            w,
        );
        put_if_not_longer(self, edit, start, w)
    }

    /// What is required of an element is required of the array.
    fn encode_guards(&self, changes: &Self::Changes, _: &mut Writer) -> Edit {
        if changes.required() > 0 { Edit::Put } else { Edit::Same }
    }

    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
        if T::IS_BYTE {
            return encode_between(&bytes_of(self), &bytes_of(old), w);
        }
        let start = w.len();
        let edit = encode_elements(
            self.iter().zip(old).enumerate().map(|(at, (element, old))| (at, element, old)),
            |element, old, w| element.encode_diff(old, w),
            w,
        );
        put_if_not_longer(self, edit, start, w)
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        if T::IS_BYTE {
            let mut bytes = bytes_of(self);
            apply_splices(&mut bytes, edit, None)?;
            check_length::<N>(bytes.len())?;
            let mut r = Reader::new(&bytes);
            let elements = (0..N).map(|_| T::decode(&mut r)).collect::<Result<Vec<_>, _>>()?;
            let value = Self::try_from(elements).map_err(|_| DecodeError::Absent { what: "a byte" })?;
            self.put_whole(value, changes);
            return Ok(());
        }
        apply_elements(self, edit, changes.map(|changes| &mut changes.elements))
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        let former = std::mem::replace(self, value);
        if let Some(changes) = changes {
            changes.set_aside(former);
        }
    }

    fn undo(&mut self, changes: Self::Changes) {
        match changes.old {
            Some(old) => *self = *old,
            None => undo_elements(self, changes.elements),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.iter().map(T::heap_bytes).sum()
    }
}

fn undo_elements<T: Tracked>(value: &mut [T], elements: BTreeMap<usize, T::Changes>) {
    for (at, changes) in elements {
        if let Some(element) = value.get_mut(at) {
            element.undo(changes);
        }
    }
}

/// Writes `0`, then the entries that differ.
fn encode_elements<'e, T: Tracked, C>(
    elements: impl Iterator<Item = (usize, &'e T, C)>,
    body: impl Fn(&T, C, &mut Writer) -> Edit,
    w: &mut Writer,
) -> Edit {
    w.length(0);
    let mut is_edited = false;
    for (at, element, from) in elements {
        is_edited |= edit_entry(w, |w| w.length(at), element, |w| body(element, from, w));
    }
    if is_edited { Edit::Edited } else { Edit::Same }
}

/// Chooses between the edit that stands behind `start` and the whole array.
fn put_if_not_longer<T: Tracked, const N: usize>(value: &[T; N], edit: Edit, start: usize, w: &mut Writer) -> Edit {
    let edit_len = w.len() - start;
    if edit != Edit::Edited || edit_len <= N {
        return edit;
    }
    let at = w.len();
    value.encode(w);
    let full_len = w.len() - at;
    w.truncate(at);
    if edit_len < full_len { Edit::Edited } else { Edit::Put }
}

fn apply_elements<T: Tracked>(
    value: &mut [T],
    mut edit: Reader<'_>,
    mut changes: Option<&mut BTreeMap<usize, T::Changes>>,
) -> Result<(), DecodeError> {
    if edit.varint()? != 0 {
        return Err(DecodeError::Absent { what: "an array's length" });
    }
    let mut next = 0;
    while !edit.is_done() {
        let at = usize::try_from(edit.varint()?).unwrap_or(usize::MAX);
        if at < next {
            return Err(DecodeError::Order { what: "indices" });
        }
        next = at.saturating_add(1);
        let element = value.get_mut(at).ok_or(DecodeError::Absent { what: "an element" })?;
        let changes = changes.as_deref_mut().map(|changes| changes.entry(at).or_default());
        match EntryChange::read(&mut edit)? {
            EntryChange::Remove => return Err(DecodeError::Absent { what: "an array's length" }),
            EntryChange::Put => element.put_whole(T::decode(&mut edit)?, changes),
            EntryChange::Edit(body) => element.apply(body, changes)?,
        }
    }
    Ok(())
}

fn bytes_of<T: Tracked>(value: &[T]) -> Vec<u8> {
    let mut w = Writer::new();
    value.iter().for_each(|byte| byte.encode(&mut w));
    w.into_bytes()
}

fn check_length<const N: usize>(found: usize) -> Result<(), DecodeError> {
    if found == N { Ok(()) } else { Err(DecodeError::Unknown { what: "length of this array", found: found as u64 }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` on a copy of `before`; checks replay and undo; answers the outcome and the bytes of the edit.
    fn check<T: Tracked + PartialEq + fmt::Debug, const N: usize>(
        before: &[T; N],
        f: impl FnOnce(ArrayMut<'_, T, N>),
    ) -> (Edit, usize) {
        let (mut value, mut changes) = (before.clone(), ArrayChanges::default());
        f(value.track(&mut changes));
        let mut w = Writer::new();
        let edit = value.encode_edit(&changes, &mut w);
        let (mut replica, mut remote) = (before.clone(), ArrayChanges::default());
        match edit {
            Edit::Edited => replica.apply(Reader::new(w.as_slice()), Some(&mut remote)).unwrap(),
            Edit::Put => {
                let mut full = Writer::new();
                value.encode(&mut full);
                let decoded = <[T; N]>::decode(&mut Reader::new(full.as_slice())).unwrap();
                replica.put_whole(decoded, Some(&mut remote));
            }
            _ => {}
        }
        assert_eq!(replica, value);
        replica.undo(remote);
        value.undo(changes);
        assert_eq!((&replica, &value), (before, before));
        (edit, w.len())
    }

    #[test]
    fn elements_are_edited_by_index() {
        let before = [1.0_f64, 2.0, 3.0];
        assert_eq!(check(&before, |mut a| *a.get_mut(1).unwrap() = 5.0), (Edit::Edited, 1 + 1 + 1 + 8));
        assert_eq!(check(&before, |mut a| a.set([1.0, 2.0, 4.0])), (Edit::Edited, 11));
        assert_eq!(check(&before, |mut a| a.edit(|a| a.reverse())), (Edit::Edited, 21));
        assert_eq!(check(&before, |mut a| a.set([5.0, 6.0, 7.0])).0, Edit::Put);
        assert_eq!(check(&before, |mut a| a.iter_mut().for_each(|mut x| *x += 0.0)).0, Edit::Same);
    }

    #[test]
    fn bytes_travel_as_bytes() {
        let before = [7_u8; 32];
        assert_eq!(check(&before, |mut a| *a.get_mut(1).unwrap() = 5).0, Edit::Put);
        assert_eq!(check(&before, |mut a| a.edit(|a| a[1] = 5)), (Edit::Edited, 4));
        assert_eq!(check(&before, |mut a| *a.get_mut(1).unwrap() = 7).0, Edit::Same);
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let decode = |bytes: &[u8]| <[u8; 2]>::decode(&mut Reader::new(bytes));
        assert_eq!(decode(&[2, 1, 2]), Ok([1, 2]));
        assert!(decode(&[1, 1]).is_err());
        assert!([1_u8, 2].apply(Reader::new(&[0, 1, 0]), None).is_err());
        assert!([1_u16, 2].apply(Reader::new(&[1]), None).is_err());
        assert!([1_u16, 2].apply(Reader::new(&[0, 2, 1, 9]), None).is_err());
        assert!(<[u16; 2]>::decode(&mut Reader::new(&[4, 3, 1, 1, 1])).is_err());
    }
}

//! Applies the edit of a list.
//!
//! Invariants: runs and new elements are read and checked before the list moves; what is recorded undoes what was done
//! so far, also when a later entry turns out to be wrong. Source: `docs/wire.md` §5.

use super::changes::{ListChanges, rearrange};
use super::encode::decode_runs;
use super::store::ListStore;
use crate::coding::{DecodeError, Reader};
use crate::delta::EntryChange;
use crate::tracked::Tracked;

/// Applies the body of an edit to `list`.
pub(super) fn apply<L: ListStore>(
    list: &mut L,
    mut edit: Reader<'_>,
    mut changes: Option<&mut ListChanges<L>>,
) -> Result<(), DecodeError> {
    if let Some(runs) = edit.varint()?.checked_sub(1) {
        let (order, values) = decode_runs(&mut edit, runs, list.count())?;
        match changes.as_deref_mut() {
            Some(changes) => changes.arrange(list, &order, values),
            None => drop(rearrange(list, &order, values)),
        }
    }
    let mut next = 0;
    while !edit.is_done() {
        let at = usize::try_from(edit.varint()?).map_err(|_| DecodeError::Varint)?;
        if at < next {
            return Err(DecodeError::Order { what: "list indices" });
        }
        next = at.saturating_add(1);
        let value = list.element_mut(at).ok_or(DecodeError::Absent { what: "a list element" })?;
        apply_entry(value, &mut edit, changes.as_deref_mut().map(|changes| changes.element(at)))?;
    }
    Ok(())
}

fn apply_entry<T: Tracked>(
    value: &mut T,
    r: &mut Reader<'_>,
    changes: Option<&mut T::Changes>,
) -> Result<(), DecodeError> {
    match EntryChange::read(r)? {
        EntryChange::Remove => Err(DecodeError::Unknown { what: "change of a list element", found: 0 }),
        EntryChange::Put => {
            value.put_whole(T::decode(r)?, changes);
            Ok(())
        }
        EntryChange::Edit(body) => value.apply(body, changes),
    }
}

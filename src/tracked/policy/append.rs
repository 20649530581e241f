//! `append`: lists and texts that many nodes write to the end of.
//!
//! Invariant: while only the cursor wrote, what stands behind the former end is what this transaction appended. Source:
//! own reasoning.

use std::fmt;
use std::ops::Deref;

use crate::coding::{DecodeError, Reader, Writer};
use crate::schema::Policy;
use crate::tracked::{Changes, Edit, Plain, Tracked, Tracking};

/// A list or text that can grow at its end.
pub trait Appendable: Tracked {
    /// What is appended: an element, or text.
    type Part;

    /// Elements, or bytes of text.
    fn end(&self) -> usize;

    /// Puts `part` at the end.
    fn append(&mut self, part: Self::Part, changes: Option<&mut Self::Changes>);

    /// Reads one part off an operand.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode_part(operand: &mut Reader<'_>) -> Result<Self::Part, DecodeError>;

    /// Writes what stands behind `from`, as an operand.
    fn encode_tail(&self, from: usize, w: &mut Writer);
}

/// Tracks a list or text by what is appended: `#[nam(append)]`.
#[derive(Clone, Copy, Debug)]
pub struct Append;

/// What was appended.
pub struct AppendChanges<V: Appendable> {
    inner: V::Changes,
    /// The end before the first part.
    end: usize,
    /// Something else than the cursor wrote: the changes are encoded as they are without the policy, as a put.
    is_mixed: bool,
}

impl<V: Appendable> AppendChanges<V> {
    /// Whether anything was appended or put.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.inner.is_touched()
    }

    /// What the list or text says of its change.
    #[must_use]
    pub fn inner(&self) -> &V::Changes {
        &self.inner
    }

    fn append(changes: Option<&mut Self>, value: &mut V, part: V::Part) {
        let Some(changes) = changes else {
            value.append(part, None);
            return;
        };
        if !changes.inner.is_touched() {
            changes.end = value.end();
        }
        value.append(part, Some(&mut changes.inner));
    }

    fn mixed(changes: Option<&mut Self>) -> Option<&mut V::Changes> {
        changes.map(|changes| {
            changes.is_mixed = true;
            &mut changes.inner
        })
    }
}

impl<V: Appendable> Default for AppendChanges<V> {
    fn default() -> Self {
        Self { inner: V::Changes::default(), end: 0, is_mixed: false }
    }
}

impl<V: Appendable> fmt::Debug for AppendChanges<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<V: Appendable> Changes for AppendChanges<V> {
    fn is_touched(&self) -> bool {
        self.is_changed()
    }

    fn heap_bytes(&self) -> usize {
        self.inner.heap_bytes()
    }
}

/// Appends to a list or text; reads are those of this node's copy.
pub struct AppendMut<'a, V: Appendable> {
    value: &'a mut V,
    changes: &'a mut AppendChanges<V>,
}

impl<V: Appendable> AppendMut<'_, V> {
    /// Puts an element at the end.
    pub fn push(&mut self, part: V::Part) {
        AppendChanges::append(Some(self.changes), self.value, part);
    }

    /// Puts elements at the end, in order.
    pub fn extend(&mut self, parts: impl IntoIterator<Item = V::Part>) {
        parts.into_iter().for_each(|part| self.push(part));
    }
}

impl AppendMut<'_, String> {
    /// Puts text at the end.
    pub fn push_str(&mut self, text: &str) {
        self.push(text.to_owned());
    }
}

impl<V: Appendable> Deref for AppendMut<'_, V> {
    type Target = V;
    fn deref(&self) -> &V {
        self.value
    }
}

impl<V: Appendable> fmt::Debug for AppendMut<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AppendMut").field(&self.changes.inner).finish()
    }
}

impl<V: Appendable> Tracking<V> for Append {
    type Form = Plain;
    type Changes = AppendChanges<V>;
    type Mut<'a> = AppendMut<'a, V>;
    const POLICY: Policy = Policy::Append;
    const EDITS_NOTHING: bool = true;

    fn track<'a>(value: &'a mut V, changes: &'a mut AppendChanges<V>) -> AppendMut<'a, V> {
        AppendMut { value, changes }
    }

    fn encode_edit(value: &V, changes: &AppendChanges<V>, w: &mut Writer) -> Edit {
        if changes.is_mixed {
            return put_unless_same(value.encode_edit(&changes.inner, w));
        }
        if !changes.is_changed() || changes.end == value.end() {
            return Edit::Same;
        }
        value.encode_tail(changes.end, w);
        Edit::Operation
    }

    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit {
        put_unless_same(value.encode_diff(old, w))
    }

    fn apply(value: &mut V, edit: Reader<'_>, changes: Option<&mut AppendChanges<V>>) -> Result<(), DecodeError> {
        value.apply(edit, AppendChanges::mixed(changes))
    }

    fn apply_operation(
        value: &mut V,
        mut operand: Reader<'_>,
        mut changes: Option<&mut AppendChanges<V>>,
    ) -> Result<(), DecodeError> {
        while !operand.is_done() {
            let part = V::decode_part(&mut operand)?;
            AppendChanges::append(changes.as_deref_mut(), value, part);
        }
        Ok(())
    }

    fn replace(value: &mut V, new: V, changes: Option<&mut AppendChanges<V>>) {
        value.put_whole(new, AppendChanges::mixed(changes));
    }

    fn undo(value: &mut V, changes: AppendChanges<V>) {
        value.undo(changes.inner);
    }
}

/// A field with operations is never sent as an edit.
fn put_unless_same(edit: Edit) -> Edit {
    if edit == Edit::Same { Edit::Same } else { Edit::Put }
}

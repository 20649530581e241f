//! Tuples up to eight parts, and `()`.
//!
//! A tuple is a struct whose fields have the ids 1 and up. Invariant: as in `derived`. Source: `docs/wire.md` §3.

use std::fmt;
use std::ops::Deref;

use super::derived::{self, Derived, Old};
use super::field::{
    Absence, FieldSpec, apply_field, decode_field, diff_field, edit_field, field_def, guard_field, put_field, require,
};
use super::{AsList, Changes, Edit, Leaf, LeafChanges, Plain, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{Field, FieldsReader, FieldsWriter, WireType};
use crate::ids::VariantId;
use crate::schema::{Kind, SchemaBuilder, StructDef, TypeDef};

/// What was touched in the tuple `T`; `C` is the tuple of its parts' change sets.
pub struct TupleChanges<T, C> {
    /// What was touched, part by part.
    pub parts: C,
    old: Old<T>,
}

impl<T, C> TupleChanges<T, C> {
    /// The whole former tuple, if it was replaced; otherwise see `parts`.
    #[must_use]
    pub fn previous(&self) -> Option<&T> {
        self.old.get()
    }
}

impl<T, C: Default> Default for TupleChanges<T, C> {
    fn default() -> Self {
        Self { parts: C::default(), old: Old::default() }
    }
}

impl<T, C: fmt::Debug> fmt::Debug for TupleChanges<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.old.is_some() { f.write_str("Replaced") } else { self.parts.fmt(f) }
    }
}

/// Writes a tuple; reads are those of the tuple.
pub struct TupleMut<'a, T: Tracked> {
    value: &'a mut T,
    changes: &'a mut T::Changes,
}

impl<T: Derived> TupleMut<'_, T> {
    /// A shorter cursor.
    pub fn reborrow(&mut self) -> TupleMut<'_, T> {
        TupleMut { value: self.value, changes: self.changes }
    }

    /// Replaces the tuple; the former one moves into the change set.
    pub fn set(&mut self, value: T) {
        derived::replace(self.value, value, Some(self.changes));
    }

    /// Runs code that knows no cursors. Costs a clone at the first call; the delta is the difference.
    pub fn edit<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        derived::edit(self.value, self.changes, f)
    }
}

impl<T: Tracked> Deref for TupleMut<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: Tracked> fmt::Debug for TupleMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TupleMut").field(&self.changes).finish()
    }
}

macro_rules! tuples {
    ($(($($part:ident $at:tt $id:literal $name:ident),+))*) => {$(
        impl<$($part: Tracked),+> Changes for TupleChanges<($($part,)+), ($($part::Changes,)+)> {
            fn is_touched(&self) -> bool {
                self.old.is_some() $(|| self.parts.$at.is_touched())+
            }

            fn heap_bytes(&self) -> usize {
                self.old.heap_bytes() $(+ self.parts.$at.heap_bytes())+
            }

            fn required(&self) -> usize {
                0 $(+ self.parts.$at.required())+
            }
        }

        impl<'a, $($part: Tracked),+> TupleMut<'a, ($($part,)+)> {
            /// The cursors of all parts.
            pub fn fields(&mut self) -> ($($part::Mut<'_>,)+) {
                self.reborrow().into_fields()
            }

            /// The cursors of all parts, for as long as this cursor may.
            #[must_use]
            pub fn into_fields(self) -> ($($part::Mut<'a>,)+) {
                ($(self.value.$at.track(&mut self.changes.parts.$at),)+)
            }
        }

        impl<$($part: Tracked),+> Derived for ($($part,)+) {
            fn describe(b: &mut SchemaBuilder) -> TypeDef {
                let fields = vec![$({
                    let spec = FieldSpec { id: $id, name: stringify!($at), ..FieldSpec::default() };
                    field_def::<Plain, $part>(b, &spec)
                }),+];
                TypeDef::Struct(StructDef { name: "tuple".to_owned(), fields, reserved: Vec::new() })
            }

            fn old(changes: &Self::Changes) -> &Old<Self> {
                &changes.old
            }

            fn old_mut(changes: &mut Self::Changes) -> &mut Old<Self> {
                &mut changes.old
            }

            fn encode_fields(&self, w: &mut FieldsWriter<'_>) {
                $(put_field::<Plain, _>(w, $id, &self.$at);)+
            }

            fn decode_fields(_: Option<VariantId>, mut fields: FieldsReader<'_>) -> Result<Self, DecodeError> {
                $(let mut $name = None;)+
                while let Some(field) = fields.next()? {
                    match field.id.0 {
                        $($id => $name = Some(decode_field::<Plain, $part>(stringify!($at), &field)?),)+
                        _ => {}
                    }
                }
                Ok(($(require(stringify!($at), $name)?,)+))
            }

            fn encode_field_edits(&self, changes: &Self::Changes, w: &mut FieldsWriter<'_>) {
                $(edit_field::<Plain, _>(w, $id, Absence::Refused, &self.$at, &changes.parts.$at);)+
            }

            fn encode_field_guards(&self, changes: &Self::Changes, w: &mut FieldsWriter<'_>) {
                $(guard_field::<Plain, _>(w, $id, false, &self.$at, &changes.parts.$at);)+
            }

            fn encode_field_diffs(&self, old: &Self, w: &mut FieldsWriter<'_>) {
                $(diff_field::<Plain, _>(w, $id, Absence::Refused, &self.$at, &old.$at);)+
            }

            fn apply_one(&mut self, field: &Field<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
                match field.id.0 {
                    $($id => apply_field::<Plain, _>(stringify!($at), &mut self.$at, field, changes.map(|c| &mut c.parts.$at)),)+
                    _ => Ok(()),
                }
            }

            fn undo_fields(&mut self, changes: Self::Changes) {
                $(self.$at.undo(changes.parts.$at);)+
            }

            fn heap_bytes_of_fields(&self) -> usize {
                0 $(+ self.$at.heap_bytes())+
            }
        }

        impl<$($part: Tracked),+> Tracked for ($($part,)+) {
            type Changes = TupleChanges<Self, ($($part::Changes,)+)>;
            type Mut<'a> = TupleMut<'a, Self>;
            type InVec = AsList;
            const WIRE: WireType = WireType::Sized;
            const EDITS_NOTHING: bool = true $(&& $part::WIRE.is_scalar())+;

            fn kind(b: &mut SchemaBuilder) -> Kind {
                derived::kind::<Self>(b)
            }

            #[inline]
            fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> TupleMut<'a, Self> {
                TupleMut { value: self, changes }
            }

            fn encode(&self, w: &mut Writer) {
                derived::encode(self, w);
            }

            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                derived::decode_struct(r)
            }

            fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
                derived::encode_edit(self, changes, w)
            }

            fn encode_guards(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
                derived::encode_guards(self, changes, w)
            }

            fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
                derived::encode_diff(self, old, w)
            }

            fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
                derived::apply(self, edit, changes)
            }

            fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
                derived::replace(self, value, changes);
            }

            fn undo(&mut self, changes: Self::Changes) {
                derived::undo(self, changes);
            }

            fn heap_bytes(&self) -> usize {
                self.heap_bytes_of_fields()
            }
        }
    )*};
}

tuples! {
    (A 0 1 a)
    (A 0 1 a, B 1 2 b)
    (A 0 1 a, B 1 2 b, C 2 3 c)
    (A 0 1 a, B 1 2 b, C 2 3 c, D 3 4 d)
    (A 0 1 a, B 1 2 b, C 2 3 c, D 3 4 d, E 4 5 e)
    (A 0 1 a, B 1 2 b, C 2 3 c, D 3 4 d, E 4 5 e, F 5 6 f)
    (A 0 1 a, B 1 2 b, C 2 3 c, D 3 4 d, E 4 5 e, F 5 6 f, G 6 7 g)
    (A 0 1 a, B 1 2 b, C 2 3 c, D 3 4 d, E 4 5 e, F 5 6 f, G 6 7 g, H 7 8 h)
}

/// A struct without fields.
impl Tracked for () {
    type Changes = LeafChanges<()>;
    type Mut<'a> = Leaf<'a, ()>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        b.define::<()>(|_| TypeDef::Struct(StructDef { name: "()".to_owned(), ..StructDef::default() }))
    }

    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, ()> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        w.length(0);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut fields = FieldsReader::new(r.frame()?);
        while fields.next()?.is_some() {}
        Ok(())
    }

    fn encode_edit(&self, _: &Self::Changes, _: &mut Writer) -> Edit {
        Edit::Same
    }

    fn encode_diff(&self, _: &Self, _: &mut Writer) -> Edit {
        Edit::Same
    }

    fn apply(&mut self, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn put_whole(&mut self, (): Self, _: Option<&mut Self::Changes>) {}

    fn undo(&mut self, _: Self::Changes) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_is_a_struct() {
        let before = (1_u8, "two".to_owned(), 3.0_f64);
        let (mut value, mut changes) = (before.clone(), TupleChanges::default());
        *value.track(&mut changes).fields().2 = 4.0;
        let mut w = Writer::new();
        assert_eq!((value.encode_edit(&changes, &mut w), w.len()), (Edit::Edited, 9));

        let mut replica = before.clone();
        replica.apply(Reader::new(w.as_slice()), None).unwrap();
        assert_eq!(replica, value);

        value.track(&mut changes).edit(|t| *t = (1, "two".to_owned(), 4.0));
        assert_eq!(value.encode_edit(&changes, &mut Writer::new()), Edit::Edited);
        value.undo(changes);
        assert_eq!(value, before);
    }
}

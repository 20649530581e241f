//! What generated code calls: nothing here is for people, nothing here is stable.
//!
//! Invariant: `#[derive(Tracked)]` writes lists of fields and calls these functions; it decides nothing. Source: own
//! reasoning; `tests/tracked/expanded.rs` is the model of what it writes.

pub use crate::coding::{DecodeError, Reader, Writer};
pub use crate::delta::{Field, FieldsReader, FieldsWriter, WireType};
pub use crate::ids::{FieldId, VariantId};
pub use crate::schema::{EnumDef, KeyKind, Kind, SchemaBuilder, StructDef, TypeDef, VariantDef};
pub use crate::tracked::derived::{
    apply, debug_changes, decode_enum, decode_struct, edit, encode, encode_diff, encode_edit, encode_guards, kind,
    replace, undo, unknown_variant,
};
pub use crate::tracked::field::{Absence, FieldSpec, require};
pub use crate::tracked::key::Seal;
pub use crate::tracked::policy::{Add, Append, Lww, Max, Min, Union};
pub use crate::tracked::variants::{PlainEnum, Variants, edit_copy};
pub use crate::tracked::{
    AsList, BoxedChanges, Changes, Class, Derived, Edit, Index, Key, Leaf, LeafChanges, Old, Opaque, Plain, Tracked,
    Tracking,
};

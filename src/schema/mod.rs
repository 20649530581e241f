//! What a class is made of, without any Rust type of a user: field ids, kinds, policies.
//!
//! The tracked struct describes itself once; from then on the repository, the wire and the tools need only this. A
//! schema is a table of structs and enums that refer to each other by index, so recursive types are finite here.
//! Invariants: fields and variants ascend by id, every index is inside the table, a policy fits its kind. Source: own
//! reasoning; the rules of change are those of protobuf and Avro, made errors at registration.

mod builder;
mod check;
mod codec;
mod compat;
mod kind;
mod lock;
mod text;

pub use builder::SchemaBuilder;
pub use check::SchemaError;
pub use compat::{Incompatible, Problem, merge};
pub use kind::{KeyKind, Kind, Policy};
pub use lock::{LockError, NewVariant, check_lock, new_variants, parse_lock, print_lock, update_lock};

use crate::ids::{FieldId, VariantId};

/// Describes one class: its name and every type it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The class's name, from `#[nam(name = "..")]` or the type's own.
    pub class: String,
    /// Every struct and enum the class reaches, in the order of first mention.
    pub types: Vec<TypeDef>,
    /// The root: an index of a struct in `types`.
    pub root: TypeIndex,
}

/// A place in [`Schema::types`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeIndex(pub u32);

/// Describes a struct or an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeDef {
    /// Named fields, a tuple's or a unit's.
    Struct(StructDef),
    /// Variants with fields.
    Enum(EnumDef),
}

/// Describes a struct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructDef {
    /// Its name, for people.
    pub name: String,
    /// Its fields, ids ascending.
    pub fields: Vec<FieldDef>,
    /// Ids that must never be used again, ascending.
    pub reserved: Vec<FieldId>,
}

/// Describes an enum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnumDef {
    /// Its name, for people.
    pub name: String,
    /// Its variants, ids ascending.
    pub variants: Vec<VariantDef>,
    /// Ids that must never be used again, ascending.
    pub reserved: Vec<VariantId>,
}

/// Describes a variant of an enum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariantDef {
    /// Its id.
    pub id: VariantId,
    /// Its name.
    pub name: String,
    /// Names it had before.
    pub aliases: Vec<String>,
    /// Its fields, ids ascending.
    pub fields: Vec<FieldDef>,
}

/// Describes a field of a struct or a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDef {
    /// Its id.
    pub id: FieldId,
    /// Its name.
    pub name: String,
    /// Names it had before.
    pub aliases: Vec<String>,
    /// What it holds.
    pub kind: Kind,
    /// What two overlapping commits do to it.
    pub policy: Policy,
    /// Whether objects can be found by its value.
    pub index: bool,
    /// Whether its value is never printed.
    pub redact: bool,
    /// Whether a value may be absent (readers have a default).
    pub optional: bool,
}

impl Schema {
    /// The struct or enum at `index`.
    #[must_use]
    pub fn type_at(&self, index: TypeIndex) -> Option<&TypeDef> {
        self.types.get(usize::try_from(index.0).ok()?)
    }

    /// The fields of the root struct.
    #[must_use]
    pub fn root_fields(&self) -> &[FieldDef] {
        self.fields_of(self.root)
    }

    /// The fields of the root struct that objects can be found by, ids ascending. A mark in a nested struct counts where
    /// that struct is itself a root.
    pub fn indexed_fields(&self) -> impl Iterator<Item = &FieldDef> {
        self.root_fields().iter().filter(|field| field.index)
    }

    /// The fields of the struct at `index`; none if that is an enum.
    #[must_use]
    pub fn fields_of(&self, index: TypeIndex) -> &[FieldDef] {
        match self.type_at(index) {
            Some(TypeDef::Struct(def)) => &def.fields,
            _ => &[],
        }
    }

    /// The variant `id` of the enum at `index`.
    #[must_use]
    pub fn variant_of(&self, index: TypeIndex, id: VariantId) -> Option<&VariantDef> {
        match self.type_at(index) {
            Some(TypeDef::Enum(def)) => {
                def.variants.binary_search_by_key(&id, |v| v.id).ok().and_then(|at| def.variants.get(at))
            }
            _ => None,
        }
    }
}

/// Finds a field by id among fields that ascend; constant time where ids count from 1 without gaps.
#[must_use]
#[inline]
pub fn field_by_id(fields: &[FieldDef], id: FieldId) -> Option<&FieldDef> {
    let guess = usize::try_from(id.0).ok()?.wrapping_sub(1);
    match fields.get(guess) {
        Some(field) if field.id == id => Some(field),
        _ => fields.binary_search_by_key(&id, |f| f.id).ok().and_then(|at| fields.get(at)),
    }
}

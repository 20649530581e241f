//! The rules a schema obeys, in one readable list.
//!
//! A schema arrives from a peer, from a file or from a derived struct; before anybody indexes with it, it passes here.
//! Invariants: everything that `schema` promises holds for a schema that passed, so later stations look up without
//! doubt. Source: own reasoning; limits in `limits.rs`.

use std::collections::BTreeSet;

use super::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, VariantDef};
use crate::coding::DecodeError;
use crate::ids::FieldId;
use crate::limits::{DEPTH_MAX, INDEXES_MAX, NAME_BYTES_MAX, SCHEMA_MEMBERS_MAX, SCHEMA_TYPES_MAX};

/// Says why a schema is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Its bytes are not what they claim to be.
    #[error("schema bytes do not decode: {0}")]
    Decode(#[from] DecodeError),
    /// It has more of something than is allowed.
    #[error("{what} of {found} exceeds {max}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The cap.
        max: usize,
    },
    /// A kind refers to a type that the table lacks, or the root is not a struct of it.
    #[error("{what} refers to type {index}, which the schema of `{class}` does not have")]
    NoSuchType {
        /// What refers.
        what: &'static str,
        /// The place it refers to.
        index: u32,
        /// The class.
        class: String,
    },
    /// A name is empty or holds a control character.
    #[error("{name:?} is no name")]
    Name {
        /// The name.
        name: String,
    },
    /// Two members of a type have one name, or their ids do not ascend.
    #[error("members of `{owner}` are not in order of distinct ids, or two are named `{name}`")]
    Members {
        /// The struct, enum or variant.
        owner: String,
        /// The member at which it shows.
        name: String,
    },
    /// A policy, or `index`, on a kind that it does not fit.
    #[error("field `{field}` of `{owner}` cannot be `{attribute}`: {needed}")]
    Misfit {
        /// The struct or variant.
        owner: String,
        /// The field.
        field: String,
        /// The attribute that does not fit.
        attribute: &'static str,
        /// What it would need.
        needed: &'static str,
    },
    /// A kind that no Rust type has: a width that is not a number's, a key without parts.
    #[error("a kind of `{owner}` does not exist: {found}")]
    NoSuchKind {
        /// The struct or variant.
        owner: String,
        /// What was found.
        found: String,
    },
}

impl Schema {
    /// Checks every rule of a schema; linear in its size.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), SchemaError> {
        check_name(&self.class)?;
        check_count("types", self.types.len(), SCHEMA_TYPES_MAX)?;
        match self.type_at(self.root) {
            Some(TypeDef::Struct(_)) => {}
            _ => return Err(self.no_such_type("the root", self.root.0)),
        }
        check_count("indexed fields", self.indexed_fields().count(), INDEXES_MAX)?;
        self.types.iter().try_for_each(|def| match def {
            TypeDef::Struct(def) => self.check_struct(def),
            TypeDef::Enum(def) => self.check_enum(def),
        })
    }

    fn check_struct(&self, def: &StructDef) -> Result<(), SchemaError> {
        check_name(&def.name)?;
        check_reserved(&def.name, def.reserved.iter().map(|id| id.0))?;
        self.check_fields(&def.name, &def.fields, &def.reserved)
    }

    fn check_enum(&self, def: &EnumDef) -> Result<(), SchemaError> {
        check_name(&def.name)?;
        check_reserved(&def.name, def.reserved.iter().map(|id| id.0))?;
        let is_live = |v: &VariantDef| def.reserved.binary_search(&v.id).is_err();
        let members = def.variants.iter().map(|v| Named { id: v.id.0, name: &v.name, is_live: is_live(v) });
        check_members(&def.name, 0, members)?;
        for variant in &def.variants {
            variant.aliases.iter().try_for_each(|alias| check_name(alias))?;
            self.check_fields(&variant.name, &variant.fields, &[])?;
        }
        Ok(())
    }

    fn check_fields(&self, owner: &str, fields: &[FieldDef], reserved: &[FieldId]) -> Result<(), SchemaError> {
        let is_live = |f: &FieldDef| reserved.binary_search(&f.id).is_err();
        check_members(owner, 1, fields.iter().map(|f| Named { id: f.id.0, name: &f.name, is_live: is_live(f) }))?;
        for field in fields {
            field.aliases.iter().try_for_each(|alias| check_name(alias))?;
            self.check_kind(owner, &field.kind, 0)?;
            check_policy(owner, field)?;
        }
        Ok(())
    }

    fn check_kind(&self, owner: &str, kind: &Kind, depth: u16) -> Result<(), SchemaError> {
        check_count("nested kinds", usize::from(depth), usize::from(DEPTH_MAX))?;
        match kind {
            Kind::Uint(16 | 32 | 64) | Kind::Int(16 | 32 | 64) => Ok(()),
            Kind::Uint(_) | Kind::Int(_) => {
                Err(SchemaError::NoSuchKind { owner: owner.to_owned(), found: format!("{kind:?}") })
            }
            Kind::Leaf(name) => check_name(name),
            Kind::Type(index) => match self.type_at(*index) {
                Some(_) => Ok(()),
                None => Err(self.no_such_type("a field", index.0)),
            },
            Kind::Option(inner) | Kind::List(inner) | Kind::Array(inner, _) => self.check_kind(owner, inner, depth + 1),
            Kind::Map(key, value) => {
                check_key(owner, key, depth + 1)?;
                self.check_kind(owner, value, depth + 1)
            }
            Kind::Set(key) => check_key(owner, key, depth + 1),
            _ => Ok(()),
        }
    }

    fn no_such_type(&self, what: &'static str, index: u32) -> SchemaError {
        SchemaError::NoSuchType { what, index, class: self.class.clone() }
    }
}

/// A key takes at least a byte, so that a count of keys is bounded by the bytes that hold them.
fn check_key(owner: &str, key: &KeyKind, depth: u16) -> Result<(), SchemaError> {
    check_count("nested kinds", usize::from(depth), usize::from(DEPTH_MAX))?;
    match key {
        KeyKind::Tuple(parts) if parts.is_empty() => {
            Err(SchemaError::NoSuchKind { owner: owner.to_owned(), found: "a key without parts".to_owned() })
        }
        KeyKind::Tuple(parts) => {
            check_count("parts of a key", parts.len(), SCHEMA_MEMBERS_MAX)?;
            parts.iter().try_for_each(|part| check_key(owner, part, depth + 1))
        }
        _ => Ok(()),
    }
}

fn check_policy(owner: &str, field: &FieldDef) -> Result<(), SchemaError> {
    let misfit = |attribute, needed| {
        Err(SchemaError::Misfit { owner: owner.to_owned(), field: field.name.clone(), attribute, needed })
    };
    match field.policy {
        Policy::Retry | Policy::Lww => {}
        Policy::Add | Policy::Max | Policy::Min => {
            if !field.kind.is_number() {
                return misfit(field.policy.word(), "only a number can");
            }
        }
        Policy::Union => {
            if !matches!(field.kind, Kind::Set(_)) {
                return misfit("union", "only a set can");
            }
        }
        Policy::Append => {
            if !matches!(field.kind, Kind::List(_) | Kind::String) {
                return misfit("append", "only a list or a string can");
            }
        }
    }
    if field.index && !(field.kind.is_integer() || field.kind == Kind::String) {
        return misfit("index", "only a string or an integer can");
    }
    Ok(())
}

/// A field or a variant; one whose id is reserved is not live, and its name may be another's.
struct Named<'a> {
    id: u32,
    name: &'a str,
    is_live: bool,
}

/// Ids from `first` up, strictly ascending; names of live members distinct.
fn check_members<'a>(
    owner: &str,
    first: u32,
    members: impl ExactSizeIterator<Item = Named<'a>>,
) -> Result<(), SchemaError> {
    check_count("members", members.len(), SCHEMA_MEMBERS_MAX)?;
    let mut names = BTreeSet::new();
    let mut next = first;
    for Named { id, name, is_live } in members {
        check_name(name)?;
        if id < next || id == u32::MAX || (is_live && !names.insert(name)) {
            return Err(SchemaError::Members { owner: owner.to_owned(), name: name.to_owned() });
        }
        next = id + 1;
    }
    Ok(())
}

fn check_reserved(owner: &str, ids: impl ExactSizeIterator<Item = u32> + Clone) -> Result<(), SchemaError> {
    check_count("reserved ids", ids.len(), SCHEMA_MEMBERS_MAX)?;
    if ids.clone().zip(ids.skip(1)).all(|(id, next)| id < next) {
        Ok(())
    } else {
        Err(SchemaError::Members { owner: owner.to_owned(), name: "reserved".to_owned() })
    }
}

fn check_name(name: &str) -> Result<(), SchemaError> {
    check_count("bytes of a name", name.len(), NAME_BYTES_MAX)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(SchemaError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn check_count(what: &'static str, found: usize, max: usize) -> Result<(), SchemaError> {
    if found > max { Err(SchemaError::Limit { what, found, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TypeIndex;

    fn field(id: u32, kind: Kind, policy: Policy, index: bool) -> FieldDef {
        FieldDef {
            id: FieldId(id),
            name: format!("f{id}"),
            aliases: Vec::new(),
            kind,
            policy,
            index,
            redact: false,
            optional: false,
        }
    }

    fn schema(fields: Vec<FieldDef>) -> Schema {
        let root = StructDef { name: "Root".to_owned(), fields, reserved: Vec::new() };
        Schema { class: "c".to_owned(), types: vec![TypeDef::Struct(root)], root: TypeIndex(0) }
    }

    #[test]
    fn policies_and_index_fit_their_kinds() {
        let good = [
            field(1, Kind::Uint(64), Policy::Add, true),
            field(2, Kind::F64, Policy::Max, false),
            field(3, Kind::Set(KeyKind::String), Policy::Union, false),
            field(4, Kind::String, Policy::Append, true),
            field(5, Kind::Bytes, Policy::Lww, false),
        ];
        assert_eq!(schema(good.to_vec()).check(), Ok(()));
        for bad in [
            field(1, Kind::String, Policy::Add, false),
            field(1, Kind::Option(Box::new(Kind::U8)), Policy::Max, false),
            field(1, Kind::List(Box::new(Kind::U8)), Policy::Union, false),
            field(1, Kind::Set(KeyKind::String), Policy::Append, false),
            field(1, Kind::F64, Policy::Retry, true),
        ] {
            assert!(matches!(schema(vec![bad.clone()]).check(), Err(SchemaError::Misfit { .. })), "{bad:?}");
        }
    }

    #[test]
    fn ids_ascend_from_one_and_names_differ() {
        let twice = vec![field(1, Kind::U8, Policy::Retry, false), field(1, Kind::U8, Policy::Retry, false)];
        assert!(matches!(schema(twice).check(), Err(SchemaError::Members { .. })));
        let zero = vec![field(0, Kind::U8, Policy::Retry, false)];
        assert!(matches!(schema(zero).check(), Err(SchemaError::Members { .. })));
    }

    #[test]
    fn kinds_exist_and_end() {
        let outside = vec![field(1, Kind::Type(TypeIndex(1)), Policy::Retry, false)];
        assert!(matches!(schema(outside).check(), Err(SchemaError::NoSuchType { index: 1, .. })));
        let width = vec![field(1, Kind::Uint(24), Policy::Retry, false)];
        assert!(matches!(schema(width).check(), Err(SchemaError::NoSuchKind { .. })));
        let empty = vec![field(1, Kind::Set(KeyKind::Tuple(Vec::new())), Policy::Retry, false)];
        assert!(matches!(schema(empty).check(), Err(SchemaError::NoSuchKind { .. })));
        let deep = (0..100).fold(Kind::U8, |kind, _| Kind::Option(Box::new(kind)));
        let deep = vec![field(1, deep, Policy::Retry, false)];
        assert!(matches!(schema(deep).check(), Err(SchemaError::Limit { .. })));
    }
}

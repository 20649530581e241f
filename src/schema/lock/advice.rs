//! What a compatible change still asks of whoever deploys it.
//!
//! A schema may gain a variant, and programs of the last release cannot represent a value that has it. Nothing breaks
//! but what holds one, and only there; told beforehand, nothing does. Source: own reasoning.

use std::borrow::Borrow;
use std::fmt;

use super::{LockError, parse_lock};
use crate::ids::VariantId;
use crate::schema::{Schema, TypeDef, merge};

/// A variant that programs of the last release do not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVariant {
    /// The class.
    pub class: String,
    /// The enum.
    pub name: String,
    /// The variant.
    pub variant: String,
    /// Its id.
    pub id: VariantId,
}

impl fmt::Display for NewVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, name, variant, id } = self;
        write!(
            f,
            "class `{class}`: `{name}::{variant}` ({id}) is new, and nodes of the last release cannot read an object that \
             holds it: deploy the program that knows it everywhere first, and write it afterwards"
        )
    }
}

/// The variants of a program's schemas that a lock file's text does not know, of enums that it does.
///
/// # Errors
/// `Incompatible`, `Line` or `Schema`, as [`check_lock`](super::check_lock).
pub fn new_variants<S: Borrow<Schema>>(text: &str, schemas: &[S]) -> Result<Vec<NewVariant>, LockError> {
    let mut found = Vec::new();
    let locked = parse_lock(text)?;
    for schema in schemas.iter().map(Borrow::borrow) {
        let Some(known) = locked.iter().find(|known| known.class == schema.class) else { continue };
        // What is known keeps its place in what covers both.
        for pair in known.types.iter().zip(&merge(known, schema)?.types) {
            let (TypeDef::Enum(before), TypeDef::Enum(now)) = pair else { continue };
            let is_new = |id: VariantId| before.variants.iter().all(|variant| variant.id != id);
            found.extend(now.variants.iter().filter(|variant| is_new(variant.id)).map(|variant| NewVariant {
                class: schema.class.clone(),
                name: now.name.clone(),
                variant: variant.name.clone(),
                id: variant.id,
            }));
        }
    }
    Ok(found)
}

//! Collects a class's types while they describe themselves.
//!
//! Stands between the derived `Tracked::kind` and [`Schema`]. Invariant: a type that is mentioned while it is being
//! described gets the index it will have, so recursion ends. Source: own reasoning.

use std::any::TypeId;

use super::{Kind, Schema, StructDef, TypeDef, TypeIndex};

/// Gathers the structs and enums that one class reaches.
#[derive(Debug, Default)]
pub struct SchemaBuilder {
    types: Vec<TypeDef>,
    known: Vec<(TypeId, TypeIndex)>,
}

impl SchemaBuilder {
    /// Starts with no types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the kind of the Rust type `T`, describing it with `describe` at its first mention.
    pub fn define<T: 'static>(&mut self, describe: impl FnOnce(&mut Self) -> TypeDef) -> Kind {
        let id = TypeId::of::<T>();
        if let Some((_, index)) = self.known.iter().find(|(known, _)| *known == id) {
            return Kind::Type(*index);
        }
        let index = TypeIndex(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.known.push((id, index));
        self.types.push(TypeDef::Struct(StructDef::default()));
        let described = describe(self);
        if let Some(place) = self.types.get_mut(index.0 as usize) {
            *place = described;
        }
        Kind::Type(index)
    }

    /// Ends the description of `class`, whose root is `root`; `None` if the root is not a struct or enum of this builder.
    #[must_use]
    pub fn finish(self, class: &str, root: &Kind) -> Option<Schema> {
        match root {
            Kind::Type(index) if (index.0 as usize) < self.types.len() => {
                Some(Schema { class: class.to_owned(), types: self.types, root: *index })
            }
            _ => None,
        }
    }
}

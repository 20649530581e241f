//! Root structs: what objects are made of.
//!
//! Invariant: one schema a class and process, built at first use. Source: own reasoning.

use std::any::TypeId;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Changes as _, Derived, Edit};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{FieldsReader, FieldsWriter};
use crate::schema::{Schema, SchemaBuilder};

/// A struct that can be the root of an object. Derived for every tracked struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an object",
    label = "no class",
    note = "an object is a struct: if `{Self}` is your own, add `#[derive(nam::Tracked, Clone)]` to it",
    note = "a list, a map, a number, an enum or a newtype is put into a field of such a struct"
)]
pub trait Class: Derived {
    /// The class's name, the same in every process.
    const NAME: &'static str;

    /// The class's schema, built at the first call.
    fn schema() -> Arc<Schema> {
        schema_of::<Self>()
    }

    /// Writes the object whole, as the body of its root: a delta from nothing.
    fn encode_root(&self, w: &mut Writer) {
        let mut fields = FieldsWriter::new(w);
        self.encode_fields(&mut fields);
        fields.finish();
    }

    /// Reads an object from a delta from nothing (or from the first of several; later ones are applied).
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode_root(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_fields(None, FieldsReader::new(body))
    }

    /// Writes what `changes` requires, in the form of a delta; of `made` marks those that went with undone changes are
    /// made good by all fields. Leaves nothing if nothing is required.
    fn encode_requirements(&self, changes: &Self::Changes, made: usize, w: &mut Writer) {
        let at = w.len();
        let found = changes.required();
        let answer = if found == made { self.encode_guards(changes, w) } else { Edit::Put };
        if answer == Edit::Edited {
            return;
        }
        w.truncate(at);
        if answer == Edit::Put {
            let mut fields = FieldsWriter::new(w);
            Self::schema().root_fields().iter().for_each(|field| fields.guard(field.id));
            fields.finish();
        }
    }

    /// Writes the delta of what `changes` did; answers whether anything differs, and leaves nothing if not.
    fn encode_delta(&self, changes: &Self::Changes, w: &mut Writer) -> bool {
        let at = w.len();
        let is_changed = self.encode_edit(changes, w) == Edit::Edited;
        if !is_changed {
            w.truncate(at);
        }
        is_changed
    }
}

/// Schemas by type. Generic classes share no static of their own, so the table is by `TypeId`.
static SCHEMAS: Mutex<Vec<(TypeId, Arc<Schema>)>> = Mutex::new(Vec::new());

fn schema_of<T: Class>() -> Arc<Schema> {
    let id = TypeId::of::<T>();
    let mut schemas = SCHEMAS.lock();
    if let Some((_, schema)) = schemas.iter().find(|(known, _)| *known == id) {
        return Arc::clone(schema);
    }
    let mut b = SchemaBuilder::new();
    let root = T::kind(&mut b);
    let empty = || Schema { class: T::NAME.to_owned(), types: Vec::new(), root: Default::default() };
    let schema = Arc::new(b.finish(T::NAME, &root).unwrap_or_else(empty));
    schemas.push((id, Arc::clone(&schema)));
    schema
}

//! The classes a shard knows: the union of what nodes presented.
//!
//! A node's schemas arrive before its objects. Invariant: a class only grows; what a node lacks stays known, so that
//! its values are kept. Source: own reasoning; the rules of change stand in `schema/compat`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::index::Index;
use crate::ids::Alias;
use crate::limits::CLASSES_MAX;
use crate::schema::{self, Schema};

/// A place in [`Classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassIndex(u32);

/// One class.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) schema: Arc<Schema>,
    /// The objects of the class, by key.
    pub(super) keys: BTreeMap<Box<str>, Alias>,
    /// The same by what they hold.
    pub(super) index: Index,
}

impl Class {
    fn set_schema(&mut self, schema: Schema) {
        self.index.set_fields(&schema);
        self.schema = Arc::new(schema);
    }
}

/// The classes of a shard.
#[derive(Debug, Default)]
pub(super) struct Classes {
    list: Vec<Class>,
    by_name: BTreeMap<String, ClassIndex>,
}

/// What a registration leads to.
#[derive(Debug)]
pub(super) enum Registration {
    /// Nothing new.
    Known,
    /// The class has a new schema, to be written to the journal before its first use.
    Changed(Bytes),
}

impl Classes {
    pub(super) fn find(&self, name: &str) -> Option<ClassIndex> {
        self.by_name.get(name).copied()
    }

    /// The schemas, in the order in which they became known.
    pub(super) fn schemas(&self) -> impl ExactSizeIterator<Item = &Arc<Schema>> {
        self.list.iter().map(|class| &class.schema)
    }

    pub(super) fn class(&self, index: ClassIndex) -> Option<&Class> {
        self.list.get(index.0 as usize)
    }

    pub(super) fn class_mut(&mut self, index: ClassIndex) -> Option<&mut Class> {
        self.list.get_mut(index.0 as usize)
    }

    /// Takes a schema that a node offers.
    ///
    /// # Errors
    /// What to change, for the developer.
    pub(super) fn register(&mut self, offered: &Schema) -> Result<Registration, String> {
        if let Some(class) = self.find(&offered.class).and_then(|index| self.class_mut(index)) {
            let merged = schema::merge(&class.schema, offered).map_err(|error| error.to_string())?;
            if merged == *class.schema {
                return Ok(Registration::Known);
            }
            class.set_schema(merged);
            return Ok(Registration::Changed(class.schema.to_bytes().into()));
        }
        if self.list.len() >= CLASSES_MAX {
            return Err(format!("the shard has {CLASSES_MAX} classes, as many as it may have"));
        }
        self.put(offered.clone());
        Ok(Registration::Changed(offered.to_bytes().into()))
    }

    /// Sets the schema of a class, as the journal says.
    pub(super) fn put(&mut self, schema: Schema) {
        if let Some(class) = self.find(&schema.class).and_then(|index| self.class_mut(index)) {
            class.set_schema(schema);
            return;
        }
        let index = ClassIndex(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.by_name.insert(schema.class.clone(), index);
        let index_of_objects = Index::of(&schema);
        self.list.push(Class { schema: Arc::new(schema), keys: BTreeMap::new(), index: index_of_objects });
    }
}

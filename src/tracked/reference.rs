//! References: an object's identity as a value, so that many objects share one.
//!
//! ```text
//! struct { 1 key: string · 2 epoch: u64 · 3 n: u64 }        the class is the field's type and does not travel
//! ```
//! A reference is a leaf: it is replaced as a whole. It keeps nothing alive and nothing is loaded through it until
//! somebody resolves it, so references may form cycles. Invariant: it means one birth; an object that has the same key later
//! is another one (I11). Source: own reasoning; `docs/wire.md` §3.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use super::{AsList, Class, Edit, Leaf, LeafChanges, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{FieldsReader, FieldsWriter, WireType};
use crate::ids::{Birth, CommitNumber, Epoch, FieldId};
use crate::limits::NAME_BYTES_MAX;
use crate::schema::{FieldDef, Kind, Policy, SchemaBuilder, StructDef, TypeDef};

const KEY: FieldId = FieldId(1);
const EPOCH: FieldId = FieldId(2);
const N: FieldId = FieldId(3);

/// Names one object of class `T`, by key and birth; resolved on a node when it is wanted.
///
/// A field like any other leaf: in an `Option`, a `Vec`, the values of a map. Takes the key and about 12 bytes. Clones share
/// the key.
pub struct Ref<T> {
    key: Arc<str>,
    birth: Birth,
    of: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    #[cfg(any(feature = "node", feature = "in-process"))]
    pub(crate) fn new(key: &str, birth: Birth) -> Self {
        Self { key: key.into(), birth, of: PhantomData }
    }

    /// The object's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The object's birth: tells it from a later one of the same key.
    #[must_use]
    pub fn birth(&self) -> Birth {
        self.birth
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), birth: self.birth, of: PhantomData }
    }
}

impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.birth == other.birth && self.key == other.key
    }
}

impl<T> Eq for Ref<T> {}

impl<T> Hash for Ref<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.key, self.birth).hash(state);
    }
}

impl<T: Class> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({}/{} of {})", T::NAME, self.key, self.birth)
    }
}

fn field(id: FieldId, name: &str, kind: Kind) -> FieldDef {
    let (name, aliases, policy) = (name.to_owned(), Vec::new(), Policy::Retry);
    FieldDef { id, name, aliases, kind, policy, index: false, redact: false, optional: false }
}

impl<T: Class> Tracked for Ref<T> {
    type Changes = LeafChanges<Self>;
    type Mut<'a> = Leaf<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        b.define::<Self>(|_| {
            let number = || Kind::Uint(64);
            let fields =
                vec![field(KEY, "key", Kind::String), field(EPOCH, "epoch", number()), field(N, "n", number())];
            TypeDef::Struct(StructDef { name: "Ref".to_owned(), fields, reserved: Vec::new() })
        })
    }

    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Self::Mut<'a> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        w.framed(|w| {
            let mut fields = FieldsWriter::new(w);
            fields.put(KEY, WireType::Sized, |w| w.sized(self.key.as_bytes()));
            fields.put(EPOCH, WireType::Varint, |w| w.varint(self.birth.0.epoch.0));
            fields.put(N, WireType::Varint, |w| w.varint(self.birth.0.n));
            fields.finish();
        });
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut fields = FieldsReader::new(r.frame()?);
        let (mut key, mut epoch, mut n) = (None, None, None);
        while let Some(mut field) = fields.next()? {
            match (field.id, field.wire) {
                (KEY, WireType::Sized) => key = Some(field.value.text()?),
                (EPOCH, WireType::Varint) => epoch = Some(field.value.varint()?),
                (N, WireType::Varint) => n = Some(field.value.varint()?),
                _ => {}
            }
        }
        let absent = DecodeError::Absent { what: "a part of a reference" };
        let (Some(key), Some(epoch), Some(n)) = (key, epoch, n) else { return Err(absent) };
        if key.is_empty() || key.len() > NAME_BYTES_MAX {
            let (found, max) = (key.len() as u64, NAME_BYTES_MAX as u64);
            return Err(DecodeError::Limit { what: "bytes of a key", found, max });
        }
        let birth = Birth(CommitNumber { epoch: Epoch(epoch), n });
        Ok(Self { key: key.into(), birth, of: PhantomData })
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
    }

    fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
        if self == old { Edit::Same } else { Edit::Put }
    }

    fn apply(&mut self, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        Err(DecodeError::Absent { what: "a part of a reference" })
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        LeafChanges::replace(changes, self, value);
    }

    fn undo(&mut self, changes: Self::Changes) {
        if let Some(old) = changes.into_previous() {
            *self = old;
        }
    }

    fn heap_bytes(&self) -> usize {
        self.key.len() + 2 * size_of::<usize>()
    }
}

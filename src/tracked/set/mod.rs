//! Sets: `HashSet` with any hasher, and `BTreeSet`.
//!
//! Stands on the path where a struct changes and where a delta is applied. One implementation serves both; see
//! `changes.rs` for what is recorded and `encode.rs` for its bytes. Source: own reasoning.

mod changes;
mod cursor;
mod encode;
mod store;

pub use changes::{SetChanges, SetTouch};
pub use cursor::SetMut;

use store::SetStore;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

use super::policy::Keys;
use super::{AsList, Edit, Key, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

macro_rules! tracked_sets {
    ($([$($parameter:tt)*] $set:ty, $key:ty;)*) => {$(
        impl<$($parameter)*> Tracked for $set {
            type Changes = SetChanges<Self>;
            type Mut<'a> = SetMut<'a, Self>;
            type InVec = AsList;
            const WIRE: WireType = WireType::Sized;
            const EDITS_NOTHING: bool = true;

            fn kind(_: &mut SchemaBuilder) -> Kind {
                Kind::Set(<$key>::key_kind())
            }

            #[inline]
            fn track<'a>(&'a mut self, changes: &'a mut SetChanges<Self>) -> SetMut<'a, Self> {
                SetMut::new(self, changes)
            }

            fn encode(&self, w: &mut Writer) {
                encode::encode(self, w);
            }

            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                encode::decode(r)
            }

            fn encode_edit(&self, changes: &SetChanges<Self>, w: &mut Writer) -> Edit {
                encode::encode_edit(self, changes, w)
            }

            fn encode_guards(&self, changes: &SetChanges<Self>, w: &mut Writer) -> Edit {
                encode::encode_guards(changes, w)
            }

            fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
                encode::encode_diff(self, old, w)
            }

            fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut SetChanges<Self>>) -> Result<(), DecodeError> {
                encode::apply(self, edit, changes)
            }

            fn put_whole(&mut self, value: Self, changes: Option<&mut SetChanges<Self>>) {
                match changes {
                    Some(changes) => changes.replace(self, value),
                    None => *self = value,
                }
            }

            fn undo(&mut self, changes: SetChanges<Self>) {
                changes.undo(self);
            }

            fn heap_bytes(&self) -> usize {
                SetStore::room_bytes(self)
            }
        }

        impl<$($parameter)*> Keys for $set {
            type Key = $key;

            fn has(&self, key: &$key) -> bool {
                self.contains(key)
            }

            fn keys(&self) -> impl Iterator<Item = &$key> {
                self.iter()
            }

            fn add(&mut self, key: $key, changes: Option<&mut SetChanges<Self>>) {
                match changes {
                    Some(changes) => changes.insert(self, key),
                    None => self.insert(key),
                };
            }
        }
    )*};
}

tracked_sets! {
    [K: Key + Hash, S: BuildHasher + Default + Clone + Send + Sync + 'static] HashSet<K, S>, K;
    [K: Key + Hash + Ord] BTreeSet<K>, K;
}

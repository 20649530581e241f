//! Maps: `HashMap` with any hasher, and `BTreeMap`.
//!
//! Stands on the path where a struct changes and where a delta is applied. One implementation serves both; see
//! `changes.rs` for what is recorded and `encode.rs` for its bytes. Source: research and own measurement.

mod changes;
mod cursor;
mod encode;
mod store;

pub use changes::{EntryView, MapChanges};
pub use cursor::MapMut;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::{AsList, Edit, Key, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

macro_rules! tracked_maps {
    ($([$($parameter:tt)*] $map:ty, $value:ty, $key:ty;)*) => {$(
        impl<$($parameter)*> Tracked for $map {
            type Changes = MapChanges<Self>;
            type Mut<'a> = MapMut<'a, Self>;
            type InVec = AsList;
            const WIRE: WireType = WireType::Sized;
            const EDITS_NOTHING: bool = true;

            fn kind(b: &mut SchemaBuilder) -> Kind {
                Kind::Map(<$key>::key_kind(), Box::new(<$value>::kind(b)))
            }

            #[inline]
            fn track<'a>(&'a mut self, changes: &'a mut MapChanges<Self>) -> MapMut<'a, Self> {
                MapMut::new(self, changes)
            }

            fn encode(&self, w: &mut Writer) {
                encode::encode(self, w);
            }

            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                encode::decode(r)
            }

            fn encode_edit(&self, changes: &MapChanges<Self>, w: &mut Writer) -> Edit {
                encode::encode_edit(self, changes, w)
            }

            fn encode_guards(&self, changes: &MapChanges<Self>, w: &mut Writer) -> Edit {
                encode::encode_guards(self, changes, w)
            }

            fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit {
                encode::encode_diff(self, old, w)
            }

            fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut MapChanges<Self>>) -> Result<(), DecodeError> {
                encode::apply(self, edit, changes)
            }

            fn put_whole(&mut self, value: Self, changes: Option<&mut MapChanges<Self>>) {
                match changes {
                    Some(changes) => changes.replace(self, value),
                    None => *self = value,
                }
            }

            fn undo(&mut self, changes: MapChanges<Self>) {
                changes.undo(self);
            }

            fn heap_bytes(&self) -> usize {
                changes::heap_bytes_of(self)
            }
        }
    )*};
}

tracked_maps! {
    [K: Key + Hash, V: Tracked, S: BuildHasher + Default + Clone + Send + Sync + 'static] HashMap<K, V, S>, V, K;
    [K: Key + Hash + Ord, V: Tracked] BTreeMap<K, V>, V, K;
}

//! Plain structs that know what was changed in them: the first station of a change's path.
//!
//! A tracked type stays as its user wrote it. A transaction writes through cursors ([`Tracked::Mut`]: two pointers, the
//! value and its change set); the change set ([`Tracked::Changes`]) is owned and keeps what was there before. At the
//! end, [`Tracked::encode_edit`] compares encodings and writes the delta; [`Tracked::undo`] restores the value.
//! Invariants: a pre-image is stored before a `&mut` is handed out, so a panic loses nothing; no cursor of a non-leaf
//! has `DerefMut`; undo is exact and costs what the change did; a change set is consistent after every call, failed
//! ones included. Source: own reasoning and measurement; the pointer tree of older crates is what is avoided here.

mod array;
mod class;
pub(crate) mod derived;
mod entries;
pub(crate) mod field;
mod foreign;
mod index;
pub(crate) mod key;
mod leaf;
mod list;
mod map;
mod non_zero;
mod opaque;
mod option;
mod pointer;
pub mod policy;
mod reference;
#[doc(hidden)]
pub mod required;
mod scalar;
mod set;
mod shared_text;
mod splice;
mod table;
mod tracking;
mod tuple;
pub(crate) mod variants;
mod vec;

pub use array::{ArrayChanges, ArrayMut};
pub use class::Class;
pub use derived::{BoxedChanges, Derived, Old};
pub use index::{Index, Sought};
pub use key::Key;
pub use leaf::{Leaf, LeafChanges};
pub use list::{AsList, ListChanges, ListMut, Run};
pub use map::{EntryView, MapChanges, MapMut};
pub use opaque::{Opaque, Serde};
pub use option::{OptionChanges, OptionMut};
pub use reference::Ref;
pub use set::{SetChanges, SetMut, SetTouch};
pub use splice::{AsBytes, ByteVecMut, SpliceChanges, StringMut};
pub use tracking::{Form, Plain, Tracking};
pub use tuple::{TupleChanges, TupleMut};

use std::fmt::Debug;

use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

/// A type whose changes can be recorded, encoded, applied elsewhere and undone; derived for structs and enums.
#[diagnostic::on_unimplemented(
    message = "changes of `{Self}` cannot be tracked",
    label = "not tracked",
    note = "if `{Self}` is your own type, add `#[derive(nam::Tracked, Clone)]` to it",
    note = "if it is a serde type of another crate, mark the field `#[nam(leaf)]`: it is then replaced as a whole"
)]
pub trait Tracked: Sized + Clone + Send + Sync + 'static {
    /// What a transaction touched, with what was there before.
    type Changes: Changes;
    /// The cursor: writes the value and records the change.
    type Mut<'a>;
    /// How a `Vec` of these is tracked: [`AsList`] for all types but `u8`.
    type InVec: Tracking<Vec<Self>>;
    /// The wire type of a full value.
    const WIRE: WireType;
    /// Whether an edit means the same where the repository has no value yet, and edits an empty one, as where it has the
    /// type's `Default`: true for scalars and leaves (they are put), texts, bytes, lists, maps, sets, and structs of
    /// scalars. Decides if a field with a default may be sent as an edit.
    const EDITS_NOTHING: bool;

    /// Describes the type, its parts through `b`.
    fn kind(b: &mut SchemaBuilder) -> Kind;

    /// Makes a cursor.
    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Self::Mut<'a>;

    /// Writes the full value, a sized one with its length.
    fn encode(&self, w: &mut Writer);

    /// Reads a full value.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Writes the body of an edit that leads from what `changes` keeps to the value; see [`Edit`] for the answers.
    /// What stands behind the writer's former end counts only if the answer is `Edited` (or `Operation`).
    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit;

    /// Writes what was required of the value's parts, as the body of an edit (`docs/wire.md` §5.8); `Put` if that is all
    /// of it.
    fn encode_guards(&self, _changes: &Self::Changes, _w: &mut Writer) -> Edit {
        Edit::Same
    }

    /// As [`encode_edit`](Self::encode_edit), from a whole former value.
    fn encode_diff(&self, old: &Self, w: &mut Writer) -> Edit;

    /// Applies the body of an edit, and adds to `changes` what was there before.
    ///
    /// # Errors
    /// Any [`DecodeError`]; the value may then be half changed, and undoing `changes` restores it.
    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError>;

    /// Puts a whole new value in place, and keeps the former one in `changes`.
    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>);

    /// Restores what `changes` kept. Costs what the change did.
    fn undo(&mut self, changes: Self::Changes);

    /// Bytes of heap behind the value, roughly.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Whether this is `u8`, whose arrays are bytes rather than lists.
    const IS_BYTE: bool = false;
}

/// A change set: what was touched and what was there before.
pub trait Changes: Default + Debug + Send + Sync + 'static {
    /// Whether anything was touched; it may have its former value again.
    fn is_touched(&self) -> bool;

    /// Bytes of heap behind the change set, roughly.
    fn heap_bytes(&self) -> usize;

    /// How many parts were required to stay as they were read.
    fn required(&self) -> usize {
        0
    }
}

/// What came of encoding a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Edit {
    /// Nothing differs.
    Same,
    /// The writer holds the body of an edit.
    Edited,
    /// The value is to be put whole: the caller writes [`Tracked::encode`].
    Put,
    /// The writer holds the operand of the field's policy. Only policy fields answer this.
    Operation,
}

//! Enums without fields: leaves that are encoded as any enum, and newtypes' blind edits.
//!
//! Generated code implements [`PlainEnum`] and tracks by [`Variants`]. Invariant: the bytes are a length, always of the
//! variant id alone, so that a variant may get fields later without breaking what is stored. Source: `docs/wire.md` §3.

use super::leaf::tracks_a_leaf;
use super::{Edit, Tracked, Tracking};
use crate::coding::{DecodeError, Reader, UnknownValue, Writer};
use crate::delta::WireType;
use crate::ids::VariantId;
use crate::schema::{Kind, SchemaBuilder, TypeDef};

/// An enum without fields. Implemented by `#[derive(Tracked)]`.
pub trait PlainEnum: Clone + Send + Sync + 'static {
    /// Describes the variants.
    fn describe(b: &mut SchemaBuilder) -> TypeDef;

    /// The id of the variant.
    fn variant(&self) -> VariantId;

    /// The variant of this id, if there is one.
    fn from_variant(id: VariantId) -> Option<Self>;
}

/// Tracks an enum without fields as a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Variants;

impl Variants {
    /// Writes the enum as a key: its variant id.
    pub fn encode_key<V: PlainEnum>(value: &V, w: &mut Writer) {
        w.varint(u64::from(value.variant().0));
    }

    /// Reads a key.
    ///
    /// # Errors
    /// `Unreadable` if there is no such variant; `Truncated` or `Varint`.
    pub fn decode_key<V: PlainEnum>(r: &mut Reader<'_>) -> Result<V, DecodeError> {
        let id = r.varint32()?;
        V::from_variant(VariantId(id)).ok_or(DecodeError::Unreadable(UnknownValue::of_variant(id)))
    }
}

impl<V: PlainEnum> super::Form<V> for Variants {
    const WIRE: WireType = WireType::Sized;

    fn kind(b: &mut SchemaBuilder) -> Kind {
        b.define::<V>(V::describe)
    }

    fn encode(value: &V, w: &mut Writer) {
        w.framed(|w| Self::encode_key(value, w));
    }

    fn decode(r: &mut Reader<'_>) -> Result<V, DecodeError> {
        Self::decode_key(&mut r.frame()?)
    }

    fn heap_bytes(_: &V) -> usize {
        0
    }
}

impl<V: PlainEnum> Tracking<V> for Variants {
    tracks_a_leaf!(V);

    fn encode_diff(value: &V, old: &V, _: &mut Writer) -> Edit {
        if value.variant() == old.variant() { Edit::Same } else { Edit::Put }
    }

    fn apply(value: &mut V, mut edit: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        if edit.varint32()? == value.variant().0 { Ok(()) } else { Err(DecodeError::Absent { what: "a variant" }) }
    }
}

/// Runs code that knows nothing of cursors on a copy, then puts the copy in place: the blind edit of newtypes, whose
/// change set is that of what they hold. A panic in `f` leaves the value as it was.
pub fn edit_copy<T: Tracked, R>(value: &mut T, changes: &mut T::Changes, f: impl FnOnce(&mut T) -> R) -> R {
    let mut copy = value.clone();
    let answer = f(&mut copy);
    value.put_whole(copy, Some(changes));
    answer
}

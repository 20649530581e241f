//! Keys of maps and sets: types whose `Eq` is equality of their encodings.
//!
//! Invariant: one value has one encoding and the other way round, so that the repository may compare keys as bytes.
//! The trait is sealed: floats and user types with their own `Eq` would break that. The derive implements it for
//! newtypes of keys and for enums without fields. Source: `docs/wire.md` §3.

use crate::coding::{DecodeError, Reader, Writer};
use crate::limits::LEAF_BYTES_MAX;
use crate::schema::KeyKind;

/// Closes [`Key`]: only this crate and the derive implement it.
pub trait Seal {}

/// A type maps and sets can be keyed by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a map or set",
    label = "no key",
    note = "keys are integers, bool, char, String, bytes, uuid, and tuples and arrays of keys",
    note = "if `{Self}` is your own newtype or enum without fields, derive `nam::Tracked, Clone, PartialEq, Eq, Hash` for it and \
            mark it `#[nam(key)]`",
    note = "if `{Self}` is a type parameter, bound it: `{Self}: nam::tracked::Key + Eq + std::hash::Hash`, at the struct or in \
            `#[nam(bound = \"..\")]`"
)]
pub trait Key: Seal + Clone + Eq + Send + Sync + 'static {
    /// What the schema says of the key.
    fn key_kind() -> KeyKind;

    /// Writes the key, without a length around it.
    fn encode_key(&self, w: &mut Writer);

    /// Reads a key.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode_key(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! key {
    ($($type:ty: $kind:expr, |$value:ident, $w:ident| $encode:expr, |$r:ident| $decode:expr;)*) => {$(
        impl Seal for $type {}
        impl Key for $type {
            fn key_kind() -> KeyKind {
                $kind
            }
            #[inline]
            fn encode_key(&self, $w: &mut Writer) {
                let $value = self;
                $encode
            }
            #[inline]
            fn decode_key($r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $decode
            }
        }
    )*};
}

key! {
    bool: KeyKind::Bool, |v, w| w.raw(&[u8::from(*v)]), |r| match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::Unknown { what: "bool", found: u64::from(found) }),
    };
    u8: KeyKind::Byte, |v, w| w.raw(&[*v]), |r| r.byte();
    i8: KeyKind::Byte, |v, w| w.raw(&v.to_le_bytes()), |r| Ok(i8::from_le_bytes(r.array()?));
    u16: KeyKind::Uint, |v, w| w.varint(u64::from(*v)), |r| u16::try_from(r.varint()?).map_err(too_large);
    u32: KeyKind::Uint, |v, w| w.varint(u64::from(*v)), |r| r.varint32();
    u64: KeyKind::Uint, |v, w| w.varint(*v), |r| r.varint();
    usize: KeyKind::Uint, |v, w| w.varint(*v as u64), |r| usize::try_from(r.varint()?).map_err(too_large);
    i16: KeyKind::Int, |v, w| w.zigzag(i64::from(*v)), |r| i16::try_from(r.zigzag()?).map_err(too_large);
    i32: KeyKind::Int, |v, w| w.zigzag(i64::from(*v)), |r| i32::try_from(r.zigzag()?).map_err(too_large);
    i64: KeyKind::Int, |v, w| w.zigzag(*v), |r| r.zigzag();
    isize: KeyKind::Int, |v, w| w.zigzag(*v as i64), |r| isize::try_from(r.zigzag()?).map_err(too_large);
    u128: KeyKind::Wide, |v, w| w.raw(&v.to_le_bytes()), |r| Ok(u128::from_le_bytes(r.array()?));
    i128: KeyKind::Wide, |v, w| w.raw(&v.to_le_bytes()), |r| Ok(i128::from_le_bytes(r.array()?));
    char: KeyKind::Char, |v, w| w.varint(u64::from(u32::from(*v))), |r| {
        let found = r.varint32()?;
        char::from_u32(found).ok_or(DecodeError::Unknown { what: "char", found: u64::from(found) })
    };
    String: KeyKind::String, |v, w| w.sized(v.as_bytes()), |r| Ok(bounded_text(r)?.to_owned());
    Vec<u8>: KeyKind::Bytes, |v, w| w.sized(v), |r| Ok(bounded(r)?.to_vec());
    bytes::Bytes: KeyKind::Bytes, |v, w| w.sized(v), |r| Ok(Self::copy_from_slice(bounded(r)?));
}

impl<K: Key, const N: usize> Seal for [K; N] {}

impl<K: Key, const N: usize> Key for [K; N] {
    fn key_kind() -> KeyKind {
        KeyKind::Tuple(vec![K::key_kind(); N])
    }

    fn encode_key(&self, w: &mut Writer) {
        for part in self {
            part.encode_key(w);
        }
    }

    fn decode_key(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let parts = (0..N).map(|_| K::decode_key(r)).collect::<Result<Vec<_>, _>>()?;
        Self::try_from(parts).map_err(|parts| DecodeError::Truncated { needed: N, left: parts.len() })
    }
}

macro_rules! key_tuples {
    ($(($($part:ident $at:tt),+))*) => {$(
        impl<$($part: Key),+> Seal for ($($part,)+) {}
        impl<$($part: Key),+> Key for ($($part,)+) {
            fn key_kind() -> KeyKind {
                KeyKind::Tuple(vec![$($part::key_kind()),+])
            }
            fn encode_key(&self, w: &mut Writer) {
                $(self.$at.encode_key(w);)+
            }
            fn decode_key(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($part::decode_key(r)?,)+))
            }
        }
    )*};
}

key_tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

fn too_large(_: std::num::TryFromIntError) -> DecodeError {
    DecodeError::Varint
}

fn bounded<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let bytes = r.sized()?;
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(DecodeError::Limit { what: "key", found: bytes.len() as u64, max: LEAF_BYTES_MAX as u64 });
    }
    Ok(bytes)
}

fn bounded_text<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bounded(r)?).map_err(|_| DecodeError::Utf8)
}

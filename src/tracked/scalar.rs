//! Numbers, `bool` and `char`: leaves of a fixed encoding.
//!
//! Invariant: two values are the same if their encodings are, so NaN equals itself and -0.0 differs from 0.0. Source:
//! `docs/wire.md` §3.

use super::{AsBytes, AsList, Edit, Leaf, LeafChanges, Tracked};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

macro_rules! scalars {
    ($($type:ty: $kind:expr, $wire:ident, $in_vec:ty, $is_byte:literal,
        |$value:ident| $bits:expr, |$w:ident| $encode:expr, |$r:ident| $decode:expr;)*) => {$(
        impl Tracked for $type {
            type Changes = LeafChanges<Self>;
            type Mut<'a> = Leaf<'a, Self>;
            type InVec = $in_vec;
            const WIRE: WireType = WireType::$wire;
            const EDITS_NOTHING: bool = true;
            const IS_BYTE: bool = $is_byte;

            fn kind(_: &mut SchemaBuilder) -> Kind {
                $kind
            }

            #[inline]
            fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, Self> {
                Leaf::new(self, changes)
            }

            #[inline]
            fn encode(&self, $w: &mut Writer) {
                let $value = *self;
                $encode
            }

            #[inline]
            fn decode($r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $decode
            }

            #[inline]
            fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
                changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
            }

            #[inline]
            fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
                let bits = |$value: Self| $bits;
                if bits(*self) == bits(*old) { Edit::Same } else { Edit::Put }
            }

            fn apply(&mut self, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
                Err(DecodeError::Absent { what: "a part of a scalar" })
            }

            #[inline]
            fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
                LeafChanges::replace(changes, self, value);
            }

            #[inline]
            fn undo(&mut self, changes: Self::Changes) {
                if let Some(old) = changes.into_previous() {
                    *self = old;
                }
            }
        }
    )*};
}

scalars! {
    bool: Kind::Bool, One, AsList, false, |v| v, |w| w.raw(&[u8::from(v)]), |r| match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::Unknown { what: "bool", found: u64::from(found) }),
    };
    u8: Kind::U8, One, AsBytes, true, |v| v, |w| w.raw(&[v]), |r| r.byte();
    i8: Kind::I8, One, AsList, false, |v| v, |w| w.raw(&v.to_le_bytes()), |r| Ok(Self::from_le_bytes(r.array()?));
    u16: Kind::Uint(16), Varint, AsList, false, |v| v, |w| w.varint(u64::from(v)), |r| Self::try_from(r.varint()?).map_err(too_large);
    u32: Kind::Uint(32), Varint, AsList, false, |v| v, |w| w.varint(u64::from(v)), |r| r.varint32();
    u64: Kind::Uint(64), Varint, AsList, false, |v| v, |w| w.varint(v), |r| r.varint();
    usize: Kind::Uint(64), Varint, AsList, false, |v| v, |w| w.varint(v as u64), |r| Self::try_from(r.varint()?).map_err(too_large);
    i16: Kind::Int(16), Varint, AsList, false, |v| v, |w| w.zigzag(i64::from(v)), |r| Self::try_from(r.zigzag()?).map_err(too_large);
    i32: Kind::Int(32), Varint, AsList, false, |v| v, |w| w.zigzag(i64::from(v)), |r| Self::try_from(r.zigzag()?).map_err(too_large);
    i64: Kind::Int(64), Varint, AsList, false, |v| v, |w| w.zigzag(v), |r| r.zigzag();
    isize: Kind::Int(64), Varint, AsList, false, |v| v, |w| w.zigzag(v as i64), |r| Self::try_from(r.zigzag()?).map_err(too_large);
    f32: Kind::F32, Four, AsList, false, |v| v.to_bits(), |w| w.raw(&v.to_le_bytes()), |r| Ok(Self::from_le_bytes(r.array()?));
    f64: Kind::F64, Eight, AsList, false, |v| v.to_bits(), |w| w.raw(&v.to_le_bytes()), |r| Ok(Self::from_le_bytes(r.array()?));
    u128: Kind::U128, Sized, AsList, false, |v| v, |w| w.sized(&v.to_le_bytes()), |r| Ok(Self::from_le_bytes(sixteen(r)?));
    i128: Kind::I128, Sized, AsList, false, |v| v, |w| w.sized(&v.to_le_bytes()), |r| Ok(Self::from_le_bytes(sixteen(r)?));
    char: Kind::Char, Sized, AsList, false, |v| v, |w| w.sized(v.encode_utf8(&mut [0; 4]).as_bytes()), |r| {
        let mut chars = r.text()?.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(DecodeError::Unknown { what: "char", found: 0 }),
        }
    };
}

fn too_large(_: std::num::TryFromIntError) -> DecodeError {
    DecodeError::Varint
}

fn sixteen(r: &mut Reader<'_>) -> Result<[u8; 16], DecodeError> {
    let bytes = r.sized()?;
    bytes.try_into().map_err(|_| DecodeError::Truncated { needed: 16, left: bytes.len() })
}

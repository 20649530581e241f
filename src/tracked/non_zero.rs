//! `NonZero` of every integer: its number on the wire, a leaf in the struct.
//!
//! Invariant: same bytes as the integer, so a field may move from one to the other; a zero that another program wrote is a
//! value that this one does not know. Source: `docs/wire.md` §3.

use std::num::NonZero;

use super::leaf::is_a_leaf;
use super::{Edit, Tracked};
use crate::coding::{DecodeError, Reader, UnknownValue, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

macro_rules! non_zero {
    ($($integer:ty)*) => {$(
        impl Tracked for NonZero<$integer> {
            is_a_leaf!();
            const WIRE: WireType = <$integer as Tracked>::WIRE;

            fn kind(b: &mut SchemaBuilder) -> Kind {
                <$integer as Tracked>::kind(b)
            }

            #[inline]
            fn encode(&self, w: &mut Writer) {
                Tracked::encode(&self.get(), w);
            }

            #[inline]
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let unknown = DecodeError::Unreadable(UnknownValue::of_leaf());
                <$integer as Tracked>::decode(r).and_then(|number| Self::new(number).ok_or(unknown))
            }

            #[inline]
            fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
                if self == old { Edit::Same } else { Edit::Put }
            }

            fn apply(&mut self, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
                Err(DecodeError::Absent { what: "a part of a scalar" })
            }
        }
    )*};
}

non_zero! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracked::LeafChanges;

    #[test]
    fn it_is_its_number() {
        let number = NonZero::new(300_u32).unwrap();
        let (mut value, mut changes, mut w) = (number, LeafChanges::default(), Writer::new());
        *value.track(&mut changes) = NonZero::<u32>::MAX;
        assert_eq!(value.encode_edit(&changes, &mut w), Edit::Put);
        value.undo(changes);
        Tracked::encode(&value, &mut w);
        assert_eq!(w.as_slice(), [0xac, 2]);
        assert_eq!(<NonZero<u32> as Tracked>::decode(&mut Reader::new(w.as_slice())), Ok(number));
    }

    #[test]
    fn a_zero_is_not_known() {
        let read = <NonZero<u32> as Tracked>::decode(&mut Reader::new(&[0]));
        assert_eq!(read, Err(DecodeError::Unreadable(UnknownValue::of_leaf())));
    }
}

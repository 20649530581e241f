//! `Decimal`: a leaf of 16 bytes.
//!
//! Its own serde support asks the format for the type, which postcard cannot answer, so its bytes are written as they
//! are. Invariant: 1.0 and 1.00 are two values, as their scales differ. Source: rust_decimal's `serialize`.

use rust_decimal::Decimal;

use crate::coding::{DecodeError, Reader, UnknownValue, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};
use crate::tracked::{AsList, Edit, Leaf, LeafChanges, Tracked};

impl Tracked for Decimal {
    type Changes = LeafChanges<Self>;
    type Mut<'a> = Leaf<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::Leaf("Decimal".to_owned())
    }

    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, Self> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        w.sized(&self.serialize());
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = r.sized()?.try_into().map_err(|_| DecodeError::Unreadable(UnknownValue::of_leaf()))?;
        Ok(Self::deserialize(bytes))
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
    }

    fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
        if self.serialize() == old.serialize() { Edit::Same } else { Edit::Put }
    }

    fn apply(&mut self, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        Err(DecodeError::Absent { what: "a part of a decimal" })
    }

    fn put_whole(&mut self, value: Self, changes: Option<&mut Self::Changes>) {
        LeafChanges::replace(changes, self, value);
    }

    fn undo(&mut self, changes: Self::Changes) {
        if let Some(old) = changes.into_previous() {
            *self = old;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_a_part_of_it() {
        let (short, long) = (Decimal::new(10, 1), Decimal::new(100, 2));
        let mut w = Writer::new();
        long.encode(&mut w);
        let back = Decimal::decode(&mut Reader::new(w.as_slice())).unwrap();
        assert_eq!((back.to_string(), short.to_string()), ("1.00".to_owned(), "1.0".to_owned()));
        assert_eq!(short.encode_diff(&long, &mut w), Edit::Put);
        assert_eq!(Decimal::decode(&mut Reader::new(&[1, 0])), Err(DecodeError::Unreadable(UnknownValue::of_leaf())));
    }
}

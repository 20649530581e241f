//! `SmolStr`: text on the wire, a leaf in the struct, a key of maps.
//!
//! Invariant: same bytes as `String`, so a field may move from one to the other. Source: `docs/wire.md` §3.

use smol_str::SmolStr;

use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::WireType;
use crate::schema::{KeyKind, Kind, SchemaBuilder};
use crate::tracked::key::{Key, Seal};
use crate::tracked::{AsList, Edit, Leaf, LeafChanges, Tracked};

impl Tracked for SmolStr {
    type Changes = LeafChanges<Self>;
    type Mut<'a> = Leaf<'a, Self>;
    type InVec = AsList;
    const WIRE: WireType = WireType::Sized;
    const EDITS_NOTHING: bool = true;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::String
    }

    fn track<'a>(&'a mut self, changes: &'a mut Self::Changes) -> Leaf<'a, Self> {
        Leaf::new(self, changes)
    }

    fn encode(&self, w: &mut Writer) {
        w.sized(self.as_bytes());
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.text().map(Self::new)
    }

    fn encode_edit(&self, changes: &Self::Changes, w: &mut Writer) -> Edit {
        changes.previous().map_or(Edit::Same, |old| self.encode_diff(old, w))
    }

    fn encode_diff(&self, old: &Self, _: &mut Writer) -> Edit {
        if self == old { Edit::Same } else { Edit::Put }
    }

    fn apply(&mut self, edit: Reader<'_>, changes: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        let mut text = self.to_string();
        text.apply(edit, None)?;
        self.put_whole(Self::new(text), changes);
        Ok(())
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
        if self.is_heap_allocated() { self.len() } else { 0 }
    }
}

impl Seal for SmolStr {}

impl Key for SmolStr {
    fn key_kind() -> KeyKind {
        KeyKind::String
    }

    fn encode_key(&self, w: &mut Writer) {
        w.sized(self.as_bytes());
    }

    fn decode_key(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        String::decode_key(r).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_of_text_reaches_it() {
        let mut value = SmolStr::new("alice in wonderland");
        let mut changes = LeafChanges::default();
        value.apply(Reader::new(&[5, 14, 1, b'!']), Some(&mut changes)).unwrap();
        assert_eq!(value, "alice!");
        value.undo(changes);
        assert_eq!(value, "alice in wonderland");
    }
}

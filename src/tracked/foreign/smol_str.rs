//! `SmolStr`: text on the wire, a leaf in the struct, a key of maps.
//!
//! Invariant: same bytes as `String`, so a field may move from one to the other. Source: `docs/wire.md` §3.

use smol_str::SmolStr;

use crate::tracked::shared_text::shared_texts;

shared_texts! {
    SmolStr: |value| if value.is_heap_allocated() { value.len() } else { 0 };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Reader;
    use crate::tracked::{LeafChanges, Tracked as _};

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

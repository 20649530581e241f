//! Texts that are shared rather than edited: text on the wire, a leaf in the struct.
//!
//! Invariant: same bytes as `String`, so a field may move from one to the other. Source: `docs/wire.md` §3.

use std::sync::Arc;

/// Makes types of text leaves; `$heap_bytes` says what is behind a value.
macro_rules! shared_texts {
    ($($type:ty: |$value:ident| $heap_bytes:expr;)*) => {$(
        impl $crate::tracked::Tracked for $type {
            $crate::tracked::leaf::is_a_leaf!();
            const WIRE: $crate::delta::WireType = $crate::delta::WireType::Sized;

            fn kind(_: &mut $crate::schema::SchemaBuilder) -> $crate::schema::Kind {
                $crate::schema::Kind::String
            }

            fn encode(&self, w: &mut $crate::coding::Writer) {
                w.sized(self.as_bytes());
            }

            fn decode(r: &mut $crate::coding::Reader<'_>) -> Result<Self, $crate::coding::DecodeError> {
                r.text().map(Self::from)
            }

            fn encode_diff(&self, old: &Self, _: &mut $crate::coding::Writer) -> $crate::tracked::Edit {
                if self == old { $crate::tracked::Edit::Same } else { $crate::tracked::Edit::Put }
            }

            fn apply(
                &mut self,
                edit: $crate::coding::Reader<'_>,
                changes: Option<&mut Self::Changes>,
            ) -> Result<(), $crate::coding::DecodeError> {
                let mut text = self.to_string();
                $crate::tracked::Tracked::apply(&mut text, edit, None)?;
                self.put_whole(Self::from(text), changes);
                Ok(())
            }

            fn heap_bytes(&self) -> usize {
                let $value = self;
                $heap_bytes
            }
        }

        impl $crate::tracked::key::Seal for $type {}

        impl $crate::tracked::key::Key for $type {
            fn key_kind() -> $crate::schema::KeyKind {
                $crate::schema::KeyKind::String
            }

            fn encode_key(&self, w: &mut $crate::coding::Writer) {
                w.sized(self.as_bytes());
            }

            fn decode_key(r: &mut $crate::coding::Reader<'_>) -> Result<Self, $crate::coding::DecodeError> {
                String::decode_key(r).map(Self::from)
            }
        }
    )*};
}
#[cfg(feature = "smol_str")]
pub(super) use shared_texts;

shared_texts! {
    Arc<str>: |value| value.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::{Reader, Writer};
    use crate::tracked::{Edit, Key as _, LeafChanges, Tracked as _};

    #[test]
    fn an_edit_of_text_reaches_it() {
        let before: Arc<str> = "alice in wonderland".into();
        let (mut value, mut changes) = (Arc::clone(&before), LeafChanges::default());
        value.apply(Reader::new(&[5, 14, 1, b'!']), Some(&mut changes)).unwrap();
        assert_eq!(&*value, "alice!");
        value.undo(changes);
        assert!(Arc::ptr_eq(&value, &before));
    }

    #[test]
    fn it_is_sent_whole_and_only_if_it_differs() {
        let (mut value, mut changes): (Arc<str>, _) = ("one".into(), LeafChanges::default());
        *value.track(&mut changes) = "one".into();
        assert_eq!(value.encode_edit(&changes, &mut Writer::new()), Edit::Same);
        *value.track(&mut changes) = "two".into();
        assert_eq!(value.encode_edit(&changes, &mut Writer::new()), Edit::Put);
    }

    #[test]
    fn it_is_a_key() {
        let (key, mut w): (Arc<str>, _) = ("k".into(), Writer::new());
        key.encode_key(&mut w);
        assert_eq!(w.as_slice(), [1, b'k']);
        assert_eq!(Arc::<str>::decode_key(&mut Reader::new(w.as_slice())), Ok(key));
    }
}

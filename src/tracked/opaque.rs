//! Opaque leaves: any serde type, replaced as a whole.
//!
//! Encoded by postcard behind a length. `Sync` is required, so `Cell`, `RefCell` and `Rc` are refused wherever they
//! hide. Invariant: two values are the same if their postcard bytes are. A value whose own `Serialize` fails marks the
//! writer as refused. Source: `docs/wire.md` §3; postcard's specification.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::leaf::tracks_a_leaf;
use super::{Edit, Tracking};
use crate::coding::{DecodeError, Reader, UnknownValue, Writer};
use crate::delta::WireType;
use crate::schema::{Kind, SchemaBuilder};

/// Tracks any serde type as a leaf: `#[nam(leaf)]`.
#[derive(Clone, Copy, Debug)]
pub struct Opaque;

/// A type that serde writes and reads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a leaf, because serde does not write and read it",
    label = "not a leaf",
    note = "if it is your own type, derive `serde::Serialize, serde::Deserialize` for it and for what is in it; or leave out \
            `#[nam(leaf)]` and derive `nam::Tracked`, so that its fields are tracked",
    note = "if it is of another crate, see whether that has a feature for serde"
)]
pub trait Serde: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<V: Serialize + DeserializeOwned> Serde for V {}

impl<V> super::Form<V> for Opaque
where
    V: Serde + Clone + Send + Sync + 'static,
{
    const WIRE: WireType = WireType::Sized;

    fn kind(_: &mut SchemaBuilder) -> Kind {
        Kind::Leaf(short_name(std::any::type_name::<V>()))
    }

    fn encode(value: &V, w: &mut Writer) {
        w.framed(|w| {
            if postcard::serialize_with_flavor(value, Sink(w)).is_err() {
                w.refuse(std::any::type_name::<V>());
            }
        });
    }

    fn decode(r: &mut Reader<'_>) -> Result<V, DecodeError> {
        match postcard::take_from_bytes(r.sized()?) {
            Ok((value, [])) => Ok(value),
            _ => Err(DecodeError::Unreadable(UnknownValue::of_leaf())),
        }
    }

    fn heap_bytes(_: &V) -> usize {
        0
    }
}

impl<V> Tracking<V> for Opaque
where
    V: Serde + Clone + Send + Sync + 'static,
{
    tracks_a_leaf!(V);

    fn encode_diff(value: &V, old: &V, w: &mut Writer) -> Edit {
        same_or_put(w, |w| Self::encode(value, w), |w| Self::encode(old, w))
    }

    fn apply(_: &mut V, _: Reader<'_>, _: Option<&mut Self::Changes>) -> Result<(), DecodeError> {
        Err(DecodeError::Absent { what: "a part of an opaque value" })
    }
}

/// Compares two encodings behind the writer's end; leaves it as it was.
pub(super) fn same_or_put(w: &mut Writer, new: impl FnOnce(&mut Writer), old: impl FnOnce(&mut Writer)) -> Edit {
    let start = w.len();
    new(w);
    let middle = w.len();
    old(w);
    let (before, old_bytes) = w.as_slice().split_at_checked(middle).unwrap_or_default();
    let is_same = before.get(start..) == Some(old_bytes);
    w.truncate(start);
    if is_same { Edit::Same } else { Edit::Put }
}

/// Where postcard's bytes go.
struct Sink<'w>(&'w mut Writer);

impl Flavor for Sink<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.raw(&[byte]);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.raw(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// A type's name without the paths in it: modules move, types stay.
fn short_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut start = 0;
    for (at, text) in full.match_indices(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(last_segment(full.get(start..at).unwrap_or_default()));
        short.push_str(text);
        start = at + text.len();
    }
    short.push_str(last_segment(full.get(start..).unwrap_or_default()));
    short
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// Makes foreign serde types opaque leaves by themselves.
macro_rules! opaque_types {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::tracked::Tracked for $type {
            $crate::tracked::leaf::is_a_leaf!();
            const WIRE: $crate::delta::WireType = $crate::delta::WireType::Sized;

            fn kind(b: &mut $crate::schema::SchemaBuilder) -> $crate::schema::Kind {
                <Opaque as Tracking<Self>>::kind(b)
            }

            fn encode(&self, w: &mut $crate::coding::Writer) {
                Opaque::encode(self, w);
            }

            fn decode(r: &mut $crate::coding::Reader<'_>) -> Result<Self, $crate::coding::DecodeError> {
                Opaque::decode(r)
            }

            fn encode_diff(&self, old: &Self, w: &mut $crate::coding::Writer) -> $crate::tracked::Edit {
                Opaque::encode_diff(self, old, w)
            }

            fn apply(
                &mut self,
                edit: $crate::coding::Reader<'_>,
                changes: Option<&mut Self::Changes>,
            ) -> Result<(), $crate::coding::DecodeError> {
                Opaque::apply(self, edit, changes)
            }
        }
    )*};
}
#[cfg_attr(
    not(any(feature = "uuid", feature = "chrono", feature = "time")),
    expect(unused_imports, reason = "foreign types use it")
)]
pub(super) use opaque_types;

opaque_types! {
    std::time::Duration,
    std::time::SystemTime,
    std::net::IpAddr,
    std::net::Ipv4Addr,
    std::net::Ipv6Addr,
    std::net::SocketAddr,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn names_have_no_paths() {
        assert_eq!(short_name("u8"), "u8");
        assert_eq!(
            short_name("alloc::collections::BTreeMap<alloc::string::String, [a::b::C; 3]>"),
            "BTreeMap<String, [C; 3]>"
        );
    }

    #[test]
    fn any_serde_type_goes_there_and_back() {
        let value = BTreeMap::from([("a".to_owned(), Duration::new(1, 2))]);
        let mut w = Writer::new();
        Opaque::encode(&value, &mut w);
        let mut r = Reader::new(w.as_slice());
        assert_eq!(Opaque::decode(&mut r), Ok(value.clone()));
        assert!(r.is_done());
        assert_eq!(Opaque::encode_diff(&value, &value, &mut w), Edit::Same);
        assert_eq!(Opaque::encode_diff(&value, &BTreeMap::new(), &mut w), Edit::Put);
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        let mut w = Writer::new();
        Opaque::encode(&(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), &mut w);
        assert_eq!(w.refusal(), Some(&DecodeError::Refused { what: "std::time::SystemTime" }));
        assert_eq!(
            <Opaque as Tracking<String>>::decode(&mut Reader::new(&[2, 1, 0xff])),
            Err(DecodeError::Unreadable(UnknownValue::of_leaf()))
        );
        assert_eq!(
            <Opaque as Tracking<u8>>::decode(&mut Reader::new(&[2, 1, 1])),
            Err(DecodeError::Unreadable(UnknownValue::of_leaf()))
        );
    }
}

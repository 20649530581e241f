//! Fields by which objects are found: the constants that `#[nam(index)]` makes, and what is looked for.
//!
//! A field `user` of `Session` gets the constant `Session::USER`, seen by whom the field is. Invariant: the bytes that are
//! looked for are those that the repository keeps, a sized value without its length. Source: own reasoning (S6).

use std::fmt;
use std::marker::PhantomData;

use super::{Class, Tracked};
use crate::coding::{Reader, Writer};
use crate::delta::WireType;
use crate::ids::FieldId;

/// A field of `T`, of type `V`, by which objects are found: `node.find(Session::USER, "alice")`.
///
/// It counts where `T` is the root of an object; nobody can name the field of a struct inside of another, so a mark there
/// has no effect.
pub struct Index<T, V> {
    field: FieldId,
    of: PhantomData<fn() -> (T, V)>,
}

impl<T, V> Index<T, V> {
    /// Names the field; what the derive writes.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(field: u32) -> Self {
        Self { field: FieldId(field), of: PhantomData }
    }

    /// The field's id.
    #[must_use]
    pub const fn field(&self) -> FieldId {
        self.field
    }

    /// The bytes that stand for `value` in the repository's index.
    #[cfg(any(feature = "node", feature = "in-process"))]
    pub(crate) fn value_of<Q>(value: &Q) -> Vec<u8>
    where
        V: std::borrow::Borrow<Q>,
        Q: Sought + ?Sized,
    {
        value.indexed_bytes()
    }
}

impl<T, V> Clone for Index<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V> Copy for Index<T, V> {}

impl<T: Class, V> fmt::Debug for Index<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({}, field {})", T::NAME, self.field)
    }
}

/// What an index can be searched by: what the field holds, or `str` for a text.
pub trait Sought {
    /// The value as encoded, a sized one without its length.
    fn indexed_bytes(&self) -> Vec<u8>;
}

impl Sought for str {
    fn indexed_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl<V: Tracked> Sought for V {
    fn indexed_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.encode(&mut w);
        let mut r = Reader::new(w.as_slice());
        match V::WIRE {
            WireType::Sized => r.sized().unwrap_or_default().to_vec(),
            _ => r.rest().to_vec(),
        }
    }
}

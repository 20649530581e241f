//! The kinds of values a field can hold, and what overlapping commits do to them.
//!
//! Invariant: a kind determines the wire type of its values (`docs/wire.md` §2), and a [`KeyKind`] has one encoding
//! for each value, so keys are compared as bytes. Source: `docs/wire.md` §3.

use super::TypeIndex;

/// What a field, an element or an entry's value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bool`: one byte, 0 or 1.
    Bool,
    /// `u8`: one byte.
    U8,
    /// `i8`: one byte, two's complement.
    I8,
    /// `u16`, `u32`, `u64` (also `usize` as 64): a varint. The number is the width in bits.
    Uint(u8),
    /// `i16`, `i32`, `i64` (also `isize` as 64): a zigzagged varint. The number is the width in bits.
    Int(u8),
    /// `u128`: 16 bytes behind their length, little-endian.
    U128,
    /// `i128`: 16 bytes behind their length, little-endian two's complement.
    I128,
    /// `f32`: 4 bytes little-endian.
    F32,
    /// `f64`: 8 bytes little-endian.
    F64,
    /// `char`: UTF-8 behind its length.
    Char,
    /// `String`: UTF-8 behind its length; changed by splice.
    String,
    /// `Vec<u8>`, `Bytes`, `[u8; N]`: bytes behind their length; changed by splice.
    Bytes,
    /// Any other serde type: postcard bytes behind their length; replaced as a whole. The name is for people and for the compatibility check.
    Leaf(String),
    /// A struct, tuple or enum of the schema's table.
    Type(TypeIndex),
    /// `Option`.
    Option(Box<Kind>),
    /// `Vec`, `VecDeque`: elements in order.
    List(Box<Kind>),
    /// `[T; N]` of anything but bytes: a list whose length never changes.
    Array(Box<Kind>, u32),
    /// `HashMap`, `BTreeMap`: values by key.
    Map(KeyKind, Box<Kind>),
    /// `HashSet`, `BTreeSet`: keys.
    Set(KeyKind),
}

/// What a map or a set is keyed by: kinds whose equality is equality of encodings. Keys are encoded without a tag, one
/// after the other, and compared as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// One byte, 0 or 1.
    Bool,
    /// `u8`, `i8`: one byte.
    Byte,
    /// `u16` to `u64`, and field-less enums by variant id: a varint.
    Uint,
    /// `i16` to `i64`: a zigzagged varint.
    Int,
    /// `u128`, `i128`, uuid: 16 bytes.
    Wide,
    /// `char`: a varint of the scalar value.
    Char,
    /// `String`, `SmolStr`: UTF-8 behind its length.
    String,
    /// `Vec<u8>`, `Bytes`: bytes behind their length.
    Bytes,
    /// Tuples and arrays: the parts one after the other.
    Tuple(Vec<KeyKind>),
}

/// What happens when two commits that did not see each other touch the same field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The later one is refused and its closure runs again.
    #[default]
    Retry,
    /// The later one in the repository's order wins.
    Lww,
    /// Numbers are added.
    Add,
    /// The larger number stays.
    Max,
    /// The smaller number stays.
    Min,
    /// Sets are united.
    Union,
    /// Elements or text are put at the end.
    Append,
}

impl Kind {
    /// Whether it is a whole number.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::U8 | Self::I8 | Self::Uint(_) | Self::Int(_) | Self::U128 | Self::I128)
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::F32 | Self::F64)
    }
}

impl Policy {
    /// The word that stands for it in attributes, texts and `nam.lock`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Lww => "lww",
            Self::Add => "add",
            Self::Max => "max",
            Self::Min => "min",
            Self::Union => "union",
            Self::Append => "append",
        }
    }

    /// Whether commits carry an operation of this policy rather than its result.
    #[must_use]
    pub const fn has_operation(self) -> bool {
        matches!(self, Self::Add | Self::Max | Self::Min | Self::Union | Self::Append)
    }
}

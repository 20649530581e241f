//! Kinds and names as people read them: in refusals and in `nam.lock`.
//!
//! Invariant: within one schema each type has its own label, and what is printed here is what `lock` parses. Source: own
//! reasoning.

use std::fmt;

use super::{KeyKind, Kind, Schema, TypeDef, TypeIndex};

/// The words that stand for kinds; a type of such a name stands in quotation marks.
const KIND_WORDS: [&str; 22] = [
    "bool", "u8", "i8", "u16", "u32", "u64", "i16", "i32", "i64", "u128", "i128", "f32", "f64", "char", "string",
    "bytes", "leaf", "option", "list", "array", "map", "set",
];

/// The labels of a schema's types: the name, and `#2`, `#3` … behind it where several types have it.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) labels: Vec<String>,
}

impl Labels {
    /// Names every type of `schema`.
    pub(super) fn of(schema: &Schema) -> Self {
        let mut seen = std::collections::BTreeMap::<&str, usize>::new();
        let labels = schema.types.iter().map(|def| {
            let name = def.name();
            let count = seen.entry(name).or_default();
            *count += 1;
            let name = if KIND_WORDS.contains(&name) { format!("\"{name}\"") } else { word(name).to_string() };
            if *count == 1 { name } else { format!("{name}#{count}") }
        });
        Self { labels: labels.collect() }
    }

    /// The label of the type at `index`; empty where there is none.
    pub(super) fn at(&self, index: TypeIndex) -> &str {
        self.labels.get(index.0 as usize).map_or("", String::as_str)
    }

    /// Prints `kind`.
    pub(super) fn kind<'a>(&'a self, kind: &'a Kind) -> impl fmt::Display + 'a {
        KindText { labels: self, kind }
    }
}

struct KindText<'a> {
    labels: &'a Labels,
    kind: &'a Kind,
}

impl fmt::Display for KindText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |kind| KindText { labels: self.labels, kind };
        match self.kind {
            Kind::Bool => f.write_str("bool"),
            Kind::U8 => f.write_str("u8"),
            Kind::I8 => f.write_str("i8"),
            Kind::Uint(bits) => write!(f, "u{bits}"),
            Kind::Int(bits) => write!(f, "i{bits}"),
            Kind::U128 => f.write_str("u128"),
            Kind::I128 => f.write_str("i128"),
            Kind::F32 => f.write_str("f32"),
            Kind::F64 => f.write_str("f64"),
            Kind::Char => f.write_str("char"),
            Kind::String => f.write_str("string"),
            Kind::Bytes => f.write_str("bytes"),
            Kind::Leaf(name) => write!(f, "leaf<{}>", word(name)),
            Kind::Type(index) => f.write_str(self.labels.at(*index)),
            Kind::Option(kind) => write!(f, "option<{}>", inner(kind)),
            Kind::List(kind) => write!(f, "list<{}>", inner(kind)),
            Kind::Array(kind, count) => write!(f, "array<{}, {count}>", inner(kind)),
            Kind::Map(key, kind) => write!(f, "map<{}, {}>", KeyText(key), inner(kind)),
            Kind::Set(key) => write!(f, "set<{}>", KeyText(key)),
        }
    }
}

struct KeyText<'a>(&'a KeyKind);

impl fmt::Display for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            KeyKind::Bool => "bool",
            KeyKind::Byte => "byte",
            KeyKind::Uint => "uint",
            KeyKind::Int => "int",
            KeyKind::Wide => "wide",
            KeyKind::Char => "char",
            KeyKind::String => "string",
            KeyKind::Bytes => "bytes",
            KeyKind::Tuple(_) => "tuple",
        })?;
        if let KeyKind::Tuple(parts) = self.0 {
            for (i, part) in parts.iter().enumerate() {
                write!(f, "{}{}", if i == 0 { "<" } else { ", " }, KeyText(part))?;
            }
            f.write_str(">")?;
        }
        Ok(())
    }
}

/// A name as one word: as it is if it looks like an identifier with dots, in quotation marks otherwise.
pub(super) fn word(name: &str) -> impl fmt::Display + '_ {
    Word(name)
}

struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(is_word_char) {
            return f.write_str(self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

/// Whether a character stands in a word without quotation marks.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

impl TypeDef {
    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Struct(def) => &def.name,
            Self::Enum(def) => &def.name,
        }
    }
}

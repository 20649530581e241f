//! Reads the text of a lock file: lines to words, words to schemas.
//!
//! Invariants: every line is read wholly or named by its number; kinds nest no deeper than the cap; a schema that comes
//! out has passed its check. Source: own reasoning.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::LockError;
use crate::ids::{FieldId, VariantId};
use crate::limits::DEPTH_MAX;
use crate::schema::text::is_word_char;
use crate::schema::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex, VariantDef};

/// Reads the schemas of a lock file's text.
///
/// # Errors
/// `Line` names the first line that does not parse, `Schema` a class that breaks a rule.
pub fn parse_lock(text: &str) -> Result<Vec<Schema>, LockError> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut schemas = Vec::new();
    for section in lines.chunk_by(|_, (_, next)| !next.starts_with("class ")) {
        let schema = parse_class(section)?;
        schema.check().map_err(|error| LockError::Schema { class: schema.class.clone(), error })?;
        schemas.push(schema);
    }
    Ok(schemas)
}

/// The lines of one class; labels first, since kinds name types that stand further below.
fn parse_class(lines: &[(usize, &str)]) -> Result<Schema, LockError> {
    let mut labels = BTreeMap::new();
    for (line, text) in lines {
        let mut words = Words::new(text);
        if let Some("struct" | "enum") = words.keyword().as_deref() {
            let index = TypeIndex(u32::try_from(labels.len()).unwrap_or(u32::MAX));
            let label = words.label().map_err(|problem| at(*line, problem))?;
            if labels.insert(label, index).is_some() {
                return Err(at(*line, "this type stands twice".to_owned()));
            }
        }
    }
    let mut class = Class { labels, schema: None };
    for (line, text) in lines {
        class.line(text).map_err(|problem| at(*line, problem))?;
    }
    class.schema.ok_or_else(|| at(1, "a class line is missing".to_owned()))
}

fn at(line: usize, problem: String) -> LockError {
    LockError::Line { line, problem }
}

struct Class {
    labels: BTreeMap<(String, u32), TypeIndex>,
    schema: Option<Schema>,
}

impl Class {
    fn line(&mut self, text: &str) -> Result<(), String> {
        let mut words = Words::new(text);
        let keyword = words.keyword();
        match keyword.as_deref() {
            Some("class") => {
                let class = words.name()?;
                words.sign('=')?;
                let root = self.type_at(words.label()?)?;
                self.schema = Some(Schema { class, types: Vec::new(), root });
            }
            Some("struct") => {
                let name = words.label()?.0;
                self.types()?.push(TypeDef::Struct(StructDef { name, ..StructDef::default() }));
            }
            Some("enum") => {
                let name = words.label()?.0;
                self.types()?.push(TypeDef::Enum(EnumDef { name, ..EnumDef::default() }));
            }
            Some("variant") => self.variant(&mut words)?,
            Some("reserved") => self.reserved(&mut words)?,
            Some(word) => {
                let id = word.parse().map_err(|_| format!("`{word}` starts no line of a lock file"))?;
                self.field(FieldId(id), &mut words)?;
            }
            None => return Err("a line starts with a word".to_owned()),
        }
        words.end()
    }

    fn types(&mut self) -> Result<&mut Vec<TypeDef>, String> {
        self.schema.as_mut().map(|schema| &mut schema.types).ok_or_else(|| "a class line must come first".to_owned())
    }

    fn last_type(&mut self) -> Result<&mut TypeDef, String> {
        self.types()?.last_mut().ok_or_else(|| "a struct or enum line must come first".to_owned())
    }

    fn variant(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let id = VariantId(words.number()?);
        let name = words.name()?;
        let mut aliases = Vec::new();
        while words.is_sign(',') {
            match words.name()?.as_str() {
                "alias" => aliases.push(words.name()?),
                other => return Err(format!("`{other}` is nothing a variant can be")),
            }
        }
        match self.last_type()? {
            TypeDef::Enum(def) => def.variants.push(VariantDef { id, name, aliases, fields: Vec::new() }),
            TypeDef::Struct(_) => return Err("a struct has no variants".to_owned()),
        }
        Ok(())
    }

    fn reserved(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let mut ids = Vec::new();
        while !words.is_done() {
            ids.push(words.number()?);
        }
        match self.last_type()? {
            TypeDef::Struct(def) => def.reserved = ids.into_iter().map(FieldId).collect(),
            TypeDef::Enum(def) => def.reserved = ids.into_iter().map(VariantId).collect(),
        }
        Ok(())
    }

    fn field(&mut self, id: FieldId, words: &mut Words<'_>) -> Result<(), String> {
        let name = words.name()?;
        words.sign(':')?;
        let kind = self.kind(words, 0)?;
        let policy = Policy::Retry;
        let mut field =
            FieldDef { id, name, aliases: Vec::new(), kind, policy, index: false, redact: false, optional: false };
        while words.is_sign(',') {
            match words.name()?.as_str() {
                "index" => field.index = true,
                "redact" => field.redact = true,
                "optional" => field.optional = true,
                "alias" => field.aliases.push(words.name()?),
                other => field.policy = policy_named(other)?,
            }
        }
        let fields = match self.last_type()? {
            TypeDef::Struct(def) => &mut def.fields,
            TypeDef::Enum(def) => match def.variants.last_mut() {
                Some(variant) => &mut variant.fields,
                None => return Err("a variant line must come first".to_owned()),
            },
        };
        fields.push(field);
        Ok(())
    }

    fn type_at(&self, label: (String, u32)) -> Result<TypeIndex, String> {
        self.labels.get(&label).copied().ok_or_else(|| format!("there is no struct or enum `{}`", label.0))
    }

    fn kind(&self, words: &mut Words<'_>, depth: u16) -> Result<Kind, String> {
        if depth > DEPTH_MAX {
            return Err("kinds are nested too deeply".to_owned());
        }
        if words.is_quoted() {
            return Ok(Kind::Type(self.type_at(words.label()?)?));
        }
        let label = words.label()?;
        let kind = match label.0.as_str() {
            "leaf" => Kind::Leaf(words.bracketed(Words::name)?),
            "option" => Kind::Option(Box::new(words.bracketed(|words| self.kind(words, depth + 1))?)),
            "list" => Kind::List(Box::new(words.bracketed(|words| self.kind(words, depth + 1))?)),
            "array" => words.bracketed(|words| {
                let inner = self.kind(words, depth + 1)?;
                words.sign(',')?;
                Ok(Kind::Array(Box::new(inner), words.number()?))
            })?,
            "map" => words.bracketed(|words| {
                let key = key(words, depth + 1)?;
                words.sign(',')?;
                Ok(Kind::Map(key, Box::new(self.kind(words, depth + 1)?)))
            })?,
            "set" => Kind::Set(words.bracketed(|words| key(words, depth + 1))?),
            other => match scalar_named(other) {
                Some(kind) => kind,
                None => Kind::Type(self.type_at(label)?),
            },
        };
        Ok(kind)
    }
}

fn scalar_named(word: &str) -> Option<Kind> {
    Some(match word {
        "bool" => Kind::Bool,
        "u8" => Kind::U8,
        "i8" => Kind::I8,
        "u16" => Kind::Uint(16),
        "u32" => Kind::Uint(32),
        "u64" => Kind::Uint(64),
        "i16" => Kind::Int(16),
        "i32" => Kind::Int(32),
        "i64" => Kind::Int(64),
        "u128" => Kind::U128,
        "i128" => Kind::I128,
        "f32" => Kind::F32,
        "f64" => Kind::F64,
        "char" => Kind::Char,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        _ => return None,
    })
}

fn policy_named(word: &str) -> Result<Policy, String> {
    let policies = [Policy::Lww, Policy::Add, Policy::Max, Policy::Min, Policy::Union, Policy::Append];
    policies
        .into_iter()
        .find(|policy| policy.word() == word)
        .ok_or_else(|| format!("`{word}` is nothing a field can be"))
}

fn key(words: &mut Words<'_>, depth: u16) -> Result<KeyKind, String> {
    if depth > DEPTH_MAX {
        return Err("kinds are nested too deeply".to_owned());
    }
    Ok(match words.name()?.as_str() {
        "bool" => KeyKind::Bool,
        "byte" => KeyKind::Byte,
        "uint" => KeyKind::Uint,
        "int" => KeyKind::Int,
        "wide" => KeyKind::Wide,
        "char" => KeyKind::Char,
        "string" => KeyKind::String,
        "bytes" => KeyKind::Bytes,
        "tuple" => words.bracketed(|words| {
            let mut parts = vec![key(words, depth + 1)?];
            while words.is_sign(',') {
                parts.push(key(words, depth + 1)?);
            }
            Ok(KeyKind::Tuple(parts))
        })?,
        other => return Err(format!("`{other}` is no kind of key")),
    })
}

/// The words of one line, read from the left.
struct Words<'a> {
    chars: Peekable<Chars<'a>>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        Self { chars: line.chars().peekable() }
    }

    fn skip_blanks(&mut self) {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn is_done(&mut self) -> bool {
        self.skip_blanks();
        self.chars.peek().is_none()
    }

    fn is_quoted(&mut self) -> bool {
        self.skip_blanks();
        self.chars.peek() == Some(&'"')
    }

    fn end(&mut self) -> Result<(), String> {
        if self.is_done() { Ok(()) } else { Err(format!("`{}` is left over", self.chars.clone().collect::<String>())) }
    }

    /// A word without quotation marks, if one stands here.
    fn keyword(&mut self) -> Option<String> {
        self.skip_blanks();
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|c| is_word_char(*c)) {
            word.push(c);
        }
        (!word.is_empty()).then_some(word)
    }

    /// A word, with quotation marks or without.
    fn name(&mut self) -> Result<String, String> {
        if !self.is_quoted() {
            return self.keyword().ok_or_else(|| "a name is missing".to_owned());
        }
        self.chars.next();
        let mut name = String::new();
        loop {
            match self.chars.next() {
                Some('"') => return Ok(name),
                Some('\\') => name.extend(self.chars.next()),
                Some(c) => name.push(c),
                None => return Err("a quotation mark is missing".to_owned()),
            }
        }
    }

    /// A type's name and which of that name it is, from 1.
    fn label(&mut self) -> Result<(String, u32), String> {
        let name = self.name()?;
        let which = if self.is_sign('#') { self.number()? } else { 1 };
        Ok((name, which))
    }

    fn number(&mut self) -> Result<u32, String> {
        let word = self.keyword().unwrap_or_default();
        word.parse().map_err(|_| format!("`{word}` is no number"))
    }

    fn is_sign(&mut self, sign: char) -> bool {
        self.skip_blanks();
        self.chars.next_if_eq(&sign).is_some()
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        if self.is_sign(sign) { Ok(()) } else { Err(format!("`{sign}` is missing")) }
    }

    fn bracketed<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.sign('<')?;
        let answer = inside(self)?;
        self.sign('>')?;
        Ok(answer)
    }
}

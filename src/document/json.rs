//! Shows a value as JSON: the only printer of values, so that `redact` holds everywhere.
//!
//! Fields carry their names, fields the schema does not know `#id` and their bytes as hex; a field marked `redact` shows
//! `"<redacted>"`, whatever it holds. Keys of maps are strings, as JSON wants them. Numbers beyond 53 bits are printed
//! exactly; NaN and infinities are strings. Bytes and leaves are hex. Source: RFC 8259.

use std::fmt::{self, Display, Formatter, Write};

use super::apart::{Children, expand};
use super::freeze::Frozen;
use super::stored::{fields_of, stored_value};
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::FieldsReader;
use crate::ids::VariantId;
use crate::schema::{FieldDef, KeyKind, Kind, Schema, field_by_id};

/// A frozen value that prints itself.
#[derive(Clone)]
pub struct Json(Frozen);

impl Json {
    pub(super) fn new(frozen: Frozen) -> Self {
        Self(frozen)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").field("version", &self.0.version()).finish_non_exhaustive()
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let schema = self.0.schema();
        let kind = Kind::Type(schema.root);
        let mut out = String::new();
        let shown = self.0.root_value().and_then(|(value, children)| {
            let mut printer = Printer { schema, out: &mut out };
            printer.value(&kind, value, children)
        });
        match shown {
            Ok(()) => f.write_str(&out),
            Err(_) => f.write_str("\"<damaged>\""),
        }
    }
}

struct Printer<'p> {
    schema: &'p Schema,
    out: &'p mut String,
}

impl Printer<'_> {
    fn value(&mut self, kind: &Kind, value: &[u8], children: &Children) -> Result<(), DecodeError> {
        let mut r = Reader::new(value);
        match kind {
            Kind::Bool => self.plain(r.byte()? == 1),
            Kind::U8 => self.plain(r.byte()?),
            Kind::I8 => self.plain(r.byte()?.cast_signed()),
            Kind::Uint(_) => self.plain(r.varint()?),
            Kind::Int(_) => self.plain(r.zigzag()?),
            Kind::F32 => {
                let shown = f32::from_le_bytes(r.array()?);
                self.float(f64::from(shown), shown);
            }
            Kind::F64 => {
                let shown = f64::from_le_bytes(r.array()?);
                self.float(shown, shown);
            }
            Kind::U128 => self.plain(u128::from_le_bytes(Reader::new(r.sized()?).array()?)),
            Kind::I128 => self.plain(i128::from_le_bytes(Reader::new(r.sized()?).array()?)),
            Kind::Char | Kind::String => self.text(r.text()?),
            Kind::Bytes | Kind::Leaf(_) => self.hex(r.sized()?),
            Kind::Option(inner) => {
                let body = r.frame()?;
                match body.is_done() {
                    true => self.out.push_str("null"),
                    false => self.value(inner, body.rest(), children)?,
                }
            }
            Kind::Type(index) => {
                let mut body = r.frame()?;
                let mut variant = body;
                let defs = fields_of(self.schema, *index, &mut body)?;
                match self.schema.variant_of(*index, VariantId(variant.varint32().unwrap_or_default())) {
                    Some(variant) => {
                        self.out.push('{');
                        self.text(&variant.name);
                        self.out.push(':');
                        self.fields(defs, body, children)?;
                        self.out.push('}');
                    }
                    None => self.fields(defs, body, children)?,
                }
            }
            Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_) => {
                let mut whole = Writer::new();
                expand(self.schema, kind, value, children, &mut whole)?;
                self.container(kind, Reader::new(whole.as_slice()).frame()?)?;
            }
        }
        Ok(())
    }

    fn container(&mut self, kind: &Kind, mut body: Reader<'_>) -> Result<(), DecodeError> {
        let (open, close) = if matches!(kind, Kind::Map(..)) { ('{', '}') } else { ('[', ']') };
        self.out.push(open);
        for at in 0..body.varint()? {
            if at > 0 {
                self.out.push(',');
            }
            match kind {
                Kind::Map(keys, values) => {
                    let name = key_text(keys, &mut body)?;
                    self.text(&name);
                    self.out.push(':');
                    self.value(values, stored_value(Some(values), &mut body)?, Children::none())?;
                }
                Kind::Set(keys) => {
                    let name = key_text(keys, &mut body)?;
                    self.text(&name);
                }
                Kind::List(element) | Kind::Array(element, _) => {
                    self.value(element, stored_value(Some(element), &mut body)?, Children::none())?;
                }
                _ => {}
            }
        }
        self.out.push(close);
        Ok(())
    }

    fn fields(&mut self, defs: &[FieldDef], body: Reader<'_>, children: &Children) -> Result<(), DecodeError> {
        let mut reader = FieldsReader::new(body);
        let mut is_first = true;
        self.out.push('{');
        while let Some(field) = reader.next()? {
            if !std::mem::replace(&mut is_first, false) {
                self.out.push(',');
            }
            match field_by_id(defs, field.id) {
                Some(def) => {
                    self.text(&def.name);
                    self.out.push(':');
                    match def.redact {
                        true => self.text("<redacted>"),
                        false => self.value(&def.kind, field.value.rest(), children)?,
                    }
                }
                None => {
                    self.text(&format!("#{}", field.id));
                    self.out.push(':');
                    self.hex(field.value.rest());
                }
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn plain(&mut self, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn float(&mut self, value: f64, shown: impl Display) {
        match value.is_finite() {
            true => self.plain(shown),
            false => self.text(&value.to_string()),
        }
    }

    fn hex(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for byte in bytes {
            let _ = write!(self.out, "{byte:02x}");
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if u32::from(c) < 0x20 => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// A key as text; the parts of a tuple with commas between.
fn key_text(kind: &KeyKind, r: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(match kind {
        KeyKind::Bool => (r.byte()? == 1).to_string(),
        KeyKind::Byte => r.byte()?.to_string(),
        KeyKind::Uint => r.varint()?.to_string(),
        KeyKind::Int => r.zigzag()?.to_string(),
        KeyKind::Wide => hex_text(r.take(16)?),
        KeyKind::Char => char::from_u32(r.varint32()?).unwrap_or(char::REPLACEMENT_CHARACTER).to_string(),
        KeyKind::String => r.text()?.to_owned(),
        KeyKind::Bytes => hex_text(r.sized()?),
        KeyKind::Tuple(parts) => {
            let parts: Result<Vec<_>, _> = parts.iter().map(|part| key_text(part, r)).collect();
            parts?.join(",")
        }
    })
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! A JSON value that nam tracks: what a session holds under a key.
//!
//! Containers stand behind `Arc`, so that a version that somebody still compares with costs only what differs from the
//! newest one, and comparing the two stops where they share. No `Debug`: values are printed nowhere. Invariants: what
//! `serde_json` gave comes back equal, numbers to the last bit; nesting stays within [`SESSION_DEPTH_MAX`], what is deeper
//! is text. Source: own reasoning.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::limits::{SESSION_DEPTH_MAX, SESSION_TEXT_DEPTH_MAX};

/// The values of a session, or of one object in it, by name.
pub(super) type Fields = BTreeMap<String, Json>;

/// One JSON value.
#[derive(nam_derive::Tracked, Clone)]
#[nam(crate = "crate")]
pub(super) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number that is a `u64`.
    Unsigned(u64),
    /// A negative number that is an `i64`.
    Signed(i64),
    /// A number that is an `f64`.
    Float(f64),
    /// A number that is none of these, as it is written.
    Written(String),
    /// A text.
    Text(String),
    /// An array.
    List(Arc<Vec<Json>>),
    /// An object.
    Object(Arc<Fields>),
    /// A value nested too deep to be tracked, as JSON text.
    Deep(String),
}

/// Says why a value cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session value is nested more than {} levels deep", u16::from(SESSION_DEPTH_MAX) + u16::from(SESSION_TEXT_DEPTH_MAX))]
pub(super) struct TooDeep;

impl Json {
    /// Takes over a value that stands `depth` levels below the session.
    pub(super) fn from_value(value: &Value, depth: u8) -> Result<Self, TooDeep> {
        if depth >= SESSION_DEPTH_MAX && (value.is_array() || value.is_object()) {
            if is_deeper(value, SESSION_TEXT_DEPTH_MAX) {
                return Err(TooDeep);
            }
            return Ok(Self::Deep(value.to_string()));
        }
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::from_number(number),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(elements) => {
                let elements: Result<_, _> = elements.iter().map(|value| Self::from_value(value, depth + 1)).collect();
                Self::List(Arc::new(elements?))
            }
            Value::Object(fields) => Self::Object(Arc::new(fields_of(fields.iter(), depth + 1)?)),
        })
    }

    fn from_number(number: &Number) -> Self {
        let unsigned = number.as_u64().filter(|value| Number::from(*value) == *number).map(Self::Unsigned);
        let signed = || number.as_i64().filter(|value| Number::from(*value) == *number).map(Self::Signed);
        let is_exact = |value: &f64| Number::from_f64(*value).is_some_and(|same| same == *number);
        let float = || number.as_f64().filter(is_exact).map(Self::Float);
        unsigned.or_else(signed).or_else(float).unwrap_or_else(|| Self::Written(number.to_string()))
    }

    /// The value as `serde_json` has it. What no JSON can say, and only another program can have written, is `null`.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Unsigned(value) => Value::from(*value),
            Self::Signed(value) => Value::from(*value),
            Self::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Self::Written(text) => serde_json::from_str(text).map_or(Value::Null, Value::Number),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(elements) => Value::Array(elements.iter().map(Self::to_value).collect()),
            Self::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.clone(), value.to_value())).collect::<Map<_, _>>())
            }
            Self::Deep(text) => serde_json::from_str(text).unwrap_or_default(),
        }
    }

    /// Bytes of heap behind the value, and its own.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + crate::tracked::Tracked::heap_bytes(self)
    }

    /// Whether this is how `value` would be kept.
    pub(super) fn is_value(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(own), Value::Bool(other)) => own == other,
            (Self::Text(own), Value::String(other)) => own == other,
            (Self::List(own), Value::Array(other)) => {
                own.len() == other.len() && own.iter().zip(other).all(|(own, other)| own.is_value(other))
            }
            (Self::Object(own), Value::Object(other)) => {
                let is_same = |(key, own): (&String, &Self)| other.get(key).is_some_and(|other| own.is_value(other));
                own.len() == other.len() && own.iter().all(is_same)
            }
            (Self::Deep(own), Value::Array(_) | Value::Object(_)) => {
                !is_deeper(value, SESSION_TEXT_DEPTH_MAX) && serde_json::to_string(value).is_ok_and(|text| text == *own)
            }
            (_, Value::Number(number)) => *self == Self::from_number(number),
            _ => false,
        }
    }
}

/// Equal as they are kept; what two values share is not looked at.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(own), Self::Bool(other)) => own == other,
            (Self::Unsigned(own), Self::Unsigned(other)) => own == other,
            (Self::Signed(own), Self::Signed(other)) => own == other,
            (Self::Float(own), Self::Float(other)) => own.to_bits() == other.to_bits(),
            (Self::Text(own), Self::Text(other))
            | (Self::Written(own), Self::Written(other))
            | (Self::Deep(own), Self::Deep(other)) => own == other,
            (Self::List(own), Self::List(other)) => Arc::ptr_eq(own, other) || own == other,
            (Self::Object(own), Self::Object(other)) => Arc::ptr_eq(own, other) || own == other,
            _ => false,
        }
    }
}

/// Takes over named values that stand `depth` levels below the session.
pub(super) fn fields_of<'a>(
    fields: impl Iterator<Item = (&'a String, &'a Value)>,
    depth: u8,
) -> Result<Fields, TooDeep> {
    fields.map(|(key, value)| Ok((key.clone(), Json::from_value(value, depth)?))).collect()
}

/// Bytes of heap behind named values, roughly.
pub(super) fn heap_bytes(fields: &Fields) -> usize {
    crate::tracked::Tracked::heap_bytes(fields)
}

/// Whether a value has more than `levels` levels of arrays and objects; looks no deeper.
fn is_deeper(value: &Value, levels: u8) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(elements) => elements.iter().any(|value| is_deeper(value, below)),
        Value::Object(fields) => fields.values().any(|value| is_deeper(value, below)),
        _ => false,
    }
}

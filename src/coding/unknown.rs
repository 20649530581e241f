//! Whole bytes that mean nothing to this program: what a newer one wrote, and what is over a limit.
//!
//! An error that is no damage says where it stands, so that a person can act on it. Invariant: the fields are noted as the
//! error passes them on its way out, so that bytes that decode cost nothing. Source: own reasoning.

use std::fmt;

use super::DecodeError;

/// A value that this program does not know: a variant that its enum lacks, or an opaque leaf that its type refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownValue {
    /// The fields around it, innermost first.
    fields: Vec<&'static str>,
    variant: Option<u32>,
}

impl UnknownValue {
    /// A variant of an enum.
    #[must_use]
    pub fn of_variant(id: u32) -> Self {
        Self { fields: Vec::new(), variant: Some(id) }
    }

    /// A leaf that its own `Deserialize` refuses.
    #[must_use]
    pub fn of_leaf() -> Self {
        Self { fields: Vec::new(), variant: None }
    }

    /// The id of the variant; `None` for a leaf.
    #[must_use]
    pub fn variant(&self) -> Option<u32> {
        self.variant
    }

    /// The field that holds it, by its names from the root: `orders.status`.
    #[must_use]
    pub fn path(&self) -> String {
        self.fields.iter().rev().copied().collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for UnknownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            Some(variant) => write!(f, "variant {variant} of `{}` is not known here", self.path()),
            None => write!(f, "the leaf `{}` is refused by its own type", self.path()),
        }
    }
}

impl DecodeError {
    /// Whether the bytes mean something, and are more than a limit allows; sums that left their range among them.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Limit { .. } | Self::TooDeep | Self::Overflow { .. })
    }

    /// The error, seen from around `field`.
    #[must_use]
    pub fn within(mut self, field: &'static str) -> Self {
        if let Self::Unreadable(value) = &mut self {
            value.fields.push(field);
        }
        self
    }
}

//! The names that the expansion gives to what it makes.
//!
//! One place decides what users will type: `FooMut`, `FooChanges`, `FooFields`, `FooVariantMut`, `x_mut`, `into_x`,
//! `require_x`.
//! Invariant: a raw identifier loses its `r#` inside a longer name and in the schema. Source: own reasoning.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt;

/// Names of the types made for one struct or enum.
pub(crate) struct Names {
    /// `FooMut`, the cursor.
    pub(crate) cursor: Ident,
    /// `FooChanges`, the change set.
    pub(crate) changes: Ident,
    /// `FooFields`, one cursor for each field of a struct.
    pub(crate) fields: Ident,
    /// `FooVariantMut`, the cursors of the fields of an enum's current variant.
    pub(crate) variant_cursors: Ident,
}

impl Names {
    /// Derives the names from the type's own.
    pub(crate) fn new(ident: &Ident) -> Self {
        let bare = ident.unraw();
        Self {
            cursor: format_ident!("{bare}Mut"),
            changes: format_ident!("{bare}Changes"),
            fields: format_ident!("{bare}Fields"),
            variant_cursors: format_ident!("{bare}VariantMut"),
        }
    }
}

/// The methods that answer a field's cursor: `cash_mut` and `into_cash`; of a tuple's first `_0_mut` and `into_0`.
pub(crate) fn accessors(name: &str, span: Span) -> (Ident, Ident) {
    let lead = if name.starts_with(|first: char| first.is_ascii_digit()) { "_" } else { "" };
    (format_ident!("{lead}{name}_mut", span = span), format_ident!("into_{name}", span = span))
}

/// The method that reads a field and requires it: `require_cash`.
pub(crate) fn requirement(name: &str, span: Span) -> Ident {
    format_ident!("require_{name}", span = span)
}

/// The constant by which objects are found: `USER` of a field `user`.
pub(crate) fn constant(name: &str, span: Span) -> Ident {
    format_ident!("{}", name.to_uppercase(), span = span)
}

/// The change set of an enum's variant: `StatusFilledChanges`, and the record it stands in: `filled`.
pub(crate) fn variant_changes(container: &Ident, variant: &str) -> (Ident, Ident) {
    (format_ident!("{}{variant}Changes", container.unraw()), snake(variant))
}

/// A variant's name as that of a field: `PartlyFilled` becomes `partly_filled`.
fn snake(variant: &str) -> Ident {
    let mut text = String::new();
    let mut follows_lower = false;
    for letter in variant.chars() {
        if letter.is_uppercase() && follows_lower {
            text.push('_');
        }
        follows_lower = !letter.is_uppercase();
        text.extend(letter.to_lowercase());
    }
    let span = Span::call_site();
    match text.as_str() {
        "self" | "super" | "crate" => Ident::new(&format!("{text}_"), span),
        _ => syn::parse_str::<Ident>(&text).unwrap_or_else(|_| Ident::new_raw(&text, span)),
    }
}

/// A local variable that stands for a field: `cash`, for the first field of a tuple struct `_0`, behind a prefix.
pub(crate) fn binding(prefix: &str, name: &str) -> Ident {
    format_ident!("{prefix}_{name}")
}

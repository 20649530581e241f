//! The derive macro of nam: from a user's struct to its cursors, change set, schema and codec.
//!
//! A pipeline of small files, in this order: [`derive_tracked`] → `names` → `errors` (all collected, none lost) →
//! `attributes` → `model` → `checks` → `bounds` → `expansion`, or `fallback` after a mistake. Invariants: the expansion
//! calls `::nam::__private` only and holds no logic that a plain function could hold. Source: thiserror and serde.

mod attributes;
mod bounds;
mod checks;
mod errors;
mod expansion;
mod fallback;
mod model;
mod names;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::errors::Errors;
use crate::model::Container;

/// Derives `nam::Tracked`: see there.
#[proc_macro_derive(Tracked, attributes(nam))]
pub fn derive_tracked(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let Some(mut container) = Container::read(input, &mut errors) else {
        return errors.into_tokens().into();
    };
    checks::run(&mut container, &mut errors);
    if errors.count() == 0 {
        return expansion::expand(&container).into();
    }
    let mut tokens = errors.into_tokens();
    tokens.extend(fallback::stub(container));
    tokens.into()
}

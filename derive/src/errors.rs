//! Collects mistakes, so that a user sees all of them at once.
//!
//! Every station of the pipeline takes this list and goes on after a mistake; only the last one looks at it. Invariant:
//! nothing that was put in is lost, each becomes one `compile_error!` at its own place. Source: `serde_derive`'s `Ctxt`.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Adds a mistake that `place` shows.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(place, message));
    }

    /// Adds a mistake that the parser found.
    pub(crate) fn keep(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// Counts the mistakes, so that a caller sees whether a step added any.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Turns every mistake into a `compile_error!` at its place.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

//! The generics of what is made.
//!
//! Invariants: only parameters are bounded, never the types of fields, so recursive types do not send the trait solver
//! in circles; `#[nam(bound = "..")]` replaces the bounds altogether. Source: serde's bounds and the overflow reports
//! against bounding field types (E0275).

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericParam, Generics, Path, WherePredicate, parse_quote};

use crate::model::Container;

/// The parameters of the user's type, with the bounds that tracking needs.
pub(crate) struct Bounds {
    /// As the user's type has them, with `P: Tracked` added.
    pub(crate) plain: Generics,
    /// The same behind a lifetime `'nam`, for cursors.
    pub(crate) borrowed: Generics,
}

impl Bounds {
    /// Adds the bounds.
    pub(crate) fn new(container: &Container, nam: &Path) -> Self {
        let mut plain = container.generics.clone();
        let predicates: Vec<WherePredicate> = match &container.settings.bound {
            Some(bound) => bound.value.clone(),
            None => container
                .generics
                .type_params()
                .map(|parameter| {
                    let ident = &parameter.ident;
                    parse_quote!(#ident: #nam::Tracked)
                })
                .collect(),
        };
        if !predicates.is_empty() {
            plain.make_where_clause().predicates.extend(predicates);
        }
        for parameter in &mut plain.params {
            match parameter {
                GenericParam::Type(parameter) => parameter.default = None,
                GenericParam::Const(parameter) => parameter.default = None,
                GenericParam::Lifetime(_) => {}
            }
        }
        let mut borrowed = plain.clone();
        borrowed.params.insert(0, parse_quote!('nam));
        Self { plain, borrowed }
    }

    /// The parameters without any bound, for `type` items, which check none.
    pub(crate) fn bare(&self) -> TokenStream {
        unbounded(&self.plain)
    }

    /// The same behind `'nam`.
    pub(crate) fn bare_borrowed(&self) -> TokenStream {
        unbounded(&self.borrowed)
    }

    /// The arguments that follow `'nam`: `, P, N`.
    pub(crate) fn arguments_behind_lifetime(&self) -> TokenStream {
        let arguments = self.plain.params.iter().map(|parameter| match parameter {
            GenericParam::Type(parameter) => {
                let ident = &parameter.ident;
                quote!(#ident)
            }
            GenericParam::Const(parameter) => {
                let ident = &parameter.ident;
                quote!(#ident)
            }
            GenericParam::Lifetime(parameter) => {
                let lifetime = &parameter.lifetime;
                quote!(#lifetime)
            }
        });
        quote!(#(, #arguments)*)
    }
}

fn unbounded(generics: &Generics) -> TokenStream {
    let mut generics = generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.colon_token = None;
        parameter.bounds.clear();
    }
    quote!(#generics)
}

//! Root structs: the name of the class.
//!
//! Invariant: the name is the one given, or else the struct's own. Source: own reasoning.

use quote::quote;

use super::{Expansion, Scope};

/// Adds `impl Class`.
pub(crate) fn expand(scope: &Scope<'_>, expansion: &mut Expansion) {
    let (ident, settings) = (&scope.container.ident, &scope.container.settings);
    let name = settings.name.as_ref().map_or_else(|| scope.container.name.clone(), |name| name.value.value());
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Class for #ident #ty_generics #where_clause {
            const NAME: &'static str = #name;
        }
    });
}

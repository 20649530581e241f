//! Root structs: the name of the class, and the fields that objects are found by.
//!
//! Invariant: the name is the one given, or else the struct's own; a constant is seen by whom its field is. Source: own reasoning.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Expansion, Scope};
use crate::attributes::ClassName;
use crate::model::{Field, FieldList};
use crate::names;

/// Adds `impl Class`, and the constants of the fields that objects are found by.
pub(crate) fn expand(scope: &Scope<'_>, list: &FieldList, expansion: &mut Expansion) {
    let (ident, settings) = (&scope.container.ident, &scope.container.settings);
    let own = &scope.container.name;
    let name = match settings.name.as_ref().map(|name| &name.value) {
        Some(ClassName::Text(text)) => quote!(#text),
        Some(ClassName::Constant(path)) => quote!(#path),
        None => quote!(#own),
    };
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Class for #ident #ty_generics #where_clause {
            const NAME: &'static str = #name;
        }
    });
    let constants: Vec<_> = list.fields.iter().filter(|field| field.settings.index.is_some()).map(constant).collect();
    if !constants.is_empty() {
        expansion.hidden.extend(quote! {
            impl #impl_generics #ident #ty_generics #where_clause {
                #(#constants)*
            }
        });
    }
}

/// The constant by which objects are found: `USER` of a field `user`.
fn constant(field: &Field) -> TokenStream {
    let (vis, ty, id) = (&field.vis, &field.ty, field.id);
    let (name, doc) = (names::constant(&field.name, field.span()), format!("Finds objects by `{}`.", field.name));
    quote! {
        #[doc = #doc]
        #vis const #name: __nam::Index<Self, #ty> = __nam::Index::new(#id);
    }
}

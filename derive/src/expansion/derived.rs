//! `impl Tracked` of structs and enums: every method is a function of `nam::__private` over `Derived`.
//!
//! Invariant: nothing here depends on the fields but `EDITS_NOTHING`. Source: own reasoning.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Expansion, Scope};

/// Adds `impl Tracked`. `decode` is the function that reads a full value, `edits_nothing` a constant expression.
pub(crate) fn expand(scope: &Scope<'_>, decode: &TokenStream, edits_nothing: &TokenStream, expansion: &mut Expansion) {
    let (ident, names) = (&scope.container.ident, &scope.container.names);
    let (cursor, changes) = (&names.cursor, &names.changes);
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let arguments = scope.bounds.arguments_behind_lifetime();
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Tracked for #ident #ty_generics #where_clause {
            type Changes = #changes #ty_generics;
            type Mut<'nam> = #cursor<'nam #arguments>;
            type InVec = __nam::AsList;
            const WIRE: __nam::WireType = __nam::WireType::Sized;
            const EDITS_NOTHING: bool = #edits_nothing;
            fn kind(b: &mut __nam::SchemaBuilder) -> __nam::Kind {
                __nam::kind::<Self>(b)
            }
            #[inline]
            fn track<'nam>(&'nam mut self, c: &'nam mut Self::Changes) -> Self::Mut<'nam> {
                #cursor { nam_value: self, nam_changes: c }
            }
            fn encode(&self, w: &mut __nam::Writer) {
                __nam::encode(self, w);
            }
            fn decode(r: &mut __nam::Reader<'_>) -> ::core::result::Result<Self, __nam::DecodeError> {
                __nam::#decode(r)
            }
            fn encode_edit(&self, c: &Self::Changes, w: &mut __nam::Writer) -> __nam::Edit {
                __nam::encode_edit(self, c, w)
            }
            fn encode_guards(&self, c: &Self::Changes, w: &mut __nam::Writer) -> __nam::Edit {
                __nam::encode_guards(self, c, w)
            }
            fn encode_diff(&self, old: &Self, w: &mut __nam::Writer) -> __nam::Edit {
                __nam::encode_diff(self, old, w)
            }
            fn apply(
                &mut self,
                edit: __nam::Reader<'_>,
                c: ::core::option::Option<&mut Self::Changes>,
            ) -> ::core::result::Result<(), __nam::DecodeError> {
                __nam::apply(self, edit, c)
            }
            fn put_whole(&mut self, value: Self, c: ::core::option::Option<&mut Self::Changes>) {
                __nam::replace(self, value, c);
            }
            fn undo(&mut self, c: Self::Changes) {
                __nam::undo(self, c);
            }
            fn heap_bytes(&self) -> usize {
                __nam::Derived::heap_bytes_of_fields(self)
            }
        }
    });
}

/// Overrides `swap_local` with `body`, if there are fields that stay here.
pub(crate) fn swap_local(lines: &TokenStream, body: impl FnOnce() -> TokenStream) -> TokenStream {
    if lines.is_empty() {
        return TokenStream::new();
    }
    let body = body();
    quote! {
        fn swap_local(&mut self, other: &mut Self) {
            #body
        }
    }
}

//! Enums without fields: leaves that are written by dereferencing, `*p.side_mut() = Side::Sell`.
//!
//! Invariant: the encoding is that of any enum, a variant id behind its length, so a variant may get fields later.
//! Source: own reasoning.

use quote::quote;

use super::{Expansion, Scope, schema};
use crate::model::Variant;

/// Whether no variant holds anything.
pub(crate) fn is_plain(variants: &[Variant]) -> bool {
    variants.iter().all(|variant| variant.fields.fields.is_empty())
}

/// Adds everything an enum without fields needs.
pub(crate) fn expand(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    types(scope, expansion);
    let ident = &scope.container.ident;
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let describe = schema::of_enum(scope, variants);
    let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
    let ids: Vec<u32> = variants.iter().map(|variant| variant.id).collect();
    let delegated = delegated();
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::PlainEnum for #ident #ty_generics #where_clause {
            fn describe(b: &mut __nam::SchemaBuilder) -> __nam::TypeDef {
                #describe
            }
            fn variant(&self) -> __nam::VariantId {
                match self { #(Self::#idents { .. } => __nam::VariantId(#ids),)* }
            }
            fn from_variant(id: __nam::VariantId) -> ::core::option::Option<Self> {
                match id.0 {
                    #(#ids => ::core::option::Option::Some(Self::#idents {}),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
        impl #impl_generics __nam::Tracked for #ident #ty_generics #where_clause {
            #delegated
        }
    });
}

/// The body of `impl Tracked`: the manner `Variants` does it all.
fn delegated() -> proc_macro2::TokenStream {
    quote! {
        type Changes = __nam::LeafChanges<Self>;
        type Mut<'nam> = __nam::Leaf<'nam, Self>;
        type InVec = __nam::AsList;
        const WIRE: __nam::WireType = __nam::WireType::Sized;
        const EDITS_NOTHING: bool = true;
        fn kind(b: &mut __nam::SchemaBuilder) -> __nam::Kind {
            <__nam::Variants as __nam::Tracking<Self>>::kind(b)
        }
        #[inline]
        fn track<'nam>(&'nam mut self, c: &'nam mut Self::Changes) -> Self::Mut<'nam> {
            __nam::Variants::track(self, c)
        }
        fn encode(&self, w: &mut __nam::Writer) {
            __nam::Variants::encode(self, w);
        }
        fn decode(r: &mut __nam::Reader<'_>) -> ::core::result::Result<Self, __nam::DecodeError> {
            __nam::Variants::decode(r)
        }
        fn encode_edit(&self, c: &Self::Changes, w: &mut __nam::Writer) -> __nam::Edit {
            __nam::Variants::encode_edit(self, c, w)
        }
        fn encode_diff(&self, old: &Self, w: &mut __nam::Writer) -> __nam::Edit {
            __nam::Variants::encode_diff(self, old, w)
        }
        fn apply(
            &mut self,
            edit: __nam::Reader<'_>,
            c: ::core::option::Option<&mut Self::Changes>,
        ) -> ::core::result::Result<(), __nam::DecodeError> {
            __nam::Variants::apply(self, edit, c)
        }
        fn put_whole(&mut self, value: Self, c: ::core::option::Option<&mut Self::Changes>) {
            __nam::Variants::replace(self, value, c);
        }
        fn undo(&mut self, c: Self::Changes) {
            __nam::Variants::undo(self, c);
        }
    }
}

/// Adds the names that users may expect, as names of the leaf's.
pub(crate) fn types(scope: &Scope<'_>, expansion: &mut Expansion) {
    let (nam, ident, vis, names) = (&scope.nam, &scope.container.ident, &scope.container.vis, &scope.container.names);
    let (cursor, changes) = (&names.cursor, &names.changes);
    let (generics, borrowed) = (scope.bounds.bare(), scope.bounds.bare_borrowed());
    let (_, ty_generics, _) = scope.bounds.plain.split_for_impl();
    let doc = format!("Writes a [`{ident}`]: dereference it.");
    let doc_changes = format!("What a transaction touched in a [`{ident}`].");
    expansion.named.extend(quote! {
        #[doc = #doc]
        #vis type #cursor #borrowed = #nam::__private::Leaf<'nam, #ident #ty_generics>;
        #[doc = #doc_changes]
        #vis type #changes #generics = #nam::__private::LeafChanges<#ident #ty_generics>;
    });
}

//! `#[nam(key)]`: newtypes of keys and enums without fields as keys of maps and sets.
//!
//! It is asked for and never given by itself, because the derive cannot see whether `Eq` and `Hash` are derived ones: a
//! key's `Eq` must be equality of its encoding. Invariant: a newtype's key is its field's, an enum's its variant id.
//! Source: `docs/wire.md` §3.

use quote::quote;

use super::{Expansion, Scope};
use crate::model::Body;

/// Adds `impl Key`.
pub(crate) fn expand(scope: &Scope<'_>, expansion: &mut Expansion) {
    let ident = &scope.container.ident;
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let (kind, encode, decode) = match &scope.container.body {
        Body::Struct(list) => {
            let tys = list.fields.iter().map(|field| &field.ty);
            let members: Vec<_> = list.fields.iter().map(|field| &field.member).collect();
            (
                quote!(#(<#tys as __nam::Key>::key_kind())*),
                quote!(#(__nam::Key::encode_key(&self.#members, w);)*),
                quote!(::core::result::Result::Ok(Self { #(#members: __nam::Key::decode_key(r)?)* })),
            )
        }
        Body::Enum(_) => (
            quote!(__nam::KeyKind::Uint),
            quote!(__nam::Variants::encode_key(self, w);),
            quote!(__nam::Variants::decode_key(r)),
        ),
    };
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Seal for #ident #ty_generics #where_clause {}
        impl #impl_generics __nam::Key for #ident #ty_generics #where_clause {
            fn key_kind() -> __nam::KeyKind {
                #kind
            }
            fn encode_key(&self, w: &mut __nam::Writer) {
                #encode
            }
            fn decode_key(r: &mut __nam::Reader<'_>) -> ::core::result::Result<Self, __nam::DecodeError> {
                #decode
            }
        }
    });
}

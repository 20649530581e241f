//! Newtypes and transparent structs: encoded exactly as their field, with a cursor of their own.
//!
//! Invariant: the change set is the field's own, so a newtype costs nothing on the wire or in memory; reads go through
//! the newtype, whose methods stay callable. Source: own reasoning.

use quote::{format_ident, quote, quote_spanned};

use super::fields::{changes_type, manner};
use super::{Expansion, Scope, cursor};
use crate::model::{Field, FieldList};

/// Adds everything a newtype needs.
pub(crate) fn expand(scope: &Scope<'_>, list: &FieldList, field: &Field, expansion: &mut Expansion) {
    types(scope, list, field, expansion);
    let (ident, cursor) = (&scope.container.ident, &scope.container.names.cursor);
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let arguments = scope.bounds.arguments_behind_lifetime();
    let (ty, member, manner) = (&field.ty, &field.member, manner(field));
    // The place is that of the type, which may not be tracked.
    expansion.hidden.extend(quote_spanned! {field.place()=>
        impl #impl_generics __nam::Tracked for #ident #ty_generics #where_clause {
            type Changes = <#manner as __nam::Tracking<#ty>>::Changes;
            type Mut<'nam> = #cursor<'nam #arguments>;
            type InVec = __nam::AsList;
            const WIRE: __nam::WireType = <#manner as __nam::Tracking<#ty>>::WIRE;
            const EDITS_NOTHING: bool = <#manner as __nam::Tracking<#ty>>::EDITS_NOTHING;
            fn kind(b: &mut __nam::SchemaBuilder) -> __nam::Kind {
                <#manner as __nam::Tracking<#ty>>::kind(b)
            }
            #[inline]
            fn track<'nam>(&'nam mut self, c: &'nam mut Self::Changes) -> Self::Mut<'nam> {
                #cursor { nam_value: self, nam_changes: c }
            }
            #[inline]
            fn encode(&self, w: &mut __nam::Writer) {
                <#manner>::encode(&self.#member, w);
            }
            #[inline]
            fn decode(r: &mut __nam::Reader<'_>) -> ::core::result::Result<Self, __nam::DecodeError> {
                ::core::result::Result::Ok(Self { #member: <#manner>::decode(r)? })
            }
            fn encode_edit(&self, c: &Self::Changes, w: &mut __nam::Writer) -> __nam::Edit {
                <#manner>::encode_edit(&self.#member, c, w)
            }
            fn encode_guards(&self, c: &Self::Changes, w: &mut __nam::Writer) -> __nam::Edit {
                <#manner>::encode_guards(&self.#member, c, w)
            }
            fn encode_diff(&self, old: &Self, w: &mut __nam::Writer) -> __nam::Edit {
                <#manner>::encode_diff(&self.#member, &old.#member, w)
            }
            fn apply(
                &mut self,
                edit: __nam::Reader<'_>,
                c: ::core::option::Option<&mut Self::Changes>,
            ) -> ::core::result::Result<(), __nam::DecodeError> {
                <#manner>::apply(&mut self.#member, edit, c)
            }
            fn put_whole(&mut self, value: Self, c: ::core::option::Option<&mut Self::Changes>) {
                <#manner>::replace(&mut self.#member, value.#member, c);
            }
            fn undo(&mut self, c: Self::Changes) {
                <#manner>::undo(&mut self.#member, c);
            }
            fn heap_bytes(&self) -> usize {
                <#manner>::heap_bytes(&self.#member)
            }
        }
    });
}

/// Adds the types that users name, and their methods.
fn types(scope: &Scope<'_>, list: &FieldList, field: &Field, expansion: &mut Expansion) {
    let (ident, vis, changes) = (&scope.container.ident, &scope.container.vis, &scope.container.names.changes);
    let record = changes_type(&scope.nam, field);
    let generics = scope.bounds.bare();
    let doc = format!("What a transaction touched in a [`{ident}`]: that of what it holds.");
    expansion.named.extend(quote!(#[doc = #doc] #vis type #changes #generics = #record;));
    let methods = cursor::accessors(scope, list, true);
    cursor::expand(scope, &record, &format_ident!("edit_copy"), &methods, expansion);
}

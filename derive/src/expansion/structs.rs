//! Structs with fields of their own: change set, cursor, `fields()`, `impl Derived`.
//!
//! Invariant: the change set has a record for each field that travels, under the field's name, and one place for the
//! whole former value. Source: own reasoning.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use super::changes::ChangeSet;
use super::fields::{self, FORMER, VALUE, changes_type, cursor_type, manner, pattern, travelling};
use super::{Expansion, Scope, cursor, derived, schema};
use crate::model::{FieldList, Style};

/// Adds everything a struct needs but `Class`.
pub(crate) fn expand(scope: &Scope<'_>, list: &FieldList, expansion: &mut Expansion) {
    types(scope, list, expansion);
    let each = travelling(list).map(|field| {
        let (manner, ty) = (manner(field), &field.ty);
        quote_spanned!(field.place()=> <#manner as __nam::Tracking<#ty>>::WIRE.is_scalar())
    });
    let edits_nothing = quote!(true #(&& #each)*);
    derived::expand(scope, &quote!(decode_struct), &edits_nothing, expansion);
    let set = change_set(scope, list);
    impl_derived(scope, list, &set, expansion);
}

/// Adds the types that users name, and their methods.
fn types(scope: &Scope<'_>, list: &FieldList, expansion: &mut Expansion) {
    change_set(scope, list).expand(scope, expansion);
    let mut methods = cursor::accessors(scope, list, false);
    if !list.fields.is_empty() {
        fields_struct(scope, list, expansion);
        methods.extend(fields_methods(scope, list));
    }
    let changes = &scope.container.names.changes;
    let (_, ty_generics, _) = scope.bounds.plain.split_for_impl();
    cursor::expand(scope, &quote!(#changes #ty_generics), &format_ident!("edit"), &methods, expansion);
}

fn change_set<'c>(scope: &Scope<'c>, list: &FieldList) -> ChangeSet<'c> {
    ChangeSet {
        name: &scope.container.names.changes,
        doc: format!("What a transaction touched in a [`{}`]: a record for each field.", scope.container.ident),
        style: list.style,
        records: fields::declare(
            fields::recorded(list),
            |field| field.vis.clone(),
            |field| changes_type(&scope.nam, field),
        ),
        members: fields::recorded(list).map(|field| (field.member.clone(), field.place())).collect(),
        shown: travelling(list).map(|field| (field.member.clone(), field.name.clone(), field.place())).collect(),
        has_old: true,
    }
}

/// `FooFields`: a cursor for each field at once.
fn fields_struct(scope: &Scope<'_>, list: &FieldList, expansion: &mut Expansion) {
    let (ident, vis, name) = (&scope.container.ident, &scope.container.vis, &scope.container.names.fields);
    let (impl_generics, _, where_clause) = scope.bounds.borrowed.split_for_impl();
    let lifetime = quote!('nam);
    let cursors = fields::declare(
        list.fields.iter(),
        |field| field.vis.clone(),
        |field| cursor_type(&scope.nam, field, &lifetime),
    );
    let doc = format!("Cursors of all fields of a [`{ident}`] at once.");
    expansion.named.extend(match list.style {
        Style::Tuple => quote!(#[doc = #doc] #vis struct #name #impl_generics (#(#cursors),*) #where_clause;),
        Style::Named | Style::Unit => {
            quote!(#[doc = #doc] #vis struct #name #impl_generics #where_clause { #(#cursors),* })
        }
    });
    expansion.hidden.extend(cursor::debug(scope, name));
}

fn fields_methods(scope: &Scope<'_>, list: &FieldList) -> TokenStream {
    let (vis, name) = (&scope.container.vis, &scope.container.names.fields);
    let arguments = scope.bounds.arguments_behind_lifetime();
    let made = list.fields.iter().map(|field| {
        let (member, place) = (&field.member, field.place());
        let value = quote_spanned!(place=> &mut self.nam_value.#member);
        let cursor = fields::track(field, &value, &quote_spanned!(place=> &mut self.nam_changes.#member));
        quote!(#member: #cursor)
    });
    quote! {
        /// Answers the cursors of all fields at once, so that two can be written side by side.
        #[inline]
        #vis fn fields(&mut self) -> #name<'_ #arguments> {
            self.reborrow().into_fields()
        }
        /// Answers the cursors of all fields at once, for as long as this cursor may.
        #[inline]
        #vis fn into_fields(self) -> #name<'nam #arguments> {
            #name { #(#made),* }
        }
    }
}

fn impl_derived(scope: &Scope<'_>, list: &FieldList, set: &ChangeSet<'_>, expansion: &mut Expansion) {
    let ident = &scope.container.ident;
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let old = set.last_member();
    let describe = schema::of_struct(scope, list);
    let (codec, changing) = (codec(scope, list), changing(list));
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Derived for #ident #ty_generics #where_clause {
            fn describe(b: &mut __nam::SchemaBuilder) -> __nam::TypeDef {
                #describe
            }
            fn old(c: &Self::Changes) -> &__nam::Old<Self> {
                &c.#old
            }
            fn old_mut(c: &mut Self::Changes) -> &mut __nam::Old<Self> {
                &mut c.#old
            }
            #codec
            #changing
        }
    });
}

/// The methods of `Derived` that write and read whole values, and compare two.
fn codec(scope: &Scope<'_>, list: &FieldList) -> TokenStream {
    let this = quote!(Self);
    let (values, formers) = (pattern(&this, list, VALUE), pattern(&this, list, FORMER));
    let (encode, decode) = (fields::encode(list), fields::decode(scope, &this, list));
    let (diffs, heap_bytes) = (fields::encode_diffs(list), fields::heap_bytes(list));
    quote! {
        fn encode_fields(&self, w: &mut __nam::FieldsWriter<'_>) {
            let #values = self;
            #encode
        }
        fn decode_fields(
            _: ::core::option::Option<__nam::VariantId>,
            mut fields: __nam::FieldsReader<'_>,
        ) -> ::core::result::Result<Self, __nam::DecodeError> {
            #decode
        }
        fn encode_field_diffs(&self, old: &Self, w: &mut __nam::FieldsWriter<'_>) {
            let (#values, #formers) = (self, old);
            #diffs
        }
        fn heap_bytes_of_fields(&self) -> usize {
            let #values = self;
            #heap_bytes
        }
    }
}

/// The methods of `Derived` that look at or add to change records.
fn changing(list: &FieldList) -> TokenStream {
    let this = quote!(Self);
    let values = pattern(&this, list, VALUE);
    let (edits, undo) = (fields::encode_edits(list), fields::undo(list));
    let guards = fields::encode_guards(list, |id| quote!(<Self as __nam::Derived>::old(c).requires(#id)));
    let arms = travelling(list).map(|field| {
        let (id, name, ty, manner, member) = (field.id, &field.name, &field.ty, manner(field), &field.member);
        let applied = quote_spanned! {field.place()=>
            <#manner as __nam::Tracking<#ty>>::apply_field(#name, &mut self.#member, field, c.map(|c| &mut c.#member))
        };
        quote!(#id => #applied,)
    });
    let swaps = fields::swap_local(list);
    let swap_local = derived::swap_local(&swaps, || {
        let locals = fields::pattern_of_local(&this, list, VALUE);
        let others = fields::pattern_of_local(&this, list, FORMER);
        quote!(let (#locals, #others) = (self, other); #swaps)
    });
    quote! {
        fn encode_field_edits(&self, c: &Self::Changes, w: &mut __nam::FieldsWriter<'_>) {
            let #values = self;
            #edits
        }
        fn encode_field_guards(&self, c: &Self::Changes, w: &mut __nam::FieldsWriter<'_>) {
            let #values = self;
            #guards
        }
        fn apply_one(
            &mut self,
            field: &__nam::Field<'_>,
            c: ::core::option::Option<&mut Self::Changes>,
        ) -> ::core::result::Result<(), __nam::DecodeError> {
            match field.id.0 {
                #(#arms)*
                _ => ::core::result::Result::Ok(()),
            }
        }
        fn undo_fields(&mut self, c: Self::Changes) {
            let #values = self;
            #undo
        }
        #swap_local
    }
}

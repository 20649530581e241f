//! Enums that hold something: change set, cursor with `variant_mut()`, `impl Derived`.
//!
//! Invariants: fields are edited in place while the variant stays; a change of variant goes through the whole former
//! value. The changes of a variant are made at their first touch, so an enum of many variants costs a pointer each.
//! Source: own reasoning.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Member, Visibility};

use super::changes::ChangeSet;
use super::fields::{self, FORMER, VALUE, changes_type, cursor_type, manner, pattern, travelling};
use super::{Expansion, Scope, cursor, derived, schema};
use crate::model::{Style, Variant};
use crate::names;

/// Adds everything an enum needs.
pub(crate) fn expand(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    types(scope, variants, expansion);
    derived::expand(scope, &quote!(decode_enum), &quote!(false), expansion);
    impl_derived(scope, variants, expansion);
}

/// Adds the types that users name, and their methods.
fn types(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    change_sets(scope, variants, expansion);
    variant_cursors(scope, variants, expansion);
    let changes = &scope.container.names.changes;
    let (_, ty_generics, _) = scope.bounds.plain.split_for_impl();
    let methods = variant_methods(scope, variants);
    cursor::expand(scope, &quote!(#changes #ty_generics), &format_ident!("edit"), &methods, expansion);
}

/// The type of a variant's change set, and the record it stands in.
fn changes_of(scope: &Scope<'_>, variant: &Variant) -> (Ident, Ident) {
    names::variant_changes(&scope.container.ident, &variant.name)
}

/// The variants that record anything.
fn recording(variants: &[Variant]) -> impl Iterator<Item = &Variant> {
    variants.iter().filter(|variant| travelling(&variant.fields).next().is_some())
}

fn change_sets(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    let (nam, ident, vis) = (&scope.nam, &scope.container.ident, &scope.container.vis);
    let (_, ty_generics, _) = scope.bounds.plain.split_for_impl();
    for variant in recording(variants) {
        let (name, _) = changes_of(scope, variant);
        let list = &variant.fields;
        let set = ChangeSet {
            name: &name,
            doc: format!("What a transaction touched in a [`{ident}::{}`].", variant.ident),
            style: list.style,
            records: fields::declare(fields::recorded(list), |_| vis.clone(), |field| changes_type(nam, field)),
            members: fields::recorded(list).map(|field| (field.member.clone(), field.place())).collect(),
            shown: travelling(list).map(|field| (field.member.clone(), field.name.clone(), field.place())).collect(),
            has_old: false,
        };
        set.expand(scope, expansion);
    }
    let records = recording(variants).map(|variant| {
        let (name, record) = changes_of(scope, variant);
        let doc = format!("Inside of `{}`.", variant.name);
        quote!(#[doc = #doc] #vis #record: #nam::__private::BoxedChanges<#name #ty_generics>)
    });
    let place = Span::call_site();
    let member = |variant: &Variant| Member::Named(changes_of(scope, variant).1);
    ChangeSet {
        name: &scope.container.names.changes,
        doc: format!("What a transaction touched in a [`{ident}`]: a record for each variant with fields."),
        style: Style::Named,
        records: records.collect(),
        shown: recording(variants).map(|variant| (member(variant), variant.name.clone(), place)).collect(),
        members: recording(variants).map(|variant| (member(variant), place)).collect(),
        has_old: true,
    }
    .expand(scope, expansion);
}

/// `FooVariantMut`: the current variant with cursors in place of values.
fn variant_cursors(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    let (ident, vis, name) = (&scope.container.ident, &scope.container.vis, &scope.container.names.variant_cursors);
    let (impl_generics, _, where_clause) = scope.bounds.borrowed.split_for_impl();
    let lifetime = quote!('nam);
    let variants = variants.iter().map(|variant| {
        let ident = &variant.ident;
        let doc = format!("Cursors of the fields of `{}`.", variant.name);
        let cursors = fields::declare(
            variant.fields.fields.iter(),
            |_| Visibility::Inherited,
            |field| cursor_type(&scope.nam, field, &lifetime),
        );
        match variant.fields.style {
            Style::Named => quote!(#[doc = #doc] #ident { #(#cursors),* }),
            Style::Tuple => quote!(#[doc = #doc] #ident(#(#cursors),*)),
            Style::Unit => quote!(#[doc = #doc] #ident),
        }
    });
    let doc = format!("The variant that a [`{ident}`] is of, with a cursor for each field.");
    expansion.named.extend(quote! {
        #[doc = #doc]
        #vis enum #name #impl_generics #where_clause { #(#variants),* }
    });
    expansion.hidden.extend(cursor::debug(scope, name));
}

fn variant_methods(scope: &Scope<'_>, variants: &[Variant]) -> TokenStream {
    let (ident, vis, name) = (&scope.container.ident, &scope.container.vis, &scope.container.names.variant_cursors);
    let arguments = scope.bounds.arguments_behind_lifetime();
    let arms = variants.iter().map(|variant| {
        let (variant_ident, list) = (&variant.ident, &variant.fields);
        let values = fields::pattern_of_all(&quote!(#ident::#variant_ident), list, VALUE);
        let touch = travelling(list).next().map(|_| {
            let (_, record) = changes_of(scope, variant);
            quote!(let c = self.nam_changes.#record.touch();)
        });
        let made = list.fields.iter().map(|field| {
            let (member, value, place) = (&field.member, field.binding(VALUE), field.place());
            let cursor = fields::track(field, &quote!(#value), &quote_spanned!(place=> &mut c.#member));
            quote!(#member: #cursor)
        });
        quote!(#values => { #touch #name::#variant_ident { #(#made),* } })
    });
    quote! {
        /// Answers the current variant with a cursor for each field.
        #[inline]
        #vis fn variant_mut(&mut self) -> #name<'_ #arguments> {
            self.reborrow().into_variant()
        }
        /// Answers the current variant with a cursor for each field, for as long as this cursor may.
        #vis fn into_variant(self) -> #name<'nam #arguments> {
            match self.nam_value { #(#arms)* }
        }
    }
}

fn impl_derived(scope: &Scope<'_>, variants: &[Variant], expansion: &mut Expansion) {
    let ident = &scope.container.ident;
    let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
    let describe = schema::of_enum(scope, variants);
    let codec = codec(scope, variants);
    let changing = changing(scope, variants);
    expansion.hidden.extend(quote! {
        impl #impl_generics __nam::Derived for #ident #ty_generics #where_clause {
            fn describe(b: &mut __nam::SchemaBuilder) -> __nam::TypeDef {
                #describe
            }
            fn old(c: &Self::Changes) -> &__nam::Old<Self> {
                &c.nam_old
            }
            fn old_mut(c: &mut Self::Changes) -> &mut __nam::Old<Self> {
                &mut c.nam_old
            }
            #codec
            #changing
        }
    });
}

/// The methods of `Derived` that write and read whole values, and compare two.
fn codec(scope: &Scope<'_>, variants: &[Variant]) -> TokenStream {
    let ids = variants.iter().map(|variant| {
        let (ident, id) = (&variant.ident, variant.id);
        quote!(Self::#ident { .. } => __nam::VariantId(#id),)
    });
    let encode = arms(variants, |variant, path| {
        let (values, lines) = (pattern(path, &variant.fields, VALUE), fields::encode(&variant.fields));
        quote!(#values => { #lines })
    });
    let decode = arms(variants, |variant, path| {
        let (id, read) = (variant.id, fields::decode(scope, path, &variant.fields));
        quote!(::core::option::Option::Some(__nam::VariantId(#id)) => { #read })
    });
    let diffs = arms(variants, |variant, path| {
        let (values, formers) = (pattern(path, &variant.fields, VALUE), pattern(path, &variant.fields, FORMER));
        let lines = fields::encode_diffs(&variant.fields);
        quote!((#values, #formers) => { #lines })
    });
    let heap_bytes = arms(variants, |variant, path| {
        let (values, sum) = (pattern(path, &variant.fields, VALUE), fields::heap_bytes(&variant.fields));
        quote!(#values => #sum,)
    });
    quote! {
        fn variant(&self) -> ::core::option::Option<__nam::VariantId> {
            ::core::option::Option::Some(match self { #(#ids)* })
        }
        fn encode_fields(&self, w: &mut __nam::FieldsWriter<'_>) {
            match self { #encode }
        }
        fn decode_fields(
            variant: ::core::option::Option<__nam::VariantId>,
            mut fields: __nam::FieldsReader<'_>,
        ) -> ::core::result::Result<Self, __nam::DecodeError> {
            match variant {
                #decode
                variant => ::core::result::Result::Err(__nam::unknown_variant(variant)),
            }
        }
        fn encode_field_diffs(&self, old: &Self, w: &mut __nam::FieldsWriter<'_>) {
            #[allow(unreachable_patterns, reason = "an enum of one variant")]
            match (self, old) {
                #diffs
                _ => {}
            }
        }
        fn heap_bytes_of_fields(&self) -> usize {
            match self { #heap_bytes }
        }
    }
}

/// The methods of `Derived` that look at or add to change records.
fn changing(scope: &Scope<'_>, variants: &[Variant]) -> TokenStream {
    let edits = records_arms(
        scope,
        variants,
        |record, lines| quote!(if let Some(c) = c.#record.get() { #lines }),
        fields::encode_edits,
    );
    let guards = records_arms(
        scope,
        variants,
        |record, lines| quote!(if let Some(c) = c.#record.get() { #lines }),
        |list| fields::encode_guards(list, |_| quote!(false)),
    );
    let undo = records_arms(
        scope,
        variants,
        |record, lines| quote!(if let Some(c) = c.#record.into_inner() { #lines }),
        fields::undo,
    );
    let applied = recording(variants).map(|variant| {
        let (ident, (_, record)) = (&variant.ident, changes_of(scope, variant));
        travelling(&variant.fields)
            .map(|field| {
                let (id, manner, member, value) = (field.id, manner(field), &field.member, field.binding(VALUE));
                let (name, ty) = (&field.name, &field.ty);
                let applied = quote_spanned! {field.place()=>
                    <#manner as __nam::Tracking<#ty>>::apply_field(#name, #value, field, c.map(|c| &mut c.#record.touch().#member))
                };
                quote!((Self::#ident { #member: #value, .. }, #id) => { #applied })
            })
            .collect::<TokenStream>()
    });
    let swaps = arms(variants, |variant, path| {
        let lines = fields::swap_local(&variant.fields);
        if lines.is_empty() {
            return TokenStream::new();
        }
        let locals = fields::pattern_of_local(path, &variant.fields, VALUE);
        let others = fields::pattern_of_local(path, &variant.fields, FORMER);
        quote!((#locals, #others) => { #lines })
    });
    let swap_local = derived::swap_local(&swaps, || quote!(match (self, other) { #swaps _ => {} }));
    quote! {
        fn encode_field_edits(&self, c: &Self::Changes, w: &mut __nam::FieldsWriter<'_>) {
            match self { #edits _ => {} }
        }
        fn encode_field_guards(&self, c: &Self::Changes, w: &mut __nam::FieldsWriter<'_>) {
            match self { #guards _ => {} }
        }
        fn apply_one(
            &mut self,
            field: &__nam::Field<'_>,
            c: ::core::option::Option<&mut Self::Changes>,
        ) -> ::core::result::Result<(), __nam::DecodeError> {
            match (self, field.id.0) {
                #(#applied)*
                _ => ::core::result::Result::Ok(()),
            }
        }
        fn undo_fields(&mut self, c: Self::Changes) {
            match self { #undo _ => {} }
        }
        #swap_local
    }
}

/// An arm for each variant; `path` is `Self::Variant`.
fn arms(variants: &[Variant], arm: impl Fn(&Variant, &TokenStream) -> TokenStream) -> TokenStream {
    variants
        .iter()
        .map(|variant| {
            let ident = &variant.ident;
            arm(variant, &quote!(Self::#ident))
        })
        .collect()
}

/// An arm for each variant that records, whose `lines` run on its change set `c` if `opened` finds one.
fn records_arms(
    scope: &Scope<'_>,
    variants: &[Variant],
    opened: impl Fn(Ident, TokenStream) -> TokenStream,
    lines: impl Fn(&crate::model::FieldList) -> TokenStream,
) -> TokenStream {
    recording(variants)
        .map(|variant| {
            let ident = &variant.ident;
            let values = pattern(&quote!(Self::#ident), &variant.fields, VALUE);
            let body = opened(changes_of(scope, variant).1, lines(&variant.fields));
            quote!(#values => { #body })
        })
        .collect()
}

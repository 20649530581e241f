//! What a type says of itself in the schema.
//!
//! Invariant: fields and variants ascend by id, as `nam::schema` demands. Source: own reasoning.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{LitInt, LitStr};

use super::Scope;
use super::fields::{is_optional, manner, travelling};
use crate::model::{Field, FieldList, Variant};

/// An expression that describes a struct; `b` is the builder.
pub(crate) fn of_struct(scope: &Scope<'_>, list: &FieldList) -> TokenStream {
    let (name, fields) = (&scope.container.name, field_defs(list));
    let reserved = sorted(&scope.container.settings.reserved);
    quote! {
        __nam::TypeDef::Struct(__nam::StructDef {
            name: ::std::string::String::from(#name),
            fields: #fields,
            reserved: ::std::vec![#(__nam::FieldId(#reserved)),*],
        })
    }
}

/// An expression that describes an enum; `b` is the builder.
pub(crate) fn of_enum(scope: &Scope<'_>, variants: &[Variant]) -> TokenStream {
    let name = &scope.container.name;
    let reserved = sorted(&scope.container.settings.reserved);
    let mut ascending: Vec<&Variant> = variants.iter().collect();
    ascending.sort_by_key(|variant| variant.id);
    let variants = ascending.into_iter().map(|variant| {
        let (id, name, fields) = (variant.id, &variant.name, field_defs(&variant.fields));
        let aliases = texts(&variant.settings.aliases);
        quote! {
            __nam::VariantDef {
                id: __nam::VariantId(#id),
                name: ::std::string::String::from(#name),
                aliases: #aliases,
                fields: #fields,
            }
        }
    });
    quote! {
        __nam::TypeDef::Enum(__nam::EnumDef {
            name: ::std::string::String::from(#name),
            variants: ::std::vec![#(#variants),*],
            reserved: ::std::vec![#(__nam::VariantId(#reserved)),*],
        })
    }
}

fn field_defs(list: &FieldList) -> TokenStream {
    let defs = travelling(list).map(field_def);
    quote!(::std::vec![#(#defs),*])
}

fn field_def(field: &Field) -> TokenStream {
    let (manner, ty, id, name) = (manner(field), &field.ty, field.id, &field.name);
    let aliases = &field.settings.aliases;
    let (index, redact) = (field.settings.index.is_some(), field.settings.redact.is_some());
    let optional = is_optional(field);
    quote_spanned! {field.place()=>
        <#manner as __nam::Tracking<#ty>>::field_def(b, &__nam::FieldSpec {
            id: #id, name: #name, aliases: &[#(#aliases),*], index: #index, redact: #redact, optional: #optional,
        })
    }
}

fn texts(literals: &[LitStr]) -> TokenStream {
    quote!(::std::vec![#(::std::string::String::from(#literals)),*])
}

fn sorted(literals: &[LitInt]) -> Vec<u32> {
    let mut ids: Vec<u32> = literals.iter().filter_map(|literal| literal.base10_parse().ok()).collect();
    ids.sort_unstable();
    ids
}

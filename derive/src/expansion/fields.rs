//! One field, one list of fields: patterns, types, and a line for each thing done to them.
//!
//! Structs and the variants of enums share this: the values of both are bound by a pattern `{ member: binding, .. }`,
//! which Rust takes for named, tuple and unit alike, and their change records stand in a struct `c` under the members'
//! own names. Invariant: a skipped field is in no line here; in the change set of a tuple it leaves a place `()`, so
//! that positions stay those of the user's. Source: own reasoning.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Member, Path, Visibility};

use super::Scope;
use crate::attributes::{DefaultValue, Special};
use crate::model::{Field, FieldList, Style};

/// Prefix of bindings of values.
pub(crate) const VALUE: &str = "v";
/// Prefix of bindings of former values.
pub(crate) const FORMER: &str = "f";

/// The fields that travel, ids ascending, which is the order of the bytes.
pub(crate) fn travelling(list: &FieldList) -> impl Iterator<Item = &Field> {
    let mut fields: Vec<&Field> = list.fields.iter().filter(|field| !field.is_local()).collect();
    fields.sort_by_key(|field| field.id);
    fields.into_iter()
}

/// The type that says how a field is tracked; `private` leads to `nam::__private`.
fn manner_in(private: &TokenStream, field: &Field) -> TokenStream {
    let whole = if field.is(Special::Leaf) { quote!(#private::Opaque) } else { quote!(#private::Plain) };
    match field.policy() {
        Some(Special::Add) => quote!(#private::Add),
        Some(Special::Max) => quote!(#private::Max),
        Some(Special::Min) => quote!(#private::Min),
        Some(Special::Union) => quote!(#private::Union),
        Some(Special::Append) => quote!(#private::Append),
        Some(Special::Lww) => quote!(#private::Lww<#whole>),
        _ => whole,
    }
}

/// The type that says how a field is tracked, inside of `const _`.
pub(crate) fn manner(field: &Field) -> TokenStream {
    at(field.place(), manner_in(&quote!(__nam), field))
}

/// The type of a field's change record.
pub(crate) fn changes_type(nam: &Path, field: &Field) -> TokenStream {
    of_manner(nam, field, &quote!(Changes), || quote!(()))
}

/// The type of a field's cursor that lives for `lifetime`.
pub(crate) fn cursor_type(nam: &Path, field: &Field, lifetime: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    of_manner(nam, field, &quote!(Mut<#lifetime>), || quote!(&#lifetime mut #ty))
}

/// An associated type of a field's manner; `local` for a field that is not tracked.
fn of_manner(nam: &Path, field: &Field, wanted: &TokenStream, local: impl Fn() -> TokenStream) -> TokenStream {
    let (ty, place) = (&field.ty, field.place());
    let (nam, wanted) = (at(place, nam), at(place, wanted));
    if field.is_local() {
        return local();
    }
    if field.settings.specials.is_empty() {
        return quote_spanned!(place=> <#ty as #nam::Tracked>::#wanted);
    }
    let manner = at(place, manner_in(&quote!(#nam::__private), field));
    quote_spanned!(place=> <#manner as #nam::__private::Tracking<#ty>>::#wanted)
}

/// The same tokens, said to stand at `place`.
fn at(place: Span, tokens: impl ToTokens) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(place);
            token
        })
        .collect()
}

/// An expression that makes a field's cursor from a `&mut` to its value and one to its change record.
pub(crate) fn track(field: &Field, value: &TokenStream, changes: &TokenStream) -> TokenStream {
    if field.is_local() {
        return value.clone();
    }
    let manner = manner(field);
    let ty = &field.ty;
    quote_spanned!(field.place()=> <#manner as __nam::Tracking<#ty>>::track(#value, #changes))
}

/// A pattern that binds the fields that travel.
pub(crate) fn pattern(path: &TokenStream, list: &FieldList, prefix: &str) -> TokenStream {
    binding_pattern(path, travelling(list), prefix)
}

/// A pattern that binds the fields that stay here.
pub(crate) fn pattern_of_local(path: &TokenStream, list: &FieldList, prefix: &str) -> TokenStream {
    binding_pattern(path, list.fields.iter().filter(|field| field.is_local()), prefix)
}

/// A pattern that binds every field.
pub(crate) fn pattern_of_all(path: &TokenStream, list: &FieldList, prefix: &str) -> TokenStream {
    binding_pattern(path, list.fields.iter(), prefix)
}

fn binding_pattern<'f>(path: &TokenStream, fields: impl Iterator<Item = &'f Field>, prefix: &str) -> TokenStream {
    let bound = fields.map(|field| {
        let (member, binding) = (&field.member, field.binding(prefix));
        quote!(#member: #binding)
    });
    quote!(#path { #(#bound,)* .. })
}

/// The fields that have a place in a change set: those that travel, and all of a tuple's.
pub(crate) fn recorded(list: &FieldList) -> impl Iterator<Item = &Field> {
    list.fields.iter().filter(|field| list.style == Style::Tuple || !field.is_local())
}

/// Declares `fields` for a struct or variant, with the visibility and the types that are asked for.
pub(crate) fn declare<'f>(
    fields: impl Iterator<Item = &'f Field>,
    vis_of: impl Fn(&Field) -> Visibility,
    type_of: impl Fn(&Field) -> TokenStream,
) -> Vec<TokenStream> {
    fields
        .map(|field| {
            let (vis, ty, doc) = (vis_of(field), type_of(field), format!("Of `{}`.", field.name));
            match &field.member {
                Member::Named(ident) => quote!(#[doc = #doc] #vis #ident: #ty),
                Member::Unnamed(_) => quote!(#[doc = #doc] #vis #ty),
            }
        })
        .collect()
}

/// A line for each travelling field, made from its manner and its value's binding.
fn lines(list: &FieldList, line: impl Fn(&Field, TokenStream, Ident) -> TokenStream) -> TokenStream {
    travelling(list).map(|field| line(field, manner(field), field.binding(VALUE))).collect()
}

/// Lines that write every field whole.
pub(crate) fn encode(list: &FieldList) -> TokenStream {
    lines(list, |field, manner, value| {
        let (id, ty) = (field.id, &field.ty);
        quote_spanned!(field.place()=> <#manner as __nam::Tracking<#ty>>::put_field(w, #id, #value);)
    })
}

/// Lines that write what the change records in `c` say.
pub(crate) fn encode_edits(list: &FieldList) -> TokenStream {
    lines(list, |field, manner, value| {
        let (id, ty, absence, member) = (field.id, &field.ty, absence(field), &field.member);
        quote_spanned! {field.place()=>
            <#manner as __nam::Tracking<#ty>>::edit_field(w, #id, #absence, #value, &c.#member);
        }
    })
}

/// Lines that write what the change records in `c` require; `is_required` says by id whether a whole field is.
pub(crate) fn encode_guards(list: &FieldList, is_required: impl Fn(u32) -> TokenStream) -> TokenStream {
    lines(list, |field, manner, value| {
        let (id, ty, member, is_required) = (field.id, &field.ty, &field.member, is_required(field.id));
        quote_spanned! {field.place()=>
            <#manner as __nam::Tracking<#ty>>::guard_field(w, #id, #is_required, #value, &c.#member);
        }
    })
}

/// Lines that write how fields differ from former ones.
pub(crate) fn encode_diffs(list: &FieldList) -> TokenStream {
    lines(list, |field, manner, value| {
        let (id, ty, absence, former) = (field.id, &field.ty, absence(field), field.binding(FORMER));
        quote_spanned! {field.place()=>
            <#manner as __nam::Tracking<#ty>>::diff_field(w, #id, #absence, #value, #former);
        }
    })
}

/// Lines that restore what the change records in `c` keep.
pub(crate) fn undo(list: &FieldList) -> TokenStream {
    lines(list, |field, manner, value| {
        let member = &field.member;
        let ty = &field.ty;
        quote_spanned!(field.place()=> <#manner as __nam::Tracking<#ty>>::undo(#value, c.#member);)
    })
}

/// Lines that exchange the fields that stay here.
pub(crate) fn swap_local(list: &FieldList) -> TokenStream {
    list.fields
        .iter()
        .filter(|field| field.is_local())
        .map(|field| {
            let (value, former) = (field.binding(VALUE), field.binding(FORMER));
            quote!(::core::mem::swap(#value, #former);)
        })
        .collect()
}

/// An expression that counts the heap bytes behind the fields.
pub(crate) fn heap_bytes(list: &FieldList) -> TokenStream {
    let sum = lines(list, |field, manner, value| {
        let ty = &field.ty;
        quote_spanned!(field.place()=> + <#manner as __nam::Tracking<#ty>>::heap_bytes(#value))
    });
    quote!(0 #sum)
}

/// An expression that reads `fields` into the struct or variant `path`.
pub(crate) fn decode(scope: &Scope<'_>, path: &TokenStream, list: &FieldList) -> TokenStream {
    if scope.container.is_partial {
        return quote!(loop {});
    }
    let slots = travelling(list).map(|field| {
        let value = field.binding(VALUE);
        quote!(let mut #value = ::core::option::Option::None;)
    });
    let arms = travelling(list).map(|field| {
        let (manner, ty, id, value) = (manner(field), &field.ty, field.id, field.binding(VALUE));
        let name = &field.name;
        let read = match default_of(field) {
            Some(default) => quote_spanned!(field.place()=> decode_field_or(#name, &field, #default)),
            None => quote_spanned!(field.place()=> decode_field(#name, &field)),
        };
        let place = field.place();
        let manner = quote_spanned!(place=> <#manner as __nam::Tracking<#ty>>);
        quote_spanned!(place=> #id => #value = ::core::option::Option::Some(#manner::#read?),)
    });
    let members = list.fields.iter().map(|field| {
        let (member, name, value) = (&field.member, &field.name, field.binding(VALUE));
        match default_of(field) {
            _ if field.is_local() => quote!(#member: ::core::default::Default::default()),
            Some(default) => quote!(#member: #value.unwrap_or_else(#default)),
            None => quote!(#member: __nam::require(#name, #value)?),
        }
    });
    quote! {{
        #(#slots)*
        while let ::core::option::Option::Some(field) = fields.next()? {
            match field.id.0 {
                #(#arms)*
                _ => {}
            }
        }
        ::core::result::Result::Ok(#path { #(#members,)* })
    }}
}

/// The function that makes a field's default, if it has one.
fn default_of(field: &Field) -> Option<TokenStream> {
    match &field.settings.default.as_ref()?.value {
        DefaultValue::OfType => Some(quote!(::core::default::Default::default)),
        DefaultValue::Function(path) => Some(quote!(#path)),
    }
}

/// What a field is to readers of bytes that lack it.
fn absence(field: &Field) -> TokenStream {
    match field.settings.default.as_ref().map(|default| &default.value) {
        None => quote!(__nam::Absence::Refused),
        Some(DefaultValue::OfType) => quote!(__nam::Absence::OfType),
        Some(DefaultValue::Function(_)) => quote!(__nam::Absence::Chosen),
    }
}

/// Whether the bytes may lack a field.
pub(crate) fn is_optional(field: &Field) -> bool {
    field.settings.default.is_some()
}

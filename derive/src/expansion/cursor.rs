//! The cursor `FooMut`: what structs, enums and newtypes have in common.
//!
//! Invariants: two pointers; `Deref` to the user's type and never `DerefMut`, so that a plain write past the tracker
//! does not compile. Source: `ARCHITECTURE.md`, "Cursors".

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::fields::{cursor_type, track};
use super::{Expansion, Scope};
use crate::model::{Body, Field, FieldList};
use crate::names;

/// Adds the cursor, its `Deref`, `reborrow`, `set` and `edit`, and the `methods` of its kind. `changes` is the type of
/// the change set, `edit` the function of `nam::__private` that runs blind code.
pub(crate) fn expand(
    scope: &Scope<'_>,
    changes: &TokenStream,
    edit: &Ident,
    methods: &TokenStream,
    expansion: &mut Expansion,
) {
    let (ident, vis, cursor) = (&scope.container.ident, &scope.container.vis, &scope.container.names.cursor);
    let (_, value_generics, _) = scope.bounds.plain.split_for_impl();
    let (impl_generics, ty_generics, where_clause) = scope.bounds.borrowed.split_for_impl();
    let arguments = scope.bounds.arguments_behind_lifetime();
    let doc = format!(
        "Writes a [`{ident}`] and records what changes. Read through it as ever; a plain write does not compile, {}.",
        way_to_write(&scope.container.body)
    );
    expansion.named.extend(quote! {
        #[doc = #doc]
        #vis struct #cursor #impl_generics #where_clause {
            nam_value: &'nam mut #ident #value_generics,
            nam_changes: &'nam mut #changes,
        }
    });
    expansion.hidden.extend(debug(scope, cursor));
    expansion.hidden.extend(quote! {
        impl #impl_generics ::core::ops::Deref for #cursor #ty_generics #where_clause {
            type Target = #ident #value_generics;
            #[inline]
            fn deref(&self) -> &Self::Target {
                self.nam_value
            }
        }
        impl #impl_generics #cursor #ty_generics #where_clause {
            /// Answers a cursor of the same value that lives shorter.
            #[inline]
            #vis fn reborrow(&mut self) -> #cursor<'_ #arguments> {
                #cursor { nam_value: self.nam_value, nam_changes: self.nam_changes }
            }
            /// Replaces the value; what is sent is the difference.
            #vis fn set(&mut self, value: #ident #value_generics) {
                __nam::Tracked::put_whole(self.nam_value, value, ::core::option::Option::Some(self.nam_changes));
            }
            /// Runs code that knows nothing of cursors. Costs a clone of this value; what is sent is the difference.
            #vis fn edit<NamAnswer>(
                &mut self,
                edit: impl ::core::ops::FnOnce(&mut #ident #value_generics) -> NamAnswer,
            ) -> NamAnswer {
                __nam::#edit(self.nam_value, self.nam_changes, edit)
            }
            #methods
        }
    });
}

/// How a cursor's user gets on, with a name from the user's own type.
fn way_to_write(body: &Body) -> String {
    match body {
        Body::Struct(list) => match list.fields.first() {
            Some(field) => {
                let (accessor, _) = names::accessors(&field.name, field.span());
                format!("`{}` is written with `{accessor}()`", field.name)
            }
            None => "there is nothing to write".to_owned(),
        },
        Body::Enum(_) => "the fields of the variant are written with `variant_mut()`".to_owned(),
    }
}

/// An impl of `Debug` that shows no value: those are printed nowhere but in the document's JSON view.
pub(crate) fn debug(scope: &Scope<'_>, cursor: &Ident) -> TokenStream {
    let (impl_generics, ty_generics, where_clause) = scope.bounds.borrowed.split_for_impl();
    let shown = cursor.to_string();
    quote! {
        impl #impl_generics ::core::fmt::Debug for #cursor #ty_generics #where_clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#shown).finish_non_exhaustive()
            }
        }
    }
}

/// The accessors `x_mut` and `into_x` of every field, and its `require_x`. `is_newtype`: the change set is the field's
/// own, and it is required where the newtype stands.
pub(crate) fn accessors(scope: &Scope<'_>, list: &FieldList, is_newtype: bool) -> TokenStream {
    list.fields
        .iter()
        .map(|field| {
            let (vis, member) = (&field.vis, &field.member);
            let (borrowed, consuming) = names::accessors(&field.name, field.span());
            let place = field.place();
            let changes = if is_newtype {
                quote_spanned!(place=> self.nam_changes)
            } else {
                quote_spanned!(place=> &mut self.nam_changes.#member)
            };
            let cursor = track(field, &quote_spanned!(place=> &mut self.nam_value.#member), &changes);
            let short = cursor_type(&scope.nam, field, &quote!('_));
            let long = cursor_type(&scope.nam, field, &quote!('nam));
            let doc = format!("Writes `{}`.", field.name);
            let doc_into = format!("Writes `{}`, for as long as this cursor may.", field.name);
            let require = (!is_newtype && !field.is_local()).then(|| require(scope, field));
            quote! {
                #[doc = #doc]
                #[inline]
                #vis fn #borrowed(&mut self) -> #short {
                    #cursor
                }
                #[doc = #doc_into]
                #[inline]
                #vis fn #consuming(self) -> #long {
                    #cursor
                }
                #require
            }
        })
        .collect()
}

/// The method `require_x` of a field.
fn require(scope: &Scope<'_>, field: &Field) -> TokenStream {
    let (vis, member, ty, id) = (&field.vis, &field.member, &field.ty, field.id);
    let (name, ident) = (names::requirement(&field.name, field.span()), &scope.container.ident);
    let (_, value_generics, _) = scope.bounds.plain.split_for_impl();
    let doc = format!(
        "Reads `{}`, and has the commit fail, so that the closure runs again, if it changed since.",
        field.name
    );
    quote! {
        #[doc = #doc]
        #vis fn #name(&mut self) -> &#ty {
            <#ident #value_generics as __nam::Derived>::old_mut(self.nam_changes).require(#id);
            &self.nam_value.#member
        }
    }
}

//! Change sets: a record for each field or variant, and their `Default`, `Debug` and `Changes`.
//!
//! Invariant: the impls are written out, because derived ones would bound parameters by themselves (`P: Default`).
//! Source: the issues of derives that forget or add bounds.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Member, Visibility};

use super::{Expansion, Scope};
use crate::model::Style;

/// A change set to be declared.
pub(crate) struct ChangeSet<'c> {
    /// Its name.
    pub(crate) name: &'c Ident,
    /// What it says of itself.
    pub(crate) doc: String,
    /// Whether it is a tuple, and so nameless inside.
    pub(crate) style: Style,
    /// Its declared records.
    pub(crate) records: Vec<TokenStream>,
    /// Every member to be made by default, and where the user wrote what it records.
    pub(crate) members: Vec<(Member, Span)>,
    /// The members that record something, with the names people know them by.
    pub(crate) shown: Vec<(Member, String, Span)>,
    /// Whether it has a place for the whole former value.
    pub(crate) has_old: bool,
}

impl ChangeSet<'_> {
    /// The member that keeps the whole former value, or in the changes of a variant stands for the parameters.
    pub(crate) fn last_member(&self) -> Member {
        match self.style {
            Style::Tuple => Member::Unnamed(self.members.len().into()),
            Style::Named | Style::Unit => {
                Member::Named(if self.has_old { format_ident!("nam_old") } else { format_ident!("nam_of") })
            }
        }
    }

    /// Adds the struct and its impls.
    pub(crate) fn expand(&self, scope: &Scope<'_>, expansion: &mut Expansion) {
        let (nam, ident, vis) = (&scope.nam, &scope.container.ident, &scope.container.vis);
        let (name, doc, records, member) = (self.name, &self.doc, &self.records, self.last_member());
        let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
        let last = if self.has_old {
            quote!(#nam::__private::Old<#ident #ty_generics>)
        } else {
            quote!(::core::marker::PhantomData<fn() -> #ident #ty_generics>)
        };
        expansion.named.extend(match self.style {
            Style::Tuple => quote! {
                #[doc = #doc]
                #vis struct #name #impl_generics (#(#records,)* #last) #where_clause;
            },
            Style::Named | Style::Unit => quote! {
                #[doc = #doc]
                #vis struct #name #impl_generics #where_clause { #(#records,)* #member: #last }
            },
        });
        self.impls(scope, expansion);
        if self.has_old {
            expansion.hidden.extend(self.methods(scope, vis));
        }
    }

    fn impls(&self, scope: &Scope<'_>, expansion: &mut Expansion) {
        let (name, last) = (self.name, self.last_member());
        let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
        let words = self.shown.iter().map(|(_, word, _)| word);
        let (is_touched, heap_bytes, required) =
            (self.each("is_touched"), self.each("heap_bytes"), self.each("required"));
        let made = self.members.iter().map(|(member, place)| {
            let made = quote_spanned!(*place=> ::core::default::Default::default());
            quote!(#member: #made)
        });
        let (is_old, old_bytes, old_required, whole) = if self.has_old {
            let whole = quote!(("(whole)", self.#last.is_some()),);
            (quote!(self.#last.is_touched()), quote!(self.#last.heap_bytes()), quote!(self.#last.required()), whole)
        } else {
            (quote!(false), quote!(0), quote!(0), quote!())
        };
        let title = name.to_string();
        expansion.hidden.extend(quote! {
            impl #impl_generics ::core::default::Default for #name #ty_generics #where_clause {
                fn default() -> Self {
                    Self {
                        #(#made,)*
                        #last: ::core::default::Default::default(),
                    }
                }
            }
            impl #impl_generics ::core::fmt::Debug for #name #ty_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    __nam::debug_changes(f, #title, &[
                        #whole
                        #((#words, #is_touched),)*
                    ])
                }
            }
            impl #impl_generics __nam::Changes for #name #ty_generics #where_clause {
                fn is_touched(&self) -> bool {
                    #is_old #(|| #is_touched)*
                }
                fn heap_bytes(&self) -> usize {
                    #old_bytes #(+ #heap_bytes)*
                }
                fn required(&self) -> usize {
                    #old_required #(+ #required)*
                }
            }
        });
    }

    /// What a method of `Changes` answers of each record.
    fn each(&self, method: &str) -> Vec<TokenStream> {
        let call = |(member, _, place): &(Member, String, Span)| {
            let method = Ident::new(method, *place);
            quote_spanned!(*place=> __nam::Changes::#method(&self.#member))
        };
        self.shown.iter().map(call).collect()
    }

    fn methods(&self, scope: &Scope<'_>, vis: &Visibility) -> TokenStream {
        let (name, ident, last) = (self.name, &scope.container.ident, self.last_member());
        let is_touched = self.each("is_touched");
        let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
        quote! {
            impl #impl_generics #name #ty_generics #where_clause {
                /// Whether anything was touched; it may have its former value again.
                #vis fn is_changed(&self) -> bool {
                    self.#last.is_touched() #(|| #is_touched)*
                }
                /// The whole former value, if it was replaced or edited as a whole; what the records say then does not count.
                #vis fn previous(&self) -> ::core::option::Option<&#ident #ty_generics> {
                    self.#last.get()
                }
            }
        }
    }
}

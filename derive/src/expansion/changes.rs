//! Change sets: a record for each field or variant, and their `Default`, `Debug` and `Changes`.
//!
//! Invariant: the impls are written out, because derived ones would bound parameters by themselves (`P: Default`).
//! Source: the issues of derives that forget or add bounds.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
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
    /// Every member to be made by default.
    pub(crate) members: Vec<Member>,
    /// The members that record something, with the names people know them by.
    pub(crate) shown: Vec<(Member, String)>,
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
        let (name, last, members) = (self.name, self.last_member(), &self.members);
        let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
        let (shown, words): (Vec<&Member>, Vec<&str>) =
            self.shown.iter().map(|(member, word)| (member, word.as_str())).unzip();
        let (is_old, old_bytes, required, whole) = if self.has_old {
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
                        #(#members: ::core::default::Default::default(),)*
                        #last: ::core::default::Default::default(),
                    }
                }
            }
            impl #impl_generics ::core::fmt::Debug for #name #ty_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    __nam::debug_changes(f, #title, &[
                        #whole
                        #((#words, __nam::Changes::is_touched(&self.#shown)),)*
                    ])
                }
            }
            impl #impl_generics __nam::Changes for #name #ty_generics #where_clause {
                fn is_touched(&self) -> bool {
                    #is_old #(|| __nam::Changes::is_touched(&self.#shown))*
                }
                fn heap_bytes(&self) -> usize {
                    #old_bytes #(+ __nam::Changes::heap_bytes(&self.#shown))*
                }
                fn required(&self) -> usize {
                    #required #(+ __nam::Changes::required(&self.#shown))*
                }
            }
        });
    }

    fn methods(&self, scope: &Scope<'_>, vis: &Visibility) -> TokenStream {
        let (name, ident, last) = (self.name, &scope.container.ident, self.last_member());
        let (impl_generics, ty_generics, where_clause) = scope.bounds.plain.split_for_impl();
        quote! {
            impl #impl_generics #name #ty_generics #where_clause {
                /// Whether anything was touched; it may have its former value again.
                #vis fn is_changed(&self) -> bool {
                    __nam::Changes::is_touched(self)
                }
                /// The whole former value, if it was replaced or edited as a whole; what the records say then does not count.
                #vis fn previous(&self) -> ::core::option::Option<&#ident #ty_generics> {
                    self.#last.get()
                }
            }
        }
    }
}

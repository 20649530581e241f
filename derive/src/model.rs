//! What the derive knows of a struct or enum: the input of checks and expansion.
//!
//! Stands between syn and everything else. Invariants: every field that travels has an id (its own, or its position
//! among the fields that travel, from 1; variants count from 0); names are without `r#`. Source: own reasoning.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Member, Type, Visibility};

use crate::attributes::{ContainerSettings, FieldSettings, Special, VariantSettings};
use crate::errors::Errors;
use crate::names::{self, Names};

/// A struct or enum to be tracked.
pub(crate) struct Container {
    /// Its identifier.
    pub(crate) ident: Ident,
    /// Its name in the schema.
    pub(crate) name: String,
    /// Who may see it; the types made for it are seen by the same.
    pub(crate) vis: Visibility,
    /// Its parameters.
    pub(crate) generics: Generics,
    /// What it says of itself.
    pub(crate) settings: ContainerSettings,
    /// What it is made of.
    pub(crate) body: Body,
    /// What the made types are called.
    pub(crate) names: Names,
    /// Whether a mistake leaves nothing that could be expanded.
    pub(crate) is_hopeless: bool,
    /// Whether faulty fields were left out, so that no value can be made.
    pub(crate) is_partial: bool,
}

/// What a container is made of.
pub(crate) enum Body {
    /// Fields.
    Struct(FieldList),
    /// Variants.
    Enum(Vec<Variant>),
}

/// A variant of an enum.
pub(crate) struct Variant {
    /// Its identifier.
    pub(crate) ident: Ident,
    /// Its name in the schema.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: u32,
    /// What it says of itself.
    pub(crate) settings: VariantSettings,
    /// Its fields.
    pub(crate) fields: FieldList,
}

/// How fields are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `{ a: A, b: B }`
    Named,
    /// `(A, B)`
    Tuple,
    /// nothing
    Unit,
}

/// The fields of a struct or variant.
pub(crate) struct FieldList {
    /// How they are written.
    pub(crate) style: Style,
    /// In the order written.
    pub(crate) fields: Vec<Field>,
}

/// A field.
pub(crate) struct Field {
    /// How Rust addresses it.
    pub(crate) member: Member,
    /// Its name in the schema and inside of accessor names.
    pub(crate) name: String,
    /// Who may see it; its accessors are seen by the same.
    pub(crate) vis: Visibility,
    /// What it holds.
    pub(crate) ty: Type,
    /// Its id; 0 if it does not travel.
    pub(crate) id: u32,
    /// What it says of itself.
    pub(crate) settings: FieldSettings,
    /// Whether a check failed on it; the fallback then leaves it out.
    pub(crate) is_faulty: bool,
}

impl Container {
    /// Reads a derive's input; `None` if it is a union.
    pub(crate) fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let settings = ContainerSettings::read(&input.attrs, errors);
        let this = named_self(&input.ident, &input.generics);
        let body = match input.data {
            Data::Struct(data) => Body::Struct(FieldList::read(data.fields, &this, errors)),
            Data::Enum(data) => Body::Enum(read_variants(data.variants.into_iter(), &this, errors)),
            Data::Union(data) => {
                errors.at(
                    data.union_token,
                    "a union cannot be tracked: nobody knows which of its fields holds; use an enum",
                );
                return None;
            }
        };
        Some(Self {
            name: input.ident.unraw().to_string(),
            names: Names::new(&input.ident),
            ident: input.ident,
            vis: input.vis,
            generics: input.generics,
            settings,
            body,
            is_hopeless: false,
            is_partial: false,
        })
    }

    /// Whether it is encoded as its only field: a newtype, or a struct that says `transparent`.
    pub(crate) fn is_transparent(&self) -> bool {
        match &self.body {
            Body::Struct(list) => {
                list.fields.len() == 1 && (list.style == Style::Tuple || self.settings.transparent.is_some())
            }
            Body::Enum(_) => false,
        }
    }

    /// The lists of fields: a struct's one, an enum's one for each variant.
    pub(crate) fn field_lists_mut(&mut self) -> Vec<&mut FieldList> {
        match &mut self.body {
            Body::Struct(list) => vec![list],
            Body::Enum(variants) => variants.iter_mut().map(|variant| &mut variant.fields).collect(),
        }
    }
}

impl FieldList {
    fn read(fields: Fields, this: &TokenStream, errors: &mut Errors) -> Self {
        let style = match &fields {
            Fields::Named(_) => Style::Named,
            Fields::Unnamed(_) => Style::Tuple,
            Fields::Unit => Style::Unit,
        };
        let mut position = 0;
        let fields = fields
            .into_iter()
            .enumerate()
            .map(|(index, field)| {
                let settings = FieldSettings::read(&field.attrs, errors);
                let is_local = settings.specials.iter().any(|special| special.value == Special::Skip);
                position += u32::from(!is_local);
                let pinned = settings.id.as_ref().and_then(|id| number(&id.value, errors));
                let (name, member) = match field.ident {
                    Some(ident) => (ident.unraw().to_string(), Member::Named(ident)),
                    None => (
                        index.to_string(),
                        Member::Unnamed(syn::Index { index: position_of(index), span: field.ty.span() }),
                    ),
                };
                let id = if is_local { 0 } else { pinned.unwrap_or(position) };
                Field { member, name, vis: field.vis, ty: without_self(field.ty, this), id, settings, is_faulty: false }
            })
            .collect();
        Self { style, fields }
    }
}

impl Field {
    /// Whether it says `special` of itself.
    pub(crate) fn is(&self, special: Special) -> bool {
        self.settings.specials.iter().any(|setting| setting.value == special)
    }

    /// Whether it stays on its node.
    pub(crate) fn is_local(&self) -> bool {
        self.is(Special::Skip)
    }

    /// What overlapping commits do to it, if it says so.
    pub(crate) fn policy(&self) -> Option<Special> {
        self.settings.specials.iter().map(|setting| setting.value).find(|special| special.is_policy())
    }

    /// Where its name stands, for the names made from it.
    pub(crate) fn span(&self) -> Span {
        match &self.member {
            Member::Named(ident) => ident.span(),
            Member::Unnamed(index) => index.span,
        }
    }

    /// Where its type stands, for code about it: a missing `Tracked` is then reported there.
    pub(crate) fn place(&self) -> Span {
        Span::call_site().located_at(self.ty.span())
    }

    /// A local variable for it.
    pub(crate) fn binding(&self, prefix: &str) -> Ident {
        names::binding(prefix, &self.name)
    }
}

fn read_variants(
    variants: impl Iterator<Item = syn::Variant>,
    this: &TokenStream,
    errors: &mut Errors,
) -> Vec<Variant> {
    variants
        .enumerate()
        .map(|(index, variant)| {
            let settings = VariantSettings::read(&variant.attrs, errors);
            let pinned = settings.id.as_ref().and_then(|id| number(&id.value, errors));
            Variant {
                name: variant.ident.unraw().to_string(),
                id: pinned.unwrap_or(position_of(index)),
                ident: variant.ident,
                settings,
                fields: FieldList::read(variant.fields, this, errors),
            }
        })
        .collect()
}

/// The type with its own parameters, by name.
fn named_self(ident: &Ident, generics: &Generics) -> TokenStream {
    let (_, ty_generics, _) = generics.split_for_impl();
    quote!(#ident #ty_generics)
}

/// Names the type where a field's type says `Self`, which means something else inside of change sets and cursors.
fn without_self(ty: Type, this: &TokenStream) -> Type {
    syn::parse2(replace_self(ty.to_token_stream(), this)).unwrap_or(ty)
}

fn replace_self(tokens: TokenStream, this: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => this.clone(),
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), replace_self(group.stream(), this));
                replaced.set_span(group.span());
                TokenTree::Group(replaced).into()
            }
            other => other.into(),
        })
        .collect()
}

/// Reads an id; one that is not a number of 32 bits is reported.
pub(crate) fn number(literal: &syn::LitInt, errors: &mut Errors) -> Option<u32> {
    match literal.base10_parse() {
        Ok(number) => Some(number),
        Err(_) => {
            errors.at(literal, "an id is a number of at most 32 bits without a suffix");
            None
        }
    }
}

fn position_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

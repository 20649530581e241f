//! The rules, one a line: what a tracked type may not be.
//!
//! Stands between the model and the expansion. Invariants: every rule looks at the whole container and reports all it
//! finds, at the user's own tokens, saying what to do; a field on which a rule failed is marked, so that the fallback
//! leaves it out. Source: DESIGN of tracking (`ARCHITECTURE.md`, "What it will not do").

mod fields;
mod ids;
mod types;

use std::collections::BTreeMap;

use crate::attributes::ClassName;
use crate::errors::Errors;
use crate::model::{Body, Container, Field, Style};
use crate::names;

/// Most bytes of a class name (`nam::limits::NAME_BYTES_MAX`).
const NAME_BYTES_MAX: usize = 256;

/// Judges the container by every rule.
pub(crate) fn run(container: &mut Container, errors: &mut Errors) {
    no_lifetimes(container, errors);
    enums_have_variants(container, errors);
    variants_differ_by_more_than_case(container, errors);
    class_name_fits(container, errors);
    transparent_has_one_field(container, errors);
    keys_are_newtypes_or_plain_enums(container, errors);
    ids::variants(container, errors);
    let reserved = ids::reserved(container, errors);
    let is_transparent = container.is_transparent();
    let is_struct = matches!(container.body, Body::Struct(_));
    let mut is_shareable = true;
    for list in container.field_lists_mut() {
        ids::fields(list, if is_struct { &reserved } else { &[] }, errors);
        fields::aliases_are_new(list, errors);
        for field in &mut list.fields {
            let before = errors.count();
            types::owns_what_it_holds(field, errors);
            is_shareable &= errors.count() == before;
            fields::one_special(field, errors);
            fields::skip_stands_alone(field, errors);
            fields::policy_fits_type(field, errors);
            fields::index_fits_type(field, errors);
            fields::accessor_is_free(field, is_struct, errors);
            if is_transparent {
                newtype_says_nothing_of_its_field(field, errors);
            }
            field.is_faulty |= errors.count() > before;
            if !is_transparent {
                fields::index_has_a_name(field, is_struct, errors);
            }
        }
    }
    container.is_hopeless |= !is_shareable;
}

fn no_lifetimes(container: &mut Container, errors: &mut Errors) {
    container.is_hopeless |= container.generics.lifetimes().next().is_some();
    for lifetime in container.generics.lifetimes() {
        errors.at(
            lifetime,
            format!(
                "a replicated value outlives every borrow, so it has no lifetime; let `{}` own its data (`String`, `Vec`, `Arc`)",
                container.name
            ),
        );
    }
}

fn enums_have_variants(container: &mut Container, errors: &mut Errors) {
    if matches!(&container.body, Body::Enum(variants) if variants.is_empty()) {
        container.is_hopeless = true;
        errors.at(&container.ident, "an enum without variants has no value to replicate; give it a variant");
    }
}

/// The change set names its records after variants, in lower case.
fn variants_differ_by_more_than_case(container: &mut Container, errors: &mut Errors) {
    let Body::Enum(variants) = &container.body else { return };
    let mut seen = BTreeMap::new();
    for variant in variants {
        let (_, record) = names::variant_changes(&container.ident, &variant.name);
        if let Some(first) = seen.insert(record.to_string(), &variant.name) {
            container.is_hopeless = true;
            let message =
                format!("`{}` and `{first}` share the name `{record}` in the change set; rename one", variant.name);
            errors.at(&variant.ident, message);
        }
    }
}

fn class_name_fits(container: &Container, errors: &mut Errors) {
    let Some(name) = &container.settings.name else { return };
    if let ClassName::Text(text) = &name.value {
        let length = text.value().len();
        if length == 0 || length > NAME_BYTES_MAX {
            errors.at(text, format!("a class name has 1 to {NAME_BYTES_MAX} bytes, this one has {length}"));
        }
    }
    if matches!(container.body, Body::Enum(_)) || container.is_transparent() {
        errors.at(&name.place, "only a struct with fields of its own is a class; put the name on the root struct");
    }
}

fn transparent_has_one_field(container: &Container, errors: &mut Errors) {
    let Some(transparent) = &container.settings.transparent else { return };
    match &container.body {
        Body::Enum(_) => {
            errors.at(&transparent.place, "an enum is never transparent: its variant is part of its value")
        }
        Body::Struct(list) if list.fields.len() != 1 => errors.at(
            &transparent.place,
            format!(
                "a transparent struct is encoded as its only field, and `{}` has {}",
                container.name,
                list.fields.len()
            ),
        ),
        Body::Struct(_) => {}
    }
}

fn keys_are_newtypes_or_plain_enums(container: &Container, errors: &mut Errors) {
    let Some(key) = &container.settings.key else { return };
    let fits = match &container.body {
        Body::Struct(_) => container.is_transparent(),
        Body::Enum(variants) => variants.iter().all(|variant| variant.fields.style == Style::Unit),
    };
    if !fits {
        errors.at(
            &key.place,
            "a key is a newtype of a key or an enum without fields; use a tuple of keys for several parts",
        );
    }
}

fn newtype_says_nothing_of_its_field(field: &Field, errors: &mut Errors) {
    let message =
        |word: &str| format!("a newtype is encoded as what it holds; put `{word}` on the fields that hold the newtype");
    let settings = &field.settings;
    for special in settings.specials.iter().filter(|special| special.value != crate::attributes::Special::Leaf) {
        errors.at(&special.place, message(special.value.word()));
    }
    let places = [
        settings.id.as_ref().map(|setting| ("id", &setting.place)),
        settings.index.as_ref().map(|setting| ("index", &setting.place)),
        settings.redact.as_ref().map(|setting| ("redact", &setting.place)),
        settings.default.as_ref().map(|setting| ("default", &setting.place)),
    ];
    for (word, place) in places.into_iter().flatten() {
        errors.at(place, message(word));
    }
    for alias in &settings.aliases {
        errors.at(alias, message("alias"));
    }
}

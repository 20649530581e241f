//! Rules of ids: not 0, not twice, not one that was retired.
//!
//! Invariant: a message about an id names one that is free. Source: the rules of protobuf's field numbers.

use std::collections::BTreeMap;

use syn::LitInt;

use crate::errors::Errors;
use crate::model::{Body, Container, FieldList, number};

/// Largest field id: a tag holds it above three bits of wire type in 32 bits.
const FIELD_ID_MAX: u32 = (1 << 29) - 1;

/// Reads the reserved ids; each stands there once.
pub(super) fn reserved(container: &Container, errors: &mut Errors) -> Vec<u32> {
    let is_struct = matches!(container.body, Body::Struct(_));
    let mut ids = Vec::new();
    for literal in &container.settings.reserved {
        let Some(id) = number(literal, errors) else { continue };
        if ids.contains(&id) {
            errors.at(literal, format!("id {id} is reserved twice; keep one"));
        } else if is_struct && id == 0 {
            errors.at(literal, "field ids start at 1, so 0 needs no reservation");
        }
        ids.push(id);
    }
    if container.is_transparent()
        && let Some(first) = container.settings.reserved.first()
    {
        errors.at(first, "a newtype has no ids to reserve");
    }
    ids
}

/// Judges the ids of an enum's variants.
pub(super) fn variants(container: &Container, errors: &mut Errors) {
    let Body::Enum(variants) = &container.body else { return };
    let reserved: Vec<u32> = container.settings.reserved.iter().filter_map(|id| id.base10_parse().ok()).collect();
    let taken: Vec<u32> = variants.iter().map(|variant| variant.id).collect();
    let free = free_id(0, &taken, &reserved);
    let mut seen = BTreeMap::new();
    for variant in variants {
        let pinned = variant.settings.id.as_ref().map(|id| &id.value);
        if reserved.contains(&variant.id) {
            at_id(pinned, &variant.ident, &reserved_message("variant", &variant.name, variant.id, free), errors);
        }
        if let Some(first) = seen.insert(variant.id, variant.name.clone()) {
            at_id(pinned, &variant.ident, &twice_message("variant", &variant.name, variant.id, &first, free), errors);
        }
    }
}

/// Judges the ids of a list of fields.
pub(super) fn fields(list: &mut FieldList, reserved: &[u32], errors: &mut Errors) {
    let taken: Vec<u32> = list.fields.iter().map(|field| field.id).collect();
    let free = free_id(1, &taken, reserved);
    let mut seen = BTreeMap::new();
    for field in list.fields.iter().filter(|field| !field.is_local()) {
        let pinned = field.settings.id.as_ref().map(|id| &id.value);
        if field.id == 0 {
            at_id(pinned, &field.member, &format!("field ids start at 1; write `#[nam(id = {free})]`"), errors);
        }
        if field.id > FIELD_ID_MAX {
            at_id(
                pinned,
                &field.member,
                &format!("field ids end at {FIELD_ID_MAX}; write `#[nam(id = {free})]`"),
                errors,
            );
        }
        if reserved.contains(&field.id) {
            at_id(pinned, &field.member, &reserved_message("field", &field.name, field.id, free), errors);
        }
        if let Some(first) = seen.insert(field.id, field.name.clone()) {
            at_id(pinned, &field.member, &twice_message("field", &field.name, field.id, &first, free), errors);
        }
    }
}

fn reserved_message(what: &str, name: &str, id: u32, free: u32) -> String {
    format!("{what} `{name}` has id {id}, which is reserved for something removed; write `#[nam(id = {free})]`")
}

fn twice_message(what: &str, name: &str, id: u32, first: &str, free: u32) -> String {
    format!("{what} `{name}` has id {id}, and so has `{first}`; write `#[nam(id = {free})]`")
}

/// Puts a message at the id that was written, or at the name whose position gave it.
fn at_id(pinned: Option<&LitInt>, name: impl quote::ToTokens, message: &str, errors: &mut Errors) {
    match pinned {
        Some(literal) => errors.at(literal, message),
        None => errors.at(name, message),
    }
}

/// The lowest id from `first` that nothing uses.
fn free_id(first: u32, taken: &[u32], reserved: &[u32]) -> u32 {
    (first..).find(|id| !taken.contains(id) && !reserved.contains(id)).unwrap_or(u32::MAX)
}

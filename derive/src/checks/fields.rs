//! Rules of one field: which words go together, and with which types.
//!
//! Invariant: a type is judged only as far as its name shows it; an alias or a type of the user's passes here and meets
//! the trait bounds of the expansion. Source: policies as in `ARCHITECTURE.md`, "Field policies".

use crate::attributes::Special;
use crate::checks::types::{Shape, shape};
use crate::errors::Errors;
use crate::model::{Field, FieldList};

/// An alias is a name the list does not use.
pub(super) fn aliases_are_new(list: &FieldList, errors: &mut Errors) {
    for (index, field) in list.fields.iter().enumerate() {
        for (at, alias) in field.settings.aliases.iter().enumerate() {
            let text = alias.value();
            let repeated = field.settings.aliases.iter().take(at).any(|earlier| earlier.value() == text);
            if text.is_empty() {
                errors.at(alias, "an alias is the name a field had; this one is empty");
            } else if text == field.name || repeated {
                errors.at(alias, format!("`{text}` is given as a name of this field already; remove the alias"));
            } else if let Some(other) = named(list, index, &text) {
                errors.at(
                    alias,
                    format!("`{text}` is a name of the field `{other}`; two fields cannot both have had it"),
                );
            }
        }
    }
}

/// The field other than the one at `index` that has, or among the earlier ones had, this name.
fn named<'a>(list: &'a FieldList, index: usize, text: &str) -> Option<&'a str> {
    list.fields
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index)
        .find(|(other, field)| {
            field.name == text || (*other < index && field.settings.aliases.iter().any(|alias| alias.value() == text))
        })
        .map(|(_, field)| field.name.as_str())
}

/// At most one of `leaf`, `skip` and the policies; only `lww` goes with a leaf, since it asks nothing of the value.
pub(super) fn one_special(field: &Field, errors: &mut Errors) {
    let Some((first, others)) = field.settings.specials.split_first() else { return };
    for other in others {
        let (a, b) = (first.value, other.value);
        let message = match (a, b) {
            (Special::Leaf, Special::Lww) | (Special::Lww, Special::Leaf) => continue,
            _ if a == b => format!("`{}` is given twice; keep one", a.word()),
            _ if a.is_policy() && b.is_policy() => {
                format!("`{}` and `{}` are two answers to the same conflict; keep one", a.word(), b.word())
            }
            (Special::Leaf, _) => leaf_message(b),
            (_, Special::Leaf) => leaf_message(a),
            _ => format!("`{}` and `{}` exclude each other; keep one", a.word(), b.word()),
        };
        errors.at(&other.place, message);
    }
}

fn leaf_message(other: Special) -> String {
    format!("a leaf is replaced as a whole, so `{}` has nothing to work on; remove one of the two", other.word())
}

/// A field that stays here has nothing to say about the wire.
pub(super) fn skip_stands_alone(field: &Field, errors: &mut Errors) {
    if !field.is_local() {
        return;
    }
    let settings = &field.settings;
    let places = [
        settings.id.as_ref().map(|setting| ("id", &setting.place)),
        settings.index.as_ref().map(|setting| ("index", &setting.place)),
        settings.redact.as_ref().map(|setting| ("redact", &setting.place)),
    ];
    for (word, place) in places.into_iter().flatten() {
        errors.at(place, format!("a skipped field is not sent, so `{word}` means nothing; remove it"));
    }
    for alias in &settings.aliases {
        errors.at(alias, "a skipped field is not sent, so `alias` means nothing; remove it");
    }
}

/// `add`, `max`, `min` on numbers, `union` on sets, `append` on lists and text.
pub(super) fn policy_fits_type(field: &Field, errors: &mut Errors) {
    for special in &field.settings.specials {
        let (fits, wanted): (fn(Shape) -> bool, &str) = match special.value {
            Special::Add | Special::Max | Special::Min => (|s| matches!(s, Shape::Integer | Shape::Float), "a number"),
            Special::Union => (|s| s == Shape::Set, "a `HashSet` or `BTreeSet`"),
            Special::Append => (|s| matches!(s, Shape::List | Shape::Text), "a `Vec`, `VecDeque` or `String`"),
            Special::Leaf | Special::Skip | Special::Lww => continue,
        };
        let found = shape(&field.ty);
        if found != Shape::Unknown && !fits(found) {
            errors.at(&field.ty, format!("`{}` works on {wanted}; remove it or change the type", special.value.word()));
        }
    }
}

/// `index` on text and integers.
pub(super) fn index_fits_type(field: &Field, errors: &mut Errors) {
    let Some(index) = &field.settings.index else { return };
    if field.is(Special::Leaf) {
        errors.at(&index.place, "an index reads the value, which an opaque leaf hides; remove `leaf` or `index`");
    } else if !matches!(shape(&field.ty), Shape::Unknown | Shape::Integer | Shape::Text) {
        errors.at(&field.ty, "`index` works on a `String` or an integer; remove it or change the type");
    }
}

/// Objects are found by the constant that a field's name makes. Without the mark the field is sound.
pub(super) fn index_has_a_name(field: &mut Field, is_struct: bool, errors: &mut Errors) {
    let is_named = is_struct && matches!(field.member, syn::Member::Named(_));
    if let Some(index) = field.settings.index.take_if(|_| !is_named) {
        errors.at(
            &index.place,
            "objects are found by a named field of a struct; give the field a name in the root struct",
        );
    }
}

/// A struct's cursor has methods of its own; `into_fields` is the one a field's accessor can meet.
pub(super) fn accessor_is_free(field: &Field, is_struct: bool, errors: &mut Errors) {
    if is_struct && field.name == "fields" {
        errors.at(
            &field.member,
            "the accessor `into_fields` of a field `fields` meets the cursor's own method; rename the field \
             (a deployed one keeps its old name with `#[nam(alias = \"fields\")]`)",
        );
    }
}

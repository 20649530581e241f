//! Reads `#[nam(..)]` of containers, fields and variants into settings.
//!
//! Stands between syn and the model. Invariants: an unknown or malformed word is reported and skipped, the words after
//! it are still read; what a word means together with others is not judged here (see `checks`). Source: serde's
//! attribute reader.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path, Token, WherePredicate};

use crate::errors::Errors;
use crate::words;

/// A value and the tokens that gave it, for messages.
pub(crate) struct Setting<T> {
    /// What was set.
    pub(crate) value: T,
    /// Where.
    pub(crate) place: Meta,
}

/// The name of a class.
pub(crate) enum ClassName {
    /// As text.
    Text(LitStr),
    /// A constant of type `&'static str`, for a generic class: each of its types needs a name of its own.
    Constant(Path),
}

/// What a struct or enum says of itself.
#[derive(Default)]
pub(crate) struct ContainerSettings {
    /// `name = ".."` or `name = PATH`: the class's name.
    pub(crate) name: Option<Setting<ClassName>>,
    /// `reserved(..)`: ids never to use again.
    pub(crate) reserved: Vec<LitInt>,
    /// `bound = ".."`: predicates in place of `P: Tracked`.
    pub(crate) bound: Option<Setting<Vec<WherePredicate>>>,
    /// `crate = ".."`: where nam is.
    pub(crate) krate: Option<Setting<Path>>,
    /// `transparent`: encoded as the only field.
    pub(crate) transparent: Option<Setting<()>>,
    /// `key`: usable as a key of maps and sets.
    pub(crate) key: Option<Setting<()>>,
}

/// What happens to a field instead of being tracked through its own type's `Tracked`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// `leaf`: any serde type, replaced as a whole.
    Leaf,
    /// `skip`: stays here.
    Skip,
    /// `add`: numbers are added.
    Add,
    /// `max`: the larger stays.
    Max,
    /// `min`: the smaller stays.
    Min,
    /// `union`: sets are united.
    Union,
    /// `append`: elements or text at the end.
    Append,
    /// `lww`: the later commit wins.
    Lww,
}

impl Special {
    /// The word that asks for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Skip => "skip",
            Self::Add => "add",
            Self::Max => "max",
            Self::Min => "min",
            Self::Union => "union",
            Self::Append => "append",
            Self::Lww => "lww",
        }
    }

    /// Whether it says what overlapping commits do.
    pub(crate) fn is_policy(self) -> bool {
        !matches!(self, Self::Leaf | Self::Skip)
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Leaf, Self::Skip, Self::Add, Self::Max, Self::Min, Self::Union, Self::Append, Self::Lww]
            .into_iter()
            .find(|special| special.word() == word)
    }
}

/// What a field gets if the bytes lack it.
pub(crate) enum DefaultValue {
    /// `Default::default()`.
    OfType,
    /// The answer of this function.
    Function(Path),
}

/// What a field says of itself.
#[derive(Default)]
pub(crate) struct FieldSettings {
    /// `id = N`.
    pub(crate) id: Option<Setting<LitInt>>,
    /// `leaf`, `skip` and the policies, in the order given.
    pub(crate) specials: Vec<Setting<Special>>,
    /// `index`.
    pub(crate) index: Option<Setting<()>>,
    /// `redact`.
    pub(crate) redact: Option<Setting<()>>,
    /// `default` or `default = "path"`.
    pub(crate) default: Option<Setting<DefaultValue>>,
    /// `alias = ".."`, any number.
    pub(crate) aliases: Vec<LitStr>,
}

/// What a variant says of itself.
#[derive(Default)]
pub(crate) struct VariantSettings {
    /// `id = N`.
    pub(crate) id: Option<Setting<LitInt>>,
    /// `alias = ".."`, any number.
    pub(crate) aliases: Vec<LitStr>,
}

impl ContainerSettings {
    /// Reads the attributes of a struct or enum.
    pub(crate) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut settings = Self::default();
        for meta in words_of(attributes, errors) {
            match word(&meta).as_str() {
                "name" => once(&mut settings.name, class_name(&meta, errors), meta, errors),
                "reserved" => settings.reserved.extend(ids(&meta, errors)),
                "bound" => once(&mut settings.bound, predicates(&meta, errors), meta, errors),
                "crate" => once(&mut settings.krate, path(&meta, errors), meta, errors),
                "transparent" => once(&mut settings.transparent, flag(&meta, errors), meta, errors),
                "key" => once(&mut settings.key, flag(&meta, errors), meta, errors),
                other => errors.at(meta.path(), words::unknown(other, "a struct or enum", words::CONTAINER)),
            }
        }
        settings
    }
}

impl FieldSettings {
    /// Reads the attributes of a field.
    pub(crate) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut settings = Self::default();
        for meta in words_of(attributes, errors) {
            match word(&meta).as_str() {
                "id" => once(&mut settings.id, number(&meta, errors), meta, errors),
                "index" => once(&mut settings.index, flag(&meta, errors), meta, errors),
                "redact" => once(&mut settings.redact, flag(&meta, errors), meta, errors),
                "default" => once(&mut settings.default, default_value(&meta, errors), meta, errors),
                "alias" => settings.aliases.extend(text(&meta, errors)),
                other => match Special::from_word(other) {
                    Some(value) => {
                        if flag(&meta, errors).is_some() {
                            settings.specials.push(Setting { value, place: meta });
                        }
                    }
                    None => errors.at(meta.path(), words::unknown(other, "a field", words::FIELD)),
                },
            }
        }
        settings
    }
}

impl VariantSettings {
    /// Reads the attributes of a variant.
    pub(crate) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut settings = Self::default();
        for meta in words_of(attributes, errors) {
            match word(&meta).as_str() {
                "id" => once(&mut settings.id, number(&meta, errors), meta, errors),
                "alias" => settings.aliases.extend(text(&meta, errors)),
                other => errors.at(meta.path(), words::unknown(other, "a variant", words::VARIANT)),
            }
        }
        settings
    }
}

/// The words inside every `#[nam(..)]`.
fn words_of(attributes: &[Attribute], errors: &mut Errors) -> Vec<Meta> {
    let mut found = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("nam")) {
        match attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(metas) => found.extend(metas),
            Err(error) => errors.keep(error),
        }
    }
    found
}

fn word(meta: &Meta) -> String {
    let path = meta.path();
    path.get_ident().map_or_else(|| quote::quote!(#path).to_string(), ToString::to_string)
}

fn once<T>(place: &mut Option<Setting<T>>, value: Option<T>, meta: Meta, errors: &mut Errors) {
    if place.is_some() {
        errors.at(&meta, format!("`{}` is given twice; keep one", word(&meta)));
    } else if let Some(value) = value {
        *place = Some(Setting { value, place: meta });
    }
}

fn flag(meta: &Meta, errors: &mut Errors) -> Option<()> {
    match meta {
        Meta::Path(_) => Some(()),
        _ => {
            let word = word(meta);
            errors.at(meta, format!("`{word}` takes no value; write `#[nam({word})]`"));
            None
        }
    }
}

fn literal(meta: &Meta) -> Option<&Lit> {
    match meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit, .. }) => Some(lit),
            _ => None,
        },
        _ => None,
    }
}

fn text(meta: &Meta, errors: &mut Errors) -> Option<LitStr> {
    if let Some(Lit::Str(text)) = literal(meta) {
        return Some(text.clone());
    }
    let word = word(meta);
    errors.at(meta, format!("`{word}` takes a text; write `#[nam({word} = \"..\")]`"));
    None
}

fn class_name(meta: &Meta, errors: &mut Errors) -> Option<ClassName> {
    if let Meta::NameValue(pair) = meta
        && let Expr::Path(constant) = &pair.value
    {
        return Some(ClassName::Constant(constant.path.clone()));
    }
    text(meta, errors).map(ClassName::Text)
}

fn number(meta: &Meta, errors: &mut Errors) -> Option<LitInt> {
    if let Some(Lit::Int(number)) = literal(meta) {
        return Some(number.clone());
    }
    let word = word(meta);
    errors.at(meta, format!("`{word}` takes a number; write `#[nam({word} = 1)]`"));
    None
}

fn path(meta: &Meta, errors: &mut Errors) -> Option<Path> {
    parsed(meta, &text(meta, errors)?, "a path", errors)
}

fn predicates(meta: &Meta, errors: &mut Errors) -> Option<Vec<WherePredicate>> {
    let text = text(meta, errors)?;
    match text.parse_with(Punctuated::<WherePredicate, Token![,]>::parse_terminated) {
        Ok(predicates) => Some(predicates.into_iter().collect()),
        Err(error) => {
            errors.at(&text, format!("`bound` takes predicates, as in `bound = \"P: nam::Tracked\"`: {error}"));
            None
        }
    }
}

fn default_value(meta: &Meta, errors: &mut Errors) -> Option<DefaultValue> {
    match meta {
        Meta::Path(_) => Some(DefaultValue::OfType),
        _ => path(meta, errors).map(DefaultValue::Function),
    }
}

fn ids(meta: &Meta, errors: &mut Errors) -> Vec<LitInt> {
    let listed =
        meta.require_list().and_then(|list| list.parse_args_with(Punctuated::<LitInt, Token![,]>::parse_terminated));
    match listed {
        Ok(ids) => ids.into_iter().collect(),
        Err(_) => {
            errors.at(meta, "`reserved` takes ids; write `#[nam(reserved(4, 7))]`");
            Vec::new()
        }
    }
}

fn parsed<T: syn::parse::Parse>(meta: &Meta, text: &LitStr, what: &str, errors: &mut Errors) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => {
            errors.at(text, format!("`{}` takes {what}, and `{}` is none", word(meta), text.value()));
            None
        }
    }
}

//! What a type's tokens show: its shape, and types that hide changes or borrow.
//!
//! Invariant: only what is visible in the field's own type is judged; behind aliases and user types the trait bounds
//! (`Sync`, `Tracked`, serde's for leaves) stand guard. Source: `serde` implements `Serialize` for cells and locks, so
//! the bounds of a leaf alone would let them in.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type};

use crate::errors::Errors;
use crate::model::Field;

/// What a type is, as far as its name shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `u8` to `i128`, `usize`, `isize`.
    Integer,
    /// `f32`, `f64`.
    Float,
    /// `String`, `SmolStr`.
    Text,
    /// `Vec`, `VecDeque`.
    List,
    /// `HashSet`, `BTreeSet`.
    Set,
    /// Something known that is none of these.
    Other,
    /// A name the derive does not know.
    Unknown,
}

/// Names the shape of a type by its last path segment.
pub(super) fn shape(ty: &Type) -> Shape {
    match ty {
        Type::Path(path) => {
            path.path.segments.last().map_or(Shape::Unknown, |last| match last.ident.to_string().as_str() {
                "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
                    Shape::Integer
                }
                "f32" | "f64" => Shape::Float,
                "String" | "SmolStr" => Shape::Text,
                "Vec" | "VecDeque" => Shape::List,
                "HashSet" | "BTreeSet" => Shape::Set,
                "Box" => boxed(&last.arguments).map_or(Shape::Unknown, shape),
                "bool" | "char" | "Option" | "HashMap" | "BTreeMap" | "Arc" | "Duration" | "Bytes" => Shape::Other,
                _ => Shape::Unknown,
            })
        }
        Type::Group(group) => shape(&group.elem),
        Type::Paren(paren) => shape(&paren.elem),
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Reference(_) | Type::Ptr(_) => Shape::Other,
        _ => Shape::Unknown,
    }
}

fn boxed(arguments: &PathArguments) -> Option<&Type> {
    match arguments {
        PathArguments::AngleBracketed(list) => list.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        }),
        _ => None,
    }
}

/// A field holds no borrow, no pointer and nothing that changes behind a shared reference, however deep.
pub(super) fn owns_what_it_holds(field: &Field, errors: &mut Errors) {
    search(field.ty.to_token_stream(), field.is_local(), errors);
}

fn search(tokens: TokenStream, is_local: bool, errors: &mut Errors) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Group(group) => search(group.stream(), is_local, errors),
            TokenTree::Punct(punct) if punct.as_char() == '&' => errors
                .at(&token, "a replicated value owns what it holds; replace the reference by `String`, `Vec` or `Arc`"),
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                let points = matches!(tokens.peek(), Some(TokenTree::Ident(next)) if next == "const" || next == "mut");
                if points {
                    errors.at(&token, "a raw pointer means nothing on another node; hold the value itself");
                }
            }
            TokenTree::Ident(ident) => {
                let is_generic = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '<');
                if let Some(message) = refusal(ident, is_generic, is_local) {
                    errors.at(ident, message);
                }
            }
            _ => {}
        }
    }
}

/// Why a type of this name cannot be held. Cells and locks are refused only with a parameter, so that a user's own
/// `Cell` passes. A field that stays on its node may hold what is `Sync`.
fn refusal(ident: &Ident, is_generic: bool, is_local: bool) -> Option<String> {
    let name = ident.to_string();
    match name.as_str() {
        "Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "LazyCell" if is_generic => Some(format!(
            "a `{name}` changes behind a shared reference, where no tracker sees it; hold the value itself, transactions change it"
        )),
        "Rc" if is_generic => Some("an `Rc` stays on one thread; hold the value itself, or an `Arc` of it".to_owned()),
        "Mutex" | "RwLock" | "OnceLock" | "LazyLock" if is_generic && !is_local => Some(format!(
            "a `{name}` changes behind a shared reference, where no tracker sees it; hold the value itself, a transaction is its lock"
        )),
        "AtomicBool" | "AtomicPtr" | "AtomicUsize" | "AtomicIsize" | "AtomicU8" | "AtomicU16" | "AtomicU32"
        | "AtomicU64" | "AtomicI8" | "AtomicI16" | "AtomicI32" | "AtomicI64"
            if !is_local =>
        {
            Some(format!(
                "an `{name}` changes behind a shared reference, where no tracker sees it; hold the plain value, \
                 `#[nam(add)]` counts without conflicts"
            ))
        }
        _ => None,
    }
}

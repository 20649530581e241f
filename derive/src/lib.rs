//! The derive macro of nam: from a user's struct to its cursors, change set, schema and codec.
//!
//! A pipeline of small files, in this order: [`derive_tracked`] → `names` → `errors` (all collected, none lost) →
//! `attributes` → `model` → `checks` → `bounds` → `expansion`, or `fallback` after a mistake. Invariants: the expansion
//! calls `::nam::__private` only and holds no logic that a plain function could hold. Source: thiserror and serde.

mod attributes;
mod bounds;
mod checks;
mod errors;
mod expansion;
mod fallback;
mod model;
mod names;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::errors::Errors;
use crate::model::Container;

/// Derives `nam::Tracked` for a struct or an enum: cursors, change set, schema and codec.
///
/// For a struct `Portfolio` it makes
/// - `PortfolioMut<'_>`, the cursor: derefs to `Portfolio` for reads; `cash_mut()` writes the field `cash` (`_0_mut()` the
///   first of a tuple struct), `into_cash()` does so for as long as the cursor may, `fields()` and `into_fields()` answer
///   `PortfolioFields<'_>`, the cursors of all fields at once; `set(value)` replaces, `edit(|p: &mut Portfolio| ..)` runs
///   code that knows no cursors, `reborrow()` answers a shorter cursor; `require_cash()` reads the field, and has the
///   commit fail, so that the closure runs again, if it changed since.
/// - `PortfolioChanges`, the change set: a record for each field, `is_changed()`, `previous()`.
///
/// A plain write past the cursor does not compile: for `p.cash = 5.0` the compiler says E0594, that `PortfolioMut<'_>` lacks
/// `DerefMut`. Its words are its own and name no accessor; what was meant is `*p.cash_mut() = 5.0`, as the documentation of
/// `PortfolioMut` says with a field of the struct at hand.
///
/// For an enum `Status` the cursor `StatusMut<'_>` has `variant_mut()` and `into_variant()`, which answer
/// `StatusVariantMut<'_>`, the current variant with a cursor for each field; `StatusChanges` has a record for each variant
/// with fields. An enum without fields is a leaf: `*p.side_mut() = Side::Sell`. A newtype, or a struct with one field
/// that says `transparent`, is encoded as what it holds. Made types and accessors are as visible as what they stand for.
///
/// | on the struct or enum | what it does |
/// |---|---|
/// | `name = "desk.Portfolio"` | the class's name; else the struct's own |
/// | `name = PATH` | the same by a constant of type `&'static str`, which a generic class may have for each of its types |
/// | `reserved(4, 7)` | ids of removed fields or variants, never to be used again |
/// | `transparent` | one field: encoded as that field; newtypes are so by themselves |
/// | `key` | a newtype of a key, or an enum without fields, may be a key of maps and sets; `Eq` and `Hash` must be derived |
/// | `bound = "P: .."` | predicates in place of `P: Tracked` for each parameter |
/// | `crate = "path"` | where nam is, if not at `::nam` |
///
/// | on a field | what it does |
/// |---|---|
/// | `id = 3` | its id; else its position among the fields that are sent, from 1 |
/// | `alias = "old"` | a name it had before; any number |
/// | `default`, `default = "path"` | bytes may lack it; it then is `Default::default()` or `path()` |
/// | `leaf` | any serde type, opaque, replaced as a whole |
/// | `skip` | stays on this node: neither sent, replaced nor undone; needs `Default` |
/// | `add`, `max`, `min` | numbers: the operation is sent, so nobody conflicts |
/// | `union` | sets, `append`: lists and text; likewise |
/// | `lww` | the later commit wins instead of running again; goes with `leaf`, too |
/// | `index` | a named string or integer of the root: objects are found by it, through a constant: `Session::USER` of `user` |
/// | `redact` | it is never printed |
///
/// | on a variant | what it does |
/// |---|---|
/// | `id = 3` | its id; else its position, from 0 |
/// | `alias = "Old"` | a name it had before |
#[proc_macro_derive(Tracked, attributes(nam))]
pub fn derive_tracked(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let Some(mut container) = Container::read(input, &mut errors) else {
        return errors.into_tokens().into();
    };
    checks::run(&mut container, &mut errors);
    if errors.count() == 0 {
        return expansion::expand(&container).into();
    }
    let mut tokens = errors.into_tokens();
    tokens.extend(fallback::stub(container));
    tokens.into()
}

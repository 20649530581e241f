//! What stands in for the expansion after a mistake, so that the user sees the mistake and not its consequences.
//!
//! The sound part of the container is expanded as ever, so that cursors, accessors and impls that other code asks for
//! exist; only values cannot be made, since fields are missing. Invariant: where not even that can be said (a lifetime, no
//! variants, a type that threads cannot share), there is no stand-in. Source: thiserror's `fallback.rs`.

use proc_macro2::TokenStream;

use crate::expansion;
use crate::model::Container;

/// Makes the stand-in.
pub(crate) fn stub(mut container: Container) -> TokenStream {
    if container.is_hopeless {
        return TokenStream::new();
    }
    for list in container.field_lists_mut() {
        list.fields.retain(|field| !field.is_faulty);
    }
    container.settings.key = None;
    container.is_partial = true;
    expansion::expand(&container)
}

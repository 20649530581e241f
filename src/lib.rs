//! nam: network-attached memory. (The map of the crate is written with its last module.)
#![warn(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::iter_over_hash_type,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test says what is wrong by panicking"
    )
)]

pub mod coding;
pub mod delta;
pub mod document;
#[cfg(feature = "in-process")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod engine;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod node;
pub mod repository;
pub mod schema;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod store;
pub mod testing;
pub mod time;
pub mod tracked;
#[cfg(feature = "node")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod transport;
pub mod wire;

pub use nam_derive::Tracked;
pub use tracked::Tracked;

#[doc(hidden)]
pub mod __private;

//! Types of other crates as fields, each behind a feature of its crate's name.
//!
//! Invariant: all are leaves; those that can be keys have one encoding a value. Source: `docs/wire.md` §3.

#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "rust_decimal")]
mod rust_decimal;
#[cfg(feature = "smol_str")]
mod smol_str;
#[cfg(feature = "time")]
mod time;
#[cfg(feature = "uuid")]
mod uuid;

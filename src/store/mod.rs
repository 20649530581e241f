//! Backends: places that keep frames.
//!
//! Each keeps the laws of [`Journal`](crate::journal::Journal), and each is tested by the one suite in
//! `conformance.rs`. Source: own reasoning.

#[cfg(test)]
mod conformance;
#[cfg(feature = "disk")]
mod disk;
mod memory;

#[cfg(feature = "disk")]
pub use disk::{DataError, DiskJournal, DiskSettings, Durability, Verified, verify};
pub use memory::MemoryJournal;

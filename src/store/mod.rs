//! Backends: places that keep frames.
//!
//! Each keeps the laws of [`Journal`](crate::journal::Journal), and each is tested by the one suite in
//! `conformance.rs`. Source: own reasoning.

#[cfg(test)]
mod conformance;
mod memory;

pub use memory::MemoryJournal;

//! Backends: places that keep frames and images.
//!
//! Each keeps the laws of [`Journal`](crate::journal::Journal) and [`Images`](crate::journal::Images), and each is tested
//! by the one suite in `conformance/`. Source: own reasoning.

#[cfg(feature = "disk")]
pub mod backup;
#[cfg(test)]
mod conformance;
#[cfg(feature = "disk")]
mod disk;
mod memory;
mod tapped;

#[cfg(feature = "disk")]
pub use disk::{DataError, DiskImages, DiskJournal, DiskSettings, Durability, Verification, Verified, Visited, verify};
pub use memory::{MemoryImages, MemoryJournal};
pub use tapped::{ImageCall, TappedImages};

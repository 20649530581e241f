//! Places in memory: for tests, caches and first steps.
//!
//! What they promise to survive is the end of a core, not of the process. Source: own reasoning.

mod images;
mod journal;

pub use images::MemoryImages;
pub use journal::MemoryJournal;

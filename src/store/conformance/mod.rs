//! The laws of the seams, as tests that every backend passes.
//!
//! Source: the laws in `journal/mod.rs` and `journal/image.rs`.

mod images;
mod journal;

pub(super) use images::image_laws;
#[cfg(feature = "disk")]
pub(super) use images::{bytes_of, head_of, kept};
pub(super) use journal::{frame, laws, long_cut, stored};

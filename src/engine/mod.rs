//! A shard driven: its core, its journal and its links, in one short loop.
//!
//! Stands between the links and the repository's core, in the daemon and in a process of its own alike.
//! Source: own reasoning (sans-I/O cores want short drivers).

mod pipe;

pub use pipe::{PipeEnd, PipeInlet, PipeOutlet, pipe};

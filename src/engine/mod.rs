//! A shard driven: its core, its journal and its links, in one short loop.
//!
//! Stands between the links and the repository's core, the same in the daemon (links over QUIC) and within a process (pipes).
//! Source: own reasoning (sans-I/O cores want short drivers).

mod appender;
mod committer;
mod driver;
mod gate;
mod imager;
mod inputs;
mod keeper;
mod load;
mod local;
mod open;
mod pipe;

pub use appender::Appender;
pub use committer::{Committer, Lane};
pub use driver::Driver;
pub use imager::LoadedDocument;
pub use inputs::ShardInputs;
pub use keeper::{ImageLane, ImageLoad, ImageParts, ImageWrite, Keeper, Written};
pub use load::{LoadError, load_document};
pub use local::LocalShard;
pub use open::{OpenError, Restore, claim, replay};
pub use pipe::{PipeEnd, PipeInlet, PipeOutlet, pipe};

//! Real QUIC, real sockets, real processes: what only they can show. Waits on events, never on time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod directories;
mod events;
mod failures;
mod hostile;
mod images;
mod links;
mod locks;
mod nodes;
mod process;
mod references;
mod refusals;
mod restart;
mod shards;
mod slow;
mod streams;
mod trust;
mod versions;

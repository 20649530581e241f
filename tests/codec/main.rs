//! Bytes that travel or are stored: golden, there and back, corrupt and truncated.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod deltas;
mod draw;
mod frames;
mod golden;
mod heads;
mod records;
mod reference;
mod schema_bytes;
mod schema_change;

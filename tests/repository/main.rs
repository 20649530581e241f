//! The repository core by script: records in, records out, frames made durable one by one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod bench;
mod commits;
mod departed;
mod events;
mod expiry;
mod groups;
mod images;
mod index;
mod keeper;
mod limits;
mod links;
mod locks;
mod merges;
mod transfers;

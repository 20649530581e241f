//! Bytes that travel: round trips, golden bytes, corrupt and truncated input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod records;

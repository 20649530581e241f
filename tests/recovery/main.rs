//! What is left after the end came at a bad moment: the daemon killed, the store torn, flipped and cut.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod backup;
#[cfg(feature = "s3")]
mod bucket;
mod copies;
mod damage;
mod dice;
mod former;
mod images;
mod keeper;
mod kill;
mod ledger;
mod outage;
mod scratch;

//! What users are promised, rule by rule, and the wounds of older systems: each test is named after its rule or report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod bad_input;
mod budget;
mod cart;
mod contention;
mod groups;
mod locks;
mod nodes;
mod push;
mod reads;
mod reports;
mod requirements;
mod rig;
mod schedules;
mod sharing;
mod writes;

//! What users are promised, rule by rule, and the wounds of older systems: each test is named after its rule or report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

mod deliveries;
#[allow(dead_code, reason = "scenarios use the rest")]
mod rig;
mod schedules;

//! Sessions of axum applications: several instances of a shop behind a balancer, browsers, and what goes wrong for them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod at_once;
mod away;
mod balancer;
mod conflicts;
mod cookies;
mod deploy;
mod desk;
mod everywhere;
mod gathered;
mod guide;
mod hostile;
mod in_place;
mod killed;
mod outage;
mod races;
mod relay;
mod renewals;
#[path = "../recovery/scratch.rs"]
#[allow(dead_code, reason = "other tests look at files")]
mod scratch;
mod shop;
#[path = "../../examples/site/mod.rs"]
mod site;
mod storefront;
mod use_of;

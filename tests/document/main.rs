//! The document against a plain reference: random commits, conflicts, answers since any version, snapshots.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod answers;
mod fuzz;
mod guards;
mod images;
mod lists;
mod model;
mod oracle;
mod rules;
#[path = "../memory/shapes.rs"]
#[allow(dead_code, reason = "the memory test uses more of it")]
mod shapes;
mod texts;
mod world;

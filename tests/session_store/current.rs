//! The suite over tower-sessions 0.15.

pub(crate) use tower_sessions as sessions;

#[path = "suite/mod.rs"]
mod suite;

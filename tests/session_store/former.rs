//! The suite over tower-sessions 0.14.

pub(crate) use tower_sessions_0_14 as sessions;

#[path = "suite/mod.rs"]
mod suite;

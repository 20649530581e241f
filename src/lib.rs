//! nam: network-attached memory. A struct stays a plain struct, and every process that holds it has the same one.
//!
//! ```text
//!  node A                                      repository (one thread a shard)                    node B
//!  struct ─cursor─▶ change set ─encode─▶ delta ─link─▶ judge (conflict?) ─▶ document
//!                                                           │ frame ─▶ journal (fsync)              replica
//!  commit result ◀──────────────link── gate: nothing leaves before it is durable ──link─▶ delta ─apply─▶ struct
//!                                                           └─ directory: push, or one stale notice ─▶ pull on next use
//! ```
//!
//! The modules in the order in which a change meets them; `ARCHITECTURE.md` follows one change through all of them.
//!
//! - [`tracked`]: a struct changes through cursors, and the change set keeps what was there before. `#[derive(Tracked)]`
//!   writes lists of fields; the logic is here.
//! - [`schema`]: what a class is made of, without its Rust types; whether two programs may share it.
//! - [`delta`]: the one format of change, read and written by the typed side and the untyped side.
//! - `client`: what an application sees: nodes, objects, guards, updates, watches; [`error`] says what to do when a call fails.
//! - [`node`]: replicas in their slots, updates that combine, and the half of the protocol that keeps replicas true.
//! - [`wire`]: records and segments, and what a link is.
//! - `transport`: links over QUIC.
//! - [`repository`]: the core of a shard: orders commits, makes them durable, knows who holds what, and tells them.
//! - [`document`]: the repository's copy: judges a delta, applies it, says what changed since a version.
//! - [`journal`]: frames that become durable together, and what a place that keeps them promises; [`store`] has such places.
//! - `engine`: a shard driven: core, journal and links in one short loop, in a daemon (`server`) or in this process.
//! - `server`: the daemon: shards on threads of their own, reached over QUIC (feature `daemon`).
//! - `web`: sessions of axum applications, on top of the client (feature `axum`), and a store for tower-sessions (features
//!   `tower-sessions`, `tower-sessions-0_14`).
//! - [`testing`]: what a change costs, for a user's own tests.
//!
//! Below all of them stand [`ids`], [`limits`], [`time`], [`coding`], [`expiry`] and [`event`]: names, bounds, points of time,
//! bytes, when an object ends by itself, and what is told of it.
#![warn(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::iter_over_hash_type,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test says what is wrong by panicking"
    )
)]

#[cfg(any(feature = "node", feature = "in-process"))]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod client;
pub mod coding;
pub mod delta;
pub mod document;
#[cfg(feature = "in-process")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod engine;
pub mod error;
pub mod event;
pub mod expiry;
#[cfg(any(feature = "axum", feature = "daemon"))]
mod flood;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod node;
pub mod repository;
pub mod schema;
#[cfg(feature = "daemon")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod server;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod store;
pub mod testing;
pub mod time;
pub mod tracked;
#[cfg(feature = "node")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod transport;
#[cfg(any(feature = "axum", feature = "tower-sessions", feature = "tower-sessions-0_14"))]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "from floor 5 up the world is touched")]
pub mod web;
pub mod wire;

#[cfg(feature = "in-process")]
pub use client::InProcess;
#[cfg(any(feature = "node", feature = "in-process"))]
pub use client::{
    Change, Committed, Delivery, Event, Events, Group, GroupCommitted, Guard, Lock, LockToken, Node, NodeBuilder,
    NodeState, Object, ObjectGroup, PathChange, PathWatch, Token, Transaction, Watch,
};
pub use error::{Error, UpdateError};
pub use event::EventKind;
pub use expiry::Expiry;
pub use nam_derive::Tracked;
pub use tracked::{Index, Ref, Tracked};

#[doc(hidden)]
pub mod __private;

/// The README's first block, run as a doctest.
#[cfg(all(doctest, feature = "in-process"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guide to web sessions, run as doctests.
#[cfg(all(doctest, feature = "axum", feature = "tower-sessions"))]
#[doc = include_str!("../docs/web.md")]
struct WebGuide;

//! Web sessions: a user's session as a struct that every instance of an application has in memory.
//!
//! For applications that use tower-sessions there is a store instead, whose sessions are maps of JSON as before.
//! Stands above the client and uses nothing of nam but what an application may use. Source: `docs/web.md` says what it
//! promises; own reasoning.

#[cfg(feature = "axum")]
mod session;
#[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0_14"))]
mod tower_sessions;

#[cfg(feature = "axum")]
pub use session::{
    Away, BuildError, Key, LateWriter, MissingLayer, SameSite, Session, SessionError, SessionLayer,
    SessionLayerBuilder, SessionService, Stored, View,
};
#[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0_14"))]
pub use tower_sessions::{Counts, NamStore, Overwrites, Reads};

//! Web sessions: a user's session as a struct that every instance of an application has in memory.
//!
//! Stands above the client and uses nothing of nam but what an application may use. Source: `docs/web.md` says what it
//! promises; own reasoning.

#[cfg(feature = "axum")]
mod session;

#[cfg(feature = "axum")]
pub use session::{
    Away, BuildError, Key, LateWriter, MissingLayer, SameSite, Session, SessionError, SessionLayer,
    SessionLayerBuilder, SessionService, Stored, View,
};

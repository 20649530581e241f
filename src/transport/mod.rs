//! Links over QUIC: endpoints, TLS, streams.
//!
//! Stands between the drivers of the cores and the network: a node dials ([`Dialer`]), a daemon listens ([`Listener`]), both
//! get a [`Link`], which is two ends: an outlet that takes records and segments, and an inlet from which they arrive. TLS 1.3
//! always.
//!
//! ```text
//!   node                                                    daemon (one port a shard)
//!   outlet ──▶ writer task ══ control stream (bidi 0) ═════▶ inlet
//!   inlet ◀══════════════════ ordered stream (uni 0) ══════ writer task ◀── outlet
//!         ◀══ segment ══ bulk streams (uni 1, 2, ..) ══ segment ══▶        (priority below)
//! ```
//!
//! Invariants: records keep their order; everything queued at a wake-up leaves in one write; a segment has a stream of its
//! own below the priority of records; bytes from the other side close at most their own connection. Source: own
//! measurements of quinn; RFC 9000.

mod admission;
mod congestion;
#[cfg(feature = "daemon")]
mod development;
mod dial;
mod fingerprint;
mod identity;
mod inlet;
mod link;
mod listen;
mod outlet;
mod refusal;
mod secret;
mod settings;
mod socket;
mod traffic;
mod trust;

pub use dial::{DialError, Dialer};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::{Authorities, Identity, IdentityError};
pub use inlet::QuicInlet;
pub use link::Link;
pub use listen::{Handshake, ListenError, Listener};
pub use outlet::QuicOutlet;
pub use secret::ResetSecret;
pub use settings::ALPN;
pub use traffic::{Traffic, TrafficCounts};
pub use trust::Trust;

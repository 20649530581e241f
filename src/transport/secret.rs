//! The secret by which a restarted daemon can tell the nodes of its predecessor that their connections are gone.
//!
//! Stands beside the identity in the daemon's directory. A node believes a stateless reset only if it carries a token that
//! derives from this secret, and the daemon answers a foreign packet only if its connection id was made with it. Invariants:
//! each shard derives keys of its own, so that no shard can be made to reset a connection of another (RFC 9000, 21.11); the
//! secret is never printed. Source: RFC 9000, 10.3; own measurement (0.1 ms with both keys kept, the idle time-out without either).

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::ids::ShardId;

/// Bytes of the secret: the block of the hash that spreads it.
pub(super) const SECRET_BYTES: usize = 64;

/// What the reset tokens and connection ids of a daemon derive from.
#[derive(Clone)]
pub struct ResetSecret([u8; SECRET_BYTES]);

impl fmt::Debug for ResetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetSecret(..)")
    }
}

impl ResetSecret {
    /// Draws a secret from the system's randomness; `None` when it has none to give.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The secret with these bytes.
    #[cfg(feature = "daemon")]
    pub(super) fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be kept where only the daemon's user reads them.
    #[cfg(feature = "daemon")]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Derives the secret of one shard.
    #[must_use]
    pub fn of_shard(&self, shard: ShardId) -> Self {
        let [low, high] = shard.0.to_le_bytes();
        let mut derived = [0; SECRET_BYTES];
        let (first, second) = derived.split_at_mut(SECRET_BYTES / 2);
        first.copy_from_slice(self.derive(&[b's', low, high, 0]).as_ref());
        second.copy_from_slice(self.derive(&[b's', low, high, 1]).as_ref());
        Self(derived)
    }

    /// The key of reset tokens.
    pub(super) fn reset_key(&self) -> [u8; SECRET_BYTES] {
        self.0
    }

    /// The key by which connection ids are recognised.
    pub(super) fn connection_id_key(&self) -> u64 {
        let tag = self.derive(b"connection id");
        tag.as_ref().iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
    }

    fn derive(&self, label: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_derive_keys_of_their_own_and_always_the_same() {
        let secret = ResetSecret([7; SECRET_BYTES]);
        let (first, second) = (secret.of_shard(ShardId(0)), secret.of_shard(ShardId(1)));
        assert_ne!(first.reset_key(), second.reset_key());
        assert_ne!(first.connection_id_key(), second.connection_id_key());
        assert_eq!(first.reset_key(), secret.of_shard(ShardId(0)).reset_key());
        assert_eq!(format!("{secret:?}"), "ResetSecret(..)");
    }
}

//! The first write that failed, after which nothing is written any more.
//!
//! Invariant: whoever writes into the directory asks first, and shares what it learned. Source: Rebello et al., "Can
//! applications recover from fsync failures?" (ATC 2020).

use std::sync::{Arc, OnceLock};

use crate::journal::JournalError;

/// Why nothing is written any more, if so; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<OnceLock<String>>);

impl Failure {
    /// Whether something may be written.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.0.get().map_or(Ok(()), |text| Err(JournalError::InDoubt(text.clone())))
    }

    /// Notes that a write failed.
    pub(super) fn note(&self, text: String) -> JournalError {
        JournalError::InDoubt(self.0.get_or_init(|| text).clone())
    }
}

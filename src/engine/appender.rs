//! The way of a shard's frames to its journal: on the shard's own thread, or by the device's.
//!
//! Invariant: a journal that never waits for a device costs no change of threads. Source: own reasoning.

use std::fmt;

use super::committer::{Lane, Outcome};
use crate::journal::{Append, Journal, JournalError};

/// Takes the frames of one shard.
pub enum Appender {
    /// Writes them at once: for memory.
    Here(Box<dyn Journal>),
    /// Hands them to the thread that commits for all shards of a device.
    Committed(Lane),
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Committed(lane) => f.debug_tuple("Committed").field(lane).finish(),
        }
    }
}

impl Appender {
    /// Takes a frame; answers what became of it, if that is known already.
    pub(super) fn append(&mut self, append: Append) -> Option<Outcome> {
        let number = append.frame.name.number;
        let answer = match self {
            Self::Here(journal) => journal.append(&append),
            Self::Committed(lane) => match lane.submit(append) {
                Ok(()) => return None,
                refused => refused,
            },
        };
        Some(answer.map_or_else(Outcome::Failed, |()| Outcome::Durable(number)))
    }

    /// What has become of earlier frames, if anything has.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        match self {
            Self::Here(_) => None,
            Self::Committed(lane) => lane.outcomes.try_recv().ok(),
        }
    }

    /// Waits for what becomes of earlier frames.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Self::Committed(lane) = self else { return std::future::pending().await };
        let gone = || JournalError::InDoubt("the thread that writes the journal ended".to_owned());
        lane.outcomes.recv().await.unwrap_or_else(|| Outcome::Failed(gone()))
    }
}

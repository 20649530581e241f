//! Values that this program cannot represent, because a newer program wrote them.
//!
//! A rolling deploy has nodes of two versions; the older may meet a variant of an enum that it does not know. The object
//! is then unreadable on this node alone: its value is let go, its versions are followed as those of any replica, and
//! whoever reads or updates hears what is not known. Invariants: nothing is guessed, skipped or shown half (I13, I4);
//! neither the link nor another object notices; a value is loaded again only because somebody asked after it had changed.
//! Source: own reasoning.

use super::{Inner, Slot, Unreadable};
use crate::coding::UnknownValue;
use crate::ids::Version;
use crate::node::replica::Refusal;
use crate::node::state::{Event, State};
use crate::tracked::Class;

impl<T: Class> Slot<T> {
    /// If the value is unreadable here: the version that was found to be, and the newest that this node was told of.
    #[must_use]
    pub fn unreadable(&self) -> Option<(Version, Version)> {
        let inner = self.lock()?;
        let (_, found) = inner.unknown.as_ref().filter(|_| inner.state == State::Unreadable)?;
        Some((*found, inner.newest))
    }
}

impl<T: Class> Inner<T> {
    /// Lets the value go: `version` of it holds what this program does not know.
    pub(super) fn let_go(&mut self, unknown: UnknownValue, version: Version) -> Result<(), Refusal> {
        self.state = self.state.after(Event::NotKnown, self.held.is_some())?;
        self.load = None;
        self.drop_queue();
        self.held.replace(None);
        self.bytes = 0;
        self.is_pull_rung = false;
        self.watchers.let_go(&unknown, version);
        self.unknown = Some((unknown, version));
        self.rerun_batch();
        self.tear_tails();
        self.wake();
        Ok(())
    }

    /// Makes sure that the object is there, and its value one that this program knows.
    pub(super) fn check_readable(&self) -> Result<(), Unreadable> {
        self.check_ending()?;
        match &self.unknown {
            Some((unknown, _)) if self.state == State::Unreadable => Err(Unreadable::Value(unknown.clone())),
            _ => Ok(()),
        }
    }
}

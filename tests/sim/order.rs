//! What was asked and answered, in the order of real time, against the order of versions: commits and fresh reads of an
//! object are linearizable.
//!
//! Versions are the order in which commits took effect, so the history of an object needs no search for one: what began
//! after something had been answered comes behind it. An update that wrote nothing is a read of what its closure saw, and
//! is answered that version (R2): it is no part of this. Source: Herlihy and Wing 1990; own reasoning.

use std::collections::BTreeMap;

use nam::ids::{Birth, Epoch, Token, Version};

/// An operation that began: the newest version that anybody had an answer of then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun(Token);

/// The newest version of each object that was answered, by the loss before it.
#[derive(Debug, Default)]
pub(crate) struct Order(BTreeMap<(Epoch, Birth), Version>);

impl Order {
    /// An operation begins on an object.
    pub(crate) fn begin(&self, object: Token) -> Begun {
        let version = self.0.get(&(object.lossy_epoch, object.birth)).copied().unwrap_or_default();
        Begun(Token { version, ..object })
    }

    /// A commit that wrote something is answered: it took effect at that version. Operations that do nothing to the newest
    /// (a `max` that is exceeded already, say) are told the newest, so it may be one that was answered before.
    pub(crate) fn commit(&mut self, begun: Begun, at: Token) {
        self.answer(begun, at, "a commit takes effect as");
    }

    /// A fresh read is answered: it saw that version.
    pub(crate) fn see(&mut self, begun: Begun, at: Token) {
        self.answer(begun, at, "a fresh read sees");
    }

    fn answer(&mut self, Begun(before): Begun, at: Token, what: &str) {
        if (at.lossy_epoch, at.birth) == (before.lossy_epoch, before.birth) {
            let (version, known) = (at.version, before.version);
            assert!(version >= known, "R3: {what} {version} of {}, {known} was answered before", at.birth);
        }
        let newest = self.0.entry((at.lossy_epoch, at.birth)).or_default();
        *newest = at.version.max(*newest);
    }
}

//! Where a slot has its value: at rest, or with what is under way applied to it for the next closure.
//!
//! A closure sees the commit in flight and the batch. Applying both for each closure anew, and undoing them after it,
//! makes every update of a hot object pay for all others of its batch; so what was applied stays until somebody looks at the
//! value, or the batch leaves. Invariants: whoever gets at the value through this finds it at rest, which is the committed
//! version (I13); something is applied only while there is a batch, and then no guard pins the value. Source: own
//! reasoning; `benches/hot.rs`.

use std::sync::Arc;

use super::Held;
use super::trial::{Ran, Trial, UnderWay};
use crate::coding::DecodeError;
use crate::ids::{Token, Version};
use crate::tracked::Class;

/// The value of a slot, if it is here.
pub(super) struct Place<T: Class> {
    held: Option<Arc<Held<T>>>,
    /// What is applied to the value beyond its version.
    applied: Option<UnderWay<T>>,
}

impl<T: Class> Place<T> {
    /// A slot without a value.
    pub(super) const EMPTY: Self = Self { held: None, applied: None };

    /// Whether there is a value.
    pub(super) fn is_some(&self) -> bool {
        self.held.is_some()
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.held.is_none()
    }

    /// Names the version that the value is at rest.
    pub(super) fn at(&self) -> Option<Token> {
        self.held.as_ref().map(|held| held.at)
    }

    /// The version of the value at rest.
    pub(super) fn version(&self) -> Option<Version> {
        self.at().map(|at| at.version)
    }

    /// Whether a guard pins the value.
    pub(super) fn is_pinned(&self) -> bool {
        self.held.as_ref().is_some_and(|held| Arc::strong_count(held) > 1)
    }

    /// Whether deltas may have added so much that the value is to be measured again.
    pub(super) fn is_blurred(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.share.is_blurred())
    }

    /// The value.
    pub(super) fn get(&mut self) -> Option<&Arc<Held<T>>> {
        self.rest();
        self.held.as_ref()
    }

    /// The value for writing, if there is one and no guard pins it.
    pub(super) fn unshared(&mut self) -> Option<&mut Held<T>> {
        self.rest();
        self.held.as_mut().and_then(Held::unshared)
    }

    /// Whether there is a value that no guard pins.
    pub(super) fn is_writable(&mut self) -> bool {
        self.held.as_mut().and_then(Held::unshared).is_some()
    }

    /// Puts another value, or none, and answers the former one.
    pub(super) fn replace(&mut self, held: Option<Arc<Held<T>>>) -> Option<Arc<Held<T>>> {
        self.rest();
        std::mem::replace(&mut self.held, held)
    }

    /// Takes back what is applied beyond the version.
    pub(super) fn rest(&mut self) {
        if let Some(applied) = self.applied.take()
            && let Some(held) = self.held.as_mut().and_then(Held::unshared)
        {
            drop(Trial::resume(&mut held.value, applied));
        }
    }

    /// Runs a closure on the value with `in_flight` and `batch` applied. If it went well its changes stay applied, for the
    /// next closure on the same commit in flight and on the batch with these changes: else [`rest`](Self::rest) first.
    #[expect(clippy::type_complexity, reason = "a closure by its full signature reads better than a name for it")]
    pub(super) fn try_out<V, E>(
        &mut self,
        (in_flight, batch): (&[u8], &[u8]),
        scratch: &mut Vec<u8>,
        address: usize,
        closure: &mut dyn FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Ran<V, E>, DecodeError> {
        let Some(held) = self.held.as_mut().and_then(Held::unshared) else {
            return Err(DecodeError::Absent { what: "a value" });
        };
        let mut trial = match self.applied.take() {
            Some(applied) => Trial::resume(&mut held.value, applied),
            None => Trial::begin(&mut held.value, in_flight, batch)?,
        };
        let ran = trial.run(scratch, address, closure)?;
        // Marks of what was required are those of one closure only.
        if matches!(&ran, Ran::Done(_, written) if written.guards.is_empty()) {
            self.applied = Some(trial.keep());
        }
        Ok(ran)
    }
}

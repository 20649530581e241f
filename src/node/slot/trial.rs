//! A value that is changed for trial: everything is undone in the end, a panic of the closure included.
//!
//! The commit in flight and the batch are applied, each into a change set; a closure runs on the batch's, which then is the
//! batch's new delta. So nobody composes change sets. Invariant: on an error or a panic the value is as it was (I8).
//! Source: own reasoning.

use super::RUNNING;
use super::guards::Guards;
use crate::coding::{DecodeError, Reader, Writer};
use crate::delta::{Fault, Operations, check_own_delta};
use crate::tracked::{Class, required};

/// What a closure, with all that went before it, leaves for a commit.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) delta: Vec<u8>,
    /// What this closure required.
    pub(super) guards: Guards,
}

/// What a closure did.
pub(super) enum Ran<V, E> {
    Done(V, Written),
    Aborted(E),
    Unfit(Fault),
}

/// What is applied to a value beyond its version: the commit in flight, and behind it the batch.
pub(super) struct UnderWay<T: Class> {
    in_flight: T::Changes,
    batch: T::Changes,
}

/// A value with something applied; dropping it undoes that.
pub(super) struct Trial<'a, T: Class> {
    value: &'a mut T,
    applied: UnderWay<T>,
}

impl<'a, T: Class> Trial<'a, T> {
    /// Applies what is under way.
    pub(super) fn begin(value: &'a mut T, in_flight: &[u8], batch: &[u8]) -> Result<Self, DecodeError> {
        let mut trial =
            Self::resume(value, UnderWay { in_flight: T::Changes::default(), batch: T::Changes::default() });
        if !in_flight.is_empty() {
            trial.value.apply(Reader::new(in_flight), Some(&mut trial.applied.in_flight))?;
        }
        if !batch.is_empty() {
            trial.value.apply(Reader::new(batch), Some(&mut trial.applied.batch))?;
        }
        Ok(trial)
    }

    /// Goes on with a value to which something is applied.
    pub(super) fn resume(value: &'a mut T, applied: UnderWay<T>) -> Self {
        Self { value, applied }
    }

    /// Leaves applied what is.
    pub(super) fn keep(mut self) -> UnderWay<T> {
        UnderWay {
            in_flight: std::mem::take(&mut self.applied.in_flight),
            batch: std::mem::take(&mut self.applied.batch),
        }
    }

    /// Runs a closure and encodes what it and the batch make of the value. What cannot be accepted is found here, so that it
    /// spoils no batch.
    #[expect(clippy::type_complexity, reason = "a closure by its full signature reads better than a name for it")]
    pub(super) fn run<V, E>(
        &mut self,
        scratch: &mut Vec<u8>,
        address: usize,
        closure: &mut dyn FnMut(&mut T, &mut T::Changes) -> Result<V, E>,
    ) -> Result<Ran<V, E>, DecodeError> {
        let answer = {
            let _running = Running::begin(address);
            required::begin();
            closure(self.value, &mut self.applied.batch)
        };
        let value = match answer {
            Err(error) => return Ok(Ran::Aborted(error)),
            Ok(value) => value,
        };
        let mut written = std::mem::take(scratch);
        written.clear();
        let mut w = Writer::append_to(written);
        self.value.encode_delta(&self.applied.batch, &mut w);
        match w.check() {
            Err(error) if error.is_limit() => return Ok(Ran::Unfit(error.into())),
            checked => checked?,
        }
        let guards = self.guards();
        match check_own_delta(&T::schema(), w.as_slice(), Operations::Allowed) {
            Err(fault) if fault.is_limit() => Ok(Ran::Unfit(fault)),
            Err(fault) => Err(fault.error),
            Ok(()) => Ok(Ran::Done(value, Written { delta: w.into_bytes(), guards })),
        }
    }

    /// What the closure that just ran required.
    fn guards(&self) -> Guards {
        let made = required::made();
        if made == 0 {
            return Guards::default();
        }
        let mut w = Writer::new();
        self.value.encode_requirements(&self.applied.batch, made, &mut w);
        Guards::of(w.as_slice())
    }
}

impl<T: Class> Drop for Trial<'_, T> {
    fn drop(&mut self) {
        self.value.undo(std::mem::take(&mut self.applied.batch));
        self.value.undo(std::mem::take(&mut self.applied.in_flight));
    }
}

/// Marks that a closure of a slot runs on this thread, until dropped.
pub(super) struct Running(usize);

impl Running {
    pub(super) fn begin(address: usize) -> Self {
        Self(RUNNING.replace(address))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}

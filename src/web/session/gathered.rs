//! What a request wants written in its session, until the response is known.
//!
//! Each update runs at once as a step of a transaction, which keeps what it wrote and undoes it in the value, so nothing is
//! copied. Invariants: all of it becomes one commit, or nothing of it does; what another request overtook is run again only
//! if no closure gave the handler anything that the next run might give differently; once it cannot be committed any more
//! nothing is added to it, and whoever tries hears why. Source: own reasoning (S4, W12).

use std::convert::Infallible;
use std::sync::Arc;

use super::stored::{Stored, StoredMut};
use super::view::Private;
use crate::client::{Object, Transaction};
use crate::error::{Error, UpdateError};
use crate::limits::UPDATE_TRIES_MAX;
use crate::tracked::{Class, Tracked};

/// An update that can be run again; it may refuse then.
type Change<T> = Box<dyn for<'a, 'b> FnMut(&'a mut <T as Tracked>::Mut<'b>) -> Result<(), Refused> + Send>;

/// The answer of a closure that had another one the first time.
struct Refused;

/// The writes of a request in a session that exists.
pub(super) struct Gathered<T: Class> {
    /// What was written; nothing before the first write, and if all is to be run again.
    transaction: Option<Transaction<Stored<T>>>,
    /// Every update, to be run again.
    changes: Vec<Change<T>>,
    /// Whether the handler was given a value that it may have used.
    has_answered: bool,
    /// The session with what was written, from when it is read until it is written again.
    copy: Option<Arc<Private<T>>>,
    /// Why it cannot be committed.
    failed: Option<Error>,
}

impl<T: Class> Default for Gathered<T> {
    fn default() -> Self {
        Self { transaction: None, changes: Vec::new(), has_answered: false, copy: None, failed: None }
    }
}

impl<T: Class> Gathered<T> {
    /// Whether nothing is to be written, and nothing was that cannot be.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.has_answered && self.failed.is_none()
    }

    /// What was to be written, and why it cannot be.
    pub(super) fn failed(error: Error) -> Self {
        Self { failed: Some(error), ..Self::default() }
    }

    /// Forgets what was read.
    pub(super) fn let_go(&mut self) {
        self.copy = None;
    }

    /// Runs an update on what is newest here with all that was written before.
    pub(super) async fn add<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<Result<V, E>, Error> {
        self.let_go();
        let answer = self.step(object, |stored| closure(&mut stored.data_mut())).await?;
        if answer.is_ok() {
            self.has_answered |= size_of::<V>() > 0;
            self.changes.push(Box::new(move |data| closure(data).map(drop).map_err(|_| Refused)));
        }
        Ok(answer)
    }

    /// The session with what was written: copied at the first read after a write.
    pub(super) async fn read(&mut self, object: &Object<Stored<T>>) -> Result<Arc<Private<T>>, Error> {
        if let Some(copy) = &self.copy {
            return Ok(Arc::clone(copy));
        }
        let Ok(data) = self.step(object, |stored| Ok::<T, Infallible>(stored.data.clone())).await?;
        Ok(Arc::clone(self.copy.insert(Private::new(data))))
    }

    /// Commits everything.
    pub(super) async fn commit(mut self, object: &Object<Stored<T>>) -> Result<(), Error> {
        match self.commit_steps(object).await {
            Err(Error::Conflict { .. }) if self.may_run_again() => self.run_again(object, |_| ()).await,
            outcome => outcome,
        }
    }

    /// Commits everything together with what `closure` writes; answers what that gave in the run that took effect.
    pub(super) async fn commit_with<V>(
        mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> V,
    ) -> Result<V, Error> {
        if self.may_run_again() {
            return self.run_again(object, closure).await;
        }
        let Ok(value) = self.step(object, |stored| Ok::<V, Infallible>(closure(stored))).await?;
        self.commit_steps(object).await?;
        Ok(value)
    }

    fn may_run_again(&self) -> bool {
        !self.has_answered && self.failed.is_none()
    }

    async fn commit_steps(&mut self, object: &Object<Stored<T>>) -> Result<(), Error> {
        match (&self.failed, self.transaction.take()) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(transaction)) => transaction.commit().await.map(drop),
            (None, None) => Err(overtaken(object)),
        }
    }

    /// Commits everything anew, with what `closure` writes.
    async fn run_again<V>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> V,
    ) -> Result<V, Error> {
        let changes = &mut self.changes;
        let outcome = object.update(|stored| run_all(changes, stored).map(|()| closure(stored))).await;
        match outcome {
            Ok(done) => Ok(done.value),
            Err(UpdateError::Aborted(Refused)) => Err(overtaken(object)),
            Err(UpdateError::Failed(error)) => Err(error),
        }
    }

    /// Runs a step of the transaction; of a new one, behind all that was gathered, if another request was in the way.
    async fn step<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<Result<V, E>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_step(object, &mut closure).await {
                Ok(value) => return Ok(Ok(value)),
                Err(UpdateError::Aborted(error)) => return Ok(Err(error)),
                Err(UpdateError::Failed(Error::Conflict { .. }))
                    if self.may_run_again() && tries < UPDATE_TRIES_MAX =>
                {
                    self.transaction = None;
                }
                Err(UpdateError::Failed(error)) => {
                    if matches!(error, Error::Conflict { .. }) {
                        *self = Self::failed(error.clone());
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn try_step<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        closure: &mut impl FnMut(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<V, UpdateError<E>> {
        let transaction = match &mut self.transaction {
            Some(transaction) => transaction,
            none => none.insert(begin(object, &mut self.changes).await?),
        };
        transaction.with(closure).await
    }
}

/// A transaction in which all that was gathered has run.
async fn begin<T: Class>(
    object: &Object<Stored<T>>,
    changes: &mut [Change<T>],
) -> Result<Transaction<Stored<T>>, Error> {
    let mut transaction = object.begin()?;
    if changes.is_empty() {
        return Ok(transaction);
    }
    match transaction.with(|stored| run_all(changes, stored)).await {
        Ok(()) => Ok(transaction),
        Err(UpdateError::Aborted(Refused)) => Err(overtaken(object)),
        Err(UpdateError::Failed(error)) => Err(error),
    }
}

fn run_all<T: Class>(changes: &mut [Change<T>], stored: &mut StoredMut<'_, T>) -> Result<(), Refused> {
    changes.iter_mut().try_for_each(|change| change(&mut stored.data_mut()))
}

/// What was written stands on something that is no more.
fn overtaken<T: Class>(object: &Object<Stored<T>>) -> Error {
    Error::Conflict { object: object.name().clone(), tries: 1 }
}

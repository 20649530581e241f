//! What a request wants written in its session, until the response is known.
//!
//! Each change runs at once as a step of a transaction, which keeps what it wrote and undoes it in the value, so nothing is
//! copied. Invariants: all of it becomes one commit, or nothing of it does; what another request overtook is run again only
//! if no closure gave the handler anything that the next run might give differently; once it cannot be committed any more
//! nothing is added to it, and whoever tries hears why. Source: own reasoning (S4, W12).

use std::convert::Infallible;
use std::sync::Arc;

use super::error::SessionError;
use super::renewal::renew;
use super::stored::{Stored, StoredMut};
use super::view::Private;
use crate::client::{Object, Transaction};
use crate::error::UpdateError;
use crate::limits::UPDATE_TRIES_MAX;
use crate::tracked::{Class, Tracked};

/// A change that can be run again; it may refuse then.
type Change<T> = Box<dyn for<'a, 'b> FnMut(&'a mut <Stored<T> as Tracked>::Mut<'b>) -> Result<(), SessionError> + Send>;

/// The writes of a request in a session that exists.
pub(super) struct Gathered<T: Class> {
    /// What was written; nothing before the first write, and if all is to be run again.
    transaction: Option<Transaction<Stored<T>>>,
    /// Every change, to be run again.
    changes: Vec<Change<T>>,
    /// Whether the handler was given a value that it may have used.
    has_answered: bool,
    /// How many of the changes give the session a new name.
    renewals: u64,
    /// Who signs in.
    principal: Option<String>,
    /// The session with what was written, from when it is read until it is written again.
    copy: Option<Arc<Private<T>>>,
    /// Why it cannot be committed.
    failed: Option<SessionError>,
}

impl<T: Class> Default for Gathered<T> {
    fn default() -> Self {
        let (transaction, changes, copy, failed) = (None, Vec::new(), None, None);
        Self { transaction, changes, has_answered: false, renewals: 0, principal: None, copy, failed }
    }
}

impl<T: Class> Gathered<T> {
    /// Whether nothing is to be written, and nothing was that cannot be.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.has_answered && self.failed.is_none()
    }

    /// What was to be written, and why it cannot be.
    pub(super) fn failed(error: SessionError) -> Self {
        Self { failed: Some(error), ..Self::default() }
    }

    /// Forgets what was read.
    pub(super) fn let_go(&mut self) {
        self.copy = None;
    }

    /// Whether the session gets a new name.
    pub(super) fn is_renewal(&self) -> bool {
        self.renewals > 0
    }

    /// Who signs in, if somebody does or leaves.
    pub(super) fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Runs an update on what is newest here with all that was written before.
    pub(super) async fn add<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<Result<V, E>, SessionError> {
        let answer = self.step(object, |stored| closure(&mut stored.data_mut())).await?;
        if answer.is_ok() {
            self.has_answered |= size_of::<V>() > 0;
            // One that refuses only now has told the handler otherwise.
            self.changes.push(Box::new(move |stored| {
                closure(&mut stored.data_mut()).map(drop).map_err(|_| SessionError::Conflict)
            }));
        }
        Ok(answer)
    }

    /// Gives the session of a ticket of this rotation a new name; if another request does the same, theirs, if `may_join` or
    /// it is said who signs in.
    pub(super) async fn renew(
        &mut self,
        object: &Object<Stored<T>>,
        rotation: u64,
        principal: Option<&str>,
        may_join: bool,
    ) -> Result<(), SessionError> {
        let (expected, signing_in) = (rotation + self.renewals, principal.map(ToOwned::to_owned));
        let change = move |stored: &mut StoredMut<'_, T>| renew(stored, expected, signing_in.as_deref(), may_join);
        self.step(object, |stored| change(stored)).await??;
        self.changes.push(Box::new(change));
        self.renewals += 1;
        if let Some(principal) = principal {
            self.principal = Some(principal.to_owned());
        }
        Ok(())
    }

    /// The session with what was written: copied at the first read after a write.
    pub(super) async fn read(&mut self, object: &Object<Stored<T>>) -> Result<Arc<Private<T>>, SessionError> {
        if let Some(copy) = &self.copy {
            return Ok(Arc::clone(copy));
        }
        let Ok(data) = self.step(object, |stored| Ok::<T, Infallible>(stored.data.clone())).await?;
        Ok(Arc::clone(self.copy.insert(Private::new(data))))
    }

    /// Commits everything, together with what other requests of this instance write beside it.
    pub(super) async fn commit(mut self, object: &Object<Stored<T>>) -> Result<(), SessionError> {
        match self.commit_steps().await {
            Err(SessionError::Conflict) if self.may_run_again() => self.run_again(object, |_| ()).await,
            outcome => outcome,
        }
    }

    /// Commits everything together with what `closure` writes; answers what that gave in the run that took effect.
    pub(super) async fn commit_with<V>(
        mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> V,
    ) -> Result<V, SessionError> {
        if self.may_run_again() {
            return self.run_again(object, closure).await;
        }
        let Ok(value) = self.step(object, |stored| Ok::<V, Infallible>(closure(stored))).await?;
        self.commit_steps().await?;
        Ok(value)
    }

    fn may_run_again(&self) -> bool {
        !self.has_answered && self.failed.is_none()
    }

    async fn commit_steps(&mut self) -> Result<(), SessionError> {
        match (&self.failed, self.transaction.take()) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(transaction)) => Ok(transaction.commit().await.map(drop)?),
            // What was written stands on something that is no more.
            (None, None) => Err(SessionError::Conflict),
        }
    }

    /// Commits everything anew, with what `closure` writes.
    async fn run_again<V>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> V,
    ) -> Result<V, SessionError> {
        let changes = &mut self.changes;
        let outcome = object.update(|stored| run_all(changes, stored).map(|()| closure(stored))).await;
        outcome.map(|done| done.value).map_err(refusal)
    }

    /// Runs a step of the transaction; of a new one, behind all that was gathered, if another request was in the way.
    async fn step<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        mut closure: impl FnMut(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        self.let_go();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_step(object, &mut closure).await {
                Err(SessionError::Conflict) if self.may_run_again() && tries < UPDATE_TRIES_MAX => {
                    self.transaction = None;
                }
                Err(error @ (SessionError::Conflict | SessionError::Renewed)) => {
                    *self = Self::failed(error.clone());
                    return Err(error);
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_step<V, E>(
        &mut self,
        object: &Object<Stored<T>>,
        closure: &mut impl FnMut(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<Result<V, E>, SessionError> {
        let transaction = match &mut self.transaction {
            Some(transaction) => transaction,
            none => none.insert(begin(object, &mut self.changes).await?),
        };
        match transaction.with(closure).await {
            Ok(value) => Ok(Ok(value)),
            Err(UpdateError::Aborted(error)) => Ok(Err(error)),
            Err(UpdateError::Failed(error)) => Err(error.into()),
        }
    }
}

/// A transaction in which all that was gathered has run.
async fn begin<T: Class>(
    object: &Object<Stored<T>>,
    changes: &mut [Change<T>],
) -> Result<Transaction<Stored<T>>, SessionError> {
    let mut transaction = object.begin()?;
    if !changes.is_empty() {
        transaction.with(|stored| run_all(changes, stored)).await.map_err(refusal)?;
    }
    Ok(transaction)
}

fn run_all<T: Class>(changes: &mut [Change<T>], stored: &mut StoredMut<'_, T>) -> Result<(), SessionError> {
    changes.iter_mut().try_for_each(|change| change(stored))
}

fn refusal(error: UpdateError<SessionError>) -> SessionError {
    match error {
        UpdateError::Aborted(error) => error,
        UpdateError::Failed(error) => error.into(),
    }
}

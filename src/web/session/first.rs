//! The first write of a session that there is not yet.
//!
//! Invariant: a closure that refuses or panics leaves what was written before it. Source: own reasoning (S4).

use std::sync::Arc;

use super::stored::{Stored, StoredMut};
use super::view::Private;
use crate::error::Error;
use crate::tracked::{Class, Tracked};

/// What a session is to be made of.
#[derive(Default)]
pub(super) enum First<T: Class> {
    #[default]
    Nothing,
    Written {
        stored: Box<Stored<T>>,
        /// As this request reads it, until it writes again.
        copy: Option<Arc<Private<T>>>,
    },
    /// It was to be made, and cannot be.
    Failed(Error),
}

impl<T: Class> First<T> {
    /// Who is to be signed in.
    pub(super) fn principal(&self) -> String {
        match self {
            Self::Written { stored, .. } => stored.principal.clone(),
            Self::Nothing | Self::Failed(_) => String::new(),
        }
    }
}

impl<T: Class + Default> First<T> {
    /// Writes; the first closure that does not refuse makes that there is something.
    pub(super) fn write<V, E>(
        &mut self,
        closure: impl FnOnce(&mut StoredMut<'_, T>) -> Result<V, E>,
    ) -> Result<Result<V, E>, Error> {
        match self {
            Self::Failed(error) => Err(error.clone()),
            Self::Written { stored, copy } => {
                *copy = None;
                Ok(run(stored, closure))
            }
            Self::Nothing => {
                let mut stored = Box::<Stored<T>>::default();
                let answer = run(&mut stored, closure);
                if answer.is_ok() {
                    *self = Self::Written { stored, copy: None };
                }
                Ok(answer)
            }
        }
    }

    /// As this request reads it.
    pub(super) fn read(&mut self) -> Result<Arc<Private<T>>, Error> {
        match self {
            Self::Failed(error) => Err(error.clone()),
            Self::Nothing => Ok(Arc::default()),
            Self::Written { stored, copy } => {
                Ok(Arc::clone(copy.get_or_insert_with(|| Private::new(stored.data.clone()))))
            }
        }
    }
}

/// A value that is written for trial; dropping it undoes that.
struct Trial<'a, T: Class> {
    stored: &'a mut Stored<T>,
    changes: <Stored<T> as Tracked>::Changes,
}

fn run<T: Class, V, E>(
    stored: &mut Stored<T>,
    closure: impl FnOnce(&mut StoredMut<'_, T>) -> Result<V, E>,
) -> Result<V, E> {
    let mut trial = Trial { stored, changes: Default::default() };
    let answer = closure(&mut trial.stored.track(&mut trial.changes));
    if answer.is_ok() {
        trial.changes = Default::default();
    }
    answer
}

impl<T: Class> Drop for Trial<'_, T> {
    fn drop(&mut self) {
        self.stored.undo(std::mem::take(&mut self.changes));
    }
}

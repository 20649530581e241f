//! What a handler wants written if its response is a success.
//!
//! Invariants: the changes of a request become one commit, before the head leaves, or none; they run when the handler has
//! answered, and again if another request was in the way, which nobody can tell because they answer nothing. Source: own
//! reasoning (S4).

use parking_lot::Mutex;

use crate::tracked::Class;

type Change<T> = Box<dyn for<'a, 'b> FnMut(&'a mut <T as crate::tracked::Tracked>::Mut<'b>) + Send>;

/// The changes that wait for the response.
pub(super) struct Succeeding<T: Class> {
    /// `None` once the handler has answered.
    changes: Mutex<Option<Vec<Change<T>>>>,
}

impl<T: Class> Default for Succeeding<T> {
    fn default() -> Self {
        Self { changes: Mutex::new(Some(Vec::new())) }
    }
}

impl<T: Class> Succeeding<T> {
    pub(super) fn push(&self, change: impl for<'a, 'b> FnMut(&'a mut T::Mut<'b>) + Send + 'static) {
        match &mut *self.changes.lock() {
            Some(changes) => changes.push(Box::new(change)),
            None => tracing::error!("a change that was to go with a response came after it; nothing was written"),
        }
    }

    /// Takes the changes; none come after that.
    pub(super) fn close(&self) -> Vec<Change<T>> {
        self.changes.lock().take().unwrap_or_default()
    }
}

//! Watching an object: every change as it takes effect here, typed, with what was there before.
//!
//! Source: own reasoning; what a watcher hears and misses is said at the node's slot.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::object::Object;
use crate::node::{Change, Watcher};
use crate::tracked::Class;

/// The changes of one object, from when the watch was made; this node's own updates included, in version order. As a
/// [`Stream`] it ends behind [`Change::Ended`].
pub struct Watch<T: Class> {
    watcher: Watcher<T>,
    is_over: bool,
}

impl<T: Class> Object<T> {
    /// Watches the object from now on.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut changes = cart.watch();
    /// cart.edit(|cart| cart.total = 9).await?;
    /// let nam::Change::Applied { changes, version } = changes.next().await else { panic!("lagged") };
    /// assert_eq!((changes.total.previous(), version.0), (Some(&0), 2));
    /// # Ok(()) }
    /// ```
    #[must_use = "a watch that is dropped hears nothing"]
    pub fn watch(&self) -> Watch<T> {
        Watch { watcher: self.slot.watch(), is_over: false }
    }
}

impl<T: Class> Watch<T> {
    /// The next change; waits for it without limit. A dropped call loses nothing.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut changes = cart.watch();
    /// node.destroy::<Cart>("alice").await?;
    /// assert!(matches!(changes.next().await, nam::Change::Ended(_)));
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Change<T> {
        poll_fn(|context| self.watcher.poll_next(context)).await
    }
}

impl<T: Class> Stream for Watch<T> {
    type Item = Change<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change<T>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.watcher.poll_next(context).map(|change| {
            self.is_over = matches!(change, Change::Ended(_));
            Some(change)
        })
    }
}

impl<T: Class> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

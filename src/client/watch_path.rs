//! Watching a part of an object, named by a closure: one item a look, however many changes came in between.
//!
//! Source: own reasoning; what is told and what is not is said at the node's slot.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::object::Object;
use crate::error::Error;
use crate::ids::ObjectName;
use crate::node::{PathChange, PathWatcher};
use crate::tracked::Class;

/// The changes of one part of an object; a [`Stream`] that ends with an error that says how the object ended.
pub struct PathWatch<T: Class, V> {
    watcher: PathWatcher<T, V>,
    name: ObjectName,
}

impl<T: Class> Object<T> {
    /// Watches what `path` answers of the object, from what it answers now: a field, an entry, or anything made of them.
    ///
    /// Each item has the former and the present answer. Whoever looks seldom gets one item for all that happened
    /// meanwhile, and never one for what is again as it was. It is a [`Stream`] of results, as an axum `Sse` takes it.
    /// Cost: when the watcher looks, one call of `path`, one comparison and one clone of what that answers, on the
    /// watcher's task; so answer what is small, such as an entry rather than the map.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, lines: BTreeMap<String, u32> }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut pears = cart.watch_path(|cart| cart.lines.get("pear").copied());
    /// cart.edit(|cart| cart.total = 9).await?; // not its business
    /// cart.edit(|cart| cart.lines.insert("pear".to_owned(), 1)).await?;
    /// cart.edit(|cart| cart.lines.insert("pear".to_owned(), 2)).await?;
    /// let Some(Ok(change)) = pears.next().await else { panic!("the object ended") };
    /// assert_eq!((change.previous, change.value), (Some(None), Some(2)));
    /// # Ok(()) }
    /// ```
    #[must_use = "a watch that is dropped hears nothing"]
    pub fn watch_path<V>(&self, path: impl Fn(&T) -> V + Send + 'static) -> PathWatch<T, V>
    where
        V: PartialEq + Clone + Send + 'static,
    {
        PathWatch { watcher: self.slot.watch_path(Box::new(path)), name: self.name().clone() }
    }
}

impl<T: Class, V: PartialEq + Clone> PathWatch<T, V> {
    /// The next change; waits for it without limit. A dropped call loses nothing.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let mut totals = cart.watch_path(|cart| cart.total);
    /// node.destroy::<Cart>("alice").await?;
    /// assert!(matches!(totals.next().await, Some(Err(nam::Error::Gone { .. }))));
    /// assert!(totals.next().await.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As the last item, how the object ended: `Gone`, `LostWrite` or `Closed`.
    pub async fn next(&mut self) -> Option<Result<PathChange<V>, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: Class, V> Unpin for PathWatch<T, V> {}

impl<T: Class, V: PartialEq + Clone> Stream for PathWatch<T, V> {
    type Item = Result<PathChange<V>, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { watcher, name } = self.get_mut();
        watcher.poll_next(context).map(|item| item.map(|item| item.map_err(|ending| Error::ended(ending, name))))
    }
}

impl<T: Class, V> fmt::Debug for PathWatch<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWatch").field("name", &self.name).finish_non_exhaustive()
    }
}

//! Watches of a part of an object: one item a look, of what really was, and of the newest at last.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::ids::Token;
use nam::node::{PathWatcher, Slot};

use crate::class::Desk;
use crate::history::History;

/// Somebody watches the cash of a desk.
#[derive(Debug)]
pub(crate) struct Watching {
    slot: Arc<Slot<Desk>>,
    watcher: PathWatcher<Desk, i64>,
    /// What was told last, or was there when the watch was made.
    last: Option<i64>,
}

impl Watching {
    /// Begins a watch of what is here.
    pub(crate) fn new(slot: &Arc<Slot<Desk>>) -> Self {
        let last = slot.peek().ok().flatten().map(|guard| guard.cash);
        Self { slot: Arc::clone(slot), watcher: slot.watch_path(Box::new(|desk| desk.cash)), last }
    }

    /// Takes what is to be told; answers how much that is.
    pub(crate) fn look(&mut self, history: &History) -> u64 {
        let mut context = Context::from_waker(Waker::noop());
        let mut told = 0;
        while let Poll::Ready(Some(Ok(change))) = self.watcher.poll_next(&mut context) {
            told += 1;
            assert!(told < 2, "a watch tells more at once than what is now");
            assert_eq!(change.previous, self.last, "a watch goes on from what it told last");
            assert_ne!(change.previous, Some(change.value), "a watch tells of nothing");
            self.last = Some(change.value);
            if let Ok(Some(newest)) = self.slot.newest() {
                let known = history.value(Token { version: change.version, ..newest });
                assert_eq!(known.map(|desk| desk.cash), Some(change.value), "I13: a watch tells what never was");
            }
        }
        told
    }

    /// Nothing is under way any more: what was told is what is there.
    pub(crate) fn check_quiet(&mut self, history: &History, cash: i64) {
        self.look(history);
        assert_eq!(self.last, Some(cash), "I5: a watch did not hear of the newest");
    }
}

//! What became of a batch, told to every task whose update is in it.
//!
//! Stands between the slot, which settles a batch once, and the tasks that wait for it. A std future: the core knows no
//! runtime. Invariant: settled once, and every waiter sees the same answer. Source: own reasoning.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::replica::{Ending, RefusedCommit};
use crate::ids::Version;

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is part of this version, durably, and the replica has it.
    Committed(Version),
    /// Another commit was in the way: run again on the new state.
    Conflict,
    /// What the closure saw never came to be: run again; nobody was in the way of this update itself.
    Rerun,
    /// The batch was refused and had several members: run again, alone.
    RerunAlone,
    /// The commit was refused.
    Refused(RefusedCommit),
    /// The object is no longer there.
    Ended(Ending),
}

/// The answer to a batch, once it is there.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    inner: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    settled: Option<Settled>,
    members: u32,
    wakers: Vec<Option<Waker>>,
}

impl Verdict {
    /// Counts one more update in the batch.
    pub(crate) fn join(&self) {
        let mut waiting = self.inner.lock();
        waiting.members = waiting.members.saturating_add(1);
    }

    /// How many updates are in the batch.
    pub(crate) fn members(&self) -> u32 {
        self.inner.lock().members
    }

    /// Gives the answer; a second one is ignored.
    pub(crate) fn settle(&self, settled: Settled) {
        let wakers = {
            let mut waiting = self.inner.lock();
            if waiting.settled.is_some() {
                return;
            }
            waiting.settled = Some(settled);
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits for the answer to a batch. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "an update is done when its ticket is"]
pub struct Ticket {
    verdict: Arc<Verdict>,
    place: Option<usize>,
}

impl Ticket {
    pub(crate) fn new(verdict: Arc<Verdict>) -> Self {
        Self { verdict, place: None }
    }

    /// The answer, if it is there.
    #[must_use]
    pub fn settled(&self) -> Option<Settled> {
        self.verdict.inner.lock().settled.clone()
    }
}

impl Future for Ticket {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        let place = self.place;
        let mut waiting = self.verdict.inner.lock();
        if let Some(settled) = &waiting.settled {
            return Poll::Ready(settled.clone());
        }
        let waker = Some(context.waker().clone());
        match place.and_then(|at| waiting.wakers.get_mut(at)) {
            Some(known) => *known = waker,
            None => {
                waiting.wakers.push(waker);
                let at = waiting.wakers.len() - 1;
                drop(waiting);
                self.place = Some(at);
            }
        }
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(known) = self.place.and_then(|at| self.verdict.inner.lock().wakers.get_mut(at).map(Option::take)) {
            drop(known);
        }
    }
}

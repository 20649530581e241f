//! Reads with a token under way: each ends with what was promised or with a rightful refusal (I10).

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::ids::{RequestId, Token, Version};
use nam::node::{Answer, Ending, Guard, Slot, Unreadable};
use nam::wire::FailureCode;

use crate::class::Desk;

/// How long a read waits for a push before it pulls.
const PUSH_WAIT_MS: u64 = 20;

/// What somebody was shown, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) shard: usize,
    pub(crate) key: String,
    pub(crate) token: Token,
}

/// A read with a token on some node.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) node: usize,
    pub(crate) shown: Shown,
    pub(crate) slot: Arc<Slot<Desk>>,
    /// What the reader had under that name when it began.
    pub(crate) here: Token,
    pub(crate) request: Option<RequestId>,
    pulled: Option<Version>,
    pull_at: u64,
    refusal: Option<Refusal>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The object is no more, or another one has its name here.
    Gone,
    /// It, or this version of it, was lost in a restart.
    Lost,
    /// This node gave it up.
    Closed,
}

/// What became of a reading.
#[derive(Debug)]
pub(crate) enum Progress {
    Waiting,
    /// It waited for a push in vain and must pull.
    Pull,
    Shown(Guard<Desk>),
    Refused(Refusal),
    /// The program is too old for what it would show.
    Unreadable,
}

impl Reading {
    /// Begins a read; `None` until the object is here, and an application has a handle to read by.
    pub(crate) fn new(now: u64, node: usize, slot: &Arc<Slot<Desk>>, shown: Shown) -> Option<Self> {
        let here = slot.newest().ok().flatten()?;
        let (slot, pull_at) = (Arc::clone(slot), now + PUSH_WAIT_MS);
        Some(Self { node, shown, slot, here, request: None, pulled: None, pull_at, refusal: None })
    }

    pub(crate) fn poll(&mut self, now: u64) -> Progress {
        if let Some(refusal) = self.refusal {
            return Progress::Refused(refusal);
        }
        match self.slot.poll_at(self.shown.token, self.pulled, &Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(guard)) => Progress::Shown(guard),
            Poll::Ready(Err(Unreadable::Ended(ending))) => Progress::Refused(refusal_of(ending)),
            Poll::Ready(Err(Unreadable::Another)) => Progress::Refused(Refusal::Gone),
            Poll::Ready(Err(Unreadable::Unknown)) => Progress::Refused(Refusal::Lost),
            Poll::Ready(Err(Unreadable::Value(_))) => Progress::Unreadable,
            Poll::Ready(Err(Unreadable::Nested)) => unreachable!("no closure reads here"),
            Poll::Pending if self.request.is_none() && self.pulled.is_none() && now >= self.pull_at => Progress::Pull,
            Poll::Pending => Progress::Waiting,
        }
    }

    /// The pull of this reading was answered.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Pulled(version) => self.pulled = Some(*version),
            Answer::Opened => self.pulled = self.slot.newest().ok().flatten().map(|newest| newest.version),
            Answer::Ended(ending) => self.refusal = Some(refusal_of(*ending)),
            Answer::Missing | Answer::Failed { code: FailureCode::Gone, .. } => self.refusal = Some(Refusal::Gone),
            Answer::Failed { code: FailureCode::LostWrite, .. } => self.refusal = Some(Refusal::Lost),
            answer => panic!("a pull is answered by {answer:?}"),
        }
    }
}

fn refusal_of(ending: Ending) -> Refusal {
    match ending {
        Ending::Gone => Refusal::Gone,
        Ending::Lost => Refusal::Lost,
        Ending::Closed => Refusal::Closed,
    }
}

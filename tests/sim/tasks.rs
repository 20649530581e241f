//! Updates under way: each runs its closure again until its changes are committed or can never be.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::__private::Tracked;
use nam::ids::{Fence, Token};
use nam::node::{AloneTurn, Scope, Settled, Slot, Step, Ticket};
use nam::wire::FailureCode;

use crate::class::{Desk, of_version};
use crate::dice::Dice;
use crate::draw::Draw;
use crate::guards::Part;
use crate::history::Claim;
use crate::order::Order;

/// One update.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) shard: usize,
    pub(crate) slot: Arc<Slot<Desk>>,
    /// Whether its program is an old one.
    is_old: bool,
    seed: u64,
    scope: Scope,
    turn: Option<AloneTurn<Desk>>,
    joined: Option<(Ticket, Claim)>,
    /// The object that it was run on, at whatever version.
    object: Option<Token>,
    /// Whether the closure fails after it changed something.
    is_aborting: bool,
    /// What it requires, and whether it does nothing else.
    required: Vec<Part>,
    is_check: bool,
}

/// What became of an update.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "made and taken apart at once")]
pub(crate) enum Outcome {
    /// It waits.
    Pending,
    /// It is part of this version.
    Committed(Token, Claim),
    /// It left nothing.
    Nothing,
    /// Its object ended before it was in a batch.
    Ended,
    /// Its object ended with the batch under way, and nobody will know.
    Unknown(Token, Claim),
    /// Its node was away for long, and the repository has forgotten what became of it.
    Forgotten(Token, Claim),
    /// It left nothing: the lock that it names is not held.
    Fenced,
    /// Its closure is to run again: another commit was in the way.
    Again,
    /// Its closure is to run again: the repository's disk was full.
    Full,
}

impl Task {
    pub(crate) fn new(shard: usize, slot: &Arc<Slot<Desk>>, is_old: bool, dice: &mut Dice) -> Self {
        let scope = [Scope::Shared, Scope::Shared, Scope::Shared, Scope::Alone, Scope::Isolated][dice.index(5)];
        let turn = (scope != Scope::Shared).then(|| slot.queue_alone());
        let seed = dice.next();
        let mut own = Dice::new(seed.wrapping_add(1));
        let required = Part::draw_some(&mut own);
        Self {
            shard,
            slot: Arc::clone(slot),
            is_old,
            seed,
            scope,
            turn,
            joined: None,
            object: None,
            is_aborting: dice.one_in(12),
            is_check: !required.is_empty() && own.one_in(6),
            required,
        }
    }

    /// An update under a lock.
    pub(crate) fn fenced(shard: usize, slot: &Arc<Slot<Desk>>, is_old: bool, fence: Fence, dice: &mut Dice) -> Self {
        let turn = Some(slot.queue_alone());
        Self { scope: Scope::Fenced(fence), turn, ..Self::new(shard, slot, is_old, dice) }
    }

    pub(crate) fn poll(&mut self, order: u64, answered: &Order) -> Outcome {
        match self.joined.take() {
            Some((ticket, claim)) => self.poll_ticket(ticket, claim),
            None => of_version(self.is_old, || self.poll_run(order, answered)),
        }
    }

    fn poll_ticket(&mut self, ticket: Ticket, claim: Claim) -> Outcome {
        match ticket.settled() {
            None => {
                self.joined = Some((ticket, claim));
                Outcome::Pending
            }
            Some(Settled::Committed(version)) => Outcome::Committed(Token { version, ..self.object.unwrap() }, claim),
            Some(Settled::Conflict | Settled::Rerun) => Outcome::Again,
            Some(Settled::RerunAlone) => {
                self.scope = Scope::Alone;
                self.turn = Some(self.slot.queue_alone());
                Outcome::Again
            }
            Some(Settled::Refused(refused)) if refused.code == FailureCode::Gone => Outcome::Nothing,
            Some(Settled::Refused(refused)) if refused.code == FailureCode::Fenced => {
                assert!(matches!(self.scope, Scope::Fenced(_)), "I15: an update that names no lock is refused for one");
                Outcome::Fenced
            }
            Some(Settled::Refused(refused)) if refused.code == FailureCode::Unavailable => {
                assert!(refused.text.contains("full"), "{refused:?}");
                Outcome::Full
            }
            Some(Settled::Refused(refused)) if refused.code == FailureCode::Forgotten => {
                Outcome::Forgotten(self.object.unwrap(), claim)
            }
            Some(Settled::Refused(refused)) => panic!("a commit was refused: {refused:?}"),
            Some(Settled::Ended(_)) => Outcome::Unknown(self.object.unwrap(), claim),
        }
    }

    fn poll_run(&mut self, order: u64, answered: &Order) -> Outcome {
        if let Ok(Some(newest)) = self.slot.newest() {
            self.object = Some(newest);
        }
        let (seed, is_aborting) = (self.seed, self.is_aborting);
        let (required, is_check) = (&self.required, self.is_check);
        let mut seen = None;
        let mut closure = |desk: &mut Desk, changes: &mut <Desk as Tracked>::Changes| {
            let before = desk.clone();
            let mut dice = Dice::new(seed);
            let (early, late) = required.split_at(required.len() / 2);
            early.iter().for_each(|part| part.require(desk.track(changes)));
            for _ in 0..=dice.below(3) {
                if !is_check {
                    Desk::change(desk.track(changes), &mut dice);
                }
            }
            late.iter().for_each(|part| part.require(desk.track(changes)));
            seen = Some((before, desk.clone()));
            if is_aborting { Err("changed its mind") } else { Ok(()) }
        };
        let context = Context::from_waker(Waker::noop());
        match self.slot.poll_update(self.scope, &context, &mut closure) {
            Poll::Pending => Outcome::Pending,
            Poll::Ready(Step::Joined((), ticket)) => {
                self.turn = None;
                let (before, after) = seen.unwrap();
                let (begun, required) = (answered.begin(self.object.unwrap()), self.required.clone());
                self.joined = Some((ticket, Claim { order, begun, before, after, required }));
                Outcome::Pending
            }
            Poll::Ready(Step::Unchanged(..) | Step::Aborted(_)) => Outcome::Nothing,
            Poll::Ready(Step::Unreadable(_)) if self.is_old => Outcome::Nothing,
            Poll::Ready(Step::Ended(_)) => Outcome::Ended,
            Poll::Ready(step) => panic!("an update ended as {step:?}"),
        }
    }
}

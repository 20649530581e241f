//! Locks: exclusive, one an object, first come, first served; nobody polls.
//!
//! ```text
//!   wait ──▶ line ──▶ grant: an entry of the open frame, whose number is the fencing token ──(durable)──▶ holder
//!                       ▲                                                                        │
//!                       └── release, given up, the connection ended, the object ended ◀──────────┘
//! ```
//! A lock is leased with the connection that has it: when that ends, however it ends, so does the lock, and the next in
//! line has its grant in the frame that is open then. A lock is not needed to write; a commit that names one takes effect
//! only while that grant is the object's current one, whichever node sends it. Invariants: at most one holder in the
//! order of entries (I15); a grant leaves when it is durable (I6), behind all that was committed before it; tokens are
//! commit numbers, so that none is given twice, over restarts too. Source: Burrows, "The Chubby lock service" (OSDI
//! 2006), for sequencers; own reasoning.

mod table;

use std::time::Duration;

use super::holders::Place;
use super::links::Violation;
use super::objects::Offer;
use super::work::Work;
use super::{Core, Rule};
use crate::ids::{Alias, Birth, Fence, FrameNumber, RequestId};
use crate::journal::Entry;
use crate::limits::LOCK_WAIT_MS_MAX;
use crate::wire::{CloseCode, FailureCode, LockAnswer, LockRequest, ToNode};

use table::{Grant, Ticket};
pub(super) use table::{Locks, Subject};

impl Core {
    /// Takes what a node asks of a lock.
    pub(super) fn handle_lock(&mut self, place: Place, request: LockRequest) -> Result<(), Violation> {
        match request {
            LockRequest::Wait { request, alias, birth, wait_ms } => {
                self.wait_for_lock(place, request, Subject { alias, birth }, wait_ms)
            }
            LockRequest::Release { request, alias, birth, fence } => {
                self.release_lock(place, request, Subject { alias, birth }, fence);
                Ok(())
            }
            LockRequest::Join { request, alias, birth, fence } => {
                self.join_lock(place, request, Subject { alias, birth }, fence);
                Ok(())
            }
            LockRequest::GiveUp { request } => {
                if let Some(ticket) = self.locks.find(place, request) {
                    self.end_claim(ticket);
                }
                Ok(())
            }
        }
    }

    fn wait_for_lock(
        &mut self,
        place: Place,
        request: RequestId,
        subject: Subject,
        wait_ms: u64,
    ) -> Result<(), Violation> {
        if !self.is_locking(place, subject) {
            self.fail(place, request, FailureCode::Gone, "");
            return Ok(());
        }
        if self.is_full {
            self.fail(place, request, FailureCode::Unavailable, "the disk of the repository is full");
            return Ok(());
        }
        let (waits_max, locks_max) = (self.caps.lock_waits_max, self.caps.locks_max);
        if self.locks.waits(subject) >= waits_max {
            let text = format!("{waits_max} wait for the lock, as many as may");
            self.fail(place, request, FailureCode::Limit, &text);
            return Ok(());
        }
        if self.locks.len_of(place) >= locks_max {
            let text = format!("the node has or waits for {locks_max} locks, as many as it may");
            self.fail(place, request, FailureCode::Limit, &text);
            return Ok(());
        }
        let deadline = self.now.after(Duration::from_millis(wait_ms.min(LOCK_WAIT_MS_MAX)));
        let Some(ticket) = self.locks.enter(place, request, subject, deadline) else {
            return Err(Violation::new(CloseCode::OutOfOrder, "a request waits for two locks"));
        };
        if self.locks.next(subject) == Some(ticket) {
            self.grant(ticket, place, request, subject);
        } else if wait_ms == 0 {
            self.time_out(ticket);
        }
        Ok(())
    }

    /// Whether the node may ask for the lock of this object.
    fn is_locking(&self, place: Place, subject: Subject) -> bool {
        let is_it = self.objects.at(subject.alias).is_some_and(|object| object.birth == subject.birth);
        is_it && self.is_held(place, subject.alias)
    }

    /// The lock is the node's from the newest entry of the open frame on.
    fn grant(&mut self, ticket: Ticket, place: Place, request: RequestId, subject: Subject) {
        let Some(node) = self.nodes.at(place).and_then(|node| node.id) else { return };
        let (alias, frame, since) = (subject.alias, self.frames.open(), self.now);
        let fence = Fence(self.frames.push(Entry::Granted { node, alias }).0);
        self.locks.grant(ticket, Grant { fence, since, frame });
        self.tell_granted(place, request, alias, Grant { fence, since, frame });
    }

    /// Tells a node of a grant, behind all that was committed before it.
    fn tell_granted(&mut self, place: Place, request: RequestId, alias: Alias, grant: Grant) {
        self.cost.add(1, 0);
        self.bring_user(place, alias);
        let after = if self.rules.has(Rule::GrantGate) { grant.frame } else { FrameNumber(0) };
        self.push(place, after, &ToNode::Lock(LockAnswer::Granted { request, fence: grant.fence }));
    }

    fn release_lock(&mut self, place: Place, request: RequestId, subject: Subject, fence: Fence) {
        let held = self.locks.holder(subject).filter(|(_, claim)| claim.place == place);
        let Some(ticket) = held.filter(|(_, claim)| claim.grant.is_some_and(|grant| grant.fence == fence)) else {
            self.fail(place, request, FailureCode::Fenced, "");
            return;
        };
        self.end_claim(ticket.0);
        // With the frame that has the next grant, if there is one, and behind it: somebody waits for that one.
        self.push_result(place, self.frames.newest(), &ToNode::Lock(LockAnswer::Released { request }));
    }

    fn join_lock(&mut self, place: Place, request: RequestId, subject: Subject, fence: Fence) {
        if !self.is_locking(place, subject) {
            self.fail(place, request, FailureCode::Gone, "");
            return;
        }
        match self.current_grant(subject).filter(|grant| grant.fence == fence) {
            Some(grant) => self.tell_granted(place, request, subject.alias, grant),
            None => self.fail(place, request, FailureCode::Fenced, ""),
        }
    }

    /// The grant under which commits take effect: none once its connection ended.
    fn current_grant(&self, subject: Subject) -> Option<Grant> {
        let (_, claim) = self.locks.holder(subject)?;
        let is_there = self.nodes.at(claim.place).is_some_and(|node| !node.is_leaving);
        claim.grant.filter(|_| is_there)
    }

    /// Whether a commit names a lock that is not held any more.
    pub(super) fn is_fenced_off(&self, alias: Alias, offer: &Offer) -> bool {
        let Some(fence) = offer.terms.fence.filter(|_| self.rules.has(Rule::Fence)) else { return false };
        let birth = self.objects.at(alias).map(|object| object.birth);
        let grant = birth.and_then(|birth| self.current_grant(Subject { alias, birth }));
        grant.is_none_or(|grant| grant.fence != fence)
    }

    /// Refuses a commit that names a lock which is not held any more.
    pub(super) fn refuse_fenced(&mut self, offer: &Offer) {
        self.refuse_offer(offer, FailureCode::Fenced, "");
    }

    /// A wait or a grant is over: the lock goes to the next in line.
    fn end_claim(&mut self, ticket: Ticket) {
        let Some(claim) = self.locks.remove(ticket) else { return };
        self.cost.add(1, 0);
        if claim.grant.is_some() {
            self.hand_over(claim.subject);
        }
    }

    /// Gives a lock that nobody has to the first in line, or tells all in line why not, in steps.
    pub(super) fn hand_over(&mut self, subject: Subject) {
        while let Some(ticket) = self.locks.next(subject) {
            if self.cost.is_spent() {
                self.work.push_back(Work::HandOver(subject));
                return;
            }
            let Some((place, request)) = self.locks.claim(ticket).map(|claim| (claim.place, claim.request)) else {
                return;
            };
            let is_there = self.nodes.at(place).is_some_and(|node| !node.is_leaving);
            let object = self.objects.at(subject.alias).filter(|object| object.birth == subject.birth);
            let is_live = object.is_some_and(|object| object.is_living());
            if is_there && is_live && !self.is_full {
                self.grant(ticket, place, request, subject);
                return;
            }
            self.cost.add(1, 0);
            self.locks.remove(ticket);
            match is_live {
                true => self.fail(place, request, FailureCode::Unavailable, "the disk of the repository is full"),
                false => self.fail(place, request, FailureCode::Gone, ""),
            }
        }
    }

    /// An object is no more, nor is its lock.
    pub(super) fn end_lock(&mut self, alias: Alias, birth: Birth) {
        let subject = Subject { alias, birth };
        match self.locks.holder(subject).map(|(ticket, _)| ticket) {
            Some(ticket) => self.end_claim(ticket),
            None => self.hand_over(subject),
        }
    }

    /// Ends one claim of a node that left; answers whether it had one.
    pub(super) fn drop_claim_of(&mut self, place: Place) -> bool {
        let claim = self.locks.any_of(place);
        claim.into_iter().for_each(|ticket| self.end_claim(ticket));
        claim.is_some()
    }

    /// Ends the waits whose time is over, as many as fit into this call.
    pub(super) fn time_out_waits(&mut self) {
        while !self.cost.is_spent()
            && let Some(ticket) = self.locks.overdue(self.now)
        {
            self.time_out(ticket);
        }
    }

    /// Ends a wait by naming the holder. If there is none just now, the lock is being handed over.
    fn time_out(&mut self, ticket: Ticket) {
        self.cost.add(1, 0);
        let Some(claim) = self.locks.remove(ticket) else { return };
        let (place, request) = (claim.place, claim.request);
        let holder = self.locks.holder(claim.subject).and_then(|(_, held)| Some((held.grant?, held.place)));
        let named = holder.and_then(|(grant, place)| Some((grant, self.nodes.at(place)?.id?)));
        match named {
            Some((Grant { since, frame, .. }, holder)) => {
                let held_ms = self.now.0.saturating_sub(since.0);
                self.push(place, frame, &ToNode::Lock(LockAnswer::TimedOut { request, holder, held_ms }));
            }
            None => self.fail(place, request, FailureCode::Unavailable, "the lock is being handed over"),
        }
    }
}

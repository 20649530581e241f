//! Who has the lock of which object, and who waits for it, in the order of their coming.
//!
//! A claim is a wait until it is granted, and a grant until it ends; its ticket is its place in the line:
//!
//! ```text
//!            enter            grant            remove
//!   nobody ─────────▶ waiting ─────────▶ holder ───────▶ nobody
//!                        └───────────────────────────────▲
//! ```
//! Invariants: a line has at most one holder (I15); waits stand in the order of their tickets; what the indices name is
//! there. Source: own reasoning.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Alias, Birth, Fence, FrameNumber, RequestId};
use crate::repository::holders::Place;
use crate::time::Instant;

/// Which object a lock is of; one of another birth in the same slot has another lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::repository) struct Subject {
    pub(super) alias: Alias,
    pub(super) birth: Birth,
}

/// A claim's place among all: who came first is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What a holder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) fence: Fence,
    pub(super) since: Instant,
    /// The frame that makes it durable.
    pub(super) frame: FrameNumber,
}

/// A wait or a grant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) request: RequestId,
    pub(super) subject: Subject,
    /// When the wait ends without success.
    deadline: Instant,
    pub(super) grant: Option<Grant>,
}

/// The claims on one object.
#[derive(Debug, Default)]
struct Line {
    holder: Option<Ticket>,
    waiting: BTreeSet<Ticket>,
}

/// The locks of a shard.
#[derive(Debug, Default)]
pub(in crate::repository) struct Locks {
    next: u64,
    claims: BTreeMap<Ticket, Claim>,
    lines: BTreeMap<Subject, Line>,
    /// The claims of each node that has any, by its requests.
    by_node: BTreeMap<Place, BTreeMap<RequestId, Ticket>>,
    deadlines: BTreeSet<(Instant, Ticket)>,
}

impl Locks {
    /// Puts a wait at the end of its line; `None` if the node waits or holds by that request already.
    pub(super) fn enter(
        &mut self,
        place: Place,
        request: RequestId,
        subject: Subject,
        deadline: Instant,
    ) -> Option<Ticket> {
        let ticket = Ticket(self.next);
        let own = self.by_node.entry(place).or_default();
        if own.contains_key(&request) {
            return None;
        }
        own.insert(request, ticket);
        self.next += 1;
        self.claims.insert(ticket, Claim { place, request, subject, deadline, grant: None });
        self.lines.entry(subject).or_default().waiting.insert(ticket);
        self.deadlines.insert((deadline, ticket));
        Some(ticket)
    }

    pub(super) fn claim(&self, ticket: Ticket) -> Option<&Claim> {
        self.claims.get(&ticket)
    }

    /// The wait becomes the line's holder.
    pub(super) fn grant(&mut self, ticket: Ticket, grant: Grant) {
        let Some(claim) = self.claims.get_mut(&ticket) else { return };
        claim.grant = Some(grant);
        self.deadlines.remove(&(claim.deadline, ticket));
        if let Some(line) = self.lines.get_mut(&claim.subject) {
            line.waiting.remove(&ticket);
            line.holder = Some(ticket);
        }
    }

    /// Takes a claim out, wherever it stands.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Claim> {
        let claim = self.claims.remove(&ticket)?;
        self.deadlines.remove(&(claim.deadline, ticket));
        if let Some(own) = self.by_node.get_mut(&claim.place) {
            own.remove(&claim.request);
            if own.is_empty() {
                self.by_node.remove(&claim.place);
            }
        }
        if let Some(line) = self.lines.get_mut(&claim.subject) {
            line.waiting.remove(&ticket);
            line.holder = line.holder.filter(|holder| *holder != ticket);
            if line.holder.is_none() && line.waiting.is_empty() {
                self.lines.remove(&claim.subject);
            }
        }
        Some(claim)
    }

    pub(super) fn holder(&self, subject: Subject) -> Option<(Ticket, &Claim)> {
        let ticket = self.lines.get(&subject)?.holder?;
        Some((ticket, self.claims.get(&ticket)?))
    }

    /// Whose turn it is: the first that waits, while nobody holds.
    pub(super) fn next(&self, subject: Subject) -> Option<Ticket> {
        let line = self.lines.get(&subject).filter(|line| line.holder.is_none())?;
        line.waiting.first().copied()
    }

    pub(super) fn waits(&self, subject: Subject) -> usize {
        self.lines.get(&subject).map_or(0, |line| line.waiting.len())
    }

    pub(super) fn find(&self, place: Place, request: RequestId) -> Option<Ticket> {
        self.by_node.get(&place)?.get(&request).copied()
    }

    /// Claims of a node.
    pub(super) fn len_of(&self, place: Place) -> usize {
        self.by_node.get(&place).map_or(0, BTreeMap::len)
    }

    /// Any claim of a node.
    pub(super) fn any_of(&self, place: Place) -> Option<Ticket> {
        self.by_node.get(&place)?.values().next().copied()
    }

    /// When the next wait ends.
    pub(in crate::repository) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next wait whose time is over by `now`.
    pub(super) fn overdue(&self, now: Instant) -> Option<Ticket> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, ticket)| *ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CommitNumber;

    fn subject(alias: u32) -> Subject {
        Subject { alias: Alias(alias), birth: Birth::default() }
    }

    fn grant(n: u64) -> Grant {
        let fence = Fence(CommitNumber { n, ..CommitNumber::default() });
        Grant { fence, since: Instant(n), frame: FrameNumber(n) }
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let mut locks = Locks::default();
        let mut enter = |place, request, at| locks.enter(Place(place), RequestId(request), subject(1), Instant(at));
        let [a, b, c] = [enter(1, 1, 90), enter(2, 1, 50), enter(1, 2, 70)].map(Option::unwrap);
        assert_eq!(enter(1, 2, 9), None, "the request has a claim already");
        assert_eq!(locks.next(subject(1)), Some(a));
        locks.grant(a, grant(5));
        assert_eq!(locks.next(subject(1)), None, "there is a holder");
        assert_eq!((locks.waits(subject(1)), locks.len_of(Place(1))), (2, 2));
        assert_eq!((locks.overdue(Instant(49)), locks.overdue(Instant(50))), (None, Some(b)));
        assert!(locks.remove(b).unwrap().grant.is_none());
        assert_eq!(locks.next_deadline(), Some(Instant(70)));
        assert_eq!(locks.remove(a).unwrap().grant, Some(grant(5)));
        assert_eq!(locks.next(subject(1)), Some(c));
        assert_eq!(locks.find(Place(1), RequestId(2)), Some(c));
        locks.remove(c);
        assert!(locks.lines.is_empty() && locks.by_node.is_empty() && locks.deadlines.is_empty());
    }
}

//! Who goes first where nodes are in each other's way.
//!
//! ```text
//!          lost once          lost twice                its commit is judged, and lost to nobody, or its time is over
//!   node ────────────▶ loser ────────────▶ in line, first ──────────────────────────────────────────▶ gone
//!                        └── nobody lost here for a while ──▶ gone
//! ```
//! A node whose commit took effect has the newest base before those that lost to it, so under contention one node could
//! win again and again while the others spend their tries. Who lost twice at an object goes first there: for at most
//! [`PRECEDENCE_MS`] others' commits wait that would be in its way, judged by what its lost commit touched; what it has
//! nothing to do with passes. When it is served, or does not come, the next in line goes first. Invariants: a commit waits
//! for one node at most that long, and is judged as ever afterwards; nothing of this is journalled or decides whether a
//! commit conflicts; what is kept is bounded by who holds the object, and gone when nobody lost for as long. Source: own
//! reasoning (W3); the idea is that of a queue behind optimistic tries, as in adaptive locks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::objects::Offer;
use super::work::Work;
use super::{ConnectionId, Core, Rule};
use crate::coding::{DecodeError, Reader};
use crate::delta::{overlaps, touches};
use crate::ids::Alias;
use crate::limits::{LOSSES_BEFORE_PRECEDENCE, LOST_BYTES_MAX, PRECEDENCE_MS};
use crate::schema::Schema;
use crate::time::Instant;

/// How long a node goes first.
const PRECEDENCE: Duration = Duration::from_millis(PRECEDENCE_MS);

/// What a lost commit touched and required.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lost {
    /// All of the object.
    Whole,
    /// These cells.
    Cells { delta: Bytes, guards: Bytes },
}

impl Lost {
    fn of(offer: &Offer) -> Self {
        let (delta, guards) = (&offer.delta, &offer.terms.guards);
        if offer.terms.is_isolated || delta.len() + guards.len() > LOST_BYTES_MAX {
            return Self::Whole;
        }
        // Copies: a piece of a record would keep all of it.
        Self::Cells { delta: Bytes::copy_from_slice(delta), guards: Bytes::copy_from_slice(guards) }
    }

    /// Whether `delta` would have this commit lose again.
    fn is_hurt_by(&self, schema: &Schema, delta: &[u8]) -> Result<bool, DecodeError> {
        let Self::Cells { delta: lost, guards } = self else { return Ok(true) };
        if overlaps(schema, lost, delta)? {
            return Ok(true);
        }
        let mut guards = Reader::new(guards);
        while !guards.is_done() {
            if touches(schema, delta, guards.sized()?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A node that lost at an object.
#[derive(Debug)]
struct Loser {
    connection: ConnectionId,
    losses: u32,
    lost: Lost,
}

/// Who lost at one object.
#[derive(Debug)]
struct Contest {
    /// In the order of their first losses; who goes first stands in front.
    losers: VecDeque<Loser>,
    has_first: bool,
    /// When the first has had its time, or when nobody has lost for long.
    due: Instant,
}

/// Who lost where.
#[derive(Debug, Default)]
pub(super) struct Precedences {
    contests: BTreeMap<Alias, Contest>,
    deadlines: BTreeSet<(Instant, Alias)>,
    /// How many commits waited.
    made_way: u64,
}

impl Precedences {
    /// When somebody has had its time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn forget(&mut self, alias: Alias) {
        if let Some(contest) = self.contests.remove(&alias) {
            self.deadlines.remove(&(contest.due, alias));
        }
    }

    fn first(&self, alias: Alias) -> Option<&Loser> {
        self.contests.get(&alias).filter(|contest| contest.has_first)?.losers.front()
    }

    fn lose(&mut self, alias: Alias, now: Instant, offer: &Offer, losses: u32) {
        let new = || Contest { losers: VecDeque::new(), has_first: false, due: now };
        let contest = self.contests.entry(alias).or_insert_with(new);
        let (connection, lost) = (offer.connection, Lost::of(offer));
        match contest.losers.iter_mut().find(|loser| loser.connection == connection) {
            Some(loser) => (loser.losses, loser.lost) = (loser.losses.saturating_add(losses), lost),
            None => contest.losers.push_back(Loser { connection, losses, lost }),
        }
        if !contest.has_first {
            self.go_on(alias, now);
        }
    }

    /// The node is not in line any more; answers whether it went first.
    fn leave(&mut self, alias: Alias, now: Instant, connection: ConnectionId) -> bool {
        let Some(contest) = self.contests.get_mut(&alias) else { return false };
        let Some(at) = contest.losers.iter().position(|loser| loser.connection == connection) else { return false };
        contest.losers.remove(at);
        let was_first = contest.has_first && at == 0;
        if was_first {
            self.go_on(alias, now);
        }
        was_first
    }

    /// The next in line goes first, if there is one; without losers the contest is over.
    fn go_on(&mut self, alias: Alias, now: Instant) {
        let Some(contest) = self.contests.get_mut(&alias) else { return };
        self.deadlines.remove(&(contest.due, alias));
        let next = contest.losers.iter().position(|loser| loser.losses >= LOSSES_BEFORE_PRECEDENCE);
        contest.has_first = next.is_some();
        if let Some(loser) = next.and_then(|at| contest.losers.remove(at)) {
            contest.losers.push_front(loser);
        }
        if contest.losers.is_empty() {
            self.contests.remove(&alias);
            return;
        }
        contest.due = now.after(PRECEDENCE);
        self.deadlines.insert((contest.due, alias));
    }

    /// Ends one whose time is over: that of who went first, or a contest in which nobody lost for long.
    fn time_out(&mut self, now: Instant) -> Option<Alias> {
        let (_, alias) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
        let contest = self.contests.get_mut(&alias)?;
        match contest.has_first {
            true => drop(contest.losers.pop_front()),
            false => contest.losers.clear(),
        }
        self.go_on(alias, now);
        Some(alias)
    }
}

impl Core {
    /// Objects where somebody lost lately: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn contests(&self) -> usize {
        self.precedences.contests.len()
    }

    /// Commits that waited for a node that went first, so far: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn made_way(&self) -> u64 {
        self.precedences.made_way
    }

    /// Whether a commit waits for the node that goes first.
    pub(super) fn makes_way(&self, alias: Alias, offer: &Offer) -> bool {
        let Some(first) = self.precedences.first(alias).filter(|first| first.connection != offer.connection) else {
            return false;
        };
        let Some(object) = self.objects.at(alias) else { return false };
        let Some(class) = self.classes.class(object.class) else { return false };
        // What does not decode is refused when it is judged.
        first.lost.is_hurt_by(&class.schema, &offer.delta).unwrap_or(false)
    }

    /// Whether a commit need not wait behind those that wait: they make way, and it does not.
    pub(super) fn may_overtake(&self, alias: Alias, offer: &Offer) -> bool {
        let object = self.objects.at(alias).filter(|object| object.cold().is_none());
        let Some(turn) = object.and_then(|object| object.turn.as_ref()) else { return false };
        self.precedences.first(alias).is_some()
            && turn.underway.is_none()
            && turn.waiting.iter().all(|waiting| waiting.connection != offer.connection)
            && !self.makes_way(alias, offer)
    }

    /// Takes the next commit that waits and may go on.
    pub(super) fn take_next(&mut self, alias: Alias) -> Option<Offer> {
        let waiting = &self.objects.at(alias)?.turn.as_ref()?.waiting;
        let at = match self.precedences.first(alias) {
            Some(_) => waiting.iter().position(|offer| !self.makes_way(alias, offer))?,
            None => 0,
        };
        self.objects.at_mut(alias)?.turn().waiting.remove(at)
    }

    /// A commit that makes way is as good as lost: its node stands in line.
    pub(super) fn note_wait(&mut self, alias: Alias, offer: &Offer) {
        if self.precedences.first(alias).is_some() {
            self.precedences.lose(alias, self.now, offer, LOSSES_BEFORE_PRECEDENCE);
            self.precedences.made_way += 1;
        }
    }

    /// A commit lost.
    pub(super) fn note_conflict(&mut self, alias: Alias, offer: &Offer) {
        if self.rules.has(Rule::Precedence) {
            self.precedences.lose(alias, self.now, offer, 1);
        }
    }

    /// A node's commit was judged and did not lose: who waited for it goes on.
    pub(super) fn end_precedence(&mut self, alias: Alias, connection: ConnectionId) {
        if self.precedences.leave(alias, self.now, connection) {
            self.work.push_back(Work::Commit(alias));
        }
    }

    /// Ends what lasted long enough.
    pub(super) fn time_out_precedences(&mut self) {
        while !self.cost.is_spent()
            && let Some(alias) = self.precedences.time_out(self.now)
        {
            self.cost.add(1, 0);
            self.work.push_back(Work::Commit(alias));
        }
    }
}

//! Expiry: which objects end by themselves, and when. The repository alone decides, by the shard's own time (E1).
//!
//! ```text
//!                  used                     a holder is there
//!   counting ◀────────────── at the idle limit ─────────────▶ asked ──── the wait is over ───▶ expired
//!      ▲                          │ no holder                   │                                  ▲
//!      └──────── used ────────────┼─────────────────────────────┘                                  │
//!                                 └── or the lifetime is over, asked or not ────────────────────────┘
//! ```
//! An object stands in the wheel at some tick not after its deadline; use only moves the deadline. Holders that are asked
//! tell at once of use that they kept back, so reads of a replica count (E3). Use is not journalled: instead no idle limit
//! counts from before the start of a term. Invariants: an object never expires earlier than its idle limit after it was
//! last used, changed or the term began; what expired stays dead (I11); nobody learns of it before it is durable (I6).
//! Source: own reasoning (E1–E3).

use std::time::Duration;

use super::holders::Place;
use super::links::Violation;
use super::objects::{Accepted, End, Object};
use super::outcomes::{Deed, Outcome};
use super::wheel::Turned;
use super::work::Work;
use super::{Core, Rule};
use crate::event::EventKind;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, FrameNumber, Sequence};
use crate::journal::{Entry, Origin};
use crate::limits::TOUCH_WAIT_MS;
use crate::time::Instant;
use crate::wire::{FailureCode, ToNode};

/// Milliseconds of a tick of the wheel: by so much an object may outlive its deadline.
const TICK_MS: u64 = 256;

/// An object's limits, and how far it is on its way to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expires {
    expiry: Expiry,
    /// From when its lifetime counts.
    since: Instant,
    used_at: Instant,
    /// When its holders were asked whether they used it.
    asked_at: Option<Instant>,
}

/// What is to be done with an object that came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing until then.
    Wait(Instant),
    /// Its holders are to be asked; then nothing until then.
    Ask(Instant),
    Expire,
}

impl Expires {
    /// What `expiry` means from `now` on; `None` if nothing.
    pub(super) fn new(expiry: Expiry, now: Instant) -> Option<Self> {
        (expiry != Expiry::NEVER).then_some(Self { expiry, since: now, used_at: now, asked_at: None })
    }

    /// The limits, and from when the lifetime counts.
    pub(super) fn limits(&self) -> (Expiry, Instant) {
        (self.expiry, self.since)
    }

    /// When its lifetime is over.
    fn ends_at(&self) -> Option<Instant> {
        self.expiry.lifetime_ms().map(|ms| self.since.after(Duration::from_millis(ms)))
    }

    fn touch(&mut self, now: Instant) {
        self.used_at = self.used_at.max(now);
        self.asked_at = None;
    }

    /// When to look at it again.
    fn deadline(&self) -> Instant {
        let wait_ms = self.asked_at.map_or(0, |_| TOUCH_WAIT_MS);
        let idle_at = self.expiry.idle_ms().map(|ms| {
            let idle_at = self.used_at.after(Duration::from_millis(ms));
            self.asked_at.unwrap_or(idle_at).after(Duration::from_millis(wait_ms))
        });
        idle_at.into_iter().chain(self.ends_at()).min().unwrap_or(Instant(u64::MAX))
    }

    fn step(&mut self, now: Instant, has_holders: bool) -> Step {
        let deadline = self.deadline();
        if now < deadline {
            return Step::Wait(deadline);
        }
        if self.asked_at.is_some() || !has_holders || self.ends_at().is_some_and(|at| at <= now) {
            return Step::Expire;
        }
        self.asked_at = Some(now);
        Step::Ask(self.deadline())
    }
}

impl Object {
    /// It was used: its idle limit counts from now.
    pub(super) fn use_at(&mut self, now: Instant) {
        self.used_at = self.used_at.max(now);
        if let Some(expires) = &mut self.expires {
            expires.touch(now);
        }
    }
}

impl Core {
    /// A node changes when an object ends by itself.
    pub(super) fn limit(&mut self, place: Place, sequence: Sequence, (alias, birth): (Alias, Birth), expiry: Expiry) {
        if let Err(error) = expiry.check() {
            self.refuse(place, sequence, FailureCode::Invalid, &error.to_string());
            return;
        }
        let (frame, is_held) = (self.frames.open(), self.is_held(place, alias));
        let Some((connection, id)) = self.nodes.at(place).and_then(|node| Some((node.connection, node.id?))) else {
            return;
        };
        let Some(object) = self.objects.at_mut(alias).filter(|object| is_held && object.birth == birth) else {
            self.refuse(place, sequence, FailureCode::Gone, "");
            return;
        };
        let version = object.head();
        object.turn().results.push_back(Accepted { connection, sequence, version, is_as_sent: false, group: None });
        self.outcomes.remember(id, sequence, Outcome { alias, birth, deed: Deed::Committed(version), frame });
        self.frames.push(Entry::Limited { origin: Origin { node: id, sequence }, alias, expiry });
        self.touch(alias);
        self.note_change(alias, self.frames.open());
        self.set_expiry(alias, expiry);
        self.ask_on(alias, Place(0));
    }

    /// From now on the object has these limits.
    pub(super) fn set_expiry(&mut self, alias: Alias, expiry: Expiry) {
        let now = self.now;
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.expires = Expires::new(expiry, now).map(Box::new);
        match &object.expires {
            Some(expires) => self.wheel.put(alias.0, tick_of(expires.deadline())),
            None => self.wheel.remove(alias.0),
        }
    }

    /// A node opened or pulled an object: it uses it, and is to know its idle limit.
    pub(super) fn use_object(&mut self, place: Place, alias: Alias) {
        let now = self.now;
        if let Some(object) = self.objects.at_mut(alias) {
            object.use_at(now);
        }
        self.tell_idle(place, alias, false);
    }

    /// A node used objects that it holds.
    pub(super) fn touch_all(&mut self, place: Place, aliases: &[Alias]) -> Result<(), Violation> {
        let now = self.now;
        self.cost.add(aliases.len(), 0);
        for &alias in aliases {
            if self.is_held(place, alias)
                && let Some(object) = self.objects.at_mut(alias)
            {
                object.use_at(now);
            }
        }
        Ok(())
    }

    /// A term begins: idle limits count from now, lifetimes went on (E1).
    pub(super) fn begin_expiry(&mut self) {
        let (now, is_anew) = (self.now, self.rules.has(Rule::Anew));
        for (alias, object) in self.objects.iter_mut() {
            if let Some(expires) = &mut object.expires {
                if is_anew {
                    expires.touch(now);
                }
                self.wheel.put(alias.0, tick_of(expires.deadline()));
            }
        }
    }

    /// When an object may be due; never while no frame takes its end.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let is_free = !self.is_expiring && self.may_expire();
        self.wheel.next_tick().filter(|_| is_free).map(|tick| Instant(tick.saturating_mul(TICK_MS)))
    }

    fn may_expire(&self) -> bool {
        self.may_end() && self.memory.may_ask()
    }

    /// Whether a frame takes the end of an object.
    fn may_end(&self) -> bool {
        !self.is_stopped && !self.is_full && !self.frames.is_full()
    }

    /// Looks at the objects that are due, in steps.
    pub(super) fn expire_on(&mut self) {
        self.is_expiring = false;
        while self.may_expire() {
            if self.cost.is_spent() {
                self.is_expiring = true;
                self.work.push_back(Work::Expire);
                return;
            }
            match self.wheel.turn(self.now.0 / TICK_MS) {
                Turned::Still => return,
                Turned::Moved => self.cost.add(1, 0),
                Turned::Due(id) => {
                    self.cost.add(1, 0);
                    self.come_up(Alias(id));
                }
            }
        }
    }

    /// An object is due, as far as is known.
    pub(super) fn come_up(&mut self, alias: Alias) {
        let now = self.now;
        let Some(object) = self.objects.at_mut(alias) else { return };
        if object.is_busy() {
            object.use_at(now);
        }
        let has_holders = !object.holders.is_empty();
        let Some(expires) = &mut object.expires else { return };
        match expires.step(now, has_holders) {
            Step::Wait(at) => self.wheel.put(alias.0, tick_of(at)),
            Step::Ask(at) => {
                self.wheel.put(alias.0, tick_of(at));
                self.ask_on(alias, Place(0));
            }
            // It was brought to memory meanwhile, and nothing can be written now.
            Step::Expire if !self.may_end() => self.wheel.put(alias.0, tick_of(now)),
            Step::Expire if self.must_load_to_end(alias) => {
                if let Some(object) = self.objects.at_mut(alias) {
                    object.turn().ends.push(End::Expired);
                }
                self.ask_load(alias);
            }
            Step::Expire => {
                let ended = self.frames.push(Entry::Expired { alias });
                self.end(alias, ended.0, EventKind::Expired);
            }
        }
    }

    /// Tells holders of the idle limit, from `next` on and in steps: they answer with use that they kept back.
    pub(super) fn ask_on(&mut self, alias: Alias, next: Place) {
        let mut next = Some(next);
        while let Some(from) = next
            && let Some(object) = self.objects.at_mut(alias)
            && let Some(holder) = object.holders.first_from(from).copied()
        {
            if self.cost.is_spent() {
                self.work.push_back(Work::Ask(alias, holder.place()));
                return;
            }
            self.cost.add(1, 0);
            self.tell_idle(holder.place(), alias, true);
            next = holder.place().next();
        }
    }

    /// Tells a holder of the idle limit; one without room when it has room again, if there is one still. `has_changed`
    /// tells also that there is none.
    pub(super) fn tell_idle(&mut self, place: Place, alias: Alias, has_changed: bool) {
        let Some(object) = self.objects.at_mut(alias) else { return };
        let idle_ms = object.expires.as_ref().and_then(|expires| expires.expiry.idle_ms());
        if !object.is_living() || (idle_ms.is_none() && !has_changed) {
            return;
        }
        let after: FrameNumber = object.frame;
        let Some(holder) = object.holders.find_mut(place) else { return };
        let Some(node) = self.nodes.at_mut(place).filter(|node| !node.is_leaving) else { return };
        if node.outbox.room() > 0 {
            self.push(place, after, &ToNode::Idle { alias, limit_ms: idle_ms.unwrap_or(0) });
        } else {
            node.note_dirty(alias, holder);
        }
    }
}

/// The first tick that does not begin before `at`.
fn tick_of(at: Instant) -> u64 {
    at.0.div_ceil(TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: u64) -> Instant {
        Instant(at * 1_000)
    }

    fn expires(expiry: Expiry) -> Expires {
        Expires::new(expiry, second(10)).unwrap()
    }

    #[test]
    fn an_object_that_nobody_holds_ends_at_its_limit() {
        let mut idle = expires(Expiry::idle(Duration::from_secs(60)));
        assert_eq!(idle.step(second(69), false), Step::Wait(second(70)));
        idle.touch(second(69));
        assert_eq!(idle.step(second(70), false), Step::Wait(second(129)));
        assert_eq!(idle.step(second(129), false), Step::Expire);
    }

    #[test]
    fn holders_are_asked_and_an_answer_starts_the_count_anew() {
        let mut idle = expires(Expiry::idle(Duration::from_secs(60)));
        let over = Instant(71_000 + TOUCH_WAIT_MS);
        assert_eq!(idle.step(second(71), true), Step::Ask(over));
        assert_eq!(idle.step(second(72), true), Step::Wait(over));
        idle.touch(second(72));
        assert_eq!(idle.step(over, true), Step::Wait(second(132)));
        assert!(matches!(idle.step(second(132), true), Step::Ask(_)));
        assert_eq!(idle.step(second(140), true), Step::Expire);
    }

    #[test]
    fn a_lifetime_asks_nobody_and_is_not_extended() {
        let expiry = Expiry::idle(Duration::from_secs(60)).or_after(Duration::from_secs(90));
        let mut both = expires(expiry);
        both.touch(second(65));
        assert_eq!(both.step(second(70), true), Step::Wait(second(100)));
        assert_eq!(both.step(second(100), true), Step::Expire);
        assert!(Expires::new(Expiry::NEVER, second(1)).is_none());
    }
}

//! When objects may end by themselves: what the journal and the links say, held against every end (E1, E3).
//!
//! The shard's time and the world's are one; nodes' clocks differ from both.

use nam::expiry::Expiry;
use nam::journal::{Entry, Frame};
use nam::node::{LinkState, Replica, State};
use nam::wire::ToRepository;
use std::time::Duration;

use crate::dice::Dice;
use crate::shard::Shard;
use crate::windows::each_record;
use crate::world::World;

/// By so much a verdict may be older than the frame in which it is seen: two frames may be under way before it.
const SEALED_MS: u64 = 500;

/// So late may a node hear that use is to be told.
const HEARD_MS: u64 = 800;

/// A read on a node with a link counts when it is so old: its touch was due within a second, and has arrived.
const TOLD_MS: u64 = 2_500;

/// An object's limits, and what it was used for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Limits, since when, and whether they are durable; the newest is last.
    set: Vec<(Expiry, u64, bool)>,
    used_at: u64,
    /// Touches that may have come behind a verdict which is not seen yet.
    touched_at: Vec<u64>,
}

impl Limits {
    /// The object has these limits by a frame that is sealed.
    pub(crate) fn set(&mut self, expiry: Expiry, now: u64) {
        self.set.push((expiry, now, false));
        self.use_at(now);
    }

    /// Whether limits of it are on their way to the journal.
    pub(crate) fn is_settling(&self) -> bool {
        self.set.iter().any(|(.., is_durable)| !is_durable)
    }

    /// The oldest limits that are not durable are.
    pub(crate) fn settle(&mut self) {
        if let Some((.., is_durable)) = self.set.iter_mut().find(|(.., is_durable)| !is_durable) {
            *is_durable = true;
        }
    }

    /// It was used; commits are seen when their frame is sealed.
    pub(crate) fn use_at(&mut self, now: u64) {
        self.used_at = self.used_at.max(now);
    }

    /// A node told that it used it.
    pub(crate) fn touch(&mut self, now: u64) {
        self.touched_at.push(now);
    }

    /// A term begins.
    pub(crate) fn restart(&mut self, now: u64) {
        self.set.retain(|(.., is_durable)| *is_durable);
        self.use_at(now);
    }

    /// It ends by itself.
    pub(crate) fn check_end(&self, key: &str, now: u64) {
        let (expiry, since, _) = self.set.last().copied().unwrap_or_default();
        let touched_at = self.touched_at.iter().copied().filter(|at| at + SEALED_MS <= now).max();
        let used_at = self.used_at.max(touched_at.unwrap_or(0));
        let is_idle = expiry.idle_ms().is_some_and(|ms| now + SEALED_MS >= used_at + ms);
        let is_old = expiry.lifetime_ms().is_some_and(|ms| now + SEALED_MS >= since + ms);
        assert!(is_idle || is_old, "E1: {key} ends at {now} ms, used at {used_at} ms: {expiry:?}");
    }

    /// Until when a read at `read_at` keeps the object, unless its lifetime ends.
    fn kept_until(&self, read_at: u64, now: u64) -> Option<u64> {
        let (expiry, since, _) = self.set.last().copied().unwrap_or_default();
        let is_old = expiry.lifetime_ms().is_some_and(|ms| now + SEALED_MS >= since + ms);
        expiry.idle_ms().filter(|_| !is_old).map(|ms| read_at + ms)
    }
}

/// Limits out of few; idle ones long enough that nodes keep use back.
pub(crate) fn draw(dice: &mut Dice) -> Expiry {
    let length = |dice: &mut Dice| Duration::from_millis([1_000, 4_000, 20_000, 40_000][dice.index(4)]);
    match dice.below(4) {
        0 => Expiry::NEVER,
        1 => Expiry::after(length(dice)),
        2 => Expiry::idle(length(dice)).or_after(Duration::from_secs(100)),
        _ => Expiry::idle(length(dice)),
    }
}

impl World {
    /// Records of a node arrive: touches are use.
    pub(crate) fn note_touches(&mut self, shard: usize, bytes: &[u8]) {
        let Shard { history, clock, .. } = &mut self.shards[shard];
        let now = clock.at(self.now).0;
        each_record(bytes, |raw| {
            if let Ok(ToRepository::Touch { aliases }) = ToRepository::decode(raw) {
                self.report.touches += aliases.len() as u64;
                aliases.into_iter().for_each(|alias| history.use_alias(alias, now));
            }
        });
    }

    /// The application read a replica.
    pub(crate) fn note_read(&mut self, node: usize, slot: usize) {
        let open = &self.nodes[node].opens[slot];
        let side = &self.nodes[node].sides[open.shard];
        let is_told = side.core.link() == LinkState::Ready && !side.is_paused;
        let read_at = is_told.then_some(self.shards[open.shard].clock.at(self.now).0);
        self.nodes[node].opens[slot].read_at = read_at;
    }

    /// What a node read may not be told: its link broke, or it does not read what it is asked.
    pub(crate) fn forget_reads(&mut self, node: usize, shard: usize) {
        let opens = self.nodes[node].opens.iter_mut().filter(|open| open.shard == shard);
        opens.for_each(|open| open.read_at = None);
    }

    /// Nobody may have read lately what a frame says has ended unused.
    pub(crate) fn check_ends(&mut self, at: usize, frame: &Frame) {
        for entry in &frame.entries {
            let Entry::Expired { alias } = entry else { continue };
            self.report.expired += 1;
            let Shard { history, clock, .. } = &self.shards[at];
            let now = clock.at(self.now).0;
            let (birth, limits) = history.limits_at(*alias);
            for (n, node) in self.nodes.iter().enumerate() {
                for open in node.opens.iter().filter(|open| open.is_open && open.shard == at) {
                    let is_it = matches!(open.slot.newest(), Ok(Some(known)) if known.birth == birth);
                    let read_at = open.read_at.filter(|read_at| is_it && read_at + TOLD_MS <= now);
                    let kept_until = read_at.and_then(|read_at| limits.kept_until(read_at, now));
                    let key = &open.key;
                    let is_kept = kept_until.is_some_and(|until| now + HEARD_MS < until);
                    assert!(!is_kept, "E3: node {n} read {key} at {read_at:?} ms, it ends unused at {now} ms");
                }
            }
        }
    }

    /// Whether a slot shows what it showed, told without reading it, for that would be use.
    pub(crate) fn is_seen(open: &crate::node::Open) -> bool {
        // Looking at what was dropped to save memory would bring it back.
        open.slot.state() == State::Shell || (open.seen.is_some() && open.slot.reached() == open.seen)
    }
}

//! A hierarchical timing wheel: which ids are due, at a constant cost each however many wait.
//!
//! ```text
//!             64 slots of          an id stands at the level of the highest six bits in which its tick
//!   level 0   1 tick               and the present one differ, in the slot that those bits of its tick name
//!   level 1   64 ticks
//!   level 2   4,096 ticks          when the present reaches a slot of a level above 0, its ids move down
//!   level 3   262,144 ticks        beyond its end: as far as it goes, and then again
//! ```
//! A slot is a list through a table of links, so an id stands once and can leave from anywhere. Whoever uses it moves
//! deadlines without telling, if they move away: an id that comes too early is put in again. Invariants: an id is never
//! due before its tick; the present does not pass a slot that is not empty. Source: Varghese and Lauck (SOSP 1987),
//! levels by bits as in tokio's timer.

/// Bits of a tick that a level tells apart.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: u32 = 4;
/// Ticks from the present to the farthest slot.
const REACH: u64 = ((SLOTS as u64) - 1) << (LEVEL_BITS * (LEVELS - 1));
/// No id: the end of a list.
const NOBODY: u32 = u32::MAX;

/// Where an id stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    tick: u64,
    slot: Slot,
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    level: u8,
    index: u8,
}

/// What a look at the wheel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// This id's tick has come; it stands in the wheel no longer.
    Due(u32),
    /// An id moved to a finer level; look again.
    Moved,
    /// Nothing is due.
    Still,
}

/// The wheel: ids below [`u32::MAX`], each with a tick.
#[derive(Debug)]
pub(super) struct Wheel {
    present: u64,
    heads: [[u32; SLOTS]; LEVELS as usize],
    /// A bit for each slot that is not empty.
    taken: [u64; LEVELS as usize],
    links: Vec<Option<Link>>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { present: 0, heads: [[NOBODY; SLOTS]; LEVELS as usize], taken: [0; LEVELS as usize], links: Vec::new() }
    }
}

impl Wheel {
    /// Has `id` come up at `tick`, or at once if that is past; it then stands nowhere else.
    pub(super) fn put(&mut self, id: u32, tick: u64) {
        self.remove(id);
        let slot = self.slot_of(tick);
        let Some(head) = self.head(slot) else { return };
        let next = std::mem::replace(head, id);
        self.mark(slot, true);
        if let Some(Some(link)) = self.links.get_mut(next as usize) {
            link.previous = id;
        }
        if self.links.len() <= id as usize {
            self.links.resize(id as usize + 1, None);
        }
        if let Some(link) = self.links.get_mut(id as usize) {
            *link = Some(Link { tick, slot, previous: NOBODY, next });
        }
    }

    /// Has `id` come up no more.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(Link { slot, previous, next, .. }) = self.links.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        if let Some(Some(link)) = self.links.get_mut(next as usize) {
            link.previous = previous;
        }
        if let Some(Some(link)) = self.links.get_mut(previous as usize) {
            link.next = next;
        } else if let Some(head) = self.head(slot) {
            *head = next;
            self.mark(slot, next != NOBODY);
        }
    }

    /// Goes on towards `now`, by one id at most.
    pub(super) fn turn(&mut self, now: u64) -> Turned {
        let Some((start, slot)) = self.first().filter(|(start, _)| *start <= now) else {
            self.present = self.present.max(now);
            return Turned::Still;
        };
        self.present = self.present.max(start);
        let Some(id) = self.head(slot).copied() else { return Turned::Still };
        let tick = self.links.get(id as usize).copied().flatten().map_or(start, |link| link.tick);
        if tick <= self.present {
            self.remove(id);
            return Turned::Due(id);
        }
        self.put(id, tick);
        Turned::Moved
    }

    /// The tick at which to look again: no later than the first one that is due.
    pub(super) fn next_tick(&self) -> Option<u64> {
        self.first().map(|(start, _)| start)
    }

    /// The first slot that is not empty, and the tick at which it begins.
    fn first(&self) -> Option<(u64, Slot)> {
        let of_level = |(level, taken): (u8, &u64)| {
            let shift = u32::from(level) * LEVEL_BITS;
            let here = self.present >> shift;
            let ahead = taken.rotate_right(low_bits(here)).trailing_zeros();
            let index = u8::try_from(low_bits(here + u64::from(ahead))).ok()?;
            (*taken != 0).then_some(((here + u64::from(ahead)) << shift, Slot { level, index }))
        };
        (0..).zip(&self.taken).filter_map(of_level).min_by_key(|(start, _)| *start)
    }

    fn slot_of(&self, tick: u64) -> Slot {
        let tick = tick.clamp(self.present, self.present.saturating_add(REACH));
        let differing = u64::BITS - (self.present ^ tick).leading_zeros();
        let level = (differing.saturating_sub(1) / LEVEL_BITS).min(LEVELS - 1);
        let index = low_bits(tick >> (level * LEVEL_BITS));
        Slot { level: u8::try_from(level).unwrap_or_default(), index: u8::try_from(index).unwrap_or_default() }
    }

    fn head(&mut self, slot: Slot) -> Option<&mut u32> {
        self.heads.get_mut(usize::from(slot.level))?.get_mut(usize::from(slot.index))
    }

    fn mark(&mut self, slot: Slot, is_taken: bool) {
        if let Some(taken) = self.taken.get_mut(usize::from(slot.level)) {
            let bit = 1 << slot.index;
            *taken = if is_taken { *taken | bit } else { *taken & !bit };
        }
    }
}

/// The bits of a tick that name a slot of its level.
fn low_bits(tick: u64) -> u32 {
    u32::try_from(tick % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn due(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut found = Vec::new();
        loop {
            match wheel.turn(now) {
                Turned::Due(id) => found.push(id),
                Turned::Moved => {}
                Turned::Still => return found,
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Put(u32, u64),
        Remove(u32),
        Pass(u64),
        Wait,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        // Far and near, so that every level and the end of the reach are met.
        let ticks = || (0_u32..27).prop_flat_map(|bits| 0..1_u64 << bits);
        prop_oneof![
            4 => (0_u32..40, ticks()).prop_map(|(id, ticks)| Deed::Put(id, ticks)),
            1 => (0_u32..40).prop_map(Deed::Remove),
            2 => ticks().prop_map(Deed::Pass),
            1 => Just(Deed::Wait),
        ]
    }

    proptest! {
        /// The model: ids by tick in a sorted table.
        #[test]
        fn ids_are_due_when_a_sorted_table_says_so(start in 0_u64..1 << 40, deeds in prop::collection::vec(deed(), 1..200)) {
            let (mut wheel, mut model) = (Wheel::default(), BTreeMap::new());
            let mut now = start;
            prop_assert_eq!(wheel.turn(now), Turned::Still);
            for deed in deeds {
                match deed {
                    Deed::Put(id, ticks) => {
                        wheel.put(id, now + ticks);
                        model.insert(id, now + ticks);
                    }
                    Deed::Remove(id) => {
                        wheel.remove(id);
                        model.remove(&id);
                    }
                    Deed::Pass(ticks) => now += ticks,
                    // Whoever sleeps until the wheel says so misses nothing and is not early for nothing for ever.
                    Deed::Wait => now = wheel.next_tick().map_or(now, |next| next.max(now)),
                }
                prop_assert!(wheel.next_tick().is_none_or(|next| Some(&next) <= model.values().min()) );
                let mut found = due(&mut wheel, now);
                found.sort_unstable();
                let expected: Vec<u32> = model.iter().filter(|(_, tick)| **tick <= now).map(|(id, _)| *id).collect();
                prop_assert_eq!(found, expected);
                model.retain(|_, tick| *tick > now);
                prop_assert_eq!(wheel.next_tick().is_none(), model.is_empty());
                prop_assert!(wheel.next_tick().is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn an_id_moves_down_once_a_level_at_most() {
        let mut wheel = Wheel::default();
        for id in 0..1_000 {
            wheel.put(id, 1_000_000 + u64::from(id));
        }
        let (mut looks, mut found) = (0, 0);
        while let Some(now) = wheel.next_tick() {
            looks += 1;
            found += usize::from(matches!(wheel.turn(now), Turned::Due(_)));
        }
        assert_eq!(found, 1_000);
        assert!(looks <= 1_000 * LEVELS as usize, "{looks} looks");
    }
}

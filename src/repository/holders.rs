//! Who holds an object, at which version: 8 bytes each.
//!
//! The directory between a sealed frame and the nodes it concerns. A holder stands in one of three ways to the object:
//!
//! ```text
//!            unread > cap, delta too large            pull
//!  pushed ────────────────────────────────▶ silent ─────────▶ pushed
//!     │  no room ▲ room again
//!     ▼          │
//!   dirty ───────┘
//! ```
//! Invariants: a place stands at most once in a list, places ascend; a base is what the records sent so far brought the
//! node to. The base is kept as its low 32 bits: it is never 2^31 versions behind, because such a holder is marked lost
//! and gets the object anew. Source: own reasoning.

use crate::ids::Version;
use crate::limits::UNREAD_BYTES_MAX;
use crate::wire::Delivery;

/// A node's place in the table of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u16);

impl Place {
    /// The place behind this one, where a walk through holders goes on; `None` behind the last there can be.
    pub(super) fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

const SILENT: u16 = 1;
const DIRTY: u16 = 2;
const LOST: u16 = 4;
const TOLD_GONE: u16 = 8;
const PUSHED: u16 = 16;
const NOTIFIED: u16 = 32;
const MARKS: u16 = SILENT | DIRTY | LOST | TOLD_GONE | PUSHED | NOTIFIED;
/// Unread bytes are counted in the bits above the marks, up to this many.
const UNREAD_ONE: u16 = MARKS + 1;
const UNREAD_MAX: usize = (u16::MAX / UNREAD_ONE) as usize;
const AGE_MAX: u64 = 1 << 31;

/// One node that holds the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    base_low: u32,
    place: u16,
    marks: u16,
}

const _: () = assert!(size_of::<Holder>() == 8, "a holder entry is 8 bytes");
const _: () = assert!(UNREAD_BYTES_MAX < UNREAD_MAX, "the count reaches the limit");

impl Holder {
    pub(super) fn new(place: Place, base: Version) -> Self {
        Self { base_low: low(base), place: place.0, marks: 0 }
    }

    pub(super) fn place(self) -> Place {
        Place(self.place)
    }

    /// The version the node was brought to, the object being at `head`; 0 if it must get the object anew.
    pub(super) fn base(self, head: Version) -> Version {
        if self.marks & LOST != 0 {
            return Version(0);
        }
        Version(head.0.saturating_sub(u64::from(low(head).wrapping_sub(self.base_low))))
    }

    pub(super) fn set_base(&mut self, base: Version) {
        self.base_low = low(base);
        self.marks &= !LOST;
    }

    /// Marks a base that is about to be too old to be told by its low bits.
    pub(super) fn age(&mut self, head: Version) {
        if head.0.saturating_sub(self.base(head).0) >= AGE_MAX {
            self.marks |= LOST;
        }
    }

    /// Whether it got a notice and has not pulled since.
    pub(super) fn is_silent(self) -> bool {
        self.marks & SILENT != 0
    }

    pub(super) fn set_silent(&mut self, is_silent: bool) {
        self.mark(SILENT, is_silent);
    }

    /// Whether it stands in its node's dirty queue.
    pub(super) fn is_dirty(self) -> bool {
        self.marks & DIRTY != 0
    }

    pub(super) fn set_dirty(&mut self, is_dirty: bool) {
        self.mark(DIRTY, is_dirty);
    }

    /// Whether it was told that the object is no more.
    pub(super) fn is_told_gone(self) -> bool {
        self.marks & TOLD_GONE != 0
    }

    pub(super) fn set_told_gone(&mut self) {
        self.mark(TOLD_GONE, true);
    }

    /// Sets how changes reach it.
    pub(super) fn set_delivery(&mut self, delivery: Delivery) {
        self.mark(PUSHED, delivery == Delivery::Push);
        self.mark(NOTIFIED, delivery == Delivery::Notice);
    }

    /// Whether the next change is to be told by a notice, because a pull would have cost less than what was pushed and
    /// not read.
    pub(super) fn is_notice_due(self, unread_bytes_max: usize) -> bool {
        self.marks & NOTIFIED != 0 || (self.marks & PUSHED == 0 && self.unread_bytes() > unread_bytes_max)
    }

    /// Bytes pushed since the node last read the object, at least.
    fn unread_bytes(self) -> usize {
        usize::from(self.marks / UNREAD_ONE)
    }

    pub(super) fn add_unread(&mut self, bytes: usize) {
        let unread = (self.unread_bytes() + bytes.min(UNREAD_MAX)).min(UNREAD_MAX);
        self.marks = self.marks & MARKS | u16::try_from(unread).unwrap_or(0).saturating_mul(UNREAD_ONE);
    }

    pub(super) fn clear_unread(&mut self) {
        self.marks &= MARKS;
    }

    fn mark(&mut self, mark: u16, is_set: bool) {
        self.marks = if is_set { self.marks | mark } else { self.marks & !mark };
    }
}

/// The low half of a version.
fn low(version: Version) -> u32 {
    u32::try_from(version.0 & u64::from(u32::MAX)).unwrap_or_default()
}

/// The nodes that hold one object, by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    list: Vec<Holder>,
}

impl Holders {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn find(&self, place: Place) -> Option<&Holder> {
        self.list.binary_search_by_key(&place, |h| h.place()).ok().and_then(|at| self.list.get(at))
    }

    pub(super) fn find_mut(&mut self, place: Place) -> Option<&mut Holder> {
        self.list.binary_search_by_key(&place, |h| h.place()).ok().and_then(|at| self.list.get_mut(at))
    }

    /// The first holder whose place is `from` or later.
    pub(super) fn first_from(&mut self, from: Place) -> Option<&mut Holder> {
        let at = self.list.partition_point(|holder| holder.place() < from);
        self.list.get_mut(at)
    }

    /// Puts a holder in, over the one of its place.
    pub(super) fn insert(&mut self, holder: Holder) {
        match self.list.binary_search_by_key(&holder.place(), |h| h.place()) {
            Ok(at) => {
                if let Some(known) = self.list.get_mut(at) {
                    *known = holder;
                }
            }
            Err(at) => {
                if self.list.len() == self.list.capacity() {
                    self.list.reserve_exact(self.list.len() / 8 + 1);
                }
                self.list.insert(at, holder);
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> bool {
        match self.list.binary_search_by_key(&place, |h| h.place()) {
            Ok(at) => {
                self.list.remove(at);
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_told_by_its_low_half() {
        let head = Version((7 << 32) + 5);
        for base in [head.0, head.0 - 1, head.0 - 6, head.0 - (1 << 31) + 1] {
            let mut holder = Holder::new(Place(1), Version(base));
            holder.age(head);
            assert_eq!(holder.base(head), Version(base));
        }
        let mut holder = Holder::new(Place(1), Version(head.0 - (1 << 31)));
        holder.age(head);
        assert_eq!(holder.base(head), Version(0), "too old: it gets the object anew");
        holder.set_base(head);
        assert_eq!(holder.base(head), head);
    }

    #[test]
    fn marks_and_unread_bytes_do_not_disturb_each_other() {
        let mut holder = Holder::new(Place(9), Version(3));
        holder.set_silent(true);
        holder.add_unread(61);
        holder.set_dirty(true);
        holder.add_unread(usize::MAX / 2);
        assert!(holder.is_silent() && holder.is_dirty());
        assert_eq!(holder.unread_bytes(), UNREAD_MAX);
        holder.clear_unread();
        assert_eq!((holder.unread_bytes(), holder.is_silent(), holder.is_dirty()), (0, true, true));
    }

    #[test]
    fn a_notice_is_due_when_a_pull_would_have_cost_less() {
        let mut holder = Holder::new(Place(9), Version(3));
        let is_due = |holder: Holder| holder.is_notice_due(UNREAD_BYTES_MAX);
        holder.add_unread(UNREAD_BYTES_MAX);
        assert!(!is_due(holder), "what was pushed costs a pull now, not more");
        holder.add_unread(1);
        assert!(is_due(holder));
        holder.set_delivery(Delivery::Push);
        assert!(!is_due(holder));
        holder.clear_unread();
        holder.set_delivery(Delivery::Notice);
        assert!(is_due(holder));
        holder.set_delivery(Delivery::Adaptive);
        assert!(!is_due(holder));
    }

    #[test]
    fn places_ascend_and_stand_once() {
        let mut holders = Holders::default();
        for place in [5, 1, 9, 5, 3] {
            holders.insert(Holder::new(Place(place), Version(u64::from(place))));
        }
        assert_eq!(holders.len(), 4);
        assert!(holders.remove(Place(5)) && !holders.remove(Place(5)));
        let first = |holders: &mut Holders, from| holders.first_from(Place(from)).map(|holder| holder.place().0);
        assert_eq!((Place(8).next(), Place(u16::MAX).next()), (Some(Place(9)), None), "a walk ends");
        assert_eq!([0, 2, 4, 10].map(|from| first(&mut holders, from)), [Some(1), Some(3), Some(9), None]);
    }
}

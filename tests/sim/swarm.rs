//! What a seed is like: how often this happens and how large that is, drawn once, so that seeds differ in kind.

#[cfg(feature = "mutants")]
use nam::document::TailFault;
use nam::document::Tuning;
use nam::expiry::Expiry;
use nam::limits::{CREDIT_BYTES, DEPARTED_BYTES_MAX, SEGMENT_BYTES_MAX, UNREAD_BYTES_MAX};
use nam::node::Rule as SlotRule;
use nam::repository::{Caps, ImageCaps, Rule, Rules, Windows};

use crate::dice::Dice;

/// A rule that is switched off, to see which seeds notice.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "rules are switched off with that feature only"))]
pub(crate) enum Mutant {
    /// A rule of the repository.
    Without(Rule),
    /// A rule of the nodes' slots.
    OfSlot(SlotRule),
    /// No value is dropped to save memory (V1).
    Budget,
    /// Fresh reads show what is here (R3).
    Asking,
    /// A restore does something wrong with the last tail of an image (I2).
    #[cfg(feature = "mutants")]
    TailFault(TailFault),
}

impl Mutant {
    /// What a restore does wrong.
    #[cfg(feature = "mutants")]
    pub(crate) fn tail_fault(mutant: Option<Self>) -> Option<TailFault> {
        if let Some(Self::TailFault(fault)) = mutant { Some(fault) } else { None }
    }

    /// The rules of the repository with this one off.
    #[cfg(feature = "mutants")]
    pub(crate) fn rules(mutant: Option<Self>) -> Rules {
        match mutant {
            Some(Self::Without(rule)) => Rules::without(rule),
            _ => Rules::default(),
        }
    }

    #[cfg(not(feature = "mutants"))]
    pub(crate) fn rules(_: Option<Self>) -> Rules {
        Rules::default()
    }
}

/// What the seeds of a kind have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swarm {
    pub(crate) delay_max: u64,
    /// One use of an object in this many destroys it.
    pub(crate) destroys: u64,
    /// One use of an object in this many is about its lock.
    pub(crate) locks: u64,
    /// One action in this many has a node stop reading; 0 for never.
    pub(crate) pauses: u64,
    /// One action in this many fills a disk; 0 for never.
    pub(crate) fills: u64,
    /// Whether a node may stop reading for so long that the repository gives it up.
    pub(crate) has_long_pauses: bool,
    /// Whether objects have limits; then the application rests now and then.
    pub(crate) is_expiring: bool,
    /// Whether somebody wants to hear of events.
    pub(crate) has_consumers: bool,
    /// Bytes of records after which nodes confirm them.
    pub(crate) credit_bytes: usize,
    /// Bytes of a piece of a created value.
    pub(crate) piece_bytes: usize,
    /// Bytes that a node's replicas may take.
    pub(crate) memory_max: usize,
    pub(crate) caps: Caps,
    /// Whether the first node is of an older version of the program.
    pub(crate) has_old: bool,
    /// How images are kept, where the journal is.
    pub(crate) images: ImageCaps,
}

impl Swarm {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let tuning = Tuning {
            map_page_bytes: 64 + dice.index(400),
            list_page_bytes: 64 + dice.index(400),
            inline_bytes: 32 + dice.index(300),
            stamp_bytes: [100, 400, 64 * 1024][dice.index(3)],
            tail_bytes: [0, 200, 64 * 1024][dice.index(3)],
            ..Tuning::default()
        };
        let unread_bytes_max = [UNREAD_BYTES_MAX, UNREAD_BYTES_MAX, usize::MAX][dice.index(3)];
        let is_narrow = !dice.one_in(3);
        // Room for one record of the largest kind when all but the credit that a node gathers is confirmed.
        let inline_bytes = 200 + dice.index(600);
        let windows = Windows {
            inline_bytes,
            segment_bytes: 500 + dice.index(1_500),
            unconfirmed_bytes: inline_bytes + 1_024 + 500,
        };
        let windows = if is_narrow { windows } else { Windows::default() };
        let departed_bytes_max = [DEPARTED_BYTES_MAX, DEPARTED_BYTES_MAX, 700, 0][dice.index(4)];
        Self {
            delay_max: [5, 30, 120][dice.index(3)],
            destroys: [60, 30, 8, 3][dice.index(4)],
            locks: [40, 6, 2][dice.index(3)],
            pauses: [0, 60, 20][dice.index(3)],
            fills: [0, 80, 20][dice.index(3)],
            has_long_pauses: dice.one_in(2),
            is_expiring: dice.one_in(3),
            has_consumers: dice.one_in(2),
            credit_bytes: if is_narrow { 1 + dice.index(400) } else { CREDIT_BYTES },
            piece_bytes: if is_narrow { 900 + dice.index(3_000) } else { SEGMENT_BYTES_MAX / 8 },
            has_old: dice.one_in(3),
            memory_max: [usize::MAX / 2, 60_000, 20_000][dice.index(3)],
            caps: Caps { tuning, windows, unread_bytes_max, departed_bytes_max, ..Caps::default() },
            images: ImageCaps {
                journal_bytes: [400, 2_000, 10_000, 60_000][dice.index(4)],
                memory_max: [1, 2_000, 8_000, usize::MAX][dice.index(4)],
            },
        }
    }

    /// Whether repositories have little room for what nodes did that left.
    pub(crate) fn is_forgetful(&self) -> bool {
        self.caps.departed_bytes_max < DEPARTED_BYTES_MAX
    }

    /// When an object ends by itself.
    pub(crate) fn expiry(&self, dice: &mut Dice) -> Expiry {
        if self.is_expiring { crate::expiry::draw(dice) } else { Expiry::NEVER }
    }

    /// For how long the application rests, seldom.
    pub(crate) fn lull(&self, dice: &mut Dice) -> u64 {
        match self.is_expiring && dice.one_in(30) {
            true => [900, 3_000, 12_000, 60_000][dice.index(4)],
            false => 0,
        }
    }

    /// For how long a node stops reading.
    pub(crate) fn pause(&self, dice: &mut Dice) -> u64 {
        let longest = if self.has_long_pauses { 5 } else { 3 };
        [30, 150, 600, 15_000, 15_000][dice.index(longest)]
    }
}

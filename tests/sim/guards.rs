//! What updates require beside what they write, and whether it stood.

use crate::class::{Desk, DeskMut};
use crate::dice::Dice;
use crate::draw::DrawKey;

/// What is read is of no interest here.
fn read<T>(_: T) {}

/// A part of the object, of any kind and policy, at any depth.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Cash,
    Title,
    Blob,
    Pair,
    Lead,
    LeadText,
    Status,
    Legs,
    LegText(usize),
    Book,
    Entry(String),
    Quantity(String),
    Mark(String, u32),
    EntryHits(String),
    Tag(u32),
    Hits,
    Peak,
    Last,
}

impl Part {
    fn draw(dice: &mut Dice) -> Self {
        let key = String::draw_key(dice);
        match dice.below(24) {
            0 => Self::Cash,
            1 => Self::Title,
            2 => Self::Blob,
            3 => Self::Pair,
            4 => Self::Lead,
            5 => Self::LeadText,
            6 => Self::Status,
            7 => Self::Legs,
            8 => Self::LegText(dice.index(3)),
            9 => Self::Book,
            10..14 => Self::Entry(key),
            14..16 => Self::Quantity(key),
            16..18 => Self::Mark(key, u32::draw_key(dice)),
            18 => Self::EntryHits(key),
            19 => Self::Tag(u32::draw_key(dice)),
            20 => Self::Hits,
            21 => Self::Peak,
            _ => Self::Last,
        }
    }

    /// The parts that one update requires: mostly none.
    pub(crate) fn draw_some(dice: &mut Dice) -> Vec<Self> {
        let count = [0, 0, 0, 1, 2][dice.index(5)];
        (0..count).map(|_| Self::draw(dice)).collect()
    }

    /// Requires the part; what is not there has no parts to require.
    pub(crate) fn require(&self, mut desk: DeskMut<'_>) {
        match self {
            Self::Cash => read(desk.require_cash()),
            Self::Title => read(desk.require_title()),
            Self::Blob => read(desk.require_blob()),
            Self::Pair => read(desk.require_pair()),
            Self::Lead => read(desk.require_lead()),
            Self::LeadText => read(desk.lead_mut().as_mut().map(|mut lead| lead.require_text().len())),
            Self::Status => read(desk.require_status()),
            Self::Legs => read(desk.require_legs()),
            Self::LegText(at) => read(desk.legs_mut().get_mut(*at).map(|mut leg| leg.require_text().len())),
            Self::Book => read(desk.require_book()),
            Self::Entry(key) => read(desk.book_mut().require_key(key)),
            Self::Quantity(key) => read(desk.book_mut().get_mut(key).map(|mut entry| *entry.require_quantity())),
            Self::Mark(key, mark) => {
                read(desk.book_mut().get_mut(key).map(|mut entry| entry.marks_mut().require_key(mark).is_some()));
            }
            Self::EntryHits(key) => read(desk.book_mut().get_mut(key).map(|mut entry| *entry.require_hits())),
            Self::Tag(tag) => read(desk.tags_mut().require_key(tag)),
            Self::Hits => read(desk.require_hits()),
            Self::Peak => read(desk.require_peak()),
            Self::Last => read(desk.require_last()),
        }
    }

    /// The part as text; `None` if it was not there to be required.
    fn of(&self, desk: &Desk) -> Option<String> {
        let entry = |key: &String| desk.book.get(key);
        Some(match self {
            Self::Cash => desk.cash.to_string(),
            Self::Title => desk.title.clone(),
            Self::Blob => format!("{:?}", desk.blob),
            Self::Pair => format!("{:?}", desk.pair),
            Self::Lead => format!("{:?}", desk.lead),
            Self::LeadText => desk.lead.as_ref()?.text.clone(),
            Self::Status => format!("{:?}", desk.status),
            Self::Legs => format!("{:?}", desk.legs),
            Self::LegText(at) => desk.legs.get(*at)?.text.clone(),
            Self::Book => format!("{:?}", desk.book),
            Self::Entry(key) => format!("{:?}", entry(key)),
            Self::Quantity(key) => entry(key)?.quantity.to_string(),
            Self::Mark(key, mark) => format!("{:?}", entry(key)?.marks.get(mark)),
            Self::EntryHits(key) => entry(key)?.hits.to_string(),
            Self::Tag(tag) => desk.tags.contains(tag).to_string(),
            Self::Hits => desk.hits.to_string(),
            Self::Peak => desk.peak.to_string(),
            Self::Last => desk.last.to_string(),
        })
    }

    /// Whether the part was the same where a closure saw it and where its commit took effect.
    pub(crate) fn stood(&self, seen: &Desk, then: &Desk) -> bool {
        self.of(seen).is_none_or(|part| self.of(then) == Some(part))
    }
}

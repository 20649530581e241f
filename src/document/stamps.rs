//! When each part of a value last changed: sparse trees beside the bytes, only for what was touched.
//!
//! A value without a stamp inherits: it did not change after the horizon. Judging compares stamps with a commit's base,
//! `since` follows them to what is newer, trimming forgets what is old. Invariants: a stamp may be raised, never
//! lowered (raising costs a larger delta or a needless retry, never a wrong answer); the newest mark below a stamp is
//! derived, so it cannot outlive its cause, except behind [`Inner::Apart`], where it is a bound from above. Source:
//! own measurements, `benches/document.rs`.

use super::runs::ListStamps;
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::FieldId;

/// A version as an offset from the document's base; 0 is "not after the base", the stamp of what has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(pub(super) u32);

impl Mark {
    /// What no stamp reaches.
    pub(super) const NEVER: Self = Self(0);

    /// Whether it says anything.
    pub(super) fn is_set(self) -> bool {
        self.0 > 0
    }

    /// Itself, if it says anything.
    pub(super) fn set(self) -> Option<Self> {
        self.is_set().then_some(self)
    }

    /// The older of two of which either may say nothing.
    pub(super) fn older(self, other: Self) -> Self {
        self.set().into_iter().chain(other.set()).min().unwrap_or_default()
    }

    pub(super) fn encode(self, w: &mut Writer) {
        w.varint(u64::from(self.0));
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.varint32().map(Self)
    }

    /// Itself, or nothing if it is not after `horizon`.
    pub(super) fn after(self, horizon: Self) -> Self {
        if self > horizon { self } else { Self::NEVER }
    }
}

/// The stamps of one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stamp {
    /// When the value was put whole.
    pub(super) own: Mark,
    /// What changed inside of it since.
    pub(super) inner: Inner,
}

/// The stamps inside of one value, by its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Inner {
    /// Nothing changed inside.
    #[default]
    None,
    /// A struct's or a variant's fields, ids ascending.
    Fields(Vec<(FieldId, Stamp)>),
    /// An option's value.
    Option(Box<Stamp>),
    /// A map's or a set's entries, keys ascending.
    Entries(Vec<(Box<[u8]>, EntryStamp)>),
    /// A list's elements.
    List(Box<ListStamps>),
    /// A container that stands apart keeps its own stamps; nothing there is newer than this.
    Apart(Mark),
}

/// The stamps of one map entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EntryStamp {
    /// The entry is there.
    Live(Stamp),
    /// The entry was removed.
    Gone(Mark),
}

static NONE: Stamp = Stamp { own: Mark::NEVER, inner: Inner::None };

impl Stamp {
    /// The stamp of what was not touched.
    pub(super) fn none() -> &'static Self {
        &NONE
    }

    /// The stamp of a value put whole at `mark`.
    pub(super) fn put(mark: Mark) -> Self {
        Self { own: mark, inner: Inner::None }
    }

    /// The newest mark here and below.
    pub(super) fn newest(&self) -> Mark {
        self.own.max(self.inner.newest())
    }

    /// The oldest mark here and below, `None` if there is none.
    pub(super) fn oldest(&self) -> Option<Mark> {
        let own = self.own.is_set().then_some(self.own);
        own.into_iter().chain(self.inner.oldest()).min()
    }

    /// The stamp of field `id`.
    pub(super) fn field(&self, id: FieldId) -> &Self {
        match &self.inner {
            Inner::Fields(fields) => {
                let at = fields.binary_search_by_key(&id, |(known, _)| *known).ok();
                at.and_then(|at| fields.get(at)).map_or(&NONE, |(_, stamp)| stamp)
            }
            _ => &NONE,
        }
    }

    /// The stamp of field `id`, made if it is not there.
    pub(super) fn field_mut(&mut self, id: FieldId) -> &mut Self {
        let fields = self.fields_mut();
        let at = fields.partition_point(|(known, _)| *known < id);
        if fields.get(at).is_none_or(|(known, _)| *known != id) {
            fields.insert(at, (id, Self::default()));
        }
        match fields.get_mut(at) {
            Some((_, stamp)) => stamp,
            None => unreachable!("the field was just made"),
        }
    }

    /// The stamp of an option's value.
    pub(super) fn option(&self) -> &Self {
        match &self.inner {
            Inner::Option(stamp) => stamp,
            _ => &NONE,
        }
    }

    /// The stamp of an option's value, made if it is not there.
    pub(super) fn option_mut(&mut self) -> &mut Self {
        if !matches!(self.inner, Inner::Option(_)) {
            self.reset(Inner::Option(Box::default()));
        }
        match &mut self.inner {
            Inner::Option(stamp) => stamp,
            _ => unreachable!("the shape was just set"),
        }
    }

    /// The stamps of a map's entries.
    pub(super) fn entries(&self) -> &[(Box<[u8]>, EntryStamp)] {
        match &self.inner {
            Inner::Entries(entries) => entries,
            _ => &[],
        }
    }

    /// The stamps of a map's entries, made if they are not there.
    pub(super) fn entries_mut(&mut self) -> &mut Vec<(Box<[u8]>, EntryStamp)> {
        if !matches!(self.inner, Inner::Entries(_)) {
            self.reset(Inner::Entries(Vec::new()));
        }
        match &mut self.inner {
            Inner::Entries(entries) => entries,
            _ => unreachable!("the shape was just set"),
        }
    }

    /// The stamps of a list.
    pub(super) fn list(&self) -> &ListStamps {
        match &self.inner {
            Inner::List(list) => list,
            _ => ListStamps::none(),
        }
    }

    /// Takes the stamps of a list out.
    pub(super) fn take_list(&mut self) -> ListStamps {
        match std::mem::take(&mut self.inner) {
            Inner::List(list) => *list,
            other => {
                self.own = self.own.max(other.newest());
                ListStamps::default()
            }
        }
    }

    /// Forgets everything that is not after `horizon`.
    pub(super) fn trim(&mut self, horizon: Mark) {
        self.own = self.own.after(horizon);
        self.inner.trim(horizon);
    }

    fn fields_mut(&mut self) -> &mut Vec<(FieldId, Self)> {
        if !matches!(self.inner, Inner::Fields(_)) {
            self.reset(Inner::Fields(Vec::new()));
        }
        match &mut self.inner {
            Inner::Fields(fields) => fields,
            _ => unreachable!("the shape was just set"),
        }
    }

    /// Gives the inside another shape; what it said goes into `own`, which only raises.
    fn reset(&mut self, inner: Inner) {
        self.own = self.own.max(self.inner.newest());
        self.inner = inner;
    }

    /// Writes it: a byte of shape and flags, the own mark if there is one, the inside.
    pub(super) fn encode(&self, w: &mut Writer) {
        let shape = match &self.inner {
            Inner::None => 0,
            Inner::Fields(_) => 1,
            Inner::Option(_) => 2,
            Inner::Entries(_) => 3,
            Inner::List(_) => 4,
            Inner::Apart(_) => 5,
        };
        w.byte(shape | if self.own.is_set() { 8 } else { 0 });
        if self.own.is_set() {
            self.own.encode(w);
        }
        match &self.inner {
            Inner::None => {}
            Inner::Fields(fields) => {
                w.length(fields.len());
                for (id, stamp) in fields {
                    w.varint(u64::from(id.0));
                    stamp.encode(w);
                }
            }
            Inner::Option(stamp) => stamp.encode(w),
            Inner::Entries(entries) => {
                w.length(entries.len());
                for (key, stamp) in entries {
                    w.sized(key);
                    stamp.encode(w);
                }
            }
            Inner::List(list) => list.encode(w),
            Inner::Apart(mark) => mark.encode(w),
        }
    }

    /// Reads what [`Stamp::encode`] wrote.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let head = r.byte()?;
        let own = if head & 8 == 0 { Mark::NEVER } else { Mark::decode(r)? };
        let inner = match head & 7 {
            0 => Inner::None,
            1 => {
                let count = r.count(2)?;
                let mut fields = Vec::with_capacity(count);
                for _ in 0..count {
                    fields.push((FieldId(r.varint32()?), Self::decode(r)?));
                }
                Inner::Fields(fields)
            }
            2 => Inner::Option(Box::new(Self::decode(r)?)),
            3 => {
                let count = r.count(2)?;
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    entries.push((r.sized()?.into(), EntryStamp::decode(r)?));
                }
                Inner::Entries(entries)
            }
            4 => Inner::List(Box::new(ListStamps::decode(r)?)),
            _ => Inner::Apart(Mark::decode(r)?),
        };
        Ok(Self { own, inner })
    }
}

impl Inner {
    fn newest(&self) -> Mark {
        match self {
            Self::None => Mark::NEVER,
            Self::Fields(fields) => fields.iter().map(|(_, stamp)| stamp.newest()).max().unwrap_or_default(),
            Self::Option(stamp) => stamp.newest(),
            Self::Entries(entries) => entries.iter().map(|(_, stamp)| stamp.newest()).max().unwrap_or_default(),
            Self::List(list) => list.newest(),
            Self::Apart(mark) => *mark,
        }
    }

    fn oldest(&self) -> Option<Mark> {
        match self {
            Self::None => None,
            Self::Fields(fields) => fields.iter().filter_map(|(_, stamp)| stamp.oldest()).min(),
            Self::Option(stamp) => stamp.oldest(),
            Self::Entries(entries) => entries.iter().filter_map(|(_, stamp)| stamp.oldest()).min(),
            Self::List(list) => list.oldest(),
            Self::Apart(mark) => mark.is_set().then_some(*mark),
        }
    }

    fn trim(&mut self, horizon: Mark) {
        if self.newest() <= horizon {
            *self = Self::None;
            return;
        }
        match self {
            Self::None | Self::Apart(_) => {}
            Self::Fields(fields) => fields.retain_mut(|(_, stamp)| {
                stamp.trim(horizon);
                stamp.newest().is_set()
            }),
            Self::Option(stamp) => stamp.trim(horizon),
            Self::Entries(entries) => entries.retain_mut(|(_, stamp)| {
                stamp.trim(horizon);
                stamp.newest().is_set()
            }),
            Self::List(list) => list.trim(horizon),
        }
    }
}

impl EntryStamp {
    /// The newest mark of the entry.
    pub(super) fn newest(&self) -> Mark {
        match self {
            Self::Live(stamp) => stamp.newest(),
            Self::Gone(mark) => *mark,
        }
    }

    fn oldest(&self) -> Option<Mark> {
        match self {
            Self::Live(stamp) => stamp.oldest(),
            Self::Gone(mark) => mark.is_set().then_some(*mark),
        }
    }

    fn trim(&mut self, horizon: Mark) {
        match self {
            Self::Live(stamp) => stamp.trim(horizon),
            Self::Gone(mark) => *mark = mark.after(horizon),
        }
    }

    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Live(stamp) => {
                w.byte(1);
                stamp.encode(w);
            }
            Self::Gone(mark) => {
                w.byte(0);
                mark.encode(w);
            }
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if r.byte()? == 0 { Self::Gone(Mark::decode(r)?) } else { Self::Live(Stamp::decode(r)?) })
    }
}

/// Finds the stamp of `key` among stamps whose keys ascend.
pub(super) fn entry_stamp<'s>(entries: &'s [(Box<[u8]>, EntryStamp)], key: &[u8]) -> Option<&'s EntryStamp> {
    let at = entries.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok()?;
    entries.get(at).map(|(_, stamp)| stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Stamp {
        let mut stamp = Stamp::put(Mark(3));
        *stamp.field_mut(FieldId(7)) = Stamp::put(Mark(900));
        let entries = stamp.field_mut(FieldId(2)).entries_mut();
        entries.push(([1, 2][..].into(), EntryStamp::Gone(Mark(5))));
        entries.push(([3][..].into(), EntryStamp::Live(Stamp::put(Mark(4)))));
        *stamp.field_mut(FieldId(9)).option_mut() = Stamp { own: Mark(0), inner: Inner::Apart(Mark(6)) };
        stamp
    }

    #[test]
    fn stamps_survive_their_bytes() {
        let mut w = Writer::new();
        sample().encode(&mut w);
        let mut r = Reader::new(w.as_slice());
        assert_eq!(Stamp::decode(&mut r), Ok(sample()));
        assert!(r.is_done());
    }

    #[test]
    fn trimming_forgets_what_is_old_and_only_that() {
        let mut stamp = sample();
        assert_eq!((stamp.newest(), stamp.oldest()), (Mark(900), Some(Mark(3))));
        stamp.trim(Mark(4));
        assert_eq!((stamp.own, stamp.oldest()), (Mark(0), Some(Mark(5))));
        assert_eq!(stamp.field(FieldId(2)).entries().len(), 1);
        stamp.trim(Mark(900));
        assert_eq!(stamp, Stamp::default());
    }

    #[test]
    fn another_shape_raises() {
        let mut stamp = Stamp::default();
        *stamp.option_mut() = Stamp::put(Mark(8));
        stamp.entries_mut();
        assert_eq!(stamp.own, Mark(8));
    }
}

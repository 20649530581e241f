//! Shows a list as parts in order, whether it stands inline or apart, and finds old indices in it.
//!
//! Judging and `since` read lists only through this. Invariant: a part whose newest mark is not after a base looks now
//! as it did then, so it is counted as a block. Source: own reasoning.

use super::{ListBranch, element_at, element_offset};
use crate::coding::{DecodeError, Reader};
use crate::document::apart::Children;
use crate::document::runs::{Fate, ListStamps, Run, Trace};
use crate::document::stamps::{Mark, Stamp};
use crate::document::stored::stored_value;
use crate::schema::Kind;

/// Elements next to each other with their stamps.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) struct Part<'a> {
    pub(in crate::document) bytes: &'a [u8],
    pub(in crate::document) count: u32,
    pub(in crate::document) newest: Mark,
    pub(in crate::document) stamps: &'a ListStamps,
    pub(in crate::document) children: &'a Children,
}

impl<'a> Part<'a> {
    /// The element at `index` of this part.
    pub(in crate::document) fn element(&self, element: &Kind, index: u32) -> Result<&'a [u8], DecodeError> {
        element_at(self.bytes, element, index)
    }

    /// The elements of this part, to be gone through once.
    pub(in crate::document) fn elements<'k>(&self, element: &'k Kind) -> Elements<'a, 'k> {
        Elements { element, reader: Reader::new(self.bytes), next: 0 }
    }
}

/// Goes to elements of one part, ascending: the bytes before each are passed once.
#[derive(Debug)]
pub(in crate::document) struct Elements<'a, 'k> {
    element: &'k Kind,
    reader: Reader<'a>,
    next: u32,
}

impl<'a> Elements<'a, '_> {
    /// The element at `index`, which is behind those that were asked for.
    pub(in crate::document) fn go_to(&mut self, index: u32) -> Result<&'a [u8], DecodeError> {
        let offset = element_offset(self.reader.rest(), self.element, index.saturating_sub(self.next))?;
        self.reader.take(offset)?;
        self.next = index.saturating_add(1);
        stored_value(Some(self.element), &mut self.reader)
    }
}

/// A list to read.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) enum ListView<'a> {
    /// All of it in its parent's bytes.
    Inline(Part<'a>),
    /// In pages.
    Apart(&'a ListBranch),
}

/// Where the element of an old index is now.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) enum Place<'a> {
    /// At index `now`; in `part` at `index`.
    Live { now: u64, part: Part<'a>, index: u32 },
    /// It was removed.
    Dead,
    /// The list was never that long at the base.
    Beyond,
}

impl<'a> ListView<'a> {
    /// The list whose stored bytes are `value`.
    pub(in crate::document) fn of(
        value: &'a [u8],
        stamp: &'a Stamp,
        children: &'a Children,
    ) -> Result<Self, DecodeError> {
        if let Some(branch) = children.behind(value)? {
            return Ok(Self::Apart(branch.as_list()?));
        }
        let mut body = Reader::new(value).frame()?;
        let count = body.varint32()?;
        let stamps = stamp.list();
        Ok(Self::Inline(Part { bytes: body.rest(), count, newest: stamps.newest(), stamps, children }))
    }

    /// When elements were last inserted, removed or moved.
    pub(in crate::document) fn structure(&self) -> Mark {
        match self {
            Self::Inline(part) => part.stamps.structure,
            Self::Apart(branch) => branch.structure,
        }
    }

    /// Elements in it.
    pub(in crate::document) fn len(&self) -> u64 {
        match self {
            Self::Inline(part) => u64::from(part.count),
            Self::Apart(branch) => branch.len(),
        }
    }

    /// Its parts in order.
    pub(in crate::document) fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let (inline, heads) = match *self {
            Self::Inline(part) => (Some(part), &[][..]),
            Self::Apart(branch) => (None, branch.heads()),
        };
        inline.into_iter().chain(heads.iter().map(|head| Part {
            bytes: &head.page.bytes,
            count: head.count,
            newest: head.newest,
            stamps: &head.page.stamps,
            children: &head.page.children,
        }))
    }

    /// What became of the elements since `base`, in order with those that came: runs of some.
    pub(in crate::document) fn fates(&self, base: Mark) -> impl Iterator<Item = (Fate, u64)> {
        self.parts().flat_map(move |part| {
            let block = (part.newest <= base).then_some((Fate::Stayed, u64::from(part.count)));
            let runs = block.is_none().then(|| part.stamps.runs(part.count));
            let fate = move |run: Run| Some((run.fate(base)?, u64::from(run.count)));
            block.into_iter().chain(runs.into_iter().flatten().filter_map(fate))
        })
    }

    /// Elements that were in it at `base`.
    pub(in crate::document) fn len_at(&self, base: Mark) -> u64 {
        self.fates(base).filter(|(fate, _)| *fate != Fate::Came).map(|(_, count)| count).sum()
    }

    /// Where the element that stood at `index` at `base` is now.
    pub(in crate::document) fn trace(&self, base: Mark, index: u64) -> Place<'a> {
        let (mut left, mut now) = (index, 0);
        for part in self.parts() {
            let count = u64::from(part.count);
            if part.newest <= base {
                if left < count {
                    let index = u32::try_from(left).unwrap_or(u32::MAX);
                    return Place::Live { now: now + left, part, index };
                }
                left -= count;
            } else {
                match part.stamps.trace(part.count, base, u32::try_from(left).unwrap_or(u32::MAX)) {
                    Trace::Live(index) => return Place::Live { now: now + u64::from(index), part, index },
                    Trace::Dead => return Place::Dead,
                    Trace::Beyond(seen) => left -= u64::from(seen),
                }
            }
            now += count;
        }
        Place::Beyond
    }
}

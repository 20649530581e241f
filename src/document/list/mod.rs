//! A list that stands apart: pages of about 4 KiB in order; and the view that shows an inline list the same way.
//!
//! Invariants: the heads' counts sum to the list's length; the page before a border takes what is inserted there; a
//! page without living elements stays while it remembers dead ones. Source: own measurements, `benches/document.rs`.

mod page;
mod view;

pub(super) use page::{ListPage, element_at, element_offset};
pub(super) use view::{ListView, Part, Place};

use super::apart::{Children, Totals, expand};
use super::apply::{Applying, Change, apply_value, put_value, splice_in_place};
use super::image::{Kept, KeptIn};
use super::map::MarksLeft;
use super::promote::settle;
use super::runs::ListStamps;
use super::stamps::{Mark, Stamp};
use super::trim::Trimming;
use crate::coding::{DecodeError, Reader, Writer};
use crate::document::stored::stored_value;
use crate::ids::PartId;
use crate::schema::{Kind, Schema};

/// A list's pages.
#[derive(Clone, Debug, Default)]
pub(super) struct ListBranch {
    len: u64,
    /// When elements were last inserted, removed or moved.
    pub(super) structure: Mark,
    totals: Totals,
    heads: Vec<ListHead>,
}

/// What is known of a page without looking into it.
#[derive(Clone, Debug)]
pub(super) struct ListHead {
    pub(super) count: u32,
    pub(super) newest: Mark,
    /// No mark is older; not set if there are none.
    oldest: Mark,
    pub(super) page: Kept<ListPage>,
}

impl ListBranch {
    /// Elements in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn heads(&self) -> &[ListHead] {
        &self.heads
    }

    pub(super) fn pages_mut(&mut self) -> impl Iterator<Item = &mut Kept<ListPage>> {
        self.heads.iter_mut().map(|head| &mut head.page)
    }

    /// Makes one with room for so many pages.
    pub(super) fn with_capacity(pages: usize) -> Self {
        Self { heads: Vec::with_capacity(pages), ..Self::default() }
    }

    /// Puts a page without stamps behind the others that the image's part holds as it is.
    pub(super) fn push_kept(&mut self, page: ListPage, part: PartId) {
        let is_parent = !page.children.is_empty();
        self.push_page(page, Mark::NEVER, None);
        if let Some(head) = self.heads.last_mut() {
            head.page.keep(Some(KeptIn { part, is_parent }));
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let heads = self.heads.capacity() * size_of::<ListHead>();
        Totals { heap: self.totals.heap + heads, ..self.totals }
    }

    pub(super) fn newest(&self) -> Mark {
        self.heads.iter().map(|head| head.newest).max().unwrap_or_default().max(self.structure)
    }

    pub(super) fn oldest(&self) -> Option<Mark> {
        self.heads.iter().filter_map(|head| head.oldest.set()).chain(self.structure.set()).min()
    }

    /// Shows an inline list as one page.
    pub(super) fn of_page(page: ListPage) -> Self {
        let mut branch = Self { structure: page.stamps.structure, ..Self::default() };
        branch.push_page(page, Mark::NEVER, None);
        branch
    }

    /// The only page of a list made by [`ListBranch::of_page`].
    pub(super) fn into_page(mut self) -> ListPage {
        let mut page = self.heads.pop().map(|head| head.page.into_page()).unwrap_or_default();
        page.stamps.structure = self.structure;
        page
    }

    /// Makes pages of an inline list; its stamps and children move in.
    pub(super) fn load(
        applying: &mut Applying<'_>,
        element: &Kind,
        mut body: Reader<'_>,
        stamps: ListStamps,
        children: &mut Children,
    ) -> Result<Self, DecodeError> {
        let count = body.varint32()?;
        let structure = stamps.structure;
        let mut page = ListPage { bytes: Vec::new(), count, stamps, children: Children::default() };
        page.stamps.structure = Mark::NEVER;
        let mut w = Writer::new();
        for index in 0..count {
            let value = stored_value(Some(element), &mut body)?;
            children.move_of(&mut page.children, applying.schema, Some(element), value)?;
            let mut stamp = page.stamps.edit(index);
            match settle(applying, Some(element), value, &mut stamp, &mut page.children)? {
                Some(settled) => {
                    page.stamps.set_edit(index, &stamp);
                    w.raw(&settled);
                }
                None => w.raw(value),
            }
        }
        page.bytes = w.into_bytes();
        let mut branch = Self { structure, ..Self::default() };
        branch.fill(applying, element, page)?;
        Ok(branch)
    }

    /// Cuts one long page into pages of the right size.
    fn fill(&mut self, applying: &Applying<'_>, element: &Kind, page: ListPage) -> Result<(), DecodeError> {
        let plain = page.children.is_empty() && !page.stamps.newest().is_set() && page.stamps.oldest().is_none();
        if plain {
            let (mut r, mut from, mut count) = (Reader::new(&page.bytes), 0, 0);
            for _ in 0..page.count {
                stored_value(Some(element), &mut r)?;
                count += 1;
                let at = page.bytes.len() - r.left();
                if at - from >= applying.tuning.list_page_bytes {
                    let bytes = page.bytes.get(from..at).unwrap_or_default().to_vec();
                    self.push_page(ListPage { bytes, count, ..ListPage::default() }, Mark::NEVER, None);
                    (from, count) = (at, 0);
                }
            }
            if count > 0 {
                let bytes = page.bytes.get(from..).unwrap_or_default().to_vec();
                self.push_page(ListPage { bytes, count, ..ListPage::default() }, Mark::NEVER, None);
            }
            return Ok(());
        }
        let (newest, oldest) = (page.stamps.newest(), page.stamps.oldest());
        let children = page.children.iter();
        let marks = children.fold(MarksLeft { newest, oldest }, |mut marks, child| {
            marks.add(child.newest(), child.oldest());
            marks
        });
        self.push_page(page, marks.newest, marks.oldest);
        self.split_from(0, applying, element)
    }

    /// Writes count and elements as they travel.
    pub(super) fn write_whole(&self, schema: &Schema, element: &Kind, w: &mut Writer) -> Result<(), DecodeError> {
        w.varint(self.len);
        for head in &self.heads {
            head.page.write_elements(schema, element, 0, head.count, w)?;
        }
        Ok(())
    }

    /// Writes `count` elements from `at` on as they travel.
    pub(super) fn write_range(
        &self,
        schema: &Schema,
        element: &Kind,
        mut at: u64,
        mut count: u64,
        w: &mut Writer,
    ) -> Result<(), DecodeError> {
        while count > 0 {
            let (place, index) = self.locate(at, false);
            let Some(head) = self.heads.get(place).filter(|head| index < head.count) else { return Err(absent()) };
            let here = u32::try_from(count.min(u64::from(head.count - index))).unwrap_or(u32::MAX);
            head.page.write_elements(schema, element, index, here, w)?;
            at += u64::from(here);
            count -= u64::from(here);
        }
        Ok(())
    }

    /// Removes `count` elements from `at` on, as many as stand in one page; answers how many.
    pub(super) fn remove(
        &mut self,
        applying: &mut Applying<'_>,
        element: &Kind,
        at: u64,
        count: u64,
    ) -> Result<u64, DecodeError> {
        let (place, index) = self.locate(at, false);
        let Some(head) = self.heads.get_mut(place).filter(|head| index < head.count) else { return Err(absent()) };
        let here = u32::try_from(count.min(u64::from(head.count - index))).unwrap_or(u32::MAX);
        applying.count_page(&head.page, head.page.bytes.len());
        let page = head.page.make_mut();
        let before = page.totals();
        let (from, to) = (page.offset(element, index)?, page.offset(element, index + here)?);
        applying.pace.spend(1, to - from);
        if !page.children.is_empty() {
            let mut r = Reader::new(page.bytes.get(from..to).unwrap_or_default());
            for _ in 0..here {
                page.children.drop_of(applying.schema, Some(element), stored_value(Some(element), &mut r)?)?;
            }
        }
        page.replace(from, to, &[]);
        page.stamps.remove(page.count, index, here, applying.mark);
        page.count -= here;
        self.totals.exchange(before, page.totals());
        head.touch(applying.mark);
        self.len -= u64::from(here);
        Ok(u64::from(here))
    }

    /// Inserts `count` encoded elements before `at`, of which only a single one may be large; pages are cut beyond twice
    /// `page_bytes`.
    pub(super) fn insert(
        &mut self,
        applying: &mut Applying<'_>,
        element: &Kind,
        at: u64,
        count: u32,
        bytes: &[u8],
        page_bytes: usize,
    ) -> Result<(), DecodeError> {
        if self.heads.is_empty() {
            self.push_page(ListPage::default(), Mark::NEVER, None);
        }
        let (place, index) = self.locate(at, true);
        let Some(head) = self.heads.get_mut(place) else { return Err(absent()) };
        applying.count_page(&head.page, head.page.bytes.len());
        let page = head.page.make_mut();
        let before = page.totals();
        let from = page.offset(element, index)?;
        if page_bytes < usize::MAX && count == 1 {
            let mut put = applying.take_buffer();
            put_value(applying, element, bytes, None, &mut page.children, &mut put)?;
            page.replace(from, from, put.as_slice());
            applying.give_buffer(put);
        } else {
            applying.pace.spend(1, bytes.len());
            page.replace(from, from, bytes);
        }
        page.stamps.insert(page.count, index, count, applying.mark);
        page.count += count;
        self.totals.exchange(before, page.totals());
        head.touch(applying.mark);
        self.len += u64::from(count);
        if page_bytes < usize::MAX { self.split_from(place, applying, element) } else { Ok(()) }
    }

    /// Changes the element at `index`.
    pub(super) fn change(
        &mut self,
        applying: &mut Applying<'_>,
        element: &Kind,
        index: u64,
        change: Change<'_>,
        page_bytes: usize,
    ) -> Result<(), DecodeError> {
        let (place, index) = self.locate(index, false);
        let Some(head) = self.heads.get_mut(place).filter(|head| index < head.count) else { return Err(absent()) };
        let before = head.page.totals();
        applying.count_page(&head.page, head.page.bytes.len());
        let ListPage { bytes, stamps, children, .. } = head.page.make_mut();
        let old = element_at(bytes, element, index)?;
        let from = super::offset_in(bytes, old);
        if stamps.is_bare() && splice_in_place(applying, element, bytes, from, &change)? {
            self.totals.exchange(before, head.page.totals());
            return Ok(());
        }
        let mut w = applying.take_buffer();
        let old = element_at(bytes, element, index)?;
        let to = from + old.len();
        let mut stamp = match change {
            Change::Remove => return Err(DecodeError::Unknown { what: "change of an element", found: 0 }),
            Change::Put(value) if page_bytes == usize::MAX => {
                applying.pace.spend(1, value.len());
                children.drop_of(applying.schema, Some(element), old)?;
                w.raw(value);
                Stamp::put(applying.mark)
            }
            Change::Put(value) => {
                // What an earlier step put of this value stands where the old value stood.
                let standing = applying.pace.is_resuming().then_some(old);
                if standing.is_none() {
                    children.drop_of(applying.schema, Some(element), old)?;
                }
                put_value(applying, element, value, standing, children, &mut w)?;
                Stamp::put(applying.mark)
            }
            Change::Edit(body) => {
                applying.pace.spend(0, old.len());
                let mut stamp = stamps.edit(index);
                apply_value(applying, element, old, body, &mut stamp, children, &mut w)?;
                stamp
            }
        };
        let settled = match page_bytes {
            usize::MAX => None,
            _ => settle(applying, Some(element), w.as_slice(), &mut stamp, children)?,
        };
        let page = head.page.make_mut();
        page.replace(from, to, settled.as_deref().unwrap_or(w.as_slice()));
        page.stamps.set_edit(index, &stamp);
        self.totals.exchange(before, page.totals());
        applying.give_buffer(w);
        head.touch(applying.mark);
        if page_bytes < usize::MAX { self.split_from(place, applying, element) } else { Ok(()) }
    }

    /// Forgets stamps not after the horizon, joins pages that became small; answers whether the budget sufficed.
    pub(super) fn trim(&mut self, trimming: &mut Trimming<'_>, element: &Kind) -> Result<bool, DecodeError> {
        self.structure = self.structure.after(trimming.horizon);
        let mut at = 0;
        while let Some(head) = self.heads.get_mut(at) {
            at += 1;
            if head.oldest.set().is_none_or(|oldest| oldest > trimming.horizon) {
                continue;
            }
            if trimming.budget == 0 {
                return Ok(false);
            }
            trimming.cost.spend(1, head.page.bytes.len());
            let (kept, joins) = (head.page.part(), trimming.joins);
            let page = head.page.make_mut();
            let before = page.totals();
            let left = page.trim(trimming, element)?;
            self.totals.exchange(before, page.totals());
            if trimming.joins == joins {
                head.page.keep(kept);
            }
            let Some(left) = left else { return Ok(false) };
            (head.newest, head.oldest) = (left.newest, left.oldest.unwrap_or_default());
            if self.join(at - 1, trimming.tuning.list_page_bytes) {
                trimming.joins += 1;
                at -= 1;
            }
        }
        Ok(true)
    }

    /// Joins the page at `at` with the one before it if both are short; answers whether it did.
    fn join(&mut self, at: usize, page_bytes: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        let (Some(first), Some(second)) = (self.heads.get(before), self.heads.get(at)) else { return false };
        if first.page.bytes.len() + second.page.bytes.len() > page_bytes {
            return false;
        }
        let mut second = self.heads.remove(at);
        let Some(first) = self.heads.get_mut(before) else { return false };
        let (page, next) = (first.page.make_mut(), second.page.make_mut());
        self.totals.exchange(page.totals(), Totals::default());
        self.totals.exchange(next.totals(), Totals::default());
        page.append(next);
        self.totals.exchange(Totals::default(), page.totals());
        first.count = page.count;
        first.newest = first.newest.max(second.newest);
        first.oldest = first.oldest.older(second.oldest);
        true
    }

    /// Cuts the page at `place` for as long as it is too long.
    fn split_from(&mut self, place: usize, applying: &Applying<'_>, element: &Kind) -> Result<(), DecodeError> {
        let mut end = place + 1;
        let mut at = place;
        while at < end {
            let Some(head) = self.heads.get_mut(at) else { break };
            if head.page.bytes.len() <= 2 * applying.tuning.list_page_bytes {
                at += 1;
                continue;
            }
            let page = head.page.make_mut();
            let before = page.totals();
            let Some(tail) = page.split(applying.schema, element)? else {
                at += 1;
                continue;
            };
            head.count = page.count;
            self.totals.exchange(before, page.totals());
            self.totals.exchange(Totals::default(), tail.totals());
            let (newest, oldest) = (head.newest, head.oldest);
            if self.heads.len() == self.heads.capacity() {
                self.heads.reserve_exact(self.heads.len() / 16 + 1);
            }
            self.heads.insert(at + 1, ListHead { count: tail.count, newest, oldest, page: Kept::new(tail) });
            end += 1;
        }
        Ok(())
    }

    fn push_page(&mut self, page: ListPage, newest: Mark, oldest: Option<Mark>) {
        self.totals.exchange(Totals::default(), page.totals());
        self.len += u64::from(page.count);
        let oldest = oldest.unwrap_or_default();
        self.heads.push(ListHead { count: page.count, newest, oldest, page: Kept::new(page) });
    }

    /// The page and the index in it of position `at`; with `end` a border belongs to the page before it.
    fn locate(&self, at: u64, end: bool) -> (usize, u32) {
        let mut left = at;
        let last = self.heads.len().saturating_sub(1);
        for (place, head) in self.heads.iter().enumerate() {
            let count = u64::from(head.count);
            if left < count || end && left == count || place == last {
                return (place, u32::try_from(left).unwrap_or(u32::MAX));
            }
            left -= count;
        }
        (0, 0)
    }
}

impl ListHead {
    fn touch(&mut self, mark: Mark) {
        self.count = self.page.count;
        if mark.is_set() {
            self.newest = self.newest.max(mark);
            self.oldest = self.oldest.set().unwrap_or(mark);
        }
    }
}

impl ListPage {
    /// Writes `count` elements from `index` on as they travel.
    fn write_elements(
        &self,
        schema: &Schema,
        element: &Kind,
        index: u32,
        count: u32,
        w: &mut Writer,
    ) -> Result<(), DecodeError> {
        let (from, to) = (self.offset(element, index)?, self.offset(element, index + count)?);
        let bytes = self.bytes.get(from..to).unwrap_or_default();
        if self.children.is_empty() {
            w.raw(bytes);
            return Ok(());
        }
        let mut r = Reader::new(bytes);
        for _ in 0..count {
            expand(schema, element, stored_value(Some(element), &mut r)?, &self.children, w)?;
        }
        Ok(())
    }

    /// Forgets stamps not after the horizon; `None` if the budget ended first.
    fn trim(&mut self, trimming: &mut Trimming<'_>, element: &Kind) -> Result<Option<MarksLeft>, DecodeError> {
        let Self { bytes, children, .. } = self;
        let mut done = Ok(true);
        if !children.is_empty() {
            let mut r = Reader::new(bytes);
            while !r.is_done() {
                let value = stored_value(Some(element), &mut r)?;
                super::apart::each_stub(trimming.schema, element, value, &mut |id, kind| {
                    if let Ok(true) = done {
                        done = children.find_mut(id).and_then(|branch| branch.trim(trimming, kind));
                    }
                })?;
            }
        }
        if !done? {
            return Ok(None);
        }
        trimming.budget = trimming.budget.saturating_sub(self.count as usize + 1);
        self.stamps.trim(trimming.horizon);
        let mut left = MarksLeft { newest: self.stamps.newest(), oldest: self.stamps.oldest() };
        for child in self.children.iter() {
            left.add(child.newest(), child.oldest());
        }
        Ok(Some(left))
    }
}

fn absent() -> DecodeError {
    DecodeError::Absent { what: "element" }
}

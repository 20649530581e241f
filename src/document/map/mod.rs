//! A map or a set that stands apart: pages of about 8 KiB in key order.
//!
//! ```text
//! MapBranch   [ head │ head │ head ... ]       24 B and a pointer a page: first key's start, newest and oldest mark
//!                │      │      └ Arc<MapPage>  { key │ head │ value }*
//! ```
//! The root of a document is one too: a map from the empty key to the root struct. Invariants: pages and their entries
//! ascend by key; no page is empty unless it is the only one; `newest` bounds a page's marks from above and `oldest`
//! from below. Source: own measurements, `benches/document.rs`.

mod packed;
mod page;

use std::cmp::Ordering;

pub(super) use packed::{Entry, Fate};
pub(super) use page::{MapPage, MarksLeft};

use super::apart::{Children, EntryKinds, Totals, expand};
use super::apply::{Applying, Change};
use super::image::{Kept, KeptIn};
use super::promote::settle;
use super::stamps::{EntryStamp, Mark, Stamp, entry_stamp};
use super::trim::Trimming;
use crate::coding::{DecodeError, Reader, Writer};
use crate::document::stored::{stored_key, stored_value};
use crate::ids::PartId;
use crate::schema::Schema;
use packed::{write_entry, write_gone};

/// A map's pages.
#[derive(Clone, Debug, Default)]
pub(super) struct MapBranch {
    live: u64,
    totals: Totals,
    heads: Vec<MapHead>,
}

/// What is known of a page without looking into it.
#[derive(Clone, Debug)]
pub(super) struct MapHead {
    /// The first eight bytes of its first key, so that most searches touch no page.
    start: u64,
    pub(super) newest: Mark,
    /// No mark is older; not set if there are none.
    oldest: Mark,
    pub(super) page: Kept<MapPage>,
}

impl MapHead {
    fn new(page: MapPage, marks: MarksLeft, kinds: EntryKinds<'_>) -> Result<Self, DecodeError> {
        let start = first_key(&page, kinds)?.map_or(0, key_start);
        Ok(Self { start, newest: marks.newest, oldest: marks.oldest.unwrap_or_default(), page: Kept::new(page) })
    }
}

/// The first eight bytes of a key as a number that orders as they do.
fn key_start(key: &[u8]) -> u64 {
    let mut start = [0; 8];
    for (place, byte) in start.iter_mut().zip(key) {
        *place = *byte;
    }
    u64::from_be_bytes(start)
}

fn first_key<'a>(page: &'a MapPage, kinds: EntryKinds<'_>) -> Result<Option<&'a [u8]>, DecodeError> {
    page.entries.entries(kinds).next().map(|entry| entry.map(|entry| entry.key)).transpose()
}

impl MapBranch {
    /// Living entries.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn heads(&self) -> &[MapHead] {
        &self.heads
    }

    pub(super) fn pages_mut(&mut self) -> impl Iterator<Item = &mut Kept<MapPage>> {
        self.heads.iter_mut().map(|head| &mut head.page)
    }

    /// Makes one with room for so many pages.
    pub(super) fn with_capacity(pages: usize) -> Self {
        Self { heads: Vec::with_capacity(pages), ..Self::default() }
    }

    /// Puts a page without stamps behind the others that the image's part holds as it is.
    pub(super) fn push_kept(&mut self, page: MapPage, part: PartId, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        let is_parent = !page.children.is_empty();
        self.push_page(page, MarksLeft::default(), kinds)?;
        if let Some(head) = self.heads.last_mut() {
            head.page.keep(Some(KeptIn { part, is_parent }));
        }
        Ok(())
    }

    pub(super) fn totals(&self) -> Totals {
        let heads = self.heads.capacity() * size_of::<MapHead>();
        Totals { heap: self.totals.heap + heads, ..self.totals }
    }

    pub(super) fn newest(&self) -> Mark {
        self.heads.iter().map(|head| head.newest).max().unwrap_or_default()
    }

    pub(super) fn oldest(&self) -> Option<Mark> {
        self.heads.iter().filter_map(|head| head.oldest.set()).min()
    }

    /// Finds an entry, living or removed, and the children of its page.
    pub(super) fn find<'a>(
        &'a self,
        kinds: EntryKinds<'_>,
        key: &[u8],
    ) -> Result<Option<(Entry<'a>, &'a Children)>, DecodeError> {
        let Some(head) = self.heads.get(self.locate(kinds, key)) else { return Ok(None) };
        let entry = head.page.entries.find(kinds, key)?.ok();
        Ok(entry.map(|entry| (entry, &head.page.children)))
    }

    /// Changes one entry.
    pub(super) fn change(
        &mut self,
        applying: &mut Applying<'_>,
        kinds: EntryKinds<'_>,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<(), DecodeError> {
        if self.heads.is_empty() {
            self.push_page(MapPage::default(), MarksLeft::default(), kinds)?;
        }
        let at = self.locate(kinds, key);
        let Some(head) = self.heads.get_mut(at) else { return Ok(()) };
        applying.count_page(&head.page, head.page.len());
        let page = head.page.make_mut();
        let (before, live) = (page.totals(), page.live());
        page.change(applying, kinds, key, change)?;
        self.totals.exchange(before, page.totals());
        self.live = self.live + u64::from(page.live()) - u64::from(live);
        let too_long = page.len() > 2 * applying.tuning.map_page_bytes;
        if applying.mark.is_set() {
            head.newest = head.newest.max(applying.mark);
            head.oldest = head.oldest.set().unwrap_or(applying.mark);
        }
        head.start = first_key(&head.page, kinds)?.map_or(0, key_start);
        if too_long {
            self.split(at, applying.schema, kinds)?;
        }
        Ok(())
    }

    /// Makes pages of an inline container's entries; their stamps and children move in.
    pub(super) fn load(
        applying: &mut Applying<'_>,
        kinds: EntryKinds<'_>,
        mut body: Reader<'_>,
        stamps: &[(Box<[u8]>, EntryStamp)],
        children: &mut Children,
    ) -> Result<Self, DecodeError> {
        let mut loading = Loading {
            branch: Self::default(),
            w: Writer::new(),
            children: Children::default(),
            marks: MarksLeft::default(),
        };
        let mut gone = stamps.iter().filter(|(_, stamp)| matches!(stamp, EntryStamp::Gone(_))).peekable();
        for _ in 0..body.varint()? {
            let key = stored_key(kinds.keys, &mut body)?;
            while let Some((removed, stamp)) = gone.next_if(|(removed, _)| removed.as_ref() < key) {
                loading.gone(removed, stamp.newest());
            }
            let value = stored_value(kinds.values, &mut body)?;
            let mut stamp = match entry_stamp(stamps, key) {
                Some(EntryStamp::Live(stamp)) => stamp.clone(),
                _ => Stamp::default(),
            };
            children.move_of(&mut loading.children, applying.schema, kinds.values, value)?;
            let settled = settle(applying, kinds.values, value, &mut stamp, &mut loading.children)?;
            loading.marks.add(stamp.newest(), stamp.oldest());
            write_entry(key, &stamp, settled.as_deref().unwrap_or(value), &mut loading.w);
            loading.cut(applying.tuning.map_page_bytes, kinds)?;
        }
        for (removed, stamp) in gone {
            loading.gone(removed, stamp.newest());
        }
        loading.cut(0, kinds)?;
        loading.branch.heads.shrink_to_fit();
        Ok(loading.branch)
    }

    /// Writes count and living entries as they travel.
    pub(super) fn write_whole(
        &self,
        schema: &Schema,
        kinds: EntryKinds<'_>,
        w: &mut Writer,
    ) -> Result<(), DecodeError> {
        w.varint(self.live);
        for head in &self.heads {
            for entry in head.page.entries.entries(kinds) {
                let entry = entry?;
                if entry.is_live() {
                    w.raw(entry.key);
                    if let Some(kind) = kinds.values {
                        expand(schema, kind, entry.value, &head.page.children, w)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Forgets stamps not after the horizon, joins pages that became small; answers whether the budget sufficed.
    pub(super) fn trim(&mut self, trimming: &mut Trimming<'_>, kinds: EntryKinds<'_>) -> Result<bool, DecodeError> {
        let mut at = 0;
        while let Some(head) = self.heads.get_mut(at) {
            at += 1;
            if head.oldest.set().is_none_or(|oldest| oldest > trimming.horizon) {
                continue;
            }
            if trimming.budget == 0 {
                return Ok(false);
            }
            trimming.cost.spend(1, head.page.len());
            let (kept, joins) = (head.page.part(), trimming.joins);
            let page = head.page.make_mut();
            let before = page.totals();
            let left = page.trim(trimming, kinds)?;
            self.totals.exchange(before, page.totals());
            if trimming.joins == joins {
                head.page.keep(kept);
            }
            let Some(left) = left else { return Ok(false) };
            (head.newest, head.oldest) = (left.newest, left.oldest.unwrap_or_default());
            head.start = first_key(&head.page, kinds)?.map_or(0, key_start);
            if self.join(at - 1, trimming.tuning.map_page_bytes, kinds)? {
                trimming.joins += 1;
                at -= 1;
            }
        }
        Ok(true)
    }

    /// Joins the page at `at` with the one before it if both are short or one is empty; answers whether it did.
    fn join(&mut self, at: usize, page_bytes: usize, kinds: EntryKinds<'_>) -> Result<bool, DecodeError> {
        let Some(before) = at.checked_sub(1) else { return Ok(false) };
        let (Some(first), Some(second)) = (self.heads.get(before), self.heads.get(at)) else { return Ok(false) };
        let is_any_empty = first.page.len() == 0 || second.page.len() == 0;
        if !is_any_empty && first.page.len() + second.page.len() > page_bytes {
            return Ok(false);
        }
        let mut second = self.heads.remove(at);
        let Some(first) = self.heads.get_mut(before) else { return Ok(false) };
        let (page, next) = (first.page.make_mut(), second.page.make_mut());
        self.totals.exchange(page.totals(), Totals::default());
        self.totals.exchange(next.totals(), Totals::default());
        page.append(next, kinds)?;
        self.totals.exchange(Totals::default(), page.totals());
        first.newest = first.newest.max(second.newest);
        first.oldest = first.oldest.older(second.oldest);
        first.start = first_key(&first.page, kinds)?.map_or(0, key_start);
        Ok(true)
    }

    fn push_page(&mut self, page: MapPage, marks: MarksLeft, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        self.totals.exchange(Totals::default(), page.totals());
        self.live += u64::from(page.live());
        self.heads.push(MapHead::new(page, marks, kinds)?);
        Ok(())
    }

    fn split(&mut self, at: usize, schema: &Schema, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        let Some(head) = self.heads.get_mut(at) else { return Ok(()) };
        let page = head.page.make_mut();
        let before = page.totals();
        let Some(tail) = page.split(schema, kinds)? else { return Ok(()) };
        self.totals.exchange(before, page.totals());
        self.totals.exchange(Totals::default(), tail.totals());
        let tail = MapHead::new(tail, MarksLeft { newest: head.newest, oldest: head.oldest.set() }, kinds)?;
        if self.heads.len() == self.heads.capacity() {
            self.heads.reserve_exact(self.heads.len() / 16 + 1);
        }
        self.heads.insert(at + 1, tail);
        Ok(())
    }

    /// The page where `key` stands or would stand.
    fn locate(&self, kinds: EntryKinds<'_>, key: &[u8]) -> usize {
        let start = key_start(key);
        let at = self.heads.partition_point(|head| match head.start.cmp(&start) {
            Ordering::Less => true,
            Ordering::Equal => first_key(&head.page, kinds).is_ok_and(|first| first.is_none_or(|first| first <= key)),
            Ordering::Greater => false,
        });
        at.saturating_sub(1)
    }
}

/// Fills pages from entries in order.
struct Loading {
    branch: MapBranch,
    w: Writer,
    children: Children,
    marks: MarksLeft,
}

impl Loading {
    fn gone(&mut self, key: &[u8], mark: Mark) {
        write_gone(key, mark, &mut self.w);
        self.marks.add(mark, Some(mark));
    }

    /// Ends the page once it has `page_bytes`.
    fn cut(&mut self, page_bytes: usize, kinds: EntryKinds<'_>) -> Result<(), DecodeError> {
        if self.w.is_empty() || self.w.len() < page_bytes {
            return Ok(());
        }
        let bytes = self.w.as_slice().to_vec();
        self.w.truncate(0);
        for child in self.children.iter() {
            self.marks.add(child.newest(), child.oldest());
        }
        let page = MapPage::new(bytes, std::mem::take(&mut self.children), kinds)?;
        self.branch.push_page(page, std::mem::take(&mut self.marks), kinds)
    }
}

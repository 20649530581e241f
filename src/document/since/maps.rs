//! What changed in a map or a set: entries that were put, edited or removed, by key.

use super::{Halt, Rope, Since, Stored, Walk, Walks};
use crate::coding::Reader;
use crate::document::apart::EntryKinds;
use crate::document::map::{Fate, MapBranch};
use crate::document::stamps::{EntryStamp, Mark, entry_stamp};
use crate::document::stored::{stored_key, stored_value};

impl Since<'_> {
    /// Writes what changed in the entries of one page after another.
    pub(super) fn map_apart(&self, kinds: EntryKinds<'_>, map: &MapBranch, walk: &mut Walk) -> Result<(), Halt> {
        while let Some(head) = map.heads().get(walk.page) {
            let changed =
                self.is_newer(head.newest).then(|| head.page.entries.entries_since(kinds, self.base, walk.at));
            for entry in changed.into_iter().flatten() {
                let entry = entry?;
                walk.at = entry.range.start;
                self.pause()?;
                self.pass(1, entry.range.len())?;
                match entry.fate {
                    Fate::Plain => {}
                    Fate::Gone(mark) => self.gone(entry.key, mark, &mut walk.out)?,
                    Fate::Stamped(_) => {
                        let stamp = entry.fate.stamp()?;
                        let stored = Stored { value: entry.value, stamp: &stamp, children: &head.page.children };
                        self.entry(kinds, entry.key, stored, &mut walk.inside, &mut walk.out)?;
                    }
                }
                self.advance(&mut walk.inside);
            }
            walk.turn_page();
        }
        Ok(())
    }

    pub(super) fn map_inline(&self, kinds: EntryKinds<'_>, stored: Stored<'_>, walk: &mut Walk) -> Result<(), Halt> {
        let stamps = stored.stamp.entries();
        let gone = stamps.iter().filter(|(_, stamp)| matches!(stamp, EntryStamp::Gone(_)));
        let mut gone = gone.skip(walk.page).peekable();
        let mut body = Reader::new(stored.value).frame()?;
        for at in 0..body.varint()? {
            let key = stored_key(kinds.keys, &mut body)?;
            let value = stored_value(kinds.values, &mut body)?;
            self.pass(1, key.len() + value.len())?;
            if at < walk.at as u64 {
                continue;
            }
            while let Some((removed, stamp)) = gone.next_if(|(removed, _)| removed.as_ref() < key) {
                self.gone_inline(removed, stamp.newest(), walk)?;
            }
            if let Some(EntryStamp::Live(stamp)) = entry_stamp(stamps, key) {
                self.pause()?;
                self.entry(kinds, key, Stored { value, stamp, ..stored }, &mut walk.inside, &mut walk.out)?;
                self.advance(&mut walk.inside);
            }
            walk.at += 1;
        }
        for (removed, stamp) in gone {
            self.gone_inline(removed, stamp.newest(), walk)?;
        }
        Ok(())
    }

    fn gone_inline(&self, key: &[u8], mark: Mark, walk: &mut Walk) -> Result<(), Halt> {
        self.pause()?;
        self.gone(key, mark, &mut walk.out)?;
        walk.page += 1;
        self.advance(&mut walk.inside);
        Ok(())
    }

    fn gone(&self, key: &[u8], mark: Mark, w: &mut Rope) -> Result<(), Halt> {
        if self.is_newer(mark) {
            self.spend(1, key.len())?;
            w.raw(key);
            w.byte(0);
        }
        Ok(())
    }

    fn entry(
        &self,
        kinds: EntryKinds<'_>,
        key: &[u8],
        stored: Stored<'_>,
        walks: &mut Walks,
        w: &mut Rope,
    ) -> Result<(), Halt> {
        if !self.is_newer(stored.stamp.newest()) {
            return Ok(());
        }
        self.visit()?;
        let mut change = Rope::new();
        if self.change(kinds.values, stored, walks, &mut change)? {
            w.raw(key);
            w.append(change);
        }
        Ok(())
    }
}

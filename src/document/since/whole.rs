//! What was put since: values as they travel, every stub replaced by its container.

use super::{Halt, Rope, Since, Stored, Walk, Walks};
use crate::coding::Reader;
use crate::delta::FieldsReader;
use crate::document::apart::{Branch, Children, EntryKinds, entry_kinds, stub_child};
use crate::document::list::{ListBranch, ListPage};
use crate::document::map::MapBranch;
use crate::document::stored::{fields_of, stored_key, stored_value};
use crate::schema::{Kind, field_by_id};

impl Since<'_> {
    /// Writes a stored value as it travels.
    pub(super) fn put(&self, kind: &Kind, stored: Stored<'_>, walks: &mut Walks, w: &mut Rope) -> Result<(), Halt> {
        self.spend(0, stored.value.len())?;
        self.whole(kind, stored.value, stored.children, walks, w)
    }

    fn whole(
        &self,
        kind: &Kind,
        value: &[u8],
        children: &Children,
        walks: &mut Walks,
        w: &mut Rope,
    ) -> Result<(), Halt> {
        let is_container = matches!(kind, Kind::List(_) | Kind::Array(..) | Kind::Map(..) | Kind::Set(_));
        if children.is_empty() || !(is_container || matches!(kind, Kind::Option(_) | Kind::Type(_))) {
            w.raw(value);
            return Ok(());
        }
        let mut inside = Rope::new();
        match stub_child(value).filter(|_| is_container) {
            Some(id) => {
                let mut spare = Walk::default();
                let walk = self.walk(walks, &mut spare, value);
                if !walk.is_done {
                    self.whole_apart(kind, children.find(id)?, walk)?;
                    walk.is_done = true;
                }
                self.hand_over(walk, &mut inside);
            }
            None => self.whole_inline(kind, Reader::new(value).frame()?, children, walks, &mut inside)?,
        }
        w.framed(0, inside);
        Ok(())
    }

    fn whole_inline(
        &self,
        kind: &Kind,
        mut body: Reader<'_>,
        children: &Children,
        walks: &mut Walks,
        w: &mut Rope,
    ) -> Result<(), Halt> {
        match kind {
            Kind::List(element) | Kind::Array(element, _) => {
                let count = body.varint()?;
                w.varint(count);
                for _ in 0..count {
                    self.whole(element, stored_value(Some(element), &mut body)?, children, walks, w)?;
                }
            }
            Kind::Map(keys, values) => {
                let count = body.varint()?;
                w.varint(count);
                for _ in 0..count {
                    w.raw(stored_key(keys, &mut body)?);
                    self.whole(values, stored_value(Some(values), &mut body)?, children, walks, w)?;
                }
            }
            Kind::Option(inner) if !body.is_done() => self.whole(inner, body.rest(), children, walks, w)?,
            Kind::Type(index) => {
                let all = body;
                let defs = fields_of(self.schema, *index, &mut body)?;
                w.raw(all.rest().get(..all.left() - body.left()).unwrap_or_default());
                let mut reader = FieldsReader::new(body);
                while let Some(field) = reader.next()? {
                    match field_by_id(defs, field.id) {
                        Some(def) => {
                            w.varint(u64::from(field.id.0) << 3 | field.wire as u64);
                            self.whole(&def.kind, field.value.rest(), children, walks, w)?;
                        }
                        None => w.raw(field.encoded),
                    }
                }
            }
            _ => w.raw(body.rest()),
        }
        Ok(())
    }

    fn whole_apart(&self, kind: &Kind, branch: &Branch, walk: &mut Walk) -> Result<(), Halt> {
        match (branch, entry_kinds(kind), kind) {
            (Branch::Map(map), Some(kinds), _) => self.whole_map(kinds, map, walk),
            (Branch::List(list), None, Kind::List(element) | Kind::Array(element, _)) => {
                self.whole_list(element, list, walk)
            }
            _ => Err(Halt::Damaged),
        }
    }

    fn whole_map(&self, kinds: EntryKinds<'_>, map: &MapBranch, walk: &mut Walk) -> Result<(), Halt> {
        if walk.out.is_empty() {
            walk.out.varint(map.live());
        }
        while let Some(head) = map.heads().get(walk.page) {
            for entry in head.page.entries.entries_from(kinds, walk.at) {
                let entry = entry?;
                walk.at = entry.range.start;
                self.pause()?;
                self.spend(0, entry.range.len())?;
                if entry.is_live() {
                    let mut value = Rope::new();
                    if let Some(kind) = kinds.values {
                        self.whole(kind, entry.value, &head.page.children, &mut walk.inside, &mut value)?;
                    }
                    walk.out.raw(entry.key);
                    walk.out.append(value);
                }
                self.advance(&mut walk.inside);
            }
            walk.turn_page();
        }
        Ok(())
    }

    fn whole_list(&self, element: &Kind, list: &ListBranch, walk: &mut Walk) -> Result<(), Halt> {
        if walk.out.is_empty() {
            walk.out.varint(list.len());
        }
        while let Some(head) = list.heads().get(walk.page) {
            let page = &head.page;
            if page.children.is_empty() {
                self.pause()?;
                self.spend(0, page.bytes.len())?;
                walk.out.raw(&page.bytes);
                self.advance(&mut walk.inside);
            } else {
                self.whole_elements(element, page, walk)?;
            }
            walk.turn_page();
        }
        Ok(())
    }

    /// Writes the elements of a page that has children, one after the other.
    fn whole_elements(&self, element: &Kind, page: &ListPage, walk: &mut Walk) -> Result<(), Halt> {
        let mut reader = Reader::new(page.bytes.get(walk.at..).unwrap_or_default());
        while !reader.is_done() {
            self.pause()?;
            let value = stored_value(Some(element), &mut reader)?;
            self.spend(0, value.len())?;
            let mut out = Rope::new();
            self.whole(element, value, &page.children, &mut walk.inside, &mut out)?;
            walk.out.append(out);
            walk.at = page.bytes.len() - reader.left();
            self.advance(&mut walk.inside);
        }
        Ok(())
    }
}

//! Commits of lists that meet, against a model that knows each element: which conflict, and what the others give.

use std::sync::Arc;

use bytes::Bytes;
use nam::coding::{Reader, Writer};
use nam::delta::WireType;
use nam::document::{Document, Judged, Refusal, Scope, Tuning};
use nam::ids::{FieldId, Version};

use crate::model::{Value, root_of};
use crate::rules::{edit, fields};
use crate::world::{Rng, schema};

/// An item with an id nobody edits.
fn item(id: u64, w: &mut Writer) {
    let body = fields(|f| {
        f.put(FieldId(1), WireType::Eight, |w| w.raw(&0_f64.to_le_bytes()));
        f.put(FieldId(2), WireType::Varint, |w| w.varint(id));
    });
    w.sized(&body);
}

/// The items of field 4: id and value.
fn items(d: &Document) -> Vec<(u64, f64)> {
    let mut w = Writer::new();
    d.freeze().encode(&mut w);
    let root = root_of(&schema(), w.as_slice()).unwrap();
    let Value::List(list) = &root.fields()[&4] else { panic!("a list") };
    let leaf = |value: &Value| match value {
        Value::Leaf(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    let number = |bytes: Vec<u8>| f64::from_le_bytes(bytes.try_into().unwrap());
    let id = |bytes: Vec<u8>| Reader::new(&bytes).varint().unwrap();
    list.iter().map(|item| (id(leaf(&item.fields()[&2])), number(leaf(&item.fields()[&1])))).collect()
}

/// An element that lives or lived.
#[derive(Clone, Debug)]
struct Element {
    id: u64,
    value: f64,
    born: u64,
    died: Option<u64>,
    /// The version that wrote its value last.
    written: u64,
}

impl Element {
    fn was_live(&self, base: u64) -> bool {
        self.born <= base && self.died.is_none_or(|died| died > base)
    }
}

/// All elements there ever were, in order.
#[derive(Clone, Debug, Default)]
struct Model {
    elements: Vec<Element>,
    /// The version that changed the structure last.
    structure: u64,
}

/// A commit of one list.
#[derive(Clone, Debug)]
struct Change {
    base: u64,
    /// The new list: ids, those above `known` new.
    list: Vec<u64>,
    known: u64,
    is_structure: bool,
    /// New values, by index of the new list.
    puts: Vec<(usize, f64)>,
}

impl Model {
    fn at(&self, base: u64) -> Vec<u64> {
        self.elements.iter().filter(|e| e.was_live(base)).map(|e| e.id).collect()
    }

    fn now(&self) -> Vec<(u64, f64)> {
        self.elements.iter().filter(|e| e.died.is_none()).map(|e| (e.id, e.value)).collect()
    }

    /// What the change gives at `version`; nothing if it conflicts.
    fn merged(&self, change: &Change, version: u64) -> Option<Self> {
        let mut next = self.clone();
        let old = self.at(change.base);
        if change.is_structure {
            let kept: Vec<usize> = change.list.iter().filter_map(|id| old.iter().position(|old| old == id)).collect();
            if !kept.is_sorted() {
                assert!(self.structure > change.base, "moves are drawn to conflict");
                return None;
            }
            next.structure = version;
            let is_kept = |element: &Element| element.was_live(change.base) && change.list.contains(&element.id);
            for (at, element) in self.elements.iter().enumerate() {
                if element.was_live(change.base) && !is_kept(element) {
                    if element.died.is_some() || element.written > change.base {
                        return None;
                    }
                    next.elements[at].died = Some(version);
                }
            }
            next.insert(self, change, version, &is_kept)?;
        }
        for (index, value) in &change.puts {
            let element = next.elements.iter_mut().find(|e| e.id == change.list[*index])?;
            if element.died.is_some() || element.written > change.base {
                return None;
            }
            (element.value, element.written) = (*value, version);
        }
        Some(next)
    }

    /// Inserts what is new between the elements that were there, are there and are kept.
    fn insert(
        &mut self,
        before: &Self,
        change: &Change,
        version: u64,
        is_kept: &dyn Fn(&Element) -> bool,
    ) -> Option<()> {
        for (at, id) in change.list.iter().enumerate().filter(|(_, id)| **id > change.known) {
            let stays = |id: &u64| before.elements.iter().position(|e| e.id == *id && is_kept(e) && e.died.is_none());
            let left = change.list[..at].iter().rev().find_map(stays);
            let right = change.list[at..].iter().find_map(stays).unwrap_or(before.elements.len());
            let gap = &before.elements[left.map_or(0, |left| left + 1)..right];
            if gap.iter().any(|e| e.born > change.base && e.died.is_none()) {
                return None;
            }
            let follower = |e: &Element| right < before.elements.len() && e.id == before.elements[right].id;
            let place = self.elements.iter().position(|e| follower(e) && e.died.is_none());
            let element = Element { id: *id, value: 0.0, born: version, died: None, written: 0 };
            self.elements.insert(place.unwrap_or(self.elements.len()), element);
        }
        Some(())
    }
}

impl Change {
    /// Draws a change of the list as it was at a base: up to two cuts, elements that change places, new values.
    fn draw(rng: &mut Rng, model: &Model, base: u64, next_id: &mut u64, value: f64) -> Self {
        let old = model.at(base);
        let (mut list, known) = (old.clone(), *next_id);
        if !rng.one_in(3) {
            for _ in 0..1 + rng.below(2) {
                let at = rng.below(list.len() + 1);
                let end = (at + [0, 0, 1, 3][rng.below(4)]).min(list.len());
                let news = [0, 1, 1, 2][rng.below(4)];
                list.splice(at..end, (1..=news).map(|n| *next_id + n));
                *next_id += news;
            }
            if model.structure > base && rng.one_in(8) {
                let middle = rng.below(list.len() + 1);
                list.rotate_left(middle);
            }
        }
        let is_structure = list != old;
        let is_put = |rng: &mut Rng, id: u64| id <= known && rng.one_in(if is_structure { 12 } else { 6 });
        let puts = list.iter().enumerate().filter(|(_, id)| is_put(rng, **id)).map(|(at, _)| (at, value)).collect();
        Self { base, list, known, is_structure, puts }
    }

    fn is_empty(&self) -> bool {
        !self.is_structure && self.puts.is_empty()
    }

    /// The change as it travels.
    fn delta(&self, old: &[u64]) -> Bytes {
        let mut runs: Vec<(Option<usize>, Vec<u64>)> = Vec::new();
        for id in &self.list {
            let from = old.iter().position(|old| old == id);
            match runs.last_mut() {
                Some((Some(start), ids)) if from == Some(*start + ids.len()) => ids.push(*id),
                Some((None, ids)) if from.is_none() => ids.push(*id),
                _ => runs.push((from, vec![*id])),
            }
        }
        let mut w = Writer::new();
        w.length(if self.is_structure { runs.len() + 1 } else { 0 });
        for (from, ids) in runs.iter().filter(|_| self.is_structure) {
            match from {
                Some(start) => {
                    w.length(start << 1);
                    w.length(ids.len());
                }
                None => {
                    w.length(ids.len() << 1 | 1);
                    ids.iter().for_each(|id| item(*id, &mut w));
                }
            }
        }
        for (index, value) in &self.puts {
            w.length(*index);
            let change = fields(|f| f.put(FieldId(1), WireType::Eight, |w| w.raw(&value.to_le_bytes())));
            w.length(change.len() + 2);
            w.raw(&change);
        }
        edit(4, w.as_slice())
    }
}

#[derive(Debug, Default)]
struct Seen {
    merged_structures: usize,
    conflicts: usize,
}

fn round(seed: u64, seen: &mut Seen) {
    let mut rng = Rng::new(seed);
    let tuning = Tuning {
        list_page_bytes: [40, 200, 4096][rng.below(3)],
        inline_bytes: [30, 4096][rng.below(2)],
        ..Tuning::default()
    };
    let mut d = Document::with_tuning(Arc::new(schema()), tuning);
    d.replay(&[], Version(1)).unwrap();
    let (mut model, mut next_id) = (Model::default(), [0, 30][rng.below(2)]);
    let list: Vec<u64> = (1..=next_id).collect();
    let first = Change { base: 1, list, known: 0, is_structure: true, puts: Vec::new() };
    let judged = d.judge(&first.delta(&[]), Version(1), Scope::Cells).unwrap();
    apply(&mut d, &judged, Version(2));
    model = model.merged(&first, 2).unwrap();
    for step in 0..80_u32 {
        let head = d.version();
        let base = head.0 - [0, rng.below(3), rng.below(8)][rng.below(3)].min(head.0 as usize - 1) as u64;
        let change = Change::draw(&mut rng, &model, base, &mut next_id, f64::from(step + 1));
        if change.is_empty() {
            continue;
        }
        let delta = change.delta(&model.at(base));
        let answer = d.judge(&delta, Version(base), Scope::Cells);
        let at = || format!("seed {seed} step {step}: {change:?} on {:?}", model.elements);
        match (model.merged(&change, head.0 + 1), answer) {
            (Some(next), Ok(judged)) => {
                seen.merged_structures += usize::from(change.is_structure && model.structure > base);
                apply(&mut d, &judged, head.next());
                assert_eq!(items(&d), next.now(), "{}", at());
                model = next;
            }
            (None, Err(Refusal::Conflict)) => seen.conflicts += 1,
            (expected, found) => panic!("{}: {:?} instead of {:?}", at(), found, expected.map(|next| next.now())),
        }
    }
}

/// Applies what was judged, which its own judge must take as it is.
fn apply(d: &mut Document, judged: &Judged, version: Version) {
    let again = d.judge(&judged.delta, d.version(), Scope::Cells).unwrap();
    assert!(again.as_sent);
    d.apply(judged, version);
}

#[test]
fn commits_of_a_list_merge_unless_they_take_one_element_or_fill_one_gap() {
    let mut seen = Seen::default();
    (1..=200).for_each(|seed| round(seed, &mut seen));
    assert!(seen.merged_structures > 1_000 && seen.conflicts > 1_000, "{seen:?}");
}

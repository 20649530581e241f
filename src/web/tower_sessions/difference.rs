//! What a request changed in its session: the way from what it loaded to what it saves, path by path.
//!
//! ```text
//!   put        a value that is new, gone, or of another kind
//!   fields     an object, by name, recursively
//!   elements   an array of the same length, by index
//!   append     an array that has grown at its end
//! ```
//! Applied to what the session is *now*, which may be newer than what was loaded. Invariants: a path that the request
//! left alone is not written; where two requests wrote one path the later one wins, and it is counted; where the way is
//! gone (the object was removed meanwhile) the request's whole value stands there again. Source: own reasoning.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::json::{Fields, Json, TooDeep};

/// What became of one value.
#[derive(Clone)]
pub(super) struct Change {
    /// What was loaded.
    from: Option<Json>,
    how: How,
}

#[derive(Clone)]
enum How {
    Put(Option<Json>),
    Fields(Vec<(String, Change)>),
    Elements(Vec<(usize, Change)>),
    Append(Vec<Json>),
}

/// What became of a session's values.
#[derive(Clone, Default)]
pub(super) struct Difference {
    fields: Vec<(String, Change)>,
}

impl Difference {
    /// How `saved` differs from `loaded`. Costs a look at every value, and a copy of what differs.
    pub(super) fn between(loaded: &Fields, saved: &HashMap<String, Value>) -> Result<Self, TooDeep> {
        Ok(Self { fields: fields_between(loaded, saved.len(), |key| saved.get(key), saved.iter(), 1)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes that it takes, roughly, without what it shares with what was loaded.
    pub(super) fn bytes(&self) -> usize {
        self.fields.iter().map(|(key, change)| key.len() + change.bytes()).sum()
    }

    /// Carries the changes out; answers how many paths somebody else had written meanwhile.
    pub(super) fn apply(&self, fields: &mut Fields) -> u64 {
        apply_fields(fields, &self.fields)
    }
}

fn fields_between<'a>(
    loaded: &Fields,
    saved_len: usize,
    find: impl Fn(&str) -> Option<&'a Value>,
    saved: impl Iterator<Item = (&'a String, &'a Value)>,
    depth: u8,
) -> Result<Vec<(String, Change)>, TooDeep> {
    let mut changes = Vec::new();
    let mut known = 0;
    for (key, from) in loaded {
        let to = find(key);
        known += usize::from(to.is_some());
        if let Some(change) = Change::between(from, to, depth)? {
            changes.push((key.clone(), change));
        }
    }
    if known < saved_len {
        for (key, value) in saved.filter(|(key, _)| !loaded.contains_key(*key)) {
            let how = How::Put(Some(Json::from_value(value, depth)?));
            changes.push((key.clone(), Change { from: None, how }));
        }
    }
    Ok(changes)
}

impl Change {
    fn between(from: &Json, to: Option<&Value>, depth: u8) -> Result<Option<Self>, TooDeep> {
        let how = match (from, to) {
            (Json::Object(loaded), Some(Value::Object(saved))) => {
                let saved_fields = saved.iter();
                let fields = fields_between(loaded, saved.len(), |key| saved.get(key), saved_fields, depth + 1)?;
                if fields.is_empty() {
                    return Ok(None);
                }
                How::Fields(fields)
            }
            (Json::List(loaded), Some(Value::Array(saved))) => match How::of_list(loaded, saved, depth)? {
                Some(how) => how,
                None => return Ok(None),
            },
            (from, Some(value)) if from.is_value(value) => return Ok(None),
            (_, to) => How::Put(to.map(|value| Json::from_value(value, depth)).transpose()?),
        };
        Ok(Some(Self { from: Some(from.clone()), how }))
    }

    fn bytes(&self) -> usize {
        let inside = match &self.how {
            How::Put(to) => to.as_ref().map_or(0, Json::bytes),
            How::Fields(fields) => fields.iter().map(|(key, change)| key.len() + change.bytes()).sum(),
            How::Elements(elements) => elements.iter().map(|(_, change)| change.bytes()).sum(),
            How::Append(values) => values.iter().map(Json::bytes).sum(),
        };
        size_of::<Self>() + inside
    }

    /// What the request saved here.
    fn saved(&self) -> Option<Json> {
        if let How::Put(to) = &self.how {
            return to.clone();
        }
        let mut value = self.from.clone()?;
        self.enter(&mut value);
        Some(value)
    }

    /// Changes the inside of `now`; `None` if that is not made as what was loaded.
    fn enter(&self, now: &mut Json) -> Option<u64> {
        match (&self.how, now, &self.from) {
            (How::Fields(changes), Json::Object(fields), _) => Some(apply_fields(Arc::make_mut(fields), changes)),
            (How::Append(values), Json::List(list), _) => {
                Arc::make_mut(list).extend(values.iter().cloned());
                Some(0)
            }
            (How::Elements(changes), Json::List(list), Some(Json::List(loaded))) if list.len() == loaded.len() => {
                let list = Arc::make_mut(list);
                let mut overwritten = 0;
                for (at, change) in changes {
                    let Some(element) = list.get_mut(*at) else { continue };
                    overwritten += change.replace(element);
                }
                Some(overwritten)
            }
            _ => None,
        }
    }

    /// Changes an element, which cannot be removed by itself.
    fn replace(&self, now: &mut Json) -> u64 {
        if let Some(overwritten) = self.enter(now) {
            return overwritten;
        }
        let saved = self.saved().unwrap_or(Json::Null);
        let overwritten = self.is_overwriting(Some(now), Some(&saved));
        *now = saved;
        overwritten
    }

    fn is_overwriting(&self, now: Option<&Json>, saved: Option<&Json>) -> u64 {
        u64::from(now != self.from.as_ref() && now != saved)
    }
}

impl How {
    /// How an array differs; `None` if it does not. An array that differs in most places is put whole: its delta says
    /// which elements were kept and moved.
    fn of_list(loaded: &[Json], saved: &[Value], depth: u8) -> Result<Option<Self>, TooDeep> {
        let is_kept = loaded.iter().zip(saved).all(|(from, to)| from.is_value(to));
        if is_kept && loaded.len() <= saved.len() {
            let new = saved.get(loaded.len()..).unwrap_or_default();
            let new: Result<Vec<Json>, _> = new.iter().map(|value| Json::from_value(value, depth + 1)).collect();
            let new = new?;
            return Ok((!new.is_empty()).then_some(Self::Append(new)));
        }
        if loaded.len() == saved.len() {
            let mut changes = Vec::new();
            for (at, (from, to)) in loaded.iter().zip(saved).enumerate() {
                if let Some(change) = Change::between(from, Some(to), depth + 1)? {
                    changes.push((at, change));
                }
            }
            if changes.len() <= loaded.len().div_ceil(2) {
                return Ok(Some(Self::Elements(changes)));
            }
        }
        let whole: Result<Vec<Json>, _> = saved.iter().map(|value| Json::from_value(value, depth + 1)).collect();
        Ok(Some(Self::Put(Some(Json::List(Arc::new(whole?))))))
    }
}

fn apply_fields(fields: &mut Fields, changes: &[(String, Change)]) -> u64 {
    let mut overwritten = 0;
    for (key, change) in changes {
        if let Some(inside) = fields.get_mut(key).and_then(|now| change.enter(now)) {
            overwritten += inside;
            continue;
        }
        let saved = change.saved();
        overwritten += change.is_overwriting(fields.get(key), saved.as_ref());
        match saved {
            Some(saved) => fields.insert(key.clone(), saved),
            None => fields.remove(key),
        };
    }
    overwritten
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::json::fields_of;
    use super::super::record::Record;
    use super::*;
    use crate::testing::{apply, delta_of};

    fn data(value: &Value) -> HashMap<String, Value> {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    /// The bytes that a save ships, which another node applies with the same outcome.
    fn shipped(from: &Value, to: &Value) -> usize {
        let (from, to) = (data(from), data(to));
        let tree = Arc::new(fields_of(from.iter(), 1).unwrap());
        let difference = Difference::between(&tree, &to).unwrap();
        let record = Record { data: tree, ends: time::OffsetDateTime::UNIX_EPOCH };
        let delta = delta_of(&record, |mut record| {
            assert_eq!(difference.apply(Arc::make_mut(&mut *record.data_mut())), 0);
        });
        let there = apply(&record, &delta).unwrap();
        let there: HashMap<_, _> = there.data.iter().map(|(key, value)| (key.clone(), value.to_value())).collect();
        assert_eq!(there, to);
        delta.len()
    }

    #[test]
    fn one_changed_value_of_a_megabyte_ships_a_few_bytes() {
        let row = |n: usize| json!({"n": n, "price": n as f64 / 7.0, "note": "x".repeat(260)});
        let groups = (0..35).map(|group| (format!("group {group}"), (0..100).map(row).collect()));
        let from = Value::Object(groups.collect());
        assert!(from.to_string().len() > 1_000_000);
        let mut to = from.clone();
        to["group 7"][42]["n"] = json!(1_000_000);
        let bytes = shipped(&from, &to);
        assert!(bytes < 64, "{bytes} bytes");
        to["group 8"].as_array_mut().unwrap().push(row(1));
        to["group 9"].as_array_mut().unwrap().remove(3);
        let bytes = shipped(&from, &to);
        assert!(bytes < 1_000, "{bytes} bytes");
        assert_eq!(shipped(&from, &from), 0);
    }

    #[test]
    fn a_letter_in_a_long_text_ships_a_few_bytes() {
        let text = "a long text. ".repeat(1_000);
        let bytes = shipped(&json!({"in": {"text": text}}), &json!({"in": {"text": text.replacen("long", "lung", 1)}}));
        assert!(bytes < 64, "{bytes} bytes");
    }

    #[test]
    fn an_array_that_was_turned_ships_its_order() {
        let rows: Vec<_> = (0..100).map(|n| json!({"n": n, "note": "x".repeat(100)})).collect();
        let moved: Vec<_> = rows.iter().skip(10).chain(rows.iter().take(10)).cloned().collect();
        let bytes = shipped(&json!({"rows": rows}), &json!({"rows": moved}));
        assert!(bytes < 100, "{bytes} bytes");
    }
}

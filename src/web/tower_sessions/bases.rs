//! What each request loaded, to find what it changed when it saves.
//!
//! A saved record does not say what it was made from. But the map inside it is the one that a load made: a standard
//! `HashMap` keeps its hasher, which is drawn anew for each map, through every insertion, removal and `clear`. Two hashes
//! of it number the load. Invariants: trees are bounded in bytes and time, each counted once, and loads in number; a load whose tree went is
//! still known by its version, so that a save knows whether it can do without. Source: own reasoning and measurement.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::json::Fields;
use super::record::SessionKey;
use crate::client::Token;
use crate::limits::{SESSION_BASES_BYTES_MAX, SESSION_BASES_KEPT_MS, SESSION_LOADS_MAX};

/// The number of a load: the identity of the map that it made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(u128);

impl Fingerprint {
    pub(super) fn of(data: &HashMap<String, Value>) -> Self {
        let half = |number: u64| u128::from(data.hasher().hash_one(number));
        Self(half(1) << 64 | half(2))
    }

    /// Where the last state of a session that ended is kept.
    pub(super) fn of_end(session: SessionKey) -> Self {
        Self(session.number())
    }
}

/// What a load made.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) session: SessionKey,
    /// The version it showed, if it was one.
    pub(super) token: Option<Token>,
    /// What it showed; `None` if that is not kept any more.
    pub(super) tree: Option<Arc<Fields>>,
}

/// How much is kept for how long.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) kept: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: SESSION_BASES_BYTES_MAX, kept: Duration::from_millis(SESSION_BASES_KEPT_MS) }
    }
}

/// The loads that are known.
#[derive(Default)]
pub(super) struct Bases {
    loads: BTreeMap<Fingerprint, (Base, u64)>,
    /// Loads in the order in which their trees came; one that came again is there twice, the later number counts.
    order: VecDeque<(Fingerprint, u64, Instant)>,
    /// The same of those whose trees went.
    shells: VecDeque<(Fingerprint, u64)>,
    /// Trees by address, each with its holders here and its bytes.
    trees: BTreeMap<usize, (usize, usize)>,
    bytes: usize,
    count: u64,
}

impl Bases {
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<Base> {
        self.loads.get(&fingerprint).map(|(base, _)| base.clone())
    }

    /// Notes a load whose tree takes so many bytes, in place of an earlier one of the same number, and lets go of what is
    /// over the bounds.
    pub(super) fn note(&mut self, fingerprint: Fingerprint, base: Base, bytes: usize, now: Instant, bounds: Bounds) {
        self.count += 1;
        if let Some(tree) = &base.tree {
            self.hold(tree, bytes);
        }
        if let Some((Base { tree: Some(former), .. }, _)) = self.loads.insert(fingerprint, (base, self.count)) {
            self.let_go(&former);
        }
        self.order.push_back((fingerprint, self.count, now));
        while let Some(&(oldest, count, at)) = self.order.front() {
            let is_full = self.bytes > bounds.bytes || self.order.len() > SESSION_LOADS_MAX;
            if !is_full && now.duration_since(at) < bounds.kept {
                break;
            }
            self.order.pop_front();
            self.drop_tree(oldest, count);
        }
        while self.shells.len() > SESSION_LOADS_MAX {
            let Some((oldest, count)) = self.shells.pop_front() else { break };
            if self.loads.get(&oldest).is_some_and(|(_, newest)| *newest == count) {
                self.loads.remove(&oldest);
            }
        }
    }

    fn drop_tree(&mut self, fingerprint: Fingerprint, count: u64) {
        let Some((base, newest)) = self.loads.get_mut(&fingerprint) else { return };
        if *newest != count {
            return;
        }
        self.shells.push_back((fingerprint, count));
        if let Some(tree) = base.tree.take() {
            self.let_go(&tree);
        }
    }

    fn hold(&mut self, tree: &Arc<Fields>, bytes: usize) {
        let held = self.trees.entry(Arc::as_ptr(tree).addr()).or_insert_with(|| {
            self.bytes += bytes;
            (0, bytes)
        });
        held.0 += 1;
    }

    fn let_go(&mut self, tree: &Arc<Fields>) {
        let address = Arc::as_ptr(tree).addr();
        let Some((holders, bytes)) = self.trees.get_mut(&address) else { return };
        *holders -= 1;
        if *holders == 0 {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.trees.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Json;
    use super::*;

    /// Bytes of each tree.
    const BYTES: usize = 100;

    fn base(text: &str) -> Base {
        let tree = Arc::new(Fields::from([(text.to_owned(), Json::Null)]));
        Base { session: SessionKey::of(1), token: None, tree: Some(tree) }
    }

    #[test]
    fn a_map_is_known_by_its_hasher_and_no_other_has_it() {
        let mut data = HashMap::new();
        let number = Fingerprint::of(&data);
        data.insert("a".to_owned(), Value::Null);
        assert!(Fingerprint::of(&data) == number && Fingerprint::of(&data.clone()) == number);
        data.clear();
        assert!(Fingerprint::of(&data) == number && Fingerprint::of(&HashMap::new()) != number);
    }

    #[test]
    fn trees_go_by_bytes_and_time_and_their_loads_stay_known() {
        let (mut bases, start) = (Bases::default(), Instant::now());
        let numbers = [1, 2, 3].map(Fingerprint);
        let bounds = Bounds { bytes: 2 * BYTES, kept: Duration::from_secs(9) };
        for number in numbers {
            bases.note(number, base("a"), BYTES, start, bounds);
        }
        let kept = |bases: &Bases| numbers.map(|number| bases.find(number).map(|base| base.tree.is_some()));
        assert_eq!(kept(&bases), [Some(false), Some(true), Some(true)]);
        bases.note(Fingerprint(4), base("b"), BYTES, start + bounds.kept, bounds);
        assert_eq!(kept(&bases), [Some(false); 3]);
        assert_eq!((bases.trees.len(), bases.order.len()), (1, 1));
    }

    #[test]
    fn loads_are_bounded_in_number() {
        let (mut bases, start, bounds) = (Bases::default(), Instant::now(), Bounds::default());
        let shared = base("a");
        for number in 0..SESSION_LOADS_MAX as u128 * 2 + 2 {
            bases.note(Fingerprint(number), shared.clone(), BYTES, start, bounds);
        }
        assert_eq!((bases.order.len(), bases.shells.len()), (SESSION_LOADS_MAX, SESSION_LOADS_MAX));
        assert_eq!((bases.loads.len(), bases.trees.len()), (SESSION_LOADS_MAX * 2, 1));
        assert!(bases.find(Fingerprint(1)).is_none() && bases.find(Fingerprint(2)).is_some());
    }

    #[test]
    fn a_tree_that_several_loads_share_counts_once() {
        let (mut bases, start, bounds) = (Bases::default(), Instant::now(), Bounds::default());
        let shared = base("a");
        bases.note(Fingerprint(1), shared.clone(), BYTES, start, bounds);
        let bytes = bases.bytes;
        bases.note(Fingerprint(2), shared.clone(), BYTES, start, bounds);
        bases.note(Fingerprint(1), shared, BYTES, start, bounds);
        assert_eq!((bases.bytes, bases.trees.len()), (bytes, 1));
    }
}

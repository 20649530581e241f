//! Random transactions on a class with every kind of node, as nodes and the repository carry them out.
//!
//! Each is encoded, undone, replayed, joined with the batch before it, judged and applied by a document, and answered
//! since older versions; the struct's own encoding says what is right. Values are compared as bytes: NaN is a value.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use nam::__private::{Changes, Class, Edit, FieldsReader, Reader, Tracked, Writer};
use nam::delta::overlaps;
use nam::document::{Document, Refusal, Scope};
use nam::ids::Version;

use crate::kinds::{Everything, EverythingChanges, EverythingMut};
use crate::wild::{Dice, Wild};

fn root(value: &Everything) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode_root(&mut w);
    assert_eq!(w.refusal(), None);
    w.into_bytes()
}

/// Asserts that two values are the same bytes; names the fields that are not.
fn assert_same(found: &Everything, expected: &Everything, what: impl FnOnce() -> String) {
    let (found, expected) = (root(found), root(expected));
    if found == expected {
        return;
    }
    let (mut left, mut right) = (FieldsReader::new(Reader::new(&found)), FieldsReader::new(Reader::new(&expected)));
    while let (Ok(Some(left)), Ok(Some(right))) = (left.next(), right.next()) {
        if left.encoded != right.encoded {
            eprintln!("field {}: found {:?}, expected {:?}", left.id, left.encoded, right.encoded);
        }
    }
    panic!("{}", what());
}

/// Applies a delta to a copy.
fn applied(value: &Everything, delta: &[u8]) -> Everything {
    let mut copy = value.clone();
    copy.apply(Reader::new(delta), None).unwrap();
    copy
}

/// The delta of what `changes` did, empty if nothing; `None` if it must not be sent.
fn delta_of(value: &Everything, changes: &EverythingChanges) -> Option<Vec<u8>> {
    let mut w = Writer::new();
    assert_eq!(value.encode_delta(changes, &mut w), !w.is_empty());
    w.refusal().is_none().then(|| w.into_bytes())
}

/// One closure on `base`, behind the batch whose delta is `batch`: the delta of both, and the value after it. Checks
/// undo, replay, and that what is applied says the same again.
fn run(base: &Everything, batch: &[u8], dice: &mut Dice) -> Option<(Vec<u8>, Everything)> {
    let (mut value, mut changes) = (base.clone(), EverythingChanges::default());
    value.apply(Reader::new(batch), Some(&mut changes)).unwrap();
    for _ in 0..=dice.below(5) {
        Everything::change(value.track(&mut changes), dice);
    }
    let after = value.clone();
    let delta = delta_of(&value, &changes);
    let _ = (changes.heap_bytes(), format!("{changes:?}"));
    value.undo(changes);
    assert_same(&value, base, || format!("undo of {delta:?}"));

    let delta = delta?;
    assert_same(&applied(base, &delta), &after, || format!("replay of {delta:?}"));
    let (mut replica, mut remote) = (base.clone(), EverythingChanges::default());
    replica.apply(Reader::new(&delta), Some(&mut remote)).unwrap();
    assert_same(&replica, &after, || format!("recorded replay of {delta:?}"));
    let again = delta_of(&replica, &remote).unwrap();
    assert_same(&applied(base, &again), &after, || format!("{again:?} for {delta:?}"));
    replica.undo(remote);
    assert_same(&replica, base, || format!("undo of the replay of {delta:?}"));
    Some((delta, after))
}

/// An object as one repository and its holders see it.
struct Object {
    document: Document,
    current: Everything,
    /// Values of older versions, the oldest first.
    history: VecDeque<(Version, Everything)>,
}

impl Object {
    fn new(dice: &mut Dice) -> Self {
        let mut document = Document::new(Everything::schema());
        let current = Everything::random(dice);
        document.replay(&root(&current), Version(1)).unwrap();
        let history = VecDeque::from([(Version(1), current.clone())]);
        let object = Self { document, current, history };
        object.check();
        object
    }

    /// The document says what the struct says.
    fn check(&self) {
        let mut w = Writer::new();
        self.document.freeze().encode(&mut w);
        assert!(w.as_slice() == root(&self.current), "the document differs at {}", self.document.version());
    }

    /// Commits a delta made at `base`; answers whether it was accepted.
    fn commit(&mut self, base: Version, delta: Vec<u8>, after: Option<Everything>) -> bool {
        let head = self.document.version();
        let judged = match self.document.judge(&Bytes::from(delta), base, Scope::Cells) {
            Ok(judged) => judged,
            Err(Refusal::Overflow { .. }) => return false,
            Err(Refusal::Conflict) if base < head => return false,
            Err(refusal) => panic!("{refusal}"),
        };
        self.document.apply(&judged, head.next());
        let next = applied(&self.current, &judged.delta);
        if let Some(after) = after {
            assert_same(&next, &after, || format!("{judged:?}"));
        }
        self.current = next;
        self.check();
        self.history.push_back((self.document.version(), self.current.clone()));
        if self.history.len() > 12 {
            self.history.pop_front();
        }
        true
    }

    /// A holder of an older version gets what differs.
    fn check_since(&self, dice: &mut Dice) {
        let (version, old) = &self.history[dice.below(self.history.len())];
        let mut w = Writer::new();
        match self.document.since(*version, &mut w) {
            Ok(_) => assert_same(&applied(old, w.as_slice()), &self.current, || {
                format!("since {version}: {:?}", w.as_slice())
            }),
            Err(_) => assert!(*version < self.document.horizon()),
        }
    }

    /// A new holder gets all of it, in segments.
    fn check_segments(&self) {
        let frozen = self.document.freeze();
        let mut segments = frozen.segments();
        let first = segments.next(&frozen, 2_000).unwrap();
        let mut copy = Everything::decode_root(Reader::new(&first)).unwrap();
        while let Some(segment) = segments.next(&frozen, 2_000) {
            copy.apply(Reader::new(&segment), None).unwrap();
        }
        assert_same(&copy, &self.current, || "segments".to_owned());
    }
}

/// Runs the transactions of one object; answers (accepted, stale and accepted, refused).
fn life(seed: u64, transactions: usize) -> (usize, usize, usize) {
    let dice = &mut Dice::new(seed);
    let mut object = Object::new(dice);
    let (mut accepted, mut rebased, mut refused) = (0, 0, 0);
    for _ in 0..transactions {
        let is_stale = dice.below(4) == 0;
        let at = if is_stale { dice.below(object.history.len()) } else { object.history.len() - 1 };
        let (base, value) = object.history[at].clone();
        let mut batch = Some((Vec::new(), value.clone()));
        for _ in 0..=dice.below(3) {
            batch = batch.and_then(|(delta, _)| run(&value, &delta, dice));
        }
        let Some((delta, after)) = batch.filter(|_| dice.below(5) > 0) else { continue };
        let is_head = base == object.document.version();
        match object.commit(base, delta, is_head.then_some(after)) {
            true => accepted += 1,
            false => refused += 1,
        }
        rebased += usize::from(!is_head && object.history.back().is_some_and(|(v, _)| *v == object.document.version()));
        object.check_since(dice);
        if dice.below(20) == 0 {
            object.check_segments();
        }
        if dice.below(10) == 0 {
            let horizon = object.history[dice.below(object.history.len() / 2 + 1)].0;
            object.document.trim(horizon, 50);
            object.history.retain(|(version, _)| *version >= horizon);
        }
    }
    (accepted, rebased, refused)
}

/// 70 objects (or as many as `NAM_FUZZ_OBJECTS` says) of 80 transactions, each of up to four closures.
fn lives(part: u64) {
    let objects = std::env::var("NAM_FUZZ_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(70);
    let mut total = (0, 0, 0);
    for seed in 0..objects {
        let one = life(part * 1_000_000 + seed as u64, 80);
        total = (total.0 + one.0, total.1 + one.1, total.2 + one.2);
    }
    let (accepted, rebased, refused) = total;
    let enough = accepted > 40 * objects && rebased > objects && refused > objects / 2;
    assert!(enough, "too little happened: {total:?}");
}

#[test]
fn transactions_first_part() {
    lives(0);
}

#[test]
fn transactions_second_part() {
    lives(1);
}

#[test]
fn transactions_third_part() {
    lives(2);
}

#[test]
fn transactions_fourth_part() {
    lives(3);
}

/// Operations that are applied and encoded again are the same bytes: batches carry them on.
#[test]
fn operations_come_through_a_batch() {
    for seed in 0..300 {
        let dice = &mut Dice::new(seed);
        let base = Everything::random(dice);
        let operate = |mut all: EverythingMut<'_>, dice: &mut Dice| {
            all.count_mut().add(dice.below(9) as u64);
            all.balance_mut().add(0.5);
            all.high_mut().max(i64::random(dice) + 200);
            all.low_mut().min(-1.0);
            all.seen_mut().insert(dice.below(9) as u32 + 1_000);
            all.names_mut().insert("new".to_owned());
            all.log_mut().push(base.boxed.as_ref().clone());
            all.notes_mut().push_str("more");
        };
        let (mut value, mut changes) = (base.clone(), EverythingChanges::default());
        operate(value.track(&mut changes), dice);
        let delta = delta_of(&value, &changes).unwrap();

        let (mut again, mut carried) = (base.clone(), EverythingChanges::default());
        again.apply(Reader::new(&delta), Some(&mut carried)).unwrap();
        assert_eq!(delta_of(&again, &carried).unwrap(), delta);

        // A second closure on both sums what it adds.
        operate(value.track(&mut changes), &mut dice.clone());
        operate(again.track(&mut carried), dice);
        assert_eq!(delta_of(&value, &changes), delta_of(&again, &carried));
        again.undo(carried);
        assert_eq!(root(&again), root(&base));
    }
}

/// A transaction joins a batch like this: two deltas of one value that are apart become one.
#[test]
fn deltas_that_are_apart_become_one() {
    let (schema, mut joined) = (Everything::schema(), 0);
    for seed in 0..3_000 {
        let dice = &mut Dice::new(seed);
        let base = Everything::random(dice);
        let (mut value, mut changes) = (base.clone(), EverythingChanges::default());
        Everything::change(value.track(&mut changes), dice);
        let Some(batch) = delta_of(&value, &changes) else { continue };
        let Some((mine, _)) = run(&base, &[], dice).filter(|(mine, _)| !mine.is_empty()) else { continue };
        let is_apart = !overlaps(&schema, &mine, &batch).unwrap();
        let outcome = value.apply(Reader::new(&mine), Some(&mut changes));
        if is_apart {
            assert_eq!(outcome, Ok(()), "{mine:?} behind {batch:?}");
            let expected = applied(&applied(&base, &batch), &mine);
            assert_same(&value, &expected, || format!("{mine:?} behind {batch:?}"));
            if let Some(both) = delta_of(&value, &changes) {
                assert_same(&applied(&base, &both), &expected, || format!("{both:?} for {mine:?} behind {batch:?}"));
                joined += 1;
            }
        }
        value.undo(changes);
        assert_same(&value, &base, || format!("undo of {mine:?} behind {batch:?}"));
    }
    assert!(joined > 500, "only {joined}");
}

/// A closure that panics half way is undone.
#[test]
fn a_panic_leaves_no_trace() {
    for seed in 0..300 {
        let dice = &mut Dice::new(seed);
        let base = Everything::random(dice);
        let (mut value, mut changes) = (base.clone(), EverythingChanges::default());
        let closure = std::panic::AssertUnwindSafe(|| {
            let mut all = value.track(&mut changes);
            all.list_mut().retain(|_| dice.below(9) > 0);
            Everything::change(all.reborrow(), dice);
            all.edit(|all| {
                all.text.clear();
                std::panic::resume_unwind(Box::new(()));
            })
        });
        assert!(std::panic::catch_unwind(closure).is_err());
        value.undo(changes);
        assert_eq!(root(&value), root(&base));
    }
}

/// Damaged deltas are refused or mean something; either way undo leads back.
#[test]
fn damaged_deltas_are_undone() {
    let mut refused = 0;
    for seed in 0..1_500 {
        let dice = &mut Dice::new(seed);
        let base = Everything::random(dice);
        let Some((mut delta, _)) = run(&base, &[], dice).filter(|(delta, _)| !delta.is_empty()) else { continue };
        for _ in 0..=dice.below(3) {
            let at = dice.below(delta.len());
            delta[at] ^= 1 << dice.below(8);
        }
        if dice.below(3) == 0 {
            delta.truncate(dice.below(delta.len()));
        }
        let (mut value, mut changes) = (base.clone(), EverythingChanges::default());
        refused += usize::from(value.apply(Reader::new(&delta), Some(&mut changes)).is_err());
        let mut w = Writer::new();
        assert_ne!(value.encode_edit(&changes, &mut w), Edit::Put);
        value.undo(changes);
        assert_eq!(root(&value), root(&base), "undo of {delta:?}");
        let _ = Everything::decode_root(Reader::new(&delta));
    }
    assert!(refused > 300, "only {refused} were refused");
}

/// All deltas of one schema agree: the class describes itself once.
#[test]
fn a_schema_is_built_once() {
    assert!(Arc::ptr_eq(&Everything::schema(), &Everything::schema()));
}

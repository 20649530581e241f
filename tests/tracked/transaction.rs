//! One transaction seen from all sides: its delta, its replay on a copy, its undo, and its place in a batch.

use std::fmt::Debug;

use nam::__private::{Changes, DecodeError, Edit, Reader, Tracked, Writer};

/// What a transaction sends for one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The body of an edit.
    Edit(Vec<u8>),
    /// The whole value.
    Put(Vec<u8>),
}

impl Delta {
    /// Bytes of the body or value.
    pub fn len(&self) -> usize {
        match self {
            Self::Edit(bytes) | Self::Put(bytes) => bytes.len(),
        }
    }
}

/// The full encoding.
pub fn bytes<T: Tracked>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.into_bytes()
}

/// What `changes` did to `value`, if anything.
pub fn delta_of<T: Tracked>(value: &T, changes: &T::Changes) -> Option<Delta> {
    let mut w = Writer::new();
    match value.encode_edit(changes, &mut w) {
        Edit::Same => None,
        Edit::Edited => Some(Delta::Edit(w.into_bytes())),
        Edit::Put => Some(Delta::Put(bytes(value))),
        Edit::Operation => panic!("a plain value has no operation"),
    }
}

/// Applies a delta as a replica does.
pub fn apply<T: Tracked>(value: &mut T, delta: &Delta, changes: Option<&mut T::Changes>) -> Result<(), DecodeError> {
    match delta {
        Delta::Edit(body) => value.apply(Reader::new(body), changes),
        Delta::Put(bytes) => {
            let mut r = Reader::new(bytes);
            let new = T::decode(&mut r)?;
            r.finish()?;
            value.put_whole(new, changes);
            Ok(())
        }
    }
}

/// Runs `f` on a copy of `before` and checks replay, re-encoding and undo; answers the delta.
pub fn check<T>(before: &T, f: impl FnOnce(T::Mut<'_>)) -> Option<Delta>
where
    T: Tracked + PartialEq + Debug,
{
    let (delta, after) = check_in_batch(before, None, |value, changes| f(value.track(changes)));
    assert_eq!(delta.is_some(), bytes(before) != bytes(&after), "a delta without a change: {delta:?}");
    delta
}

/// Bytes of the delta of `f`; 0 if there is none.
pub fn size<T>(before: &T, f: impl FnOnce(T::Mut<'_>)) -> usize
where
    T: Tracked + PartialEq + Debug,
{
    check(before, f).map_or(0, |delta| delta.len())
}

/// Runs `f` behind the transactions of a batch whose delta from `base` is `batch`. Checks that the delta of all of it
/// leads from `base` to the result, in a copy that records and in one that does not, and that undo leads back. Answers
/// that delta and the result.
pub fn check_in_batch<T>(base: &T, batch: Option<&Delta>, f: impl FnOnce(&mut T, &mut T::Changes)) -> (Option<Delta>, T)
where
    T: Tracked + PartialEq + Debug,
{
    let mut value = base.clone();
    let mut changes = T::Changes::default();
    if let Some(batch) = batch {
        apply(&mut value, batch, Some(&mut changes)).unwrap();
    }
    f(&mut value, &mut changes);
    let after = value.clone();
    let delta = delta_of(&value, &changes);
    let _ = (changes.heap_bytes(), format!("{changes:?}"));
    value.undo(changes);
    assert_eq!(value, *base, "undo of {delta:?}");

    let Some(delta) = delta else {
        assert_eq!(bytes(&after), bytes(base), "a change without a delta");
        return (None, after);
    };
    let mut blind = base.clone();
    apply(&mut blind, &delta, None).unwrap();
    assert_eq!(blind, after, "replay of {delta:?}");
    assert_eq!(bytes(&blind), bytes(&after));

    let mut recording = base.clone();
    let mut changes = T::Changes::default();
    apply(&mut recording, &delta, Some(&mut changes)).unwrap();
    assert_eq!(recording, after, "recorded replay of {delta:?}");
    let again = delta_of(&recording, &changes).expect("what was applied is a change");
    let mut copy = base.clone();
    apply(&mut copy, &again, None).unwrap();
    assert_eq!(copy, after, "replay of {again:?}, re-encoded from {delta:?}");
    recording.undo(changes);
    assert_eq!(recording, *base, "undo of the replay of {delta:?}");
    (Some(delta), after)
}

/// Applies damaged copies of a delta: an error or not, undo leads back.
pub fn check_damaged<T>(base: &T, delta: &Delta, damage: impl Iterator<Item = (usize, u8)>)
where
    T: Tracked + PartialEq + Debug,
{
    let Delta::Edit(body) = delta else { return };
    for (at, bits) in damage {
        let mut damaged = body.clone();
        match damaged.get_mut(at) {
            Some(byte) if bits != 0 => *byte ^= bits,
            _ => damaged.truncate(at),
        }
        let mut value = base.clone();
        let mut changes = T::Changes::default();
        let answer = value.apply(Reader::new(&damaged), Some(&mut changes));
        if answer.is_ok() {
            let after = bytes(&value);
            let mut copy = base.clone();
            if let Some(again) = delta_of(&value, &changes) {
                apply(&mut copy, &again, None).unwrap();
            }
            assert_eq!(bytes(&copy), after, "{damaged:?}");
        }
        value.undo(changes);
        assert_eq!(value, *base, "undo of {damaged:?}, which answered {answer:?}");
        let _ = base.clone().apply(Reader::new(&damaged), None);
    }
}

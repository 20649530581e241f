//! What every test of a derived type checks.

use nam::__private::{Class, DecodeError, Edit, Kind, Reader, SchemaBuilder, Tracked, Writer};

/// Runs `f` on a cursor of `before`, then checks the delta's length, its replay on a copy, both undos, and the full value.
pub fn check<T: Class + PartialEq + std::fmt::Debug>(before: &T, bytes: usize, f: impl FnOnce(T::Mut<'_>)) {
    let (delta, value) = delta_of(before, f);
    assert_eq!(delta.len(), bytes, "{delta:?}");
    let mut replica = before.clone();
    let mut remote = T::Changes::default();
    replica.apply(Reader::new(&delta), Some(&mut remote)).unwrap();
    assert_eq!(replica, value);
    replica.undo(remote);
    assert_eq!(&replica, before);
}

/// Runs `f` on a cursor of a copy of `before`; answers the delta and what the value then was. Checks the undo.
pub fn delta_of<T: Class + PartialEq + std::fmt::Debug>(before: &T, f: impl FnOnce(T::Mut<'_>)) -> (Vec<u8>, T) {
    let mut value = before.clone();
    let mut changes = T::Changes::default();
    f(value.track(&mut changes));
    let after = value.clone();
    let mut w = Writer::new();
    value.encode_delta(&changes, &mut w);
    value.undo(changes);
    assert_eq!(&value, before);
    (w.into_bytes(), after)
}

/// The full value, encoded.
pub fn encoded<T: Tracked>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.into_bytes()
}

/// A full value, decoded; all bytes are read.
pub fn decoded<T: Tracked>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut r = Reader::new(bytes);
    let value = T::decode(&mut r)?;
    r.finish()?;
    Ok(value)
}

/// The body of the edit that leads from `old` to `new`, if there is one.
pub fn diff<T: Tracked>(old: &T, new: &T) -> (Edit, Vec<u8>) {
    let mut w = Writer::new();
    (new.encode_diff(old, &mut w), w.into_bytes())
}

/// The kind of a type, described alone.
pub fn kind_of<T: Tracked>() -> Kind {
    T::kind(&mut SchemaBuilder::new())
}

#[test]
fn the_trait_in_scope_hides_no_method_of_the_standard_library() {
    // `Tracked` is in scope here, as wherever somebody derives it by `use nam::Tracked`.
    let text = "1-2".to_owned();
    assert_eq!((text.replace('-', ""), text.split('-').count()), ("12".to_owned(), 2));
}

//! For a user's own tests: what a change costs, and that it arrives.
//!
//! Stands above everything and touches no network. Invariant: what is measured is what a commit of that change would
//! carry. Source: own reasoning.

use crate::coding::{DecodeError, Reader, Writer};
use crate::tracked::{Changes, Class};

/// Runs `change` on a copy of `value` and answers the delta: empty if nothing differs. Its length is what the change
/// costs on the wire, without the record's header (a few bytes).
///
/// ```
/// # use nam::Tracked;
/// #[derive(Tracked, Clone, Default)]
/// struct Account {
///     cash: f64,
///     owner: String,
/// }
///
/// let account = Account { cash: 10.0, owner: "alice".into() };
/// let delta = nam::testing::delta_of(&account, |mut account| *account.cash_mut() -= 1.0);
/// assert_eq!(delta.len(), 9);
/// ```
#[must_use]
pub fn delta_of<T: Class>(value: &T, change: impl FnOnce(T::Mut<'_>)) -> Vec<u8> {
    let mut value = value.clone();
    let mut changes = T::Changes::default();
    change(value.track(&mut changes));
    let mut w = Writer::new();
    if changes.is_touched() {
        value.encode_delta(&changes, &mut w);
    }
    w.into_bytes()
}

/// Applies a delta to a copy of `value`, as another node would.
///
/// # Errors
/// Any [`DecodeError`] of bytes that are no delta of this class.
pub fn apply<T: Class>(value: &T, delta: &[u8]) -> Result<T, DecodeError> {
    let mut value = value.clone();
    value.apply(Reader::new(delta), None)?;
    Ok(value)
}

/// Encodes and decodes `value`: what another node gets when it opens the object. For tests of `#[nam(leaf)]` types,
/// whose serde attributes postcard may not support.
///
/// # Errors
/// Any [`DecodeError`].
pub fn round_trip<T: Class>(value: &T) -> Result<T, DecodeError> {
    let mut w = Writer::new();
    value.encode_root(&mut w);
    T::decode_root(Reader::new(w.as_slice()))
}

//! A new name for a session, and who signs in with it.
//!
//! Written as every other change is, so nothing of it is true before the response is. Invariants: a name is given by one
//! request; another that wanted to give one at the same time has the same, if it says the same of who is signed in, or
//! says nothing, or that it is nobody, and had come with the newest name; the time that is kept is that of the commit. Source: own reasoning (S3).

use super::error::SessionError;
use super::opened::now_us;
use super::stored::StoredMut;
use crate::tracked::Class;

/// The time of a renewal that is not committed.
const NOT_YET: u64 = u64::MAX;

/// Gives the session a new name, unless it has another than `expected` already.
pub(super) fn renew<T: Class>(
    stored: &mut StoredMut<'_, T>,
    expected: u64,
    principal: Option<&str>,
    may_join: bool,
) -> Result<(), SessionError> {
    if stored.rotation == expected {
        *stored.rotation_mut() += 1;
        *stored.renewed_at_mut() = NOT_YET;
        if let Some(principal) = principal {
            stored.principal_mut().set(principal);
        }
        return Ok(());
    }
    let is_same = match principal {
        // Nobody has proved anything.
        None | Some("") => may_join && principal.is_none_or(|nobody| *stored.principal == *nobody),
        Some(principal) => *stored.principal == *principal,
    };
    if is_same { Ok(()) } else { Err(SessionError::Renewed) }
}

/// Says when it was, right before the commit; answers the rotation that the session has then.
pub(super) fn conclude<T: Class>(stored: &mut StoredMut<'_, T>) -> u64 {
    if stored.renewed_at == NOT_YET {
        *stored.renewed_at_mut() = now_us();
    }
    stored.rotation
}

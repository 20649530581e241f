//! How commits stand in their records: the plain form is the shortest, the others say more in front of the change.
//!
//! Why guards stand beside the delta, and not in it: what others get is the delta as it was sent.
//! Invariant: a commit has one form only; one that requires something is always the guarded one. Source: `docs/wire.md`
//! §6.3.

use super::ToRepository;
use super::framing::{append, append_extended};
use super::lock::{read_fence, write_fence};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Alias, Sequence, TransferId, Version};
use crate::limits::GUARD_BYTES_MAX;

/// The extended records that are commits.
pub(super) const BULK: u8 = 4;
pub(super) const FENCED: u8 = 12;
pub(super) const FENCED_BULK: u8 = 13;
pub(super) const GUARDED: u8 = 16;

/// The form of a guarded commit.
const FORM_FENCED: u8 = 1;
const FORM_BULK: u8 = 2;

/// Appends a `Commit` or `BulkCommit`; nothing else.
pub(super) fn encode(record: &ToRepository<'_>, out: &mut Vec<u8>) {
    let (sequence, unacked, alias, base, is_isolated, fence, guards, change) = match *record {
        ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta } => {
            (sequence, unacked, alias, base, is_isolated, fence, guards, Change::Inline(delta))
        }
        ToRepository::BulkCommit { sequence, unacked, alias, base, is_isolated, fence, guards, transfer, bytes } => {
            (sequence, unacked, alias, base, is_isolated, fence, guards, Change::Bulk(transfer, bytes))
        }
        _ => return,
    };
    let body = |w: &mut Writer| {
        write_sequence(sequence, unacked, w);
        write_base(alias, base, is_isolated, w);
        if !guards.is_empty() {
            w.byte(change.form() | if fence.is_some() { FORM_FENCED } else { 0 });
        }
        if let Some(fence) = fence {
            write_fence(fence, w);
        }
        if !guards.is_empty() {
            w.sized(guards);
        }
        change.write(w);
    };
    match (guards.is_empty(), fence, change) {
        (false, ..) => append_extended(out, GUARDED, body),
        (true, None, Change::Inline(_)) => append(out, 0, body),
        (true, None, Change::Bulk(..)) => append_extended(out, BULK, body),
        (true, Some(_), Change::Inline(_)) => append_extended(out, FENCED, body),
        (true, Some(_), Change::Bulk(..)) => append_extended(out, FENCED_BULK, body),
    }
}

/// Reads a commit of the plain form (`None`) or of one of the extended records.
pub(super) fn decode<'a>(extended: Option<u8>, r: &mut Reader<'a>) -> Result<ToRepository<'a>, DecodeError> {
    let (sequence, unacked) = read_sequence(r)?;
    let (alias, base, is_isolated) = read_base(r)?;
    let form = match extended {
        Some(GUARDED) => r.byte()?,
        Some(BULK) => FORM_BULK,
        Some(FENCED) => FORM_FENCED,
        Some(FENCED_BULK) => FORM_FENCED | FORM_BULK,
        _ => 0,
    };
    if form > FORM_FENCED | FORM_BULK {
        return Err(DecodeError::Unknown { what: "guarded commit", found: u64::from(form) });
    }
    let fence = if form & FORM_FENCED == 0 { None } else { Some(read_fence(r)?) };
    let guards = if extended == Some(GUARDED) { read_guards(r)? } else { &[] };
    Ok(if form & FORM_BULK == 0 {
        let delta = r.take(r.left())?;
        ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta }
    } else {
        let (transfer, bytes) = (TransferId(r.varint32()?), r.varint()?);
        ToRepository::BulkCommit { sequence, unacked, alias, base, is_isolated, fence, guards, transfer, bytes }
    })
}

/// What a commit changes.
#[derive(Clone, Copy)]
enum Change<'a> {
    Inline(&'a [u8]),
    Bulk(TransferId, u64),
}

impl Change<'_> {
    fn form(self) -> u8 {
        if matches!(self, Self::Bulk(..)) { FORM_BULK } else { 0 }
    }

    fn write(self, w: &mut Writer) {
        match self {
            Self::Inline(delta) => w.raw(delta),
            Self::Bulk(transfer, bytes) => {
                w.varint(u64::from(transfer.0));
                w.varint(bytes);
            }
        }
    }
}

/// Sized guards, at least one.
pub(super) fn read_guards<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let guards = r.sized()?;
    let mut each = Reader::new(guards);
    while !each.is_done() {
        each.sized()?;
    }
    match guards.len() {
        0 => Err(DecodeError::Absent { what: "a guard" }),
        found if found > GUARD_BYTES_MAX => {
            Err(DecodeError::Limit { what: "guards", found: found as u64, max: GUARD_BYTES_MAX as u64 })
        }
        _ => Ok(guards),
    }
}

pub(super) fn write_sequence(sequence: Sequence, unacked: Sequence, w: &mut Writer) {
    w.varint(sequence.0);
    w.varint(sequence.0.saturating_sub(unacked.0));
}

pub(super) fn read_sequence(r: &mut Reader<'_>) -> Result<(Sequence, Sequence), DecodeError> {
    let sequence = r.varint()?;
    let back = r.varint()?;
    let unacked = sequence.checked_sub(back).ok_or(DecodeError::Unknown { what: "sequence", found: back })?;
    Ok((Sequence(sequence), Sequence(unacked)))
}

/// Alias, then base << 1 | isolated.
pub(super) fn write_base(alias: Alias, base: Version, is_isolated: bool, w: &mut Writer) {
    w.varint(u64::from(alias.0));
    base.write_marked(is_isolated, w);
}

pub(super) fn read_base(r: &mut Reader<'_>) -> Result<(Alias, Version, bool), DecodeError> {
    let alias = Alias(r.varint32()?);
    let (base, is_isolated) = Version::read_marked(r)?;
    Ok((alias, base, is_isolated))
}

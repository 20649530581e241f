//! Going on behind a loss that somebody accepted, of shards whose newest frames are not there any more.
//!
//! Invariants: nothing is accepted that is not named: the frame that a loss is accepted behind must be there, and so is
//! everything before it; a shard that lost something begins a term with a loss, durable before the note of what was
//! acknowledged is made anew, so that a crash between leaves the directory refused. Source: own reasoning.

use std::path::Path;

use super::acknowledged::{self, Acknowledged};
use super::directory::DataError;
use super::store::Store;
use super::{check_acknowledged, restore};
use crate::ids::ShardId;
use crate::journal::{FrameName, JournalError};

/// What was acknowledged, as far as it is known, and behind which frames a loss is accepted.
#[derive(Debug)]
pub(super) struct Losses<'l> {
    accepted: &'l [FrameName],
    /// Of each shard.
    known: Vec<Option<Acknowledged>>,
    is_unreadable: bool,
}

impl<'l> Losses<'l> {
    /// Reads the note of what was acknowledged in a directory of `shards` shards.
    ///
    /// # Errors
    /// The note is not as it was written, and a loss was not accepted in every shard; or in one that is none of them.
    pub(super) fn read(path: &Path, shards: u16, accepted: &'l [FrameName]) -> Result<Self, DataError> {
        if let Some(stranger) = accepted.iter().find(|frame| frame.shard.0 >= shards) {
            return Err(DataError::NoShard { path: path.into(), frame: *stranger, shards });
        }
        let is_all = (0..shards).map(ShardId).all(|shard| accepted.iter().any(|frame| frame.shard == shard));
        match acknowledged::read(path, shards) {
            Err(DataError::Damaged { .. }) if is_all => {
                Ok(Self { accepted, known: vec![None; usize::from(shards)], is_unreadable: true })
            }
            known => Ok(Self { accepted, known: known?, is_unreadable: false }),
        }
    }

    /// Whether a frame was ever acknowledged.
    pub(super) fn is_used(&self) -> bool {
        self.is_unreadable || self.known.iter().any(Option::is_some)
    }

    /// Of each shard the newest frame that must be there.
    pub(super) fn needed(&self) -> Vec<Option<FrameName>> {
        let shards = (0..).map(ShardId).zip(&self.known);
        shards.map(|(shard, known)| self.behind(shard).or(known.map(|known| known.name))).collect()
    }

    /// Holds the newest frames of a store against what was acknowledged, and goes on behind what was lost.
    ///
    /// # Errors
    /// A frame that must be there is not, or nothing was lost of what was said to be.
    pub(super) fn settle(&self, path: &Path, store: &Store, lasts: &[(FrameName, u32)]) -> Result<(), DataError> {
        let place = path.join("store");
        let refused = |error| DataError::Journal { path: place.clone(), error };
        let (mut is_lost, mut notes) = (false, self.known.clone());
        for (((last, crc), known), note) in lasts.iter().copied().zip(&self.known).zip(&mut notes) {
            let whole = check_acknowledged(store, last, *known);
            let Some(behind) = self.behind(last.shard) else {
                whole.map_err(refused)?;
                continue;
            };
            if last < behind {
                return Err(refused(JournalError::Missing { acknowledged: behind, last }));
            }
            if whole.is_err() || self.is_unreadable {
                is_lost = true;
                begin_anew(store, last, *known).map_err(refused)?;
                *note = (last.number.0 > 0).then_some(Acknowledged { name: last, crc });
            }
        }
        match self.accepted.first() {
            None => Ok(()),
            Some(_) if is_lost => acknowledged::replace(path, &notes),
            Some(behind) => Err(DataError::NoLoss { path: path.into(), behind: *behind }),
        }
    }

    fn behind(&self, shard: ShardId) -> Option<FrameName> {
        self.accepted.iter().copied().find(|frame| frame.shard == shard)
    }
}

/// Begins a term with a loss, above every term that the note knows of.
fn begin_anew(store: &Store, last: FrameName, known: Option<Acknowledged>) -> Result<(), JournalError> {
    let wall_ms = restore::now_ms().max(known.map_or(0, |known| known.name.epoch.0.saturating_add(1)));
    let term = store.term(last.shard)?.unwrap_or_default().next(store.time_ms(last)?, wall_ms, true);
    store.put_term(last.shard, term).map_err(JournalError::Unreadable)
}

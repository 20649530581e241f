//! Where a daemon keeps its commits, from the configuration to the way of each shard's frames.
//!
//! Source: own reasoning.

use super::config::{JournalPlace, ServerConfig, StartError};
use crate::engine::{self, Appender, Committer};
use crate::ids::ShardId;
use crate::journal::Claim;
use crate::repository::Core;
use crate::store::{DiskJournal, DiskSettings, MemoryJournal};
use crate::wire::ShardAddress;

/// The journal of a daemon that starts.
#[derive(Debug)]
pub(super) enum Keeping {
    /// A journal of its own for each shard, written on the shard's thread.
    Memory(Vec<MemoryJournal>),
    /// One device for all shards.
    Disk(DiskJournal),
}

impl Keeping {
    /// Opens the journal of a configuration.
    pub(super) fn open(config: &ServerConfig) -> Result<Self, StartError> {
        match config.journal {
            JournalPlace::Memory => {
                let journal = |_| MemoryJournal::forgetful();
                Ok(Self::Memory((0..config.shards.unwrap_or(1)).map(journal).collect()))
            }
            JournalPlace::Data(durability) => {
                let directory = config.data.as_deref().ok_or(StartError::NoData)?;
                let settings = DiskSettings { durability, shards: config.shards, ..DiskSettings::default() };
                Ok(Self::Disk(DiskJournal::open(directory, settings)?))
            }
        }
    }

    pub(super) fn shards(&self) -> u16 {
        match self {
            Self::Memory(journals) => u16::try_from(journals.len()).unwrap_or(u16::MAX),
            Self::Disk(journal) => journal.shards(),
        }
    }

    /// Takes all shards over.
    pub(super) fn claim(&mut self) -> Result<Vec<Claim>, StartError> {
        let claims: Result<_, _> = match self {
            Self::Memory(journals) => {
                (0..).map(ShardId).zip(journals).map(|(shard, journal)| engine::claim(journal, shard)).collect()
            }
            Self::Disk(journal) => (0..journal.shards()).map(|shard| engine::claim(journal, ShardId(shard))).collect(),
        };
        Ok(claims?)
    }

    /// Makes the cores from what the journal has.
    pub(super) fn replay(&mut self, claims: &[Claim], map: &[ShardAddress]) -> Result<Vec<Core>, StartError> {
        let claimed = (0..).map(ShardId).zip(claims.iter().copied());
        let cores: Result<_, _> = match self {
            Self::Memory(journals) => claimed
                .zip(journals)
                .map(|((shard, claim), journal)| engine::replay(journal, shard, claim, map.to_vec()))
                .collect(),
            Self::Disk(journal) => {
                claimed.map(|(shard, claim)| engine::replay(journal, shard, claim, map.to_vec())).collect()
            }
        };
        Ok(cores?)
    }

    /// The way of each shard's frames, and the thread behind it if there is one.
    pub(super) fn start(self) -> Result<(Option<Committer>, Vec<Appender>), StartError> {
        match self {
            Self::Memory(journals) => {
                let appender = |journal| Appender::Here(Box::new(journal));
                Ok((None, journals.into_iter().map(appender).collect()))
            }
            Self::Disk(journal) => {
                let shards = journal.shards();
                let (committer, lanes) = Committer::start(journal, shards)?;
                Ok((Some(committer), lanes.into_iter().map(Appender::Committed).collect()))
            }
        }
    }
}

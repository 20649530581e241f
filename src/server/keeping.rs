//! Where a daemon keeps its commits, from the configuration to the way of each shard's frames.
//!
//! Source: own reasoning.

use super::config::{JournalPlace, ServerConfig, StartError};
use crate::engine::{self, Appender, Committer, ImageLane, Keeper, LoadedDocument, Restore};
use crate::ids::ShardId;
use crate::journal::Claim;
use crate::repository::{Core, ImageCaps};
use crate::store::{DiskImages, DiskJournal, DiskSettings, MemoryJournal};
use crate::wire::ShardAddress;

/// The journal of a daemon that starts.
#[derive(Debug)]
pub(super) enum Keeping {
    /// A journal of its own for each shard, written on the shard's thread.
    Memory(Vec<MemoryJournal>),
    /// One device for all shards.
    Disk(DiskJournal, DiskImages, ImageCaps),
}

/// The ways of all shards' frames and images, and the threads behind them if there are any.
#[derive(Debug)]
pub(super) struct Ways {
    /// Of each shard.
    pub(super) shards: Vec<(Appender, Option<ImageLane<LoadedDocument>>)>,
    /// What ends behind the shards.
    pub(super) threads: Option<(Committer, Keeper)>,
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
                let journal = DiskJournal::open_behind(directory, settings, &config.accept_loss_after)?;
                let (images, caps) = (journal.images()?, config.image_caps(journal.shards()));
                Ok(Self::Disk(journal, images, caps))
            }
        }
    }

    /// The journal of the data directory, if there is one.
    pub(super) fn on_disk(&self) -> Option<DiskJournal> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(journal, ..) => Some(journal.clone()),
        }
    }

    pub(super) fn shards(&self) -> u16 {
        match self {
            Self::Memory(journals) => u16::try_from(journals.len()).unwrap_or(u16::MAX),
            Self::Disk(journal, ..) => journal.shards(),
        }
    }

    /// Takes all shards over.
    pub(super) fn claim(&mut self) -> Result<Vec<Claim>, StartError> {
        match self {
            Self::Memory(journals) => {
                let claims = (0..).map(ShardId).zip(journals).map(|(shard, journal)| engine::claim(journal, shard));
                Ok(claims.collect::<Result<_, _>>()?)
            }
            Self::Disk(journal, ..) => {
                let shards = (0..journal.shards()).map(ShardId);
                let mut claim =
                    |shard| engine::claim(journal, shard).map_err(|error| StartError::from(journal.unclaimed(error)));
                shards.map(&mut claim).collect()
            }
        }
    }

    /// Makes the cores from what the journal has.
    pub(super) fn replay(&mut self, claims: &[Claim], map: &[ShardAddress]) -> Result<Vec<Core>, StartError> {
        let claimed = (0..).map(ShardId).zip(claims.iter().copied());
        let cores: Result<_, _> = match self {
            Self::Memory(journals) => claimed
                .zip(journals)
                .map(|((shard, claim), journal)| engine::replay(journal, None, shard, claim, map.to_vec()))
                .collect(),
            Self::Disk(journal, images, caps) => claimed
                .map(|(shard, claim)| {
                    let restore = Restore { images, caps: *caps };
                    engine::replay(journal, Some(restore), shard, claim, map.to_vec())
                })
                .collect(),
        };
        Ok(cores?)
    }

    /// The way of each shard's frames and images, and the threads behind them.
    pub(super) fn start(self) -> Result<Ways, StartError> {
        match self {
            Self::Memory(journals) => {
                let way = |journal| (Appender::Here(Box::new(journal)), None);
                Ok(Ways { shards: journals.into_iter().map(way).collect(), threads: None })
            }
            Self::Disk(journal, images, _) => {
                let shards = journal.shards();
                let (keeper, image_lanes) = Keeper::start(images, journal.clone(), shards)?;
                let (committer, lanes) = Committer::start(journal, shards)?;
                let appenders = lanes.into_iter().map(Appender::Committed);
                let shards = appenders.zip(image_lanes.into_iter().map(Some)).collect();
                Ok(Ways { shards, threads: Some((committer, keeper)) })
            }
        }
    }
}

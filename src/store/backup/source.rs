//! Where the records of a backup come from: the store, or the daemon that has it open.
//!
//! Source: own reasoning.

use std::path::{Path, PathBuf};

use super::BackupError;
use super::check::Extent;
use super::daemon::Link;
use super::record::Record;
use crate::store::disk::{DiskJournal, DiskSettings, DiskSnapshot, check_there};

/// A snapshot to be read.
#[derive(Debug)]
pub(super) enum Source {
    Here(DiskSnapshot, PathBuf),
    Daemon(Link),
}

impl Source {
    pub(super) fn open(data: &Path) -> Result<Self, BackupError> {
        if let Some(link) = Link::dial(data) {
            return link.map(Self::Daemon);
        }
        check_there(data)?;
        let journal = DiskJournal::open(data, DiskSettings::default())?;
        Ok(Self::Here(journal.snapshot(), data.into()))
    }

    /// Where it reads, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Here(_, data) => data.display().to_string(),
            Self::Daemon(link) => link.data.display().to_string(),
        }
    }

    /// What is to come.
    pub(super) fn announced(&mut self) -> Result<Vec<Extent>, BackupError> {
        match self {
            Self::Here(snapshot, data) => {
                let place = data.display().to_string();
                snapshot.announced().map_err(|error| BackupError::Damaged { place, error })
            }
            Self::Daemon(link) => link.announced(),
        }
    }

    /// Hands on every record, in their order.
    pub(super) fn read(self, take: &mut dyn FnMut(Record) -> Result<(), BackupError>) -> Result<(), BackupError> {
        match self {
            Self::Here(snapshot, data) => {
                let place = data.display().to_string();
                snapshot.visit(&|error| BackupError::Damaged { place: place.clone(), error }, take)
            }
            Self::Daemon(mut link) => {
                while let Some(record) = link.next()? {
                    take(record)?;
                }
                Ok(())
            }
        }
    }
}

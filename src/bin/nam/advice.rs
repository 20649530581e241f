//! What to do about a data directory that cannot be used, behind what is wrong with it.
//!
//! Source: own reasoning.

use std::io::{Error, ErrorKind};

use nam::journal::JournalError;
use nam::server::StartError;
use nam::store::DataError;
use nam::store::backup::BackupError;

/// What to do about damage that only a copy mends.
pub(crate) const RESTORE: &str = "restore a backup";

/// What to do when the journal of a daemon that runs takes no more.
pub(crate) const START_AGAIN: &str = "see to its device, and start it again: what was acknowledged is there";

/// What to do about frames that are gone for good.
const RESTORE_OR_ACCEPT: &str =
    "restore a backup, or copy the directory and go on without what is lost (`nam serve --accept-loss-after`)";

/// Why a daemon does not start, and what to do.
pub(crate) fn of_start(error: &StartError) -> String {
    let advice = match error {
        StartError::Data(error) => of(error),
        StartError::Journal(_) | StartError::Open(_) => Some(RESTORE),
        _ => None,
    };
    with(error, advice)
}

/// Why a data directory is not read, and what to do.
pub(crate) fn of_reading(error: &DataError) -> String {
    let advice = match error {
        DataError::InUse { .. } => Some("stop it, or take a backup and read that with --backup"),
        DataError::File { source, .. } if is_forbidden(source) => {
            Some("the log is mended before it is read, so copy the directory to where this process may write")
        }
        error => of(error),
    };
    with(error, advice)
}

/// Why there is no backup of a data directory, and what to do.
pub(crate) fn of_backup(error: &BackupError) -> String {
    match error {
        BackupError::Data(error @ DataError::InUse { .. }) => with(
            error,
            Some("if its daemon starts or stops, do it again then; if it offers no backups, its log says why"),
        ),
        BackupError::Data(error @ DataError::File { .. }) => of_reading(error),
        error => of_copy(error),
    }
}

/// Why there is no copy, and what to do.
pub(crate) fn of_copy(error: &BackupError) -> String {
    match error {
        BackupError::Data(error) => with(error, of(error)),
        error => error.to_string(),
    }
}

/// Whether this process may not write there.
fn is_forbidden(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)
}

fn with(error: &dyn std::error::Error, advice: Option<&str>) -> String {
    advice.map_or_else(|| error.to_string(), |advice| format!("{error}; {advice}"))
}

fn of(error: &DataError) -> Option<&'static str> {
    match error {
        DataError::DamagedLog { .. } | DataError::Journal { error: JournalError::Missing { .. }, .. } => {
            Some(RESTORE_OR_ACCEPT)
        }
        DataError::Damaged { path, .. } if path.ends_with("acknowledged") => Some(RESTORE_OR_ACCEPT),
        DataError::Journal { error: JournalError::InDoubt(_), .. } => Some("see to its device, and do it again"),
        DataError::Damaged { .. } | DataError::Journal { .. } | DataError::Store { .. } => Some(RESTORE),
        DataError::File { source, .. } if is_forbidden(source) => {
            Some("give a data directory where this process may write")
        }
        DataError::File { source, .. } => match source.kind() {
            ErrorKind::StorageFull => Some("make room on its device"),
            ErrorKind::NotADirectory => Some("give a directory"),
            ErrorKind::NotFound => Some(RESTORE),
            _ => None,
        },
        _ => None,
    }
}

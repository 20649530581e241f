//! Brings a document to memory: its image, checked part by part, and the commits behind it.
//!
//! A plain call that blocks, for the keeper's thread or for a test. Invariants: the checksum of every part is compared
//! before its bytes are read; commits behind an image are applied as replay would; what is wrong concerns this object
//! alone. Source: own reasoning.

use bytes::Bytes;
use thiserror::Error;

use crate::coding::DecodeError;
use crate::document::{Document, RestoreError};
use crate::ids::{PartId, Version};
use crate::journal::{DamagedImage, ImageError, ImageName, Images, JournalError};
use crate::repository::Load;

/// Why a document cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Its image cannot be read.
    #[error(transparent)]
    Image(#[from] JournalError),
    /// Its image is of another version than the shard knows.
    #[error("its image is of version {found} where {known} is known")]
    Version {
        /// The version of the image.
        found: Version,
        /// The version that the shard knows.
        known: Version,
    },
    /// Its image does not make a document.
    #[error("its image does not fit: {0}")]
    Restore(Box<RestoreError<JournalError>>),
    /// A commit behind the image does not fit.
    #[error("version {version} does not fit behind its image: {error}")]
    Tail {
        /// The version that the commit makes.
        version: Version,
        /// What is wrong.
        error: DecodeError,
    },
}

/// Brings a document to memory.
///
/// # Errors
/// [`LoadError`], which concerns this object alone.
pub fn load_document(images: &mut dyn Images, load: &Load) -> Result<Box<Document>, LoadError> {
    let head = images.head(load.image)?.ok_or_else(|| damaged(load.image, ImageError::NoHead))?;
    let live = head.live().ok_or_else(|| damaged(load.image, ImageError::NoHead))?;
    if live.version != load.version {
        return Err(LoadError::Version { found: live.version, known: load.version });
    }
    let mut part = |id: PartId| -> Result<Bytes, JournalError> {
        match live.parts.binary_search_by_key(&id, |part| part.id).ok().and_then(|at| live.parts.get(at)) {
            Some(part) => images.checked_part(load.image, live, *part),
            None => Err(damaged(load.image, ImageError::NoPart { part: id })),
        }
    };
    let document = Document::restore(load.schema.clone(), load.tuning, &live.trunk, &mut part);
    let mut document = Box::new(document.map_err(|error| match error {
        RestoreError::Part { error, .. } => LoadError::Image(error),
        error => LoadError::Restore(Box::new(error)),
    })?);
    let mut version = load.version;
    for delta in &load.tail {
        version = version.next();
        document.set_schema(&load.schema);
        document.replay(delta, version).map_err(|error| LoadError::Tail { version, error })?;
    }
    Ok(document)
}

fn damaged(image: ImageName, error: ImageError) -> JournalError {
    JournalError::Image(Box::new(DamagedImage { image, object: None, error }))
}
